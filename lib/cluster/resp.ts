/**
 * The protocol of Redis (RESP2): commands to bytes, and replies from a conn. A
 * length is checked against a limit before anything is allocated for it.
 *
 * @module
 */

import type { Conn } from "../base/conn.ts";
import { StoreError } from "./store.ts";

/** A reply of Redis. */
export type Reply = string | number | null | ReplyError | readonly Reply[];

/** An error reply of Redis. */
export class ReplyError {
  /** The error, as `CODE text`. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** The bytes of a command. */
export function encodeCommand(words: readonly string[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts = words.map((word) => {
    const length = encoder.encode(word).length;
    return `$${length}\r\n${word}\r\n`;
  });
  return encoder.encode(`*${words.length}\r\n${parts.join("")}`);
}

const READ_BYTES = 64 * 1024;
/** A line of a reply: a number, or a short text. */
const LINE_BYTES = 4 * 1024;
/** Nesting of lists; our replies have at most four levels. */
const DEPTH_COUNT = 6;
const CR = 13;
const LF = 10;

/** Reads the replies that arrive over a conn. */
export class ReplyReader {
  readonly #conn: Conn;
  readonly #replyBytes: number;
  readonly #decoder = new TextDecoder();
  #buffer = new Uint8Array(READ_BYTES);
  #from = 0;
  #to = 0;
  #leftBytes = 0;

  /** A reply has at most `replyBytes`. */
  constructor(conn: Conn, replyBytes: number) {
    this.#conn = conn;
    this.#replyBytes = replyBytes;
  }

  /**
   * The next reply.
   *
   * @throws {StoreError} `bad_reply` if it is invalid or too large;
   * `unreachable` if the conn has ended.
   */
  read(): Promise<Reply> {
    this.#leftBytes = this.#replyBytes;
    return this.#read(0);
  }

  async #read(depth: number): Promise<Reply> {
    const line = await this.#line();
    const rest = line.slice(1);
    switch (line[0]) {
      case "+":
        return rest;
      case "-":
        return new ReplyError(rest);
      case ":":
        return wholeNumber(rest);
      case "$": {
        const length = wholeNumber(rest);
        return length < 0 ? null : await this.#text(length);
      }
      case "*": {
        const count = wholeNumber(rest);
        if (count < 0) return null;
        if (depth >= DEPTH_COUNT) throw badReply("too many nested lists");
        this.#spend(count); // an item has at least one byte
        const items: Reply[] = [];
        while (items.length < count) items.push(await this.#read(depth + 1));
        return items;
      }
      default:
        throw badReply("an unknown type of reply");
    }
  }

  async #line(): Promise<string> {
    for (let at = this.#from;;) {
      for (; at < this.#to; at++) {
        if (this.#buffer[at] !== LF) continue;
        if (at === this.#from || this.#buffer[at - 1] !== CR) break;
        const bytes = this.#buffer.subarray(this.#from, at - 1);
        this.#spend(bytes.length);
        this.#from = at + 1;
        return this.#decoder.decode(bytes);
      }
      if (at < this.#to || at - this.#from > LINE_BYTES) {
        throw badReply("a line that does not end");
      }
      at -= this.#from;
      await this.#fill(0);
      at += this.#from;
    }
  }

  async #text(length: number): Promise<string> {
    this.#spend(length);
    const wanted = length + 2;
    while (this.#to - this.#from < wanted) await this.#fill(wanted);
    const end = this.#from + length;
    if (this.#buffer[end] !== CR || this.#buffer[end + 1] !== LF) {
      throw badReply("a text that does not end");
    }
    const bytes = this.#buffer.subarray(this.#from, end);
    this.#from += wanted;
    return this.#decoder.decode(bytes);
  }

  /** Reads more, with room for `wanted` unread bytes. */
  async #fill(wanted: number): Promise<void> {
    if (wanted > this.#buffer.length) {
      this.#moveTo(
        new Uint8Array(Math.max(wanted, 2 * this.#buffer.length)),
      );
    } else if (
      this.#to === this.#buffer.length ||
      this.#from + wanted > this.#buffer.length
    ) this.#moveTo(this.#buffer);
    if (this.#to === this.#buffer.length) throw badReply("a line too long");
    const count = await this.#conn.read(this.#buffer.subarray(this.#to));
    if (count === null) {
      throw new StoreError("unreachable", "it has closed the connection");
    }
    this.#to += count;
  }

  /** Moves what is unread to the start of a buffer. */
  #moveTo(buffer: Uint8Array<ArrayBuffer>): void {
    buffer.set(this.#buffer.subarray(this.#from, this.#to));
    this.#buffer = buffer;
    this.#to -= this.#from;
    this.#from = 0;
  }

  #spend(bytes: number): void {
    this.#leftBytes -= bytes;
    if (this.#leftBytes < 0) {
      throw badReply("more data than any of our requests can return");
    }
  }
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^-?\d{1,16}$/.test(text) || !Number.isSafeInteger(number)) {
    throw badReply("a number that is not valid");
  }
  return number;
}

function badReply(why: string): StoreError {
  return new StoreError(
    "bad_reply",
    `it does not speak the Redis protocol: ${why}`,
  );
}
