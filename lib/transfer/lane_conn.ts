/**
 * The main thread's end of a connection that a lane owns. It is a conn like any
 * other: requests go to the lane, and what a node sends comes back, except for
 * the bytes of pieces that the lane saves. In their place the conn gives as many
 * bytes without a meaning, so that a channel counts them and waits for them as
 * usual.
 *
 * @module
 */

import type { Conn, Endpoint } from "../base/conn.ts";
import {
  type ArrivedPart,
  CELL,
  type LaneConnOrder,
} from "./lane_conn_messages.ts";
import type { LaneError } from "./lane_files.ts";

/** The state of the pieces of a request. */
export interface LaneSaved {
  /** How many pieces, counted from the first, are correct and written. */
  right: number;
  /** Whether the next one is wrong. */
  isWrong: boolean;
  /** Whether the file still has a name. */
  hasName: boolean;
  /** The error of the disk, after which nothing more is written. */
  error: Error | undefined;
}

/** Pieces that a lane must save as they arrive. */
export interface LanePieces {
  /** The file, as the lane calls it. */
  readonly file: number;
  /** Position of the first piece in the file. */
  readonly position: number;
  /** Bytes of all pieces. */
  readonly bytes: number;
  /** Bytes of each piece, except possibly the last. */
  readonly partBytes: number;
  /** Their expected hashes, 32 bytes each. */
  readonly hashes: Uint8Array;
}

/** Options of {@linkcode LaneConn}. */
export interface LaneConnOptions {
  /** What the lane calls it. */
  readonly id: number;
  /** The lane that owns it. */
  readonly lane: object;
  /** Sends an order to the lane. */
  readonly order: (order: LaneConnOrder) => void;
  /** Shared with the lane; see {@linkcode CELL}. */
  readonly cells: Int32Array<SharedArrayBuffer>;
  /** Converts an error of the lane. */
  readonly errorOf: (error: LaneError) => Error;
}

// Fewer are not worth a message to the lane.
const ACK_BYTES = 64 * 1024;

/** A conn in a lane. The lane passes on what arrives. */
export class LaneConn implements Conn {
  /** The lane that owns it. */
  readonly lane: object;
  remote: Endpoint = { host: "", port: 0 };
  local: Endpoint = { host: "", port: 0 };
  /** Resolves once the peer has answered and proved its identity. */
  readonly dialled = Promise.withResolvers<void>();
  readonly #options: LaneConnOptions;
  readonly #saved = new Map<number, LaneSaved>();
  /** Bytes, or a number of those that stayed in the lane. */
  readonly #parts: (Uint8Array | number)[] = [];
  #wake = () => {};
  #end: { readonly error: Error | undefined } | undefined;
  #isClosed = false;
  #usedBytes = 0;
  #looks = 0;

  /** The lane dials. */
  constructor(options: LaneConnOptions) {
    this.#options = options;
    this.lane = options.lane;
    this.dialled.promise.catch(() => {}); // the dialling code handles it
  }

  /** Orders the lane to save the pieces of a request that follows. */
  expect(request: number, pieces: LanePieces): LaneSaved {
    const saved = {
      right: 0,
      isWrong: false,
      hasName: true,
      error: undefined,
    };
    this.#saved.set(request, saved);
    this.#order({ kind: "expect", conn: this.#options.id, request, ...pieces });
    return saved;
  }

  /** Forgets a request that has been answered. */
  forget(request: number): void {
    this.#saved.delete(request);
  }

  /**
   * A number that rises while data arrives, and while the lane is busy and does
   * not read.
   */
  progress(): number {
    const { cells } = this.#options;
    if (Atomics.load(cells, CELL.isWriting) !== 0) this.#looks++;
    return (Atomics.load(cells, CELL.received) >>> 0) + this.#looks;
  }

  /** Milliseconds in which the lane wrote instead of reading. */
  get heldMs(): number {
    return Atomics.load(this.#options.cells, CELL.writingMs);
  }

  /** The peer has answered, and proved its identity. */
  answered({ remote, local }: Record<"remote" | "local", Deno.NetAddr>): void {
    this.remote = { host: remote.hostname, port: remote.port };
    this.local = { host: local.hostname, port: local.port };
    this.dialled.resolve();
  }

  /** Handles a report of received data from the lane. */
  arrived(parts: readonly ArrivedPart[]): void {
    for (const part of parts) {
      if (part instanceof Uint8Array || typeof part === "number") {
        this.#parts.push(part);
        continue;
      }
      const saved = this.#saved.get(part.request);
      if (saved === undefined) continue;
      saved.right = part.right;
      saved.isWrong = part.isWrong;
      saved.hasName = part.hasName;
      saved.error = part.error && this.#options.errorOf(part.error);
    }
    this.#wake();
  }

  /** The connection has ended. */
  ended(error: Error | undefined): void {
    this.#end ??= { error };
    this.dialled.reject(error ?? new Deno.errors.ConnectionReset("it ended"));
    this.#wake();
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#parts.length === 0 || this.#isClosed) {
      if (this.#isClosed) throw new Deno.errors.Interrupted("it was closed");
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return null;
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const part = this.#parts[0]!;
    if (typeof part === "number") {
      const count = Math.min(part, buffer.length);
      if (count === part) this.#parts.shift();
      else this.#parts[0] = part - count;
      return count;
    }
    const count = Math.min(part.length, buffer.length);
    buffer.set(part.subarray(0, count));
    if (count === part.length) this.#parts.shift();
    else this.#parts[0] = part.subarray(count);
    this.#use(count);
    return count;
  }

  /** Bytes have been used: the lane may send others. */
  #use(count: number): void {
    this.#usedBytes += count;
    if (this.#usedBytes < ACK_BYTES) return;
    const bytes = this.#usedBytes;
    this.#usedBytes = 0;
    this.#order({ kind: "ack", conn: this.#options.id, bytes });
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#isClosed) {
      return Promise.reject(new Deno.errors.Interrupted("it was closed"));
    }
    if (this.#end?.error !== undefined) return Promise.reject(this.#end.error);
    this.#order({ kind: "send", conn: this.#options.id, bytes: bytes.slice() });
    return Promise.resolve(bytes.length);
  }

  closeWrite(): Promise<void> {
    this.#order({ kind: "close_write", conn: this.#options.id });
    return Promise.resolve();
  }

  #order(order: LaneConnOrder): void {
    this.#options.order(order);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#order({ kind: "hang_up", conn: this.#options.id });
    this.dialled.reject(new Deno.errors.Interrupted("it was closed"));
    this.#wake();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
