import { assert, assertEquals } from "@std/assert";
import { startNode, startRelay } from "../_network.ts";
import { find, greeted, NODE, PIECE, read } from "./_server.ts";

const STALL_MS = 31_234;

/** Counts the timers of `ms` that are set until disposed of. */
function countTimers(ms: number): Disposable & { readonly count: number } {
  const { setTimeout } = globalThis;
  let count = 0;
  globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => {
    if (args[1] === ms) count++;
    return setTimeout(...args);
  }) as typeof setTimeout;
  return {
    get count() {
      return count;
    },
    [Symbol.dispose]: () => void Object.assign(globalThis, { setTimeout }),
  };
}

Deno.test("A node sets one timer for all its writes to a client, and not one for each", async () => {
  await using relay = await startRelay();
  const count = 16;
  await using node = await startNode(relay, {
    "large.bin": new Uint8Array(count * PIECE).fill(1),
  }, { identity: NODE, limits: { dataWriteStallMs: STALL_MS } });
  await using channel = await greeted(node);
  const found = await find(channel, "large.bin");
  const of = found?.kind === "found" ? found.version : "";
  using timers = countTimers(STALL_MS);
  for (let n = 0; n < 4; n++) {
    assertEquals((await read(channel, { of, count })).length, count);
  }
  assert(timers.count <= 1, `it set ${timers.count}`);
});
