/**
 * Saves small files: directly, or in a worker that takes many files with each
 * order. Files that arrive while the worker is busy form the next order,
 * because each order wakes a thread and syncs its folders.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import { type FileToSave, makeSaver, type SaverOutcome } from "./saver_code.ts";

/** The files that a saver must save together. */
export interface SaverOrder {
  readonly id: number;
  readonly files: readonly FileToSave[];
}

/** The answer to an order. */
export interface SaverReply {
  readonly id: number;
  readonly outcomes: readonly SaverOutcome[];
}

/** The connection to the code that saves the files of an order. */
export interface SaverPort {
  /**
   * Sends an order. The bytes of its files must stay unchanged until the
   * answer.
   */
  send(order: SaverOrder): void;
  /** Gets the answers. */
  onReply: (reply: SaverReply) => void;
  /** Called when no more answers will come. */
  onEnd: (error: Error) => void;
  /** Ends it at once. */
  terminate(): void;
}

/** A file that waits, and the promise to settle. */
interface Waiting {
  readonly file: FileToSave;
  readonly answer: PromiseWithResolvers<SaverOutcome>;
}

// One order that is being saved, and one that is ready when it ends.
const ORDERS_AT_ONCE = 2;

/** Saves small files. Disposing ends it; files that wait reject. */
export class Saver implements Disposable {
  readonly #port: SaverPort;
  /** Files in one order. */
  readonly #mostFiles: number;
  readonly #orders = new Map<number, readonly Waiting[]>();
  #waiting: Waiting[] = [];
  #nextId = 0;
  #ended: Error | null = null;

  /** Takes ownership of the port. */
  constructor(
    port: SaverPort,
    { mostFiles = LIMITS.savedTogetherCount }: { mostFiles?: number } = {},
  ) {
    this.#port = port;
    this.#mostFiles = mostFiles;
    port.onReply = (reply) => this.#take(reply);
    port.onEnd = (error) => this.#end(error);
  }

  /** Saves one file. The caller may reuse the bytes when it resolves. */
  save(file: FileToSave): Promise<SaverOutcome> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const answer = Promise.withResolvers<SaverOutcome>();
    this.#waiting.push({ file, answer });
    // Files that are saved in the same turn share an order.
    if (this.#waiting.length === 1) queueMicrotask(() => this.#order());
    else if (this.#waiting.length === this.#mostFiles) this.#order();
    return answer.promise;
  }

  /**
   * Sends an order. While an order waits for its answer, sends the next only if
   * it is full.
   */
  #order(): void {
    while (this.#orders.size < ORDERS_AT_ONCE && this.#waiting.length > 0) {
      const isFull = this.#waiting.length >= this.#mostFiles;
      if (this.#orders.size > 0 && !isFull) return;
      const taken = this.#waiting.splice(0, this.#mostFiles);
      const id = this.#nextId++;
      this.#orders.set(id, taken);
      this.#port.send({ id, files: taken.map(({ file }) => file) });
    }
  }

  #take({ id, outcomes }: SaverReply): void {
    const taken = this.#orders.get(id)!;
    this.#orders.delete(id);
    for (const [at, { answer }] of taken.entries()) {
      answer.resolve(outcomes[at]!);
    }
    this.#order();
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const taken of [...this.#orders.values(), this.#waiting.splice(0)]) {
      for (const { answer } of taken) answer.reject(this.#ended);
    }
    this.#orders.clear();
  }

  [Symbol.dispose](): void {
    this.#port.terminate();
    this.#end(new Error("the saver was disposed of"));
  }
}

/** Files of one order that may be open at a time. */
function openInOrder(mostOpen: number): number {
  return Math.max(1, Math.floor(mostOpen / ORDERS_AT_ONCE));
}

/** Copies a part of a buffer: a message would carry the whole buffer. */
function own(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof SharedArrayBuffer ? bytes : bytes.slice();
}

/** Saves directly, which is best for a few files or a quick disk. */
export function saverHere(mostOpen: number): Saver {
  const save = makeSaver(() => import("node:fs"), openInOrder(mostOpen));
  const port: SaverPort = {
    send: ({ id, files }) =>
      void save(files).then(
        (outcomes) => port.onReply({ id, outcomes }),
        (error) => port.onEnd(error),
      ),
    onReply: () => {},
    onEnd: () => {},
    terminate: () => {},
  };
  return new Saver(port);
}

/** Starts a worker. Orders wait for about 40 ms until it runs. */
export function startSaver(mostOpen: number): Saver {
  const most = openInOrder(mostOpen);
  const code = `const save = (${makeSaver})(() => import("node:fs"), ${most});
self.onmessage = async ({ data: { id, files } }) =>
  self.postMessage({ id, outcomes: await save(files) });`;
  const url = `data:application/javascript,${encodeURIComponent(code)}`;
  const worker = new Worker(url, { type: "module", name: "saver" });
  const port: SaverPort = {
    send: ({ id, files }) =>
      worker.postMessage({
        id,
        files: files.map((file) => ({ ...file, bytes: own(file.bytes) })),
      }),
    onReply: () => {},
    onEnd: () => {},
    terminate: () => worker.terminate(),
  };
  worker.onmessage = ({ data }) => port.onReply(data);
  worker.onerror = (event) => {
    event.preventDefault();
    port.onEnd(new Error(event.message));
  };
  return new Saver(port);
}
