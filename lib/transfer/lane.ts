/**
 * The main thread's end of a lane, which hashes pieces and writes them outside
 * the main thread. {@linkcode startLane} runs it in a worker, only if there is
 * enough to do for one.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import {
  DATA_FRAME_TYPE,
  DATA_HEADER_BYTES,
  REQUEST_BYTES,
} from "../protocol/bulk.ts";
import { FRAME_HEADER_BYTES } from "../protocol/frame.ts";
import type {
  FileIdentity,
  Hashed,
  Hasher,
  LaneFile,
  Saving,
} from "./hashing.ts";
import { type LaneOrder, type LaneReply, runLane } from "./lane_code.ts";
import { LaneConn } from "./lane_conn.ts";
import type { LaneError } from "./lane_files.ts";
import { runLaneConns } from "./lane_conn_code.ts";
import {
  CELL,
  type LaneConnOrder,
  type LaneConnReply,
  type LaneConnTerms,
} from "./lane_conn_messages.ts";

/** The port through which the main thread and a lane send messages. */
export interface LanePort {
  /** Sends an order. */
  postMessage(
    order: LaneOrder | LaneConnOrder,
    transfer: Transferable[],
  ): void;
  /** Called for each answer. */
  onmessage:
    | ((event: MessageEvent<LaneReply | LaneConnReply>) => void)
    | null;
  /** Called if the lane failed. */
  onerror: ((event: ErrorEvent) => void) | null;
  /** Ends the lane at once. */
  terminate(): void;
}

interface WaitingHash {
  readonly bytes: Uint8Array;
  readonly answer: PromiseWithResolvers<Hashed>;
}

interface WaitingSave {
  readonly right: PromiseWithResolvers<number>;
  readonly written: PromiseWithResolvers<boolean>;
}

/** The address that a lane dials, and the identity that it must find there. */
export interface LaneDial {
  readonly hostname: string;
  readonly port: number;
  /** What the peer must present; `null` dials without encryption. */
  readonly pin: unknown;
}

/** Hashes and writes in a lane. Disposing ends it; pending calls reject. */
export class LaneHasher implements Hasher {
  readonly #port: LanePort;
  readonly #hashes = new Map<number, WaitingHash>();
  readonly #opens = new Map<number, PromiseWithResolvers<boolean>>();
  readonly #saves = new Map<number, WaitingSave>();
  readonly #closes = new Map<number, () => void>();
  readonly #conns = new Map<number, LaneConn>();
  #nextId = 0;
  #ended: Error | null = null;

  /** Takes the port over. */
  constructor(port: LanePort) {
    this.#port = port;
    port.onmessage = ({ data }) => this.#take(data);
    port.onerror = (event) => {
      event.preventDefault();
      this.#end(new Error(event.message));
    };
  }

  /**
   * Hashes `bytes` in parts. Bytes in shared memory stay where they are; others
   * move to the lane and back.
   */
  hash(bytes: Uint8Array, partBytes: number): Promise<Hashed> {
    const answer = Promise.withResolvers<Hashed>();
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    this.#hashes.set(id, { bytes, answer });
    const moves = bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [];
    this.#port.postMessage({ kind: "hash", id, bytes, partBytes }, moves);
    return answer.promise;
  }

  async open(
    path: string,
    { ino, dev }: FileIdentity,
  ): Promise<LaneFile | undefined> {
    if (this.#ended !== null) throw this.#ended;
    const id = this.#nextId++;
    const answer = Promise.withResolvers<boolean>();
    this.#opens.set(id, answer);
    this.#port.postMessage({ kind: "open", id, path, ino, dev }, []);
    if (!await answer.promise) return undefined;
    return {
      save: (bytes, options) => this.#save(id, bytes, options),
      expect: (conn, request, pieces) =>
        conn.lane === this
          ? conn.expect(request, { file: id, ...pieces })
          : undefined,
      close: () => this.#close(id),
    };
  }

  #close(file: number): Promise<void> {
    if (this.#ended !== null) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const id = this.#nextId++;
    this.#closes.set(id, resolve);
    this.#port.postMessage({ kind: "close", id, file }, []);
    return promise;
  }

  /** A conn that the lane owns, and dials now. */
  dial(where: LaneDial): LaneConn {
    const id = this.#nextId++;
    const cells = new Int32Array(
      new SharedArrayBuffer(4 * Object.keys(CELL).length),
    );
    const conn = new LaneConn({
      id,
      lane: this,
      cells,
      errorOf,
      order: (order) => this.#orderConn(order),
    });
    if (this.#ended !== null) {
      conn.ended(this.#ended);
      return conn;
    }
    this.#conns.set(id, conn);
    this.#orderConn({ kind: "dial", conn: id, cells, ...where });
    return conn;
  }

  #orderConn(order: LaneConnOrder): void {
    if (this.#ended !== null) return;
    if (order.kind === "hang_up") this.#conns.delete(order.conn);
    this.#port.postMessage(order, []);
  }

  #save(
    file: number,
    bytes: Uint8Array,
    options: Parameters<LaneFile["save"]>[1],
  ): Saving {
    const right = Promise.withResolvers<number>();
    const written = Promise.withResolvers<boolean>();
    written.promise.catch(() => {}); // `right` rejects with the same error
    const id = this.#nextId++;
    if (this.#ended === null) {
      this.#saves.set(id, { right, written });
      this.#port.postMessage({ kind: "save", id, file, bytes, ...options }, []);
    } else {
      right.reject(this.#ended);
      written.reject(this.#ended);
    }
    return { right: right.promise, written: written.promise };
  }

  #take(reply: LaneReply | LaneConnReply): void {
    if ("conn" in reply) return this.#takeConn(reply);
    const { id } = reply;
    switch (reply.kind) {
      case "hashed": {
        const { bytes, answer } = this.#hashes.get(id)!;
        this.#hashes.delete(id);
        answer.resolve({ bytes: reply.bytes ?? bytes, hashes: reply.hashes });
        break;
      }
      case "opened":
        this.#opens.get(id)!.resolve(reply.isOpen);
        this.#opens.delete(id);
        break;
      case "closed":
        this.#closes.get(id)!();
        this.#closes.delete(id);
        break;
      case "checked":
        this.#saves.get(id)!.right.resolve(reply.right);
        break;
      case "written": {
        const { written } = this.#saves.get(id)!;
        this.#saves.delete(id);
        if (reply.error === undefined) written.resolve(reply.hasName);
        else written.reject(errorOf(reply.error));
        break;
      }
      default:
        reply satisfies never;
    }
  }

  #takeConn(reply: LaneConnReply): void {
    const conn = this.#conns.get(reply.conn);
    switch (reply.kind) {
      case "dialled":
        return conn?.answered(reply);
      case "arrived":
        return conn?.arrived(reply.parts);
      case "ended":
        return conn?.ended(reply.error && errorOf(reply.error));
      default:
        reply satisfies never;
    }
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const conn of this.#conns.values()) conn.ended(reason);
    for (const resolve of this.#closes.values()) resolve();
    for (const { answer } of this.#hashes.values()) answer.reject(reason);
    for (const { reject } of this.#opens.values()) reject(reason);
    for (const { right, written } of this.#saves.values()) {
      right.reject(reason);
      written.reject(reason);
    }
    for (
      const waiting of [
        this.#hashes,
        this.#opens,
        this.#saves,
        this.#closes,
        this.#conns,
      ]
    ) waiting.clear();
  }

  [Symbol.dispose](): void {
    this.#port.terminate();
    this.#end(new Error("the hasher was disposed of"));
  }
}

/** The error that a lane reported, with its original class. */
export function errorOf({ name, message, code }: LaneError): Error {
  const classes: Readonly<Record<string, new (message: string) => Error>> =
    Deno.errors;
  const Class = Object.hasOwn(classes, name) ? classes[name]! : Error;
  return Object.assign(new Class(message), code === undefined ? {} : { code });
}

/** The numbers of the protocol and of our limits that a lane needs. */
export const LANE_TERMS: LaneConnTerms = {
  dataType: DATA_FRAME_TYPE,
  frameHeaderBytes: FRAME_HEADER_BYTES,
  dataHeaderBytes: DATA_HEADER_BYTES,
  mostBytes: LIMITS.frameDataBytes + REQUEST_BYTES,
  unusedBytes: LIMITS.laneUnusedBytes,
  bufferBytes: LIMITS.frameDataBytes,
  reportMs: 100,
};

/**
 * Starts a worker. That takes about 40 ms, in which orders wait. It can dial if
 * the text of a `LaneDialler` is given.
 */
export function startLane(dialler?: string): LaneHasher {
  const conns = dialler === undefined ? "undefined" : `(files) =>
  (${runLaneConns})(self, files, {
    dialler: ${dialler},
    terms: ${JSON.stringify(LANE_TERMS)},
    cell: ${JSON.stringify(CELL)},
  })`;
  const code = `import { createHash } from "node:crypto";
(${runLane})(self, { createHash, connsOf: ${conns} });`;
  const url = `data:application/javascript,${encodeURIComponent(code)}`;
  return new LaneHasher(new Worker(url, { type: "module", name: "lane" }));
}
