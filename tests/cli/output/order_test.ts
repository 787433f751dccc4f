import { assertEquals } from "@std/assert";
import {
  inOrder,
  naturalKey,
  type SortBy,
} from "../../../lib/cli/output/order.ts";
import { LIMITS } from "../../../lib/base/limits.ts";
import { seededRandom } from "../../_random.ts";
import {
  DeepSums,
  type ListRow,
  sumFolders,
  walk,
} from "../../../lib/cli/output/folder_sums.ts";

interface File {
  readonly name: string;
  readonly size: number;
  readonly modifiedMs: number;
}

/** Files as a client lists them: by their code points. */
function listed(files: readonly (readonly [string, number, number])[]) {
  const sorted: File[] = files.map(([name, size, modifiedMs]) => ({
    name,
    size,
    modifiedMs,
  })).sort((a, b) => a.name < b.name ? -1 : 1);
  const compare = (a: number, b: number) => {
    const [x, y] = [a, b].map((place) => naturalKey(sorted[place]!.name));
    return x! < y! ? -1 : x! > y! ? 1 : a - b;
  };
  return {
    places: () => sorted.keys(),
    naturalPlaces: () => Uint32Array.from(sorted.keys()).sort(compare),
    nameAt: (place: number) => sorted[place]!.name,
    briefAt: (place: number) => sorted[place]!,
  };
}

for (
  const [what, names] of [
    ["numbers by their value", ["a2", "a10", "a100", "b1"]],
    ["leading zeros", ["a01", "a1", "a2", "a002b"]],
    ["numbers in the middle", ["v1.2.10", "v1.10.2", "v2.0.0"]],
    ["long numbers", ["n9", "n123456789", "n1234567890", "n20231231235959"]],
    ["numbers before letters", ["1", "10", "a"]],
    ["the files of a folder together", ["a/b10", "a-b/a", "a.b", "ab/a"]],
    ["a number beside nothing", ["a", "a/1", "a1"]],
  ] as const
) {
  Deno.test(`naturalKey puts ${what} in order`, () => {
    const sorted = names.toReversed().toSorted((a, b) => {
      const [x, y] = [naturalKey(a), naturalKey(b)];
      return x < y ? -1 : x > y ? 1 : a < b ? -1 : 1;
    });
    assertEquals(sorted, [...names]);
  });
}

const FILES = listed([
  ["a10", 5, 300],
  ["a2", 5, 100],
  ["b/c", 70, 200],
  ["b/d/e", 1, 900],
]);

for (
  const [sort, reverse, names] of [
    ["name", false, ["a2", "a10", "b/c", "b/d/e"]],
    ["name", true, ["b/d/e", "b/c", "a10", "a2"]],
    ["size", false, ["b/c", "a2", "a10", "b/d/e"]],
    ["size", true, ["b/d/e", "a10", "a2", "b/c"]],
    ["date", false, ["b/d/e", "a10", "b/c", "a2"]],
    ["date", true, ["a2", "b/c", "a10", "b/d/e"]],
  ] as const
) {
  Deno.test(`inOrder sorts by ${sort}${reverse ? ", reversed" : ""}, and equals by name`, () => {
    const places = inOrder(FILES, { sort, reverse });
    assertEquals([...places].map(FILES.nameAt), [...names]);
  });
}

/** A walk's rows in words. */
function rowsOf(
  options: { sort?: SortBy; reverse?: boolean; depth?: number; tree?: boolean },
  start = 0,
): string[] {
  const { sort = "name", reverse = false, depth = Infinity, tree } = options;
  const places = [...FILES.places()]
    .filter((place) => start === 0 || FILES.nameAt(place).startsWith("b/"));
  const { root } = sumFolders(FILES, places, { start });
  const rows = walk(root, FILES, {
    ...{ sort, reverse, depth, isTree: tree ?? false },
  });
  return [...rows].map((row) =>
    row.kind === "file"
      ? `${row.depth} ${FILES.nameAt(row.place)}`
      : `${row.depth} ${row.folder.name}/ ${row.folder.files} ${row.folder.bytes} ${row.folder.modifiedMs}`
  );
}

Deno.test("walk gives one level, with the sums of the folders in it", () => {
  assertEquals(rowsOf({ depth: 1 }), ["1 a2", "1 a10", "1 b/ 2 71 900"]);
  assertEquals(rowsOf({ depth: 2 }), [
    ...["1 a2", "1 a10", "2 b/c", "2 b/d/ 1 1 900"],
  ]);
  assertEquals(rowsOf({ depth: 1 }, 2), ["1 b/c", "1 b/d/ 1 1 900"]);
});

Deno.test("DeepSums of closed folders give the same rows as all of their files", () => {
  const random = seededRandom(570);
  const below = (most: number) => Math.floor(random() * most);
  const names = Array.from({ length: 300 }, (_, n) => {
    const folders = Array.from(
      { length: below(5) },
      () => `${"abc"[below(3)]}/`,
    );
    return `p/${folders.join("")}${n}`;
  });
  const numbers = names.map(() => [below(999), below(999)]);
  const files = {
    briefAt: (place: number) => ({
      name: names[place]!,
      size: numbers[place]![0]!,
      modifiedMs: numbers[place]![1]!,
    }),
  };
  for (const start of [0, 2]) {
    for (const depth of [1, 2, 3, 9]) {
      const deep = new DeepSums({ start, depth });
      const rowsOf = (places: number[], deep?: DeepSums) => {
        const { root } = sumFolders(files, places, { start, deep });
        const rows = [...walk(root, files, {
          ...{ sort: "name", reverse: false, depth, isTree: true },
        })];
        return rows.map((row) => {
          if (row.kind === "file") return files.briefAt(row.place).name;
          const { name, files: count, bytes, modifiedMs } = row.folder;
          return `${name}/ ${count} ${bytes} ${modifiedMs}`;
        });
      };
      const places = [...names.keys()];
      const kept = places.filter((at) =>
        deep.add(files.briefAt(at)) === undefined
      );
      assertEquals(rowsOf(kept, deep), rowsOf(places));
      assertEquals(kept.length === places.length, depth === 9);
    }
  }
});

Deno.test("DeepSums need memory for each folder, but not for each file", () => {
  const deep = new DeepSums({ start: 0, depth: 1 });
  const add = (name: string) => deep.add({ name, size: 1, modifiedMs: 0 });
  assertEquals(add("file"), undefined);
  assertEquals(add("folder/one")! > 100, true);
  assertEquals(add("folder/two"), 0);
  assertEquals(add("folder/deeper/three"), 0);
  assertEquals(add("other/one")! > 100, true);
});

Deno.test("walk gives a tree, each folder before its content", () => {
  assertEquals(rowsOf({ tree: true }), [
    "1 a2",
    "1 a10",
    "1 b/ 2 71 900",
    "2 b/c",
    "2 b/d/ 1 1 900",
    "3 b/d/e",
  ]);
});

Deno.test("walk sorts folders by their sums, among the files beside them", () => {
  assertEquals(rowsOf({ depth: 1, sort: "size" }), [
    ...["1 b/ 2 71 900", "1 a2", "1 a10"],
  ]);
  assertEquals(rowsOf({ depth: 1, sort: "date", reverse: true }), [
    ...["1 a2", "1 a10", "1 b/ 2 71 900"],
  ]);
});

Deno.test("sumFolders makes as many folders as fit into treeBytes, and reports how many files are shown in a folder above", () => {
  const deep = (n: number) => `${"d/".repeat(30).replaceAll("d", `d${n}`)}f`;
  const files = {
    briefAt: (place: number) => ({
      name: place === 0 ? "a/first" : deep(place),
      size: 1,
      modifiedMs: 0,
    }),
  };
  const places = Array.from({ length: 9_000 }, (_, place) => place);
  const { root, cutCount } = sumFolders(files, places);
  const rows = [...walk(root, files, {
    ...{ sort: "name", reverse: false, depth: Infinity, isTree: true },
  })];
  const folderCount = rows.filter(({ kind }) => kind === "folder").length;
  assertEquals(folderCount * 400 <= LIMITS.treeBytes, true, `${folderCount}`);
  assertEquals(folderCount * 450 > LIMITS.treeBytes, true, `${folderCount}`);
  // No file is lost, and all are summed up.
  assertEquals(rows.length - folderCount, 9_000);
  assertEquals([root.files, root.bytes], [9_000, 9_000]);
  const isAbove = (row: ListRow) =>
    row.kind === "file" &&
    files.briefAt(row.place).name.indexOf("/", row.folderLength + 1) >= 0;
  assertEquals(rows.filter(isAbove).length, cutCount);
  assertEquals(cutCount > 4_000, true, `${cutCount}`);
});
