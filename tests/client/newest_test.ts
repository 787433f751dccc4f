/**
 * Which content is the newest, for a file that is asked for by its name and for
 * one that a pattern finds in listings.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { assertBytes, everything, filesIn, get } from "./_outcomes.ts";

const OLD = new Date(1_500_000_000_000);
const NEW = new Date(1_600_000_000_000);
/** Later than any clock of a node may be. */
const FUTURE = new Date(2100, 1, 1);
const LATER = new Date(2101, 1, 1);

/** For each file, the text and the time of it at each of three nodes. */
const FILES: Readonly<
  Record<string, readonly (readonly [text: string, at: Date] | undefined)[]>
> = {
  "newer at one": [["old", OLD], ["old", OLD], ["new!", NEW]],
  "as new, at more nodes": [["many", NEW], ["many", NEW], ["few!!", NEW]],
  "as new, at as many": [["this", NEW], ["that!", NEW], undefined],
  "in the future at one": [["new!", NEW], ["old", OLD], ["lie", FUTURE]],
  "in the future at two": [["old", OLD], ["lies", FUTURE], ["lies", LATER]],
  "in the future everywhere": [["lie", FUTURE], ["lies", LATER], undefined],
};

const WANTED: Readonly<Record<string, string>> = {
  "newer at one": "new!",
  "as new, at more nodes": "many",
  "in the future at one": "new!",
  "in the future at two": "old",
};

for (
  const [what, selections] of [
    ["by their names", Object.keys(FILES)],
    ["by a pattern", [everything()]],
  ] as const
) {
  Deno.test(`getFiles that prefers the newest takes files ${what} by the same rules: equal times by votes, times in the future never`, async () => {
    await using relay = await startRelay();
    await using stack = new AsyncDisposableStack();
    for (let n = 0; n < 3; n++) {
      const held = Object.entries(FILES).flatMap(([name, nodes]) => {
        const of = nodes[n];
        return of === undefined ? [] : [{ name, text: of[0], at: of[1] }];
      });
      const files = Object.fromEntries(
        held.map(({ name, text }) => [name, text]),
      );
      const { path: directory } = stack.use(await tempShare(files));
      for (const { name, at } of held) {
        await Deno.utime(join(directory, name), at, at);
      }
      stack.use(await startNode(relay, {}, { name: `n${n}`, directory }));
    }
    await using folder = await tempShare();
    const { failed } = await get(relay, folder.path, selections, {
      prefer: "newest",
    });
    assertEquals(filesIn(folder.path), Object.keys(WANTED).toSorted());
    for (const [name, text] of Object.entries(WANTED)) {
      const path = join(folder.path, name);
      assertBytes(await Deno.readFile(path), new TextEncoder().encode(text));
    }
    assertEquals(Object.keys(failed).toSorted(), [
      "as new, at as many",
      "in the future everywhere",
    ]);
  });
}
