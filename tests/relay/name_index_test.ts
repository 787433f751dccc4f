import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { NameIndex } from "../../lib/relay/name_index.ts";
import { seededRandom } from "../_random.ts";

function newIndex(limits: Partial<Limits> = {}): NameIndex {
  return new NameIndex({ ...LIMITS, ...limits });
}

function found(index: NameIndex, fingerprint: number): number[] {
  const slots: number[] = [];
  index.visit(fingerprint, (slot) => slots.push(slot) > 0);
  return slots.sort((a, b) => a - b);
}

const LARGEST = 2 ** 40 - 1;

Deno.test("NameIndex finds the nodes of a fingerprint, and those of no other", () => {
  const index = newIndex();
  const [one, two] = [index.open("a"), index.open("b")];
  for (const fingerprint of [0, 255, 256, LARGEST]) {
    assertEquals(index.add(fingerprint, one), undefined);
  }
  index.add(256, two);
  assertEquals(found(index, 0), [one]);
  assertEquals(found(index, 256), [one, two]);
  assertEquals(found(index, LARGEST), [one]);
  assertEquals(found(index, 257), []);
  assertEquals(index.entryCount, 5);
});

Deno.test("NameIndex counts a fingerprint once, however often it is added or removed", () => {
  const index = newIndex();
  const slot = index.open("a");
  for (let n = 0; n < 3; n++) index.add(7, slot);
  assertEquals(index.entriesOf(slot), 1);
  for (let n = 0; n < 3; n++) index.remove(7, slot);
  assertEquals([index.entriesOf(slot), found(index, 7)], [0, []]);
  index.add(7, slot);
  assertEquals([index.entriesOf(slot), found(index, 7)], [1, [slot]]);
});

Deno.test("NameIndex forgets a node at once, and the next node in its slot gets none of its fingerprints", () => {
  const index = newIndex();
  const gone = index.open("a");
  for (let n = 0; n < 20_000; n++) index.add(n, gone);
  index.close(gone);
  assertEquals([index.entryCount, found(index, 5)], [0, []]);
  assertThrows(() => index.add(1, gone), TypeError);
  const other = index.open("a");
  assert(other !== gone, "its pairs are still in the blocks");
  while (index.tidy(1_000));
  assertEquals(index.open("a"), gone);
  assertEquals(found(index, 5), []);
  assertLess(index.bytes, 10_000);
});

Deno.test("NameIndex uses few slots for a node that sends its names again and again", () => {
  const index = newIndex();
  const honest = index.open("a");
  for (let n = 0; n < 20_000; n++) index.add(n, honest);
  let most = 0;
  for (let n = 0; n < 20_000; n++) {
    const slot = index.open("b");
    most = Math.max(most, slot);
    index.add(7, slot);
    index.close(slot);
    index.tidy(1_000);
  }
  // As many as there are unsorted places in a block.
  assertLess(most, 2_000);
  assertEquals(found(index, 7), [honest]);
});

Deno.test("NameIndex refuses fingerprints beyond the limit of a node, an address group or all, and continues", () => {
  const index = newIndex({
    indexEntriesPerNodeCount: 10,
    indexEntriesPerAddressCount: 15,
    indexEntryCount: 20,
  });
  const slots = ["a", "a", "b"].map((group) => index.open(group));
  const [one, two, three] = slots as [number, number, number];
  const add = (slot: number, count: number) =>
    Array.from({ length: count }, (_, n) => index.add(n, slot)).at(-1);
  assertEquals(add(one, 10), undefined);
  assertEquals(add(one, 11), "node_full");
  assertEquals(add(two, 5), undefined);
  assertEquals(add(two, 6), "group_full");
  assertEquals(add(three, 5), undefined);
  assertEquals(add(three, 6), "index_full");
  assertEquals(found(index, 3), [one, two, three]);
  index.close(one);
  index.makeRoom();
  assertEquals(add(three, 10), undefined, "room that a node leaves is used");
  assertEquals(add(two, 10), undefined);
});

Deno.test("A full NameIndex rewrites blocks only where it makes room, not for fingerprints it has", () => {
  const count = 40_000;
  const index = newIndex({ indexEntryCount: count });
  const [stays, leaves] = [index.open("a"), index.open("b")];
  for (let n = 0; n < count; n++) index.add(n, n % 2 === 0 ? stays : leaves);
  index.close(leaves);
  const { bytes } = index;
  for (let n = 0; n < count; n += 2) {
    assertEquals(index.add(n, stays), undefined);
  }
  assertEquals(index.bytes, bytes);
  index.makeRoom();
  assertLess(index.bytes, bytes);
  assertLess(bytes / 2, index.bytes, "one block or two at a time");
});

Deno.test("NameIndex finds all nodes of a fingerprint that fills many blocks", () => {
  const index = newIndex();
  const slots = Array.from({ length: 30_000 }, (_, n) => index.open(`${n}`));
  for (const slot of slots.toReversed()) index.add(77, slot);
  index.add(76, slots[0]!);
  index.add(78, slots[1]!);
  assertEquals(found(index, 77), slots);
});

for (const seed of [1, 2, 3, 4]) {
  Deno.test(`NameIndex answers like a naive index through any changes: seed ${seed}`, () => {
    const random = seededRandom(seed);
    const below = (most: number) => Math.floor(random() * most);
    const index = newIndex({ indexEntryCount: 60_000 });
    const naive = new Map<number, Set<number>>();
    // Few fingerprints, of which some are common to many nodes.
    const some = () => below(2) === 0 ? below(50) : below(9_000) * 3_001;
    for (let step = 0; step < 400; step++) {
      const slots = [...naive.keys()];
      if (slots.length < 5 || below(12) === 0) {
        const slot = index.open(`${below(3)}`);
        assert(!naive.has(slot), "no slot is given twice");
        naive.set(slot, new Set());
        continue;
      }
      const slot = slots[below(slots.length)]!;
      const own = naive.get(slot)!;
      if (below(14) === 0) {
        index.close(slot);
        naive.delete(slot);
      } else if (below(3) === 0) {
        for (const fingerprint of [...own].filter(() => below(3) > 0)) {
          index.remove(fingerprint, slot);
          own.delete(fingerprint);
        }
      } else {
        for (let n = below(2_000); n > 0; n--) {
          const fingerprint = some();
          if (index.add(fingerprint, slot) === undefined) own.add(fingerprint);
        }
      }
      if (below(2) === 0) index.tidy(below(20_000));
      const asked = some();
      assertEquals(
        found(index, asked),
        [...naive].filter(([, own]) => own.has(asked)).map(([slot]) => slot)
          .sort((a, b) => a - b),
      );
      for (const [slot, { size }] of naive) {
        assertEquals(index.entriesOf(slot), size);
      }
    }
    const total = [...naive.values()].reduce((sum, { size }) => sum + size, 0);
    assertEquals(index.entryCount, total);
  });
}
