/**
 * Saves small files: directly, or in a worker that takes many files with each
 * order, because each order wakes a thread and syncs its folders.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import {
  type OrderPort,
  Orders,
  ORDERS_AT_ONCE,
  workerPort,
} from "./orders.ts";
import { type FileToSave, makeSaver, type SaverOutcome } from "./saver_code.ts";

/**
 * Saves the files that are added. The bytes of one may be used again when its
 * promise resolves.
 */
export type Saver = Orders<FileToSave, SaverOutcome>;

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
  const port: OrderPort<FileToSave, SaverOutcome> = {
    send: ({ id, files }) =>
      void save(files).then(
        (outcomes) => port.onReply({ id, outcomes }),
        (error) => port.onEnd(error),
      ),
    onReply: () => {},
    onEnd: () => {},
    terminate: () => {},
  };
  return new Orders(port, LIMITS.savedTogetherCount);
}

/** Starts a worker. Orders wait for about 40 ms until it runs. */
export function startSaver(mostOpen: number): Saver {
  const most = openInOrder(mostOpen);
  const code = `const save = (${makeSaver})(() => import("node:fs"), ${most});
self.onmessage = async ({ data: { id, files } }) =>
  self.postMessage({ id, outcomes: await save(files) });`;
  const port = workerPort<FileToSave, SaverOutcome>(code, {
    name: "saver",
    prepared: (file) => ({ ...file, bytes: own(file.bytes) }),
  });
  return new Orders(port, LIMITS.savedTogetherCount);
}
