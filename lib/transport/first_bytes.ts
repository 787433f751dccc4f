/**
 * Reads the first bytes of a connection until they show what the peer sends,
 * and until a TLS engine may start for it. Notices when the peer disconnects
 * before that.
 *
 * @module
 */

import type { Socket } from "node:net";
import { joinBytes } from "../base/bytes.ts";
import { ProtocolError } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import { JOIN_TYPE } from "../protocol/messages.ts";
import { beginningOf } from "./client_hello.ts";
import { foreign } from "./server_handshake.ts";

/** What a peer may send. */
export interface FirstBytesOptions {
  /** Whether a peer may send an unencrypted join in place of TLS. */
  readonly acceptsJoins: boolean;
  /** The name of the protocol over TLS, for errors. */
  readonly alpn: string;
}

const ENDS = ["end", "error", "close"];

/**
 * The first bytes of `socket`. They are read from it, because a socket reports
 * its end only when it is empty; disposing puts them back.
 */
export class FirstBytes implements Disposable {
  readonly #socket: Socket;
  readonly #options: FirstBytesOptions;
  readonly #broken = Promise.withResolvers<never>();
  #parts: Uint8Array[] = [];
  #length = 0;
  #onMore = ignore;

  constructor(socket: Socket, options: FirstBytesOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#broken.promise.catch(ignore); // it may break while nobody waits
    for (const event of ENDS) socket.on(event, this.#end);
    socket.on("readable", this.#take);
    if (socket.destroyed) this.#end();
    else this.#take();
  }

  /**
   * Waits for a whole client hello, or for the first byte of a join, with which
   * no TLS record begins. Between two checks for the rest of a client hello it
   * pauses, each time twice as long: an attacker that sends a few bytes at a
   * time causes 12 checks in 10 s, and no work of a TLS engine.
   *
   * @throws {Deno.errors.ConnectionReset} if the peer disconnects before that.
   * @throws {ProtocolError} if the peer sends something else.
   */
  async kind(): Promise<"client hello" | "join"> {
    let pauseMs: number = LIMITS.clientHelloPauseMs;
    for (let seen = 0;; pauseMs *= 2) {
      if (this.#length === seen) await this.#more();
      if (this.#isJoin()) return "join";
      const bytes = joinBytes(this.#parts);
      this.#parts = [bytes];
      seen = bytes.length;
      const kind = beginningOf(bytes);
      if (kind === "client hello") return kind;
      if (kind === "other") throw foreign(this.#options.alpn);
      await this.#pause(pauseMs);
    }
  }

  /**
   * Waits for `turn`. Until then an honest peer sends its client hello and
   * nothing more.
   *
   * @throws {Deno.errors.ConnectionReset} if the peer disconnects.
   * @throws {ProtocolError} if it sends more.
   */
  async during(turn: Promise<void>): Promise<void> {
    await Promise.race([turn, this.#broken.promise]);
  }

  readonly #take = (): void => {
    const socket = this.#socket;
    const { readableLength } = socket;
    // Without a length, `read` may return only the first part.
    const bytes = readableLength === 0
      ? null
      : socket.read(readableLength) as Uint8Array | null;
    if (bytes !== null) {
      this.#parts.push(bytes);
      this.#length += bytes.length;
      this.#onMore();
    }
    // The next owner of the socket notices its end.
    if (this.#isJoin()) return;
    if (this.#length > LIMITS.clientHelloBytes) this.#broken.reject(excess());
    else socket.read(0); // without this, no event follows
  };

  readonly #end = (): void => this.#broken.reject(left());

  #isJoin(): boolean {
    return this.#options.acceptsJoins && this.#parts[0]?.[0] === JOIN_TYPE;
  }

  async #more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onMore = resolve;
    await this.during(promise);
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    try {
      await this.during(promise);
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    const socket = this.#socket;
    for (const event of ENDS) socket.off(event, this.#end);
    socket.off("readable", this.#take);
    const isOver = socket.destroyed || socket.readableEnded;
    if (this.#length > 0 && !isOver) socket.unshift(joinBytes(this.#parts));
  }
}

/** The error about a peer that disconnected during its handshake. */
export function left(): Error {
  return new Deno.errors.ConnectionReset("the peer disconnected");
}

function excess(): ProtocolError {
  return new ProtocolError(
    "wrong_service",
    "Cannot accept TLS: the peer sent more than a client hello",
  );
}

function ignore(): void {}
