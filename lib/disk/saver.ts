/**
 * Saves small files: directly, or in a worker that takes many files with each
 * order, because each order wakes a thread and syncs its folders.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import {
  type Order,
  type OrderPort,
  type OrderReply,
  Orders,
  ORDERS_AT_ONCE,
  workerPort,
} from "./orders.ts";
import { type FileToSave, makeSaver, type SaverOutcome } from "./saver_code.ts";

/** The files that a saver must save together. */
export type SaverOrder = Order<FileToSave>;

/** The answer to an order. */
export type SaverReply = OrderReply<SaverOutcome>;

/** The connection to the code that saves the files of an order. */
export type SaverPort = OrderPort<FileToSave, SaverOutcome>;

/** Saves small files. Disposing ends it; files that wait reject. */
export class Saver implements Disposable {
  readonly #orders: Orders<FileToSave, SaverOutcome>;

  /** Takes ownership of the port. */
  constructor(
    port: SaverPort,
    { mostFiles = LIMITS.savedTogetherCount }: { mostFiles?: number } = {},
  ) {
    this.#orders = new Orders(port, mostFiles);
  }

  /** Saves one file. The caller may reuse the bytes when it resolves. */
  save(file: FileToSave): Promise<SaverOutcome> {
    return this.#orders.add(file);
  }

  [Symbol.dispose](): void {
    this.#orders[Symbol.dispose]();
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
  return new Saver(workerPort(code, {
    name: "saver",
    prepared: (file: FileToSave) => ({ ...file, bytes: own(file.bytes) }),
  }));
}
