/**
 * The main thread's end of a lane, which hashes pieces and writes them beside
 * the event loop. {@linkcode startLane} runs it in a worker, only where there is
 * enough to do for one.
 *
 * @module
 */

import type {
  FileIdentity,
  Hashed,
  Hasher,
  LaneFile,
  Saving,
} from "./hashing.ts";
import {
  type LaneError,
  type LaneOrder,
  type LaneReply,
  runLane,
} from "./lane_code.ts";

/** The way to a lane. */
export interface LanePort {
  /** Sends an order. */
  postMessage(order: LaneOrder, transfer: Transferable[]): void;
  /** Takes the answers. */
  onmessage: ((event: MessageEvent<LaneReply>) => void) | null;
  /** Hears that the lane failed. */
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

/** Hashes and writes in a lane. Disposing ends it; what waits rejects. */
export class LaneHasher implements Hasher {
  readonly #port: LanePort;
  readonly #hashes = new Map<number, WaitingHash>();
  readonly #opens = new Map<number, PromiseWithResolvers<boolean>>();
  readonly #saves = new Map<number, WaitingSave>();
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
      close: () => {
        if (this.#ended !== null) return;
        this.#port.postMessage({ kind: "close", file: id }, []);
      },
    };
  }

  #save(
    file: number,
    bytes: Uint8Array,
    options: Parameters<LaneFile["save"]>[1],
  ): Saving {
    const right = Promise.withResolvers<number>();
    const written = Promise.withResolvers<boolean>();
    written.promise.catch(() => {}); // of no interest where `right` rejects
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

  #take(reply: LaneReply): void {
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

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const { answer } of this.#hashes.values()) answer.reject(reason);
    for (const { reject } of this.#opens.values()) reject(reason);
    for (const { right, written } of this.#saves.values()) {
      right.reject(reason);
      written.reject(reason);
    }
    for (const waiting of [this.#hashes, this.#opens, this.#saves]) {
      waiting.clear();
    }
  }

  [Symbol.dispose](): void {
    this.#port.terminate();
    this.#end(new Error("the hasher was disposed of"));
  }
}

/** The error that a lane told of, of the class that it had there. */
export function errorOf({ name, message, code }: LaneError): Error {
  const classes: Readonly<Record<string, new (message: string) => Error>> =
    Deno.errors;
  const Class = Object.hasOwn(classes, name) ? classes[name]! : Error;
  return Object.assign(new Class(message), code === undefined ? {} : { code });
}

/** Starts a worker, some 40 ms in which orders wait. */
export function startLane(): LaneHasher {
  const code = `import { createHash } from "node:crypto";
(${runLane})(self, { createHash });`;
  const url = `data:application/javascript,${encodeURIComponent(code)}`;
  return new LaneHasher(new Worker(url, { type: "module", name: "lane" }));
}
