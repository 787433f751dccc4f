/**
 * Folders of many entries: others get turns while they are read, counted in
 * turns of the event loop.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { clearImmediate, setImmediate } from "node:timers";
import { LIMITS } from "../../lib/base/limits.ts";
import { hasMoreEntries } from "../../lib/share/folder_entries.ts";
import { Share } from "../../lib/share/share.ts";
import { replaced } from "../_replaced.ts";
import { tempShare } from "../_temp_share.ts";

const MANY = 300;

/** Counts turns of the event loop until disposed of. */
function countTurns(): Disposable & { count: number } {
  const turns = {
    count: 0,
    [Symbol.dispose]: () => clearImmediate(next),
  };
  const step = () => {
    turns.count++;
    next = setImmediate(step);
  };
  let next = setImmediate(step);
  return turns;
}

/** Lets each folder have `MANY` entries, all there at once; counts them. */
function manyEntries(): Disposable & { read: number } {
  const seen = { read: 0 };
  const fake = replaced(Deno, "readDir", () =>
    async function* () {
      for (let n = 0; n < MANY; n++) {
        seen.read++;
        const kinds = { isDirectory: false, isSymlink: false };
        yield { name: `f${n}`, isFile: true, ...kinds };
      }
    });
  return Object.assign(seen, fake);
}

Deno.test("A folder is large if it has more entries than a limit, including those below it", async () => {
  await using folder = await tempShare({ "a": "", "d/b": "", "d/e/c": "" });
  const has = (most: number, path = folder.path) =>
    hasMoreEntries(path, { most, turnMs: LIMITS.turnMs });
  // Three files and two folders.
  assertEquals(await has(5), false);
  assertEquals(await has(4), true);
  assertEquals(await has(0, join(folder.path, "missing")), false);
});

Deno.test("A large folder is recognised without reading all of it", async () => {
  using folder = manyEntries();
  assert(await hasMoreEntries("/", { most: 10, turnMs: LIMITS.turnMs }));
  assertEquals(folder.read, 11);
});

Deno.test("Others get turns between the entries of a folder that is counted", async () => {
  using folder = manyEntries();
  using turns = countTurns();
  assertEquals(await hasMoreEntries("/", { most: MANY, turnMs: 0 }), false);
  assert(turns.count >= MANY, `${turns.count}`);
  assertEquals(folder.read, MANY);
});

Deno.test("A share gives others turns while it checks how large its folder is", async () => {
  await using place = await tempShare({});
  using folder = manyEntries();
  using turns = countTurns();
  const limits = { ...LIMITS, turnMs: 0, watchedHereCount: MANY };
  const opening = Share.open(place.path, limits, { isWatched: true });
  // The count of the folder, then the scan.
  await using share = await opening;
  assert(turns.count >= MANY, `${turns.count}`);
  assertEquals(folder.read, 2 * MANY);
  assertEquals(share.fileCount, 0); // no such files
});
