/** The list of the page: folders, search and order, as a person types. */

import { assertEquals } from "@std/assert";
import { seededRandom } from "../_random.ts";
import { Finder, matchSpans, termsOf } from "../../lib/gateway/page/finder.js";
import { fold, orderKey, sortedOrder } from "../../lib/gateway/page/order.js";
import { readList } from "../../lib/gateway/page/list_text.js";

type Wanted = Parameters<Finder["view"]>[0];
type File = [string, number, number, number[], number];

const ALL: Wanted = {
  ...{
    query: "",
    folder: "",
    column: "",
    descending: false,
    mark: "",
    node: "",
  },
};

const NODES = [{ id: "a", name: "nas" }, { id: "b", name: "laptop" }];

function finderOf(files: readonly (string | File)[]): Finder {
  const finder = new Finder();
  load(finder, {
    nodes: NODES,
    files: files.map((file) =>
      typeof file === "string" ? [file, 10, 1_000, [0], 0] : file
    ),
  });
  return finder;
}

/** Goes through steps to their end. */
function finished<T>(steps: Generator<void, T>) {
  for (let pauses = 0;; pauses++) {
    const step = steps.next();
    if (step.done) return { value: step.value, pauses };
  }
}

function load(finder: Finder, list: Parameters<Finder["load"]>[0]): void {
  finished(finder.load(list));
}

/** A view, and between how many pauses it was made. */
function viewOf(finder: Finder, wanted: Partial<Wanted>) {
  const { value, pauses } = finished(finder.view({ ...ALL, ...wanted }));
  return { view: value, pauses };
}

function namesIn(finder: Finder, wanted: Partial<Wanted>): string[] {
  const { view } = viewOf(finder, wanted);
  return view.rows(0, view.count).map(({ name }) => name);
}

Deno.test("Finder shows a folder: its folders first, then its files, numbers by their values", () => {
  const finder = finderOf([
    ...["img10.jpg", "b/x", "img2.jpg", "Äpfel", "a/2/y", "a/1/z", "apfel2"],
  ]);
  assertEquals(namesIn(finder, {}), [
    ...["a/", "b/", "Äpfel", "apfel2", "img2.jpg", "img10.jpg"],
  ]);
  assertEquals(namesIn(finder, { folder: "a/" }), ["a/1/", "a/2/"]);
  assertEquals(namesIn(finder, { folder: "a/1/" }), ["a/1/z"]);
  assertEquals(namesIn(finder, { folder: "none/" }), []);
});

Deno.test("Finder counts the files below a folder, and gives their newest time", () => {
  const finder = finderOf([
    ["a/x", 5, 3_000, [0], 1],
    ["a/b/y", 7, 9_000, [0, 1], 2],
    ["z", 100, 1_000, [1], 0],
  ]);
  const { view } = viewOf(finder, {});
  const { count, files, folders, bytes, marks } = view;
  assertEquals({ count, files, folders, bytes, marks }, {
    ...{ count: 2, files: 3, folders: 1, bytes: 112 },
    marks: { only: 1, differs: 1 },
  });
  assertEquals(view.rows(0, 9), [
    {
      ...{ name: "a/", isFolder: true, size: 12, modifiedMs: 9_000 },
      ...{ files: 2, nodes: [], mark: "" },
    },
    {
      ...{ name: "z", isFolder: false, size: 100, modifiedMs: 1_000 },
      ...{ files: 1, nodes: ["laptop"], mark: "" },
    },
  ]);
});

Deno.test("Finder finds names that have all words, best first, without case and accents", () => {
  const finder = finderOf([
    ...["report/old.txt", "annual report.pdf", "Report 2026.pdf"],
    ...["myreports.txt", "Müller Straße.txt", "other"],
  ]);
  assertEquals(namesIn(finder, { query: "report" }), [
    ...["Report 2026.pdf", "annual report.pdf", "myreports.txt"],
    "report/old.txt",
  ]);
  assertEquals(namesIn(finder, { query: "PDF  report 2026" }), [
    "Report 2026.pdf",
  ]);
  assertEquals(namesIn(finder, { query: "muller" }), ["Müller Straße.txt"]);
  assertEquals(namesIn(finder, { query: "old", folder: "report/" }), [
    "report/old.txt",
  ]);
  assertEquals(namesIn(finder, { query: "other", folder: "report/" }), []);
  assertEquals(namesIn(finder, { query: "nothing" }), []);
});

Deno.test("Finder orders by size, date and nodes, either way, and by name where these are equal", () => {
  const finder = finderOf([
    ["a", 3, 10, [0], 0],
    ["b", 1, 30, [0, 1], 0],
    ["c", 3, 20, [0, 1], 0],
    ["d/x", 2, 40, [0], 0],
  ]);
  const order = (column: Wanted["column"], descending: boolean) =>
    namesIn(finder, { column, descending }).join(" ");
  assertEquals(order("size", false), "d/ b a c");
  assertEquals(order("size", true), "d/ a c b");
  assertEquals(order("date", true), "d/ b c a");
  assertEquals(order("nodes", true), "d/ b c a");
  assertEquals(order("name", true), "d/ c b a");
});

Deno.test("Finder shows the files below a folder that only one node has, or that differ", () => {
  const finder = finderOf([
    ["a/x", 1, 1, [0], 1],
    ["a/y", 1, 1, [0, 1], 2],
    ["b", 1, 1, [1], 1],
  ]);
  assertEquals(namesIn(finder, { mark: "only" }), ["a/x", "b"]);
  assertEquals(namesIn(finder, { mark: "only", folder: "a/" }), ["a/x"]);
  const { view } = viewOf(finder, { mark: "differs" });
  assertEquals(view.rows(0, 1).map(({ name, mark }) => [name, mark]), [
    ["a/y", "differs"],
  ]);
  assertEquals(view.marks, { only: 2, differs: 1 }, "of all, to switch");
});

Deno.test("Finder shows the files of one node: folders, a search, and what it counts", () => {
  const finder = finderOf([
    ["a/x", 1, 1, [0], 1],
    ["a/y", 2, 1, [0, 1], 0],
    ["b/x", 4, 1, [0], 1],
    ["x", 8, 1, [1], 1],
  ]);
  assertEquals(namesIn(finder, { node: "a" }), ["a/", "b/"]);
  assertEquals(namesIn(finder, { node: "b" }), ["a/", "x"]);
  assertEquals(namesIn(finder, { node: "b", folder: "a/" }), ["a/y"]);
  assertEquals(namesIn(finder, { node: "b", query: "x" }), ["x"]);
  assertEquals(namesIn(finder, { query: "x" }), ["a/x", "b/x", "x"]);
  const { view } = viewOf(finder, { node: "b" });
  const { files, bytes, marks, on } = view;
  assertEquals({ files, bytes, marks, on }, {
    ...{ files: 2, bytes: 10, on: "laptop" },
    marks: { only: 1, differs: 0 },
  });
  assertEquals(namesIn(finder, { node: "gone" }), []);
  assertEquals(viewOf(finder, { node: "gone" }).view.on, "gone");
});

Deno.test("Finder pauses at least every 10,000 names, and finds all of 100,000", () => {
  const names = Array.from(
    { length: 100_000 },
    (_, index) =>
      `${["photos", "music", "films"][index % 3]}/${index % 97}/file ${index}`,
  );
  const finder = finderOf(names);
  const { view, pauses } = viewOf(finder, { query: "file 99" });
  const expected = names.filter((name) => name.includes("99")).length;
  assertEquals([view.count, pauses], [expected, 9]);
  assertEquals(viewOf(finder, {}).pauses, 10);
});

Deno.test("Finder orders 100,000 files by a column in slices, once for a list", () => {
  const files = Array.from(
    { length: 100_000 },
    (_, index): File => [`n ${index}`, index * 7 % 100_000, index, [0], 0],
  );
  const finder = finderOf(files);
  const wanted = { query: "n", column: "size", descending: true } as const;
  const { view, pauses } = viewOf(finder, wanted);
  assertEquals(view.rows(0, 3).map(({ size }) => size), [
    ...[99_999, 99_998, 99_997],
  ]);
  assertEquals(pauses > 100, true, `${pauses}`);
  const again = viewOf(finder, { ...wanted, query: "n 9" });
  assertEquals(again.pauses < 10, true, `${again.pauses}`);
  assertEquals(again.view.rows(0, 1)[0]!.size, 99_993); // n 99999
});

Deno.test("Finder looks for a longer query only in the results of the shorter one", () => {
  const names = Array.from({ length: 100_000 }, (_, index) => `n ${index}`);
  const finder = finderOf(names);
  const { pauses } = viewOf(finder, { query: "99" });
  const { view, pauses: fewer } = viewOf(finder, { query: "n 9999" });
  assertEquals([pauses, fewer], [9, 0]);
  assertEquals(view.count, 19); // 9999 to 89999, and 99990 to 99999
  assertEquals(viewOf(finder, { query: "1" }).pauses, pauses);
});

Deno.test("Finder finds the same after any earlier search", () => {
  const files = Array.from({ length: 500 }, (_, index): File =>
    [
      ...[`${"abc"[index % 3]}/${index % 7 ? "Nöte" : "x"} ${index}`, index],
      ...[1_000, [index % 2], index % 5 === 0 ? 2 : 0],
    ] as File);
  const used = finderOf(files);
  const random = seededRandom(19);
  const one = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)]!;
  for (let round = 0; round < 300; round++) {
    const wanted = {
      query: one(["", "n", "no", "not", "note 1", "1", "12", "2 not", "t n"]),
      folder: one(["", "a/", "b/"]),
      mark: one(["", "differs"] as const),
      node: one(["", "a", "b"]),
    };
    if (round % 50 === 49) {
      load(used, { nodes: NODES, files: files.slice(round) });
    }
    const left = round < 49 ? files : files.slice(round - (round + 1) % 50);
    assertEquals(namesIn(used, wanted), namesIn(freshOf(left), wanted));
  }

  function freshOf(list: File[]): Finder {
    const fresh = new Finder();
    load(fresh, { nodes: NODES, files: list });
    return fresh;
  }
});

Deno.test("Finder marks no file as the only copy if there is only one node", () => {
  const finder = new Finder();
  const nodes = [{ id: "a", name: "nas" }];
  load(finder, {
    nodes,
    files: [["x", 1, 1, [0], 1], ["y", 1, 1, [0], 2]],
  });
  const { view } = viewOf(finder, {});
  assertEquals(view.marks, { only: 0, differs: 1 });
  assertEquals(view.rows(0, 2).map(({ mark }) => mark), ["", "differs"]);
});

Deno.test("Finder gives any rows of a view, folders and files", () => {
  const finder = finderOf(["a/x", "b/x", "c", "d", "e"]);
  const { view } = viewOf(finder, {});
  const rows = (from: number, to: number) =>
    view.rows(from, to).map(({ name }) => name);
  assertEquals(rows(1, 3), ["b/", "c"]);
  assertEquals(rows(3, 100), ["d", "e"]);
  assertEquals(rows(9, 12), []);
});

Deno.test("fold keeps every position of a text with any letters", () => {
  for (
    const text of ["ÄÖÜ", "İstanbul", "ﬁ", "Straße", "🙂é", "日本語", "e\u0301"]
  ) {
    assertEquals(fold(text).length, text.length, text);
  }
  assertEquals(fold("ÄÖÜ Éa"), "aou ea");
});

Deno.test("orderKey orders numbers by their values, however many digits they have", () => {
  const ordered = [
    ...["a/x", "a b", "a-", "a0", "a2/b", "a007", "a10/b", "a99999999"],
    ...["a123456789", "a1234567890123456789", "a12345678901234567890", "ab"],
  ];
  const keys = ordered.map(orderKey);
  assertEquals(keys.toSorted(), keys);
  assertEquals(orderKey("img02.jpg"), orderKey("img2.jpg"));
});

Deno.test("sortedOrder is the order of a stable sort, made in slices", () => {
  const random = seededRandom(23);
  for (const length of [0, 1, 9, 10, 11, 100, 137]) {
    const keys = Array.from({ length }, () => `${Math.floor(random() * 40)}`);
    const expected = [...keys.keys()].sort((a, b) =>
      keys[a]! < keys[b]! ? -1 : keys[a]! > keys[b]! ? 1 : a - b
    );
    const { value, pauses } = finished(sortedOrder(keys, 10));
    assertEquals([...value], expected);
    assertEquals(pauses >= length / 10, true);
  }
});

Deno.test("Finder takes a list in slices of 2,000 names, and searches the previous list meanwhile", () => {
  const finder = finderOf(["old 1", "old 2"]);
  const files = Array.from(
    { length: 100_000 },
    (_, index): File => [`new ${index}`, 1, 1, [0], 0],
  );
  const steps = finder.load({ nodes: [], files });
  let pauses = 0;
  while (!steps.next().done) {
    if (pauses++ % 100 === 0) {
      assertEquals(namesIn(finder, { query: "1" }), ["old 1"]);
    }
  }
  assertEquals(pauses > 3 * 50, true, `${pauses}`);
  assertEquals(
    viewOf(finder, { query: "1" }).view.rows(0, 2).map(
      ({ name }) => name,
    ),
    ["new 1", "new 10"],
  );
});

Deno.test("readList reads a list with any names in slices", () => {
  const names = ["a],\n[", '],\n["b', "c]", "\n]}", "d\u2028"];
  const files = Array.from({ length: 9_000 }, (_, index): File =>
    [
      ...[`${names[index % names.length]} ${index}`, index, 1, [0], 1],
    ] as unknown as File);
  for (const list of [files, files.slice(0, 1), []]) {
    const head = { v: 1, complete: true, nodes: [{ id: "a", name: "],\n" }] };
    const rows = list.map((row) => JSON.stringify(row)).join(",\n");
    const start = JSON.stringify(head).slice(0, -1);
    const text = `${start},"files":[\n${rows}\n]}\n`;
    const { value, pauses } = finished(readList(text));
    assertEquals(value, { ...head, files: list });
    assertEquals(pauses, Math.ceil(rows.length / 200_000));
  }
});

Deno.test("matchSpans marks each word in its place, the last part first", () => {
  assertEquals(matchSpans("Bäche/Bach 01", termsOf("bach")), [[6, 10]]);
  assertEquals(matchSpans("abcabc", termsOf("bc cab")), [[1, 5]]);
  assertEquals(matchSpans("x", termsOf("")), []);
});
