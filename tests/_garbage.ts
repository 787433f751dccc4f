/**
 * The garbage collector, for those who measure what is not garbage.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Collects all there is.
 *
 * @returns bytes that the program still holds.
 */
export function collectGarbage(): number {
  setFlagsFromString("--expose-gc");
  // Only a context made after the flag was set has it.
  runInNewContext("gc")();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
