/**
 * A conn over a socket of `node:net` or `node:tls`. These carry TLS on the
 * accepting side, because only they can switch off Nagle's algorithm there.
 * With it, the first small answer waits 44 ms.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { Conn, Endpoint, Sleeper } from "../base/conn.ts";

/** A socket that holds its conn. */
type OwnedSocket = Socket & { ownerConn: StreamConn };

/** A chunk that a socket has read. */
type Chunk = Uint8Array<ArrayBuffer>;

// Smaller chunks may come from a buffer that others use too.
const OWN_BUFFER_BYTES = 16 * 1024;

/** A waiting read. */
interface Reader {
  readonly buffer: Uint8Array;
  readonly resolve: (count: number | null) => void;
  readonly reject: (reason: Error) => void;
}

/** A pending handshake. */
type Handshake = Pick<PromiseWithResolvers<void>, "resolve" | "reject">;

/** Wraps a connected socket. Closing the conn destroys the socket. */
export class StreamConn implements Conn {
  /**
   * All sockets share these four listeners. Closures for each of many idle
   * conns would take 1 KiB.
   */
  static readonly #listeners: readonly [
    string,
    (this: OwnedSocket, error: Error) => void,
  ][] = [
    ["readable", function () {
      this.ownerConn.#serveReader();
    }],
    ["end", function () {
      this.ownerConn.#end();
    }],
    ["error", function (error) {
      this.ownerConn.#fail(error);
    }],
    ["close", function () {
      this.ownerConn.#leave();
    }],
  ];
  readonly #socket: OwnedSocket;
  #unread: Chunk | null = null;
  /** The memory of the chunk that is being read, if nobody else uses it. */
  #owned: ArrayBuffer | null = null;
  #ended = false;
  #failure: Error | null = null;
  #reader: Reader | null = null;
  #sleeper: Sleeper | null = null;
  #handshake: Handshake | null = null;
  #rejectWriter: ((reason: Error) => void) | null = null;
  movedBytes = 0;
  readonly remote: Endpoint;
  readonly local: Endpoint;

  /**
   * Takes ownership of `socket`. The endpoints are arguments because a TLS
   * socket does not always know those of the socket below it.
   */
  constructor(socket: Socket, ends: { remote: Endpoint; local: Endpoint }) {
    this.#socket = socket as OwnedSocket;
    this.#socket.ownerConn = this;
    this.remote = ends.remote;
    this.local = ends.local;
    for (const [event, listener] of StreamConn.#listeners) {
      socket.on(event, listener);
    }
  }

  /**
   * Returns the socket, with unused bytes put back into it. The conn is
   * unusable afterwards.
   */
  release(): Socket {
    const socket = this.#socket;
    for (const [event, listener] of StreamConn.#listeners) {
      socket.off(event, listener);
    }
    if (this.#unread !== null) socket.unshift(this.#unread);
    this.#unread = null;
    this.#owned = null;
    return socket;
  }

  /**
   * Waits for the TLS handshake. Call it in the turn in which the socket was
   * made.
   *
   * @throws {Deno.errors.ConnectionReset} if the peer disconnects before.
   */
  secured(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#handshake = { resolve, reject };
    this.#socket.on("secure", StreamConn.#onSecure);
    return promise;
  }

  static #onSecure(this: OwnedSocket): void {
    const conn = this.ownerConn;
    conn.#handshake?.resolve();
    conn.#handshake = null;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return new Promise((resolve, reject) => {
      this.#reader = { buffer, resolve, reject };
      this.#serveReader();
    });
  }

  interrupt(): void {
    this.#reader?.resolve(0);
    this.#reader = null;
  }

  sleep(sleeper: Sleeper): void {
    this.#sleeper = sleeper;
    this.#serveReader();
  }

  #wake(): void {
    const sleeper = this.#sleeper;
    if (sleeper === null) return;
    this.#unread ??= this.#nextChunk();
    const isOver = this.#ended || this.#failure !== null;
    if (this.#unread === null && !isOver) return;
    this.#sleeper = null;
    sleeper.wake();
  }

  /** Gives the waiting read what there is: bytes, the end, or the error. */
  #serveReader(): void {
    const reader = this.#reader;
    if (reader === null) return this.#wake();
    const count = this.#take(reader.buffer);
    if (count === undefined && this.#failure === null) return;
    this.#reader = null;
    if (count === undefined) reader.reject(this.#failure!);
    else reader.resolve(count);
  }

  /** Fills `buffer`; `null` at the end, `undefined` if there are no bytes. */
  #take(buffer: Uint8Array): number | null | undefined {
    const chunk = this.#unread ?? this.#nextChunk();
    if (chunk === null) return this.#ended ? null : undefined;
    const count = Math.min(chunk.length, buffer.length);
    this.movedBytes += count;
    buffer.set(count === chunk.length ? chunk : chunk.subarray(0, count));
    this.#unread = count === chunk.length ? null : chunk.subarray(count);
    if (this.#unread === null) {
      // Freed at once: a busy relay would hold 100 MiB of them until V8
      // collects.
      this.#owned?.transfer(0);
      this.#owned = null;
    }
    return count;
  }

  #nextChunk(): Chunk | null {
    const chunk = this.#socket.read() as Chunk | null;
    const isOwned = chunk !== null && chunk.length >= OWN_BUFFER_BYTES &&
      chunk.length === chunk.buffer.byteLength;
    this.#owned = isOwned ? chunk.buffer : null;
    return chunk;
  }

  write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    if (this.#failure !== null) {
      reject(this.#failure);
      return promise;
    }
    this.movedBytes += bytes.length;
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
    this.#fail(closed());
  }

  #end(): void {
    this.#ended = true;
    this.#handshake?.reject(left());
    this.#serveReader();
  }

  #leave(): void {
    this.#handshake?.reject(left());
    this.#fail(closed());
  }

  #fail(error: Error): void {
    this.#handshake?.reject(error);
    this.#failure ??= error;
    this.#rejectWriter?.(this.#failure);
    this.#rejectWriter = null;
    this.#serveReader();
  }
}

function closed(): Error {
  return new Deno.errors.Interrupted("the connection was closed");
}

function left(): Error {
  return new Deno.errors.ConnectionReset("the peer disconnected");
}
