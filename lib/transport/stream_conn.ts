/**
 * A conn over a socket of `node:net` or `node:tls`. These carry TLS on the
 * accepting side, because only they can switch off Nagle's algorithm there;
 * with it the first small answer waits 44 ms.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { Conn, Endpoint } from "../base/conn.ts";

/** Wraps a connected socket; closing the conn destroys it. */
export class StreamConn implements Conn {
  readonly #socket: Socket;
  #unread: Uint8Array | null = null;
  #ended = false;
  #failure: Error | null = null;
  #wakeReader: (() => void) | null = null;
  #rejectWriter: ((reason: Error) => void) | null = null;
  readonly #listeners: readonly [string, (error: Error) => void][] = [
    ["readable", () => this.#wake()],
    ["end", () => {
      this.#ended = true;
      this.#wake();
    }],
    ["error", (error) => this.#fail(error)],
    ["close", () => {
      this.#fail(new Deno.errors.Interrupted("the connection was closed"));
    }],
  ];
  readonly remote: Endpoint;
  readonly local: Endpoint;

  /**
   * Takes `socket` over. The endpoints are given apart because a TLS socket
   * does not always know those of the socket beneath it.
   */
  constructor(socket: Socket, ends: { remote: Endpoint; local: Endpoint }) {
    this.#socket = socket;
    this.remote = ends.remote;
    this.local = ends.local;
    for (const [event, listener] of this.#listeners) socket.on(event, listener);
  }

  /**
   * Gives the socket back, with what was read and not used put back into it.
   * The conn is of no use afterwards.
   */
  release(): Socket {
    const socket = this.#socket;
    for (const [event, listener] of this.#listeners) {
      socket.off(event, listener);
    }
    if (this.#unread !== null) socket.unshift(this.#unread);
    this.#unread = null;
    return socket;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    for (;;) {
      const chunk = this.#unread ?? this.#socket.read() as Uint8Array | null;
      if (chunk !== null) {
        const count = Math.min(chunk.length, buffer.length);
        buffer.set(count === chunk.length ? chunk : chunk.subarray(0, count));
        this.#unread = count === chunk.length ? null : chunk.subarray(count);
        return count;
      }
      if (this.#ended) return null;
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    if (this.#failure !== null) {
      reject(this.#failure);
      return promise;
    }
    this.#rejectWriter = reject;
    this.#socket.write(bytes, (error) => {
      this.#rejectWriter = null;
      if (error) reject(error);
      else resolve(bytes.length);
    });
    return promise;
  }

  closeWrite(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#failure !== null || this.#socket.destroyed) resolve();
    else {
      this.#socket.once("close", () => resolve());
      this.#socket.end(() => resolve());
    }
    return promise;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  close(): void {
    this.#socket.destroy();
    this.#fail(new Deno.errors.Interrupted("the connection was closed"));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#rejectWriter?.(this.#failure);
    this.#rejectWriter = null;
    this.#wake();
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = null;
  }
}
