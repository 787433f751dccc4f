/**
 * The garbage collector, for those who measure what is not garbage.
 */

/**
 * Collects all there is. Wants `--v8-flags=--expose-gc`.
 *
 * @returns bytes that the program still holds.
 */
export function collectGarbage(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("wants --v8-flags=--expose-gc");
  gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
