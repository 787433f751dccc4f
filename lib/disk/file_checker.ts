/**
 * Looks at small files that may be there already, in a worker: while it reads
 * and hashes them, the main thread handles those that it has read before.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import { HASHED_AT_ONCE_BYTES } from "../transfer/hashing.ts";
import {
  type CheckedFile,
  type FileToCheck,
  makeFileChecker,
} from "./file_checker_code.ts";
import { Orders, workerPort } from "./orders.ts";

// One is being looked at, one is ready, and the results of one are used.
const ORDERS_IN_ALL = 3;

/** Looks at the files that are added. */
export type FileChecker = Orders<FileToCheck, CheckedFile>;

/** Starts a worker. Orders wait for about 40 ms until it runs. */
export function startFileChecker(): FileChecker {
  const code = `import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
const files = { closeSync, constants, fstatSync, openSync, readSync };
const tools = { createHash, ...files };
const look = (${makeFileChecker})(tools, ${HASHED_AT_ONCE_BYTES});
self.onmessage = ({ data: { id, files } }) =>
  self.postMessage({ id, outcomes: look(files) });`;
  const most = LIMITS.lookedAheadCount / ORDERS_IN_ALL;
  return new Orders(workerPort(code, { name: "file checker" }), most);
}
