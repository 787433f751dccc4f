/**
 * What arrives on a connection that stays open: one head after the other, and
 * the bodies between them. Reads ahead while an answer is sent, to notice that
 * the client disconnects.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Conn } from "../base/conn.ts";

const HEAD_END = "\r\n\r\n";

/**
 * Bytes as Latin-1, a character each. `TextDecoder` uses another code under
 * that name: bytes from 0x80 to 0x9f become other characters.
 */
export function latin1In(
  { buffer, byteOffset, length }: Uint8Array<ArrayBuffer>,
): string {
  return Buffer.from(buffer, byteOffset, length).toString("latin1");
}

/** The result of waiting for a head. */
export type HeadRead =
  | { readonly kind: "head"; readonly text: string }
  /** The client has ended. */
  | { readonly kind: "end" }
  | { readonly kind: "too_long" };

/** The input of one connection. */
export class HttpInput {
  readonly #conn: Conn;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  #length = 0;
  #isEnded = false;
  #reading: Promise<void> | undefined;

  /** Heads may have up to `mostBytes`. */
  constructor(conn: Conn, mostBytes: number) {
    this.#conn = conn;
    this.#buffer = new Uint8Array(mostBytes);
  }

  /**
   * The next head, without the empty line. Calls `onFirst` at its first bytes.
   */
  async head(onFirst: () => void): Promise<HeadRead> {
    let isReported = false;
    for (;;) {
      this.#dropEmptyLines();
      if (this.#length > 0 && !isReported) {
        isReported = true;
        onFirst();
      }
      const text = latin1In(this.#buffer.subarray(0, this.#length));
      const end = text.indexOf(HEAD_END);
      if (end >= 0) {
        this.#drop(end + HEAD_END.length);
        return { kind: "head", text: text.slice(0, end) };
      }
      if (this.#length === this.#buffer.length) return { kind: "too_long" };
      if (this.#isEnded) return { kind: "end" };
      await this.#more();
    }
  }

  /** Some clients send an empty line after a body. */
  #dropEmptyLines(): void {
    let count = 0;
    while (
      count + 1 < this.#length && this.#buffer[count] === 13 &&
      this.#buffer[count + 1] === 10
    ) count += 2;
    if (count > 0) this.#drop(count);
  }

  /** A body of `length` bytes; `undefined` if the client ends before that. */
  async body(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const body = new Uint8Array(length);
    const had = Math.min(length, this.#length);
    body.set(this.#buffer.subarray(0, had));
    this.#drop(had);
    for (let at = had; at < length;) {
      const count = await this.#conn.read(body.subarray(at));
      if (count === null) return undefined;
      at += count;
    }
    return body;
  }

  /**
   * Reads on while an answer is made. Resolves when the client has ended, and
   * never if it sends the next request instead.
   */
  async ended(): Promise<void> {
    if (this.#length > 0) return await new Promise(() => {});
    try {
      await this.#more();
    } catch {
      return; // the conn broke
    }
    if (!this.#isEnded) await new Promise(() => {});
  }

  #more(): Promise<void> {
    return this.#reading ??= this.#read().finally(() =>
      this.#reading = undefined
    );
  }

  async #read(): Promise<void> {
    const count = await this.#conn.read(this.#buffer.subarray(this.#length));
    if (count === null) this.#isEnded = true;
    else this.#length += count;
  }

  #drop(count: number): void {
    this.#buffer.copyWithin(0, count, this.#length);
    this.#length -= count;
  }
}
