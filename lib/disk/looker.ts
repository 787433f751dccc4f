/**
 * Looks at small files that may be there already, in a worker: while it reads
 * and hashes them, the main thread handles those that it has read before.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import { HASHED_AT_ONCE_BYTES } from "../transfer/hashing.ts";
import { type FileToLookAt, type Looked, makeLooker } from "./looker_code.ts";
import { type OrderPort, Orders, workerPort } from "./orders.ts";

/** The connection to the code that looks at the files of an order. */
export type LookerPort = OrderPort<FileToLookAt, Looked>;

const ORDERS_IN_ALL = 3;

/** Looks at files. Disposing ends it; files that wait reject. */
export class Looker implements Disposable {
  readonly #orders: Orders<FileToLookAt, Looked>;

  /** Takes ownership of the port. */
  constructor(port: LookerPort) {
    // One is being looked at, one is ready, and the results of one are used.
    this.#orders = new Orders(port, LIMITS.lookedAheadCount / ORDERS_IN_ALL);
  }

  /** Looks at one file. */
  look(file: FileToLookAt): Promise<Looked> {
    return this.#orders.add(file);
  }

  [Symbol.dispose](): void {
    this.#orders[Symbol.dispose]();
  }
}

/** Starts a worker. Orders wait for about 40 ms until it runs. */
export function startLooker(): Looker {
  const code = `import { createHash } from "node:crypto";
const look = (${makeLooker})(createHash, ${HASHED_AT_ONCE_BYTES});
self.onmessage = ({ data: { id, files } }) =>
  self.postMessage({ id, outcomes: look(files) });`;
  return new Looker(workerPort(code, { name: "looker" }));
}
