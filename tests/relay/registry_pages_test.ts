import { assertEquals, assertLess } from "@std/assert";
import type { Registry } from "../../lib/relay/registry.ts";
import { seededRandom } from "../_random.ts";
import { newRegistry, node, WHOLE } from "./_registry.ts";

Deno.test("Registry lists nodes that fit one page in the order of registration", () => {
  const { registry } = newRegistry();
  const names = Array.from({ length: 50 }, (_, n) => `n${n}`);
  for (const name of names) registry.register(node(name, { entry: name }), 0);
  registry.withdraw(node("n7"), 0);
  registry.register(node("n3", { entry: "n3", sequence: 2 }), 1);
  const page = registry.list(WHOLE, 2);
  assertEquals(page.entries, names.filter((name) => name !== "n7"));
  assertEquals(page.count, 49);
  assertEquals(page.cursor, undefined);
});

/** All pages, as a client asks for them. */
function listAll(
  registry: Registry,
  options: { pageBytes: number; random: () => number },
): { entries: string[]; pages: number } {
  const found: string[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page = registry.list(cursor ? { ...options, cursor } : options, 0);
    found.push(...page.entries);
    cursor = page.cursor;
    pages++;
  } while (cursor !== undefined);
  return { entries: found, pages };
}

for (const count of [1_001, 1_024, 2_310, 4_096]) {
  Deno.test(`Registry pages through ${count} nodes, each once, in random order`, () => {
    const { registry } = newRegistry();
    const names = Array.from({ length: count }, (_, n) => `n${n}`);
    for (const name of names) registry.register(node(name, { entry: name }), 0);
    const random = seededRandom(count);
    const one = listAll(registry, { pageBytes: 2_000, random });
    assertEquals(one.entries.toSorted(), names.toSorted());
    const other = listAll(registry, { pageBytes: 2_000, random });
    assertEquals(other.entries.toSorted(), names.toSorted());
    assertEquals(one.entries.join() === other.entries.join(), false);
  });
}

Deno.test("Registry limits a page by bytes and by count", () => {
  const { registry } = newRegistry({ listingPageCount: 10 });
  for (let n = 0; n < 100; n++) {
    registry.register(node(`n${n}`, { entry: "x".repeat(100) }), 0);
  }
  const byCount = registry.list({ pageBytes: 60_000, random: Math.random }, 0);
  assertEquals(byCount.entries.length, 10);
  const byBytes = registry.list({ pageBytes: 550, random: Math.random }, 0);
  assertEquals(byBytes.entries.length, 5);
  assertLess(byBytes.entries.join().length, 550);
});

Deno.test("Registry counts a page by the bytes listed, not by those kept", () => {
  const { registry } = newRegistry();
  for (let n = 0; n < 10; n++) {
    registry.register(node(`n${n}`, { entry: `${n}`, listedBytes: 99 }), 0);
  }
  const random = seededRandom(1);
  const whole = registry.list({ pageBytes: 1_000, random }, 0);
  assertEquals(whole.entries.join(""), "0123456789");
  const part = registry.list({ pageBytes: 999, random }, 0);
  assertEquals(part.entries.length, 9);
  registry.register(node("n3", { entry: "3", listedBytes: 9, sequence: 2 }), 1);
  assertEquals(
    registry.list({ pageBytes: 910, random }, 1).entries.length,
    10,
    "it has become shorter",
  );
  registry.withdraw(node("n4"), 2);
  assertEquals(registry.list({ pageBytes: 810, random }, 2).count, 9);
  assertEquals(
    registry.list({ pageBytes: 810, random }, 2).cursor,
    undefined,
    "one has left",
  );
});

Deno.test("Registry reports until when a page is valid, and counts its changes", () => {
  const { registry } = newRegistry();
  registry.register(node("a"), 0);
  registry.register(node("b"), 10_000);
  const before = registry.changes(20_000);
  assertEquals(registry.list(WHOLE, 20_000).trueUntil, 60_000);
  assertEquals(registry.changes(20_000), before, "reading changes nothing");
  registry.register(node("a", { sequence: 2 }), 30_000);
  const renewed = registry.changes(30_000);
  assertEquals(renewed > before, true, "its signature is another now");
  assertEquals(registry.list(WHOLE, 30_000).trueUntil, 70_000);
  assertEquals(registry.changes(69_999), renewed);
  assertEquals(registry.changes(70_000) > renewed, true, "a lease has ended");
  const withdrawn = registry.changes(70_000);
  registry.withdraw({ id: "a", instance: "one", sequence: 2 }, 70_000);
  assertEquals(registry.changes(70_000) > withdrawn, true);
});

for (
  const cursor of [
    "",
    "x",
    "1.2.3",
    "1.2.3.4.5",
    "-1.2.3.0",
    "9.1.3.0",
    "0.1.3.3",
    "0.1.9999999.0",
    "1e9.1.3.0",
    "0.0.3.0",
    "0.2.4.0", // comes to every second place, again and again
    "0.1.200000.0", // more places than there can be nodes
  ]
) {
  Deno.test(`Registry answers the cursor ${JSON.stringify(cursor)} harmlessly`, () => {
    const { registry } = newRegistry();
    for (const id of ["a", "b", "c"]) registry.register(node(id), 0);
    const page = registry.list({ ...WHOLE, cursor }, 0);
    const trueUntil = Infinity;
    assertEquals(page, { count: 3, entries: [], leases: [], trueUntil });
  });
}

Deno.test("Registry omits no node, and makes no empty page, when nodes withdraw meanwhile", () => {
  const random = seededRandom(3);
  const odd = [1, 2_999, 1_499, 1_501, 1_000, 1_001]; // strides and their steps
  for (let round = 0; round < 60; round++) {
    const { registry } = newRegistry({ listingPageCount: 10 });
    const ids = Array.from({ length: 3_000 }, (_, n) => `n${n}`);
    for (const id of ids) registry.register(node(id, { entry: id }), 0);
    const stride = odd[round] ?? Math.ceil(random() * 3_000);
    const draws = [random(), (stride - 0.5) / 3_000];
    const walk = { pageBytes: 60_000, random: () => draws.shift()! };
    const first = registry.list(walk, 0);
    // The last ones leave: the others keep their places.
    const stay = Math.floor(random() ** 3 * 3_000);
    for (const id of ids.slice(stay).reverse()) {
      registry.withdraw(node(id), 1);
    }
    const found: string[] = [];
    let { cursor } = first;
    while (cursor !== undefined) {
      const page = registry.list({ ...walk, cursor }, 1);
      assertEquals(page.entries.length > 0 || page.cursor === undefined, true);
      found.push(...page.entries);
      cursor = page.cursor;
    }
    const seen = new Set(first.entries);
    const left = ids.slice(0, stay).filter((id) => !seen.has(id));
    assertEquals(found.toSorted(), left.toSorted(), `stride ${stride}`);
  }
});

Deno.test("Registry skips empty places for any cursor", () => {
  const { registry } = newRegistry({ nodeCount: 1_000_000 });
  registry.register(node("a"), 0);
  const cursor = "1.1.1000000.0";
  const startedAt = performance.now();
  for (let n = 0; n < 20_000; n++) {
    const page = registry.list({ ...WHOLE, cursor }, 0);
    assertEquals(page.entries.length, 1);
  }
  // Place by place it would be 20 thousand million.
  assertLess(performance.now() - startedAt, 60_000);
});
