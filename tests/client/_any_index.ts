/**
 * An index of names hides no file, whatever it says.
 */

import { assertEquals, assertLess } from "@std/assert";
import { join } from "@std/path";
import { createIdentity } from "../../lib/identity/identity.ts";
import { startNode, startRelay } from "../_network.ts";
import { seededRandom } from "../_random.ts";
import { BY_INDEX, listed, runSums, savedBy } from "./_indexed.ts";

const CAP = 9;

function keyed(indexKey: Uint8Array | undefined) {
  return indexKey === undefined ? {} : { indexKey };
}

/** Registers the test with nodes, files and keys decided by `seed`. */
export function testAnyIndex(seed: number): void {
  Deno.test(`With any index, off, capped, stale, wrong or under another key, get, ls and sums find the same files as without one: seed ${seed}`, async () => {
    const random = seededRandom(seed);
    const below = (most: number) => Math.floor(random() * most);
    const parts = ["a", "b", "c/a", "c/d/b", "d/a", "d/e"];
    const randomKey = () => Uint8Array.from({ length: 32 }, () => below(256));
    const keys = [undefined, randomKey(), randomKey()];
    await using relay = await startRelay({
      limits: { indexEntriesPerNodeCount: CAP, nodesPerAddressCount: 100 },
    });
    await using stack = new AsyncDisposableStack();
    for (let n = 0; n < 8; n++) {
      const names = parts.filter(() => below(5) < 2);
      // Nodes differ about "a" alone, and agree on the rest.
      const files = Object.fromEntries(names.map((name) => [
        name,
        name === "a" ? `a${below(2)}` : name,
      ]));
      const isOff = below(4) === 0;
      const node = stack.use(
        await startNode(relay, files, {
          identity: await createIdentity(),
          index: !isOff,
          ...keyed(keys[below(3)]),
          limits: { indexPauseMs: 600_000 },
        }),
      );
      if (isOff) continue;
      // Contents that are hashed by now may be more than the cap allows.
      await node.log.untilOneOf(["indexed", "index_refused"]);
      // The index goes on to say that it has this one.
      const [gone] = names;
      if (gone !== undefined && below(3) === 0) {
        await Deno.remove(join(node.directory, gone));
      }
    }
    const byIndex = () => ({ ...BY_INDEX, ...keyed(keys[below(3)]) });
    let counts = 0;
    const wanted = ["b", "c/a", "d/", "**/b", "e", "c", "nothing", "c/d/b"];
    for (const one of wanted) {
      const all = await savedBy(relay, one, { askAll: true });
      const some = await savedBy(relay, one, byIndex());
      assertEquals([one, some.files, some.failed], [
        one,
        all.files,
        all.failed,
      ]);
      counts += some.count;
      const sums = await runSums(relay, one, { askAll: true });
      const someSums = await runSums(relay, one, byIndex());
      assertEquals(someSums.sums, sums.sums);
    }
    for (const one of ["c/", "d/", "c/d/", "**/b", "e/", "*"]) {
      const all = await listed(relay, one, { askAll: true });
      const some = await listed(relay, one, byIndex());
      assertEquals([one, some.names], [one, all.names]);
    }
    assertLess(counts, wanted.length * 8, "the index narrows some lists");
  });
}
