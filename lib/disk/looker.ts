/**
 * Looks at small files that may be there already, in a worker: while it reads
 * and hashes them, the main thread handles those that it has read before.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import { HASHED_AT_ONCE_BYTES } from "../transfer/hashing.ts";
import { type FileToLookAt, type Looked, makeLooker } from "./looker_code.ts";
import { Orders, workerPort } from "./orders.ts";

// One is being looked at, one is ready, and the results of one are used.
const ORDERS_IN_ALL = 3;

/** Looks at the files that are added. */
export type Looker = Orders<FileToLookAt, Looked>;

/** Starts a worker. Orders wait for about 40 ms until it runs. */
export function startLooker(): Looker {
  const code = `import { createHash } from "node:crypto";
const look = (${makeLooker})(createHash, ${HASHED_AT_ONCE_BYTES});
self.onmessage = ({ data: { id, files } }) =>
  self.postMessage({ id, outcomes: look(files) });`;
  const most = LIMITS.lookedAheadCount / ORDERS_IN_ALL;
  return new Orders(workerPort(code, { name: "looker" }), most);
}
