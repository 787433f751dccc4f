/**
 * The order of what nodes list.
 */

import { assertEquals, assertGreater } from "@std/assert";
import { Catalogue } from "../../lib/client/catalogue.ts";
import { naturalKey } from "../../lib/cli/output/order.ts";
import { seededRandom } from "../_random.ts";

const COUNT = 20_000;

Deno.test("Catalogue sorts 20,000 names with pauses, and keeps the order of arrival of equal names", () => {
  const random = seededRandom(7);
  const catalogue = new Catalogue();
  const first = new Map<string, number>();
  for (let n = 0; n < COUNT; n++) {
    // Some names come from several nodes.
    const name = `file ${Math.floor(random() * COUNT * 0.8)}`;
    if (!first.has(name)) first.set(name, n);
    const node = `node ${n}`;
    const listed = { name, size: n, modifiedMs: 0, version: "ab".repeat(16) };
    catalogue.add({ node, votesAs: node }, listed);
  }
  const pauses = [...catalogue.sorting()].length;
  assertGreater(pauses, 20);
  const entries = [...catalogue];
  assertEquals(
    entries.map(({ name }) => name),
    [...first.keys()].toSorted(),
  );
  assertEquals(
    entries.map(({ offers }) => offers[0]!.size),
    entries.map(({ name }) => first.get(name)!),
  );
  const places = [...catalogue.places()];
  assertEquals(catalogue.placeOf(entries[99]!.name), places[99]);
});

for (const count of [0, 1, 8_191, 8_192, 8_193]) {
  Deno.test(`A copy of a Catalogue of ${count} names and the original grow apart`, () => {
    const nameOf = (n: number) => `${"x".repeat(90)}${String(n).padStart(5)}`;
    const add = (to: Catalogue, name: string, node: string) =>
      to.add({ node, votesAs: node }, {
        ...{ name, size: 7, modifiedMs: 0, version: "ab".repeat(16) },
      });
    const names = Array.from({ length: count }, (_, n) => nameOf(n));
    const catalogue = new Catalogue();
    for (const name of names) add(catalogue, name, "one");
    const copy = catalogue.copy();
    add(catalogue, "a", "two");
    add(copy, "b", "three");
    const said = (of: Catalogue) =>
      Array.from(of, ({ name, offers }) => [name, offers.map((o) => o.node)]);
    const common = names.map((name) => [name, ["one"]]);
    assertEquals(said(catalogue), [["a", ["two"]], ...common]);
    assertEquals(said(copy), [["b", ["three"]], ...common]);
    for (const _ of copy.addingFrom(catalogue, new Set(["two"])));
    assertEquals(said(copy), [["a", ["two"]], ["b", ["three"]], ...common]);
  });
}

for (const count of [0, 1, 2_047, 2_048, 2_049, 4_097]) {
  Deno.test(`Catalogue sorts ${count} names that come in reverse order`, () => {
    const catalogue = new Catalogue();
    const names = Array.from(
      { length: count },
      (_, n) => String(n).padStart(5, "0"),
    );
    for (const name of names.toReversed()) {
      const listed = { name, size: 1, modifiedMs: 0, version: "ab".repeat(16) };
      catalogue.add({ node: "one", votesAs: "one" }, listed);
    }
    assertEquals([...catalogue].map(({ name }) => name), names);
  });
}

Deno.test("Catalogue.naturalPlaces gives each name once, numbers in names by their values", () => {
  const random = seededRandom(672);
  const catalogue = new Catalogue();
  const names = new Set<string>();
  for (let n = 0; n < COUNT; n++) {
    const name = `d${Math.floor(random() * 30)}/f${Math.floor(random() * 999)}`;
    names.add(name);
    const listed = { name, size: n, modifiedMs: 0, version: "ab".repeat(16) };
    catalogue.add({ node: `node ${n % 3}`, votesAs: "x" }, listed);
  }
  const sorted = [...names].map((name) => ({ name, key: naturalKey(name) }))
    .sort((a, b) => a.key < b.key ? -1 : 1);
  assertEquals(
    Array.from(catalogue.naturalPlaces(), (at) => catalogue.nameAt(at)),
    sorted.map(({ name }) => name),
  );
});

Deno.test("Catalogue.soleAt gives names that are listed once, and no others", () => {
  const catalogue = new Catalogue();
  const add = (node: string, name: string) =>
    catalogue.add({ node, votesAs: node }, {
      ...{ name, size: name.length, modifiedMs: 7, version: "ab".repeat(16) },
    });
  add("one", "b/two nodes");
  add("other", "b/two nodes");
  add("one", "a");
  add("one", "c, twice");
  add("one", "c, twice");
  add("other", "d");
  assertEquals(Array.from(catalogue.places(), (at) => catalogue.soleAt(at)), [
    { name: "a", node: "one", size: 1, modifiedMs: 7 },
    undefined,
    undefined,
    { name: "d", node: "other", size: 1, modifiedMs: 7 },
  ]);
});

Deno.test("Catalogue.hasContentAt compares the contents of all offers of a name", () => {
  const catalogue = new Catalogue();
  const contentOf = (digit: string) => digit.repeat(64);
  for (
    const [name, node, digit] of [
      ["a", "one", "1"],
      ["a", "two", "2"],
      ["b", "one", undefined],
      ["c", "two", "3"],
    ] as const
  ) {
    catalogue.add({ node, votesAs: node }, {
      ...{ name, size: 1, modifiedMs: 0, version: "ab".repeat(16) },
      ...digit === undefined ? {} : { content: contentOf(digit) },
    });
  }
  const namesWith = (digit: string) => {
    const wanted = Uint8Array.fromHex(contentOf(digit));
    return Array.from(catalogue.places())
      .filter((place) => catalogue.hasContentAt(place, wanted))
      .map((place) => catalogue.nameAt(place));
  };
  assertEquals(["0", "1", "2", "3"].map(namesWith), [[], ["a"], ["a"], ["c"]]);
});

for (const part of [0, 0.1, 0.9, 1]) {
  Deno.test(`A Catalogue keeps ${part} of its files, and its copy all of them`, () => {
    const random = seededRandom(11);
    const catalogue = new Catalogue();
    const kept = new Set<string>();
    for (let n = 0; n < COUNT; n++) {
      const node = `node ${n % 7}`;
      const name = `é${"x".repeat(random() * 200)}${n}`;
      const content = n % 2 ? {} : { content: "cd".repeat(32) };
      const listed = {
        name,
        size: n,
        modifiedMs: -n,
        version: "ab".repeat(16),
      };
      const from = { node, votesAs: node };
      catalogue.add(from, { ...listed, ...content, executable: n % 3 === 0 });
      if (random() < part) kept.add(name);
    }
    const before = new Map(
      Array.from(catalogue, (entry) => [entry.name, entry]),
    );
    const copy = catalogue.copy();
    let at = 0;
    const keeps = Array.from({ length: COUNT }, () => false);
    for (const { name, offers } of before.values()) {
      keeps[offers[0]!.size] = kept.has(name);
    }
    catalogue.filter(() => keeps[at++]!);
    assertEquals(at, COUNT);
    assertEquals(catalogue.count, kept.size);
    assertEquals(
      [...catalogue],
      [...before.values()].filter(({ name }) => kept.has(name)),
    );
    assertEquals(copy.count, COUNT);
    assertEquals([...copy].length, COUNT);
  });
}
