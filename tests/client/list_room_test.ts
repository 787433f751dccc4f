/**
 * How the room for lists is shared between address groups.
 */

import { assertEquals, assertGreater, assertThrows } from "@std/assert";
import { Catalogue, type Offerer } from "../../lib/client/catalogue.ts";
import { ListRoom } from "../../lib/client/list_room.ts";
import { Stopped } from "../../lib/client/listing_clock.ts";
import { addressGroup } from "../../lib/base/address.ts";

const ROOM = 200_000;

function nodeAt(node: string, address: string): Offerer {
  return { node, votesAs: addressGroup(address) };
}

class Listed {
  readonly catalogue = new Catalogue();
  readonly room = new ListRoom(this.catalogue, ROOM);
  /** Nodes that lost files, in the order in which that happened. */
  readonly losers: string[] = [];

  /** Adds up to `count` files; returns how many were added. */
  list(from: Offerer, count: number): number {
    for (let n = 0; n < count; n++) {
      try {
        this.losers.push(...this.room.makeFor(from));
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
        return n;
      }
      this.room.add(from, fileOf(from, n));
    }
    return count;
  }

  /** How many files of each node there are. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { offers } of this.catalogue) {
      for (const { node } of offers) counts[node] = (counts[node] ?? 0) + 1;
    }
    return counts;
  }
}

function fileOf({ node }: Offerer, n: number) {
  const name = `${node}/${String(n).padStart(6, "0")}`;
  return { name, size: n, modifiedMs: 0, version: "ab".repeat(16) };
}

Deno.test("ListRoom keeps the whole list of a node if two nodes of another address fill the room", () => {
  const listed = new Listed();
  const [one, two] = [nodeAt("one", "192.0.2.1"), nodeAt("two", "192.0.2.1")];
  const filled = listed.list(one, 1_200) + listed.list(two, 10_000);
  assertGreater(filled, 2_000);
  assertEquals(listed.list(nodeAt("good", "198.51.100.7"), 700), 700);
  const { good, one: kept, ...rest } = listed.counts();
  assertEquals(good, 700);
  assertEquals(kept, 1_200, "the last files give way");
  assertEquals(Object.keys(rest), ["two"]);
  assertEquals(new Set(listed.losers), new Set(["two"]));
  assertThrows(() => listed.room.makeFor(two), Stopped);
  assertEquals(listed.list(one, 1), 0, "the group lists no more");
});

Deno.test("ListRoom gives each of many groups its part of the room", () => {
  const listed = new Listed();
  const nodes = Array.from(
    { length: 10 },
    (_, n) => nodeAt(`n${n}`, `192.0.2.${n}`),
  );
  for (const node of nodes) listed.list(node, 10_000);
  const counts = Object.values(listed.counts());
  const sum = counts.reduce((one, other) => one + other);
  assertEquals(counts.length, 10);
  assertGreater(Math.min(...counts), sum / 10 / 2);
});

Deno.test("ListRoom leaves whole lists whole for one of similar length", () => {
  const listed = new Listed();
  const one = nodeAt("one", "192.0.2.1");
  assertEquals(listed.list(one, 1_400), 1_400);
  const count = listed.list(nodeAt("two", "198.51.100.7"), 1_400);
  assertEquals(count < 1_000, true);
  assertEquals(listed.counts(), { one: 1_400, two: count });
});

Deno.test("ListRoom removes nothing for a group that lists most itself", () => {
  const listed = new Listed();
  const small = nodeAt("small", "192.0.2.1");
  const large = nodeAt("large", "198.51.100.7");
  assertEquals(listed.list(small, 100), 100);
  const count = listed.list(large, 10_000);
  assertEquals(listed.counts(), { small: 100, large: count });
  assertEquals(listed.losers, []);
});

Deno.test("ListRoom cuts few of many whole lists for one more file", () => {
  const listed = new Listed();
  const nodes = Array.from(
    { length: 16 },
    (_, n) => nodeAt(`n${n}`, `192.0.2.${n}`),
  );
  for (const node of nodes) listed.list(node, 142);
  for (const node of nodes) listed.list(node, 1);
  assertEquals(listed.losers, []);
  assertEquals(listed.list(nodeAt("one", "198.51.100.7"), 100), 100);
  assertEquals(new Set(listed.losers).size, 4);
});
