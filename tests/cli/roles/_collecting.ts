/**
 * Grows until it has collected ten times as a node or relay does, as a process,
 * so that V8 can be asked to trace its collections. The argument is the largest
 * heap with which it may collect at once, in bytes.
 */

import { collectInService } from "../../../lib/cli/roles/memory.ts";
import { LIMITS } from "../../../lib/base/limits.ts";

using _collecting = collectInService({
  ...LIMITS,
  collectCheckMs: 5,
  collectGrowthPercent: 0,
  collectBusyPercent: 50,
  collectClientFromBytes: 0,
  collectClientGrowthBytes: LIMITS.collectGrowthBytes,
  collectWholeHeapBytes: Number(Deno.args[0]),
  collectWholeBusyPercent: 50,
});
const kept: Uint8Array[] = [];
for (let count = 0; count < 10; count++) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const registry = new FinalizationRegistry(() => resolve());
  (() => registry.register({}, undefined))();
  kept.push(new Uint8Array(2 * LIMITS.collectGrowthBytes).fill(1));
  const waiting = setInterval(() => {}, 1_000); // the other timers do not wait
  await promise;
  clearInterval(waiting);
}
