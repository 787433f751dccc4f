/**
 * Places that are shared out by group: who gets one if all are taken.
 */

import { assert, assertEquals } from "@std/assert";
import {
  evictions,
  type GroupedPlace,
  GroupSizes,
  placeToEvict,
} from "../../lib/guard/eviction.ts";
import { seededRandom } from "../_random.ts";

interface Place extends GroupedPlace {
  readonly since: number;
}

/** Places of which `most` exist, as an engine keeps them. */
class Table {
  readonly places = new Set<Place>();
  readonly #most: number;
  #now = 0;

  constructor(most: number) {
    this.#most = most;
  }

  sizeOf(group: string): number {
    return new GroupSizes(this.places).of(group);
  }

  /** Whether a newcomer of `group` got a place, and which one it replaced. */
  ask(
    group: string,
    order?: (one: Place, other: Place) => number,
  ): { isIn: boolean; replaced?: Place } {
    const sizes = new GroupSizes(this.places);
    const isFull = this.places.size >= this.#most;
    const replaced = isFull
      ? placeToEvict(this.places, {
        own: sizes.of(group),
        sizeOf: (place) => sizes.of(place.group),
        ...order && { order },
      })
      : undefined;
    if (isFull && replaced === undefined) return { isIn: false };
    if (replaced !== undefined) this.places.delete(replaced);
    this.places.add({ group, since: this.#now++ });
    return { isIn: true, ...replaced && { replaced } };
  }
}

const ORDERS = {
  "the oldest first": undefined,
  "the newest first": (one: Place, other: Place) => other.since - one.since,
};

for (const [name, order] of Object.entries(ORDERS)) {
  Deno.test(`row 1094: placeToEvict, ${name}: attackers of fewer groups than places never keep out a group or take its last place`, () => {
    const random = seededRandom(1094);
    for (let round = 0; round < 200; round++) {
      const most = 2 + Math.floor(random() * 15);
      const attackers = 1 + Math.floor(random() * (most - 1));
      const table = new Table(most);
      let isHonestIn = false;
      for (let turn = 0; turn < 100; turn++) {
        const isHonest = random() < 0.05;
        const group = isHonest
          ? "honest"
          : `attacker ${Math.floor(random() * attackers)}`;
        const wasIn = table.sizeOf("honest");
        const { isIn } = table.ask(group, order);
        if (isHonest && wasIn === 0) assert(isIn, "it gets a place at once");
        isHonestIn ||= isHonest;
        const isThere = table.sizeOf("honest") > 0;
        assertEquals(isThere, isHonestIn, "it keeps its last place");
      }
    }
  });

  Deno.test(`placeToEvict, ${name}: the one that goes is of a largest group, and the groups end up equal`, () => {
    const random = seededRandom(7);
    const table = new Table(12);
    for (let n = 0; n < 12; n++) table.ask("first", order);
    const groups = ["first", "a", "b", "c"];
    for (let turn = 0; turn < 200; turn++) {
      const group = groups[Math.floor(random() * groups.length)]!;
      const most = Math.max(...groups.map((each) => table.sizeOf(each)));
      const own = table.sizeOf(group);
      const { isIn, replaced } = table.ask(group, order);
      assertEquals(isIn, most > own + 1);
      if (replaced === undefined) continue;
      assertEquals(table.sizeOf(replaced.group), most - 1);
    }
    assertEquals(groups.map((group) => table.sizeOf(group)), [3, 3, 3, 3]);
  });
}

Deno.test("placeToEvict applies the order within the largest groups, and then takes the first", () => {
  const texts = ["c 0", "c 5", "a 3", "b 1", "a 2", "b 2", "a 4", "b 6"];
  const places = texts.map((text) => {
    const [group = "", age] = text.split(" ");
    return { text, group, age: Number(age) };
  });
  const sizes = new GroupSizes(places);
  const sizeOf = ({ group }: GroupedPlace) => sizes.of(group);
  const order = (one: { age: number }, other: { age: number }) =>
    one.age - other.age;
  assertEquals(placeToEvict(places, { own: 0, sizeOf, order })?.text, "b 1");
  assertEquals(placeToEvict(places, { own: 0, sizeOf })?.text, "a 3");
  assertEquals(placeToEvict(places, { own: 2, sizeOf }), undefined);
  assertEquals(placeToEvict(places, { sizeOf })?.text, "a 3", "of any group");
  assertEquals(placeToEvict([], { sizeOf }), undefined);
});

Deno.test("GroupSizes: an idle place is replaced by its own group and by smaller ones", () => {
  const [a, b] = [{ group: "a" }, { group: "b" }];
  const sizes = new GroupSizes([a, a, b]);
  assertEquals(sizes.yields(a, "a"), true);
  assertEquals(sizes.yields(a, "b"), true);
  assertEquals(sizes.yields(b, "a"), false);
  assertEquals(sizes.yields(b, "new"), true);
});

Deno.test("evictions takes places of the largest groups, like placeToEvict one by one", () => {
  const check = (sizes: number[], count: number) => {
    const names = sizes.flatMap((size, group) =>
      Array.from({ length: size }, (_, n) => `${group}.${n}`)
    );
    const left = [...sizes];
    for (let n = 0; n < Math.min(count, names.length); n++) {
      left[left.indexOf(Math.max(...left))]!--;
    }
    const gone = evictions(sizes.keys(), {
      sizeOf: (group) => sizes[group]!,
      isOfMany: () => false,
      inOrder: (group) => names.filter((name) => name.startsWith(`${group}.`)),
    }).take(count).toArray();
    const stays = names.filter((name) => !gone.includes(name));
    assertEquals(new Set(gone).size, Math.min(count, names.length));
    const sorted = (numbers: number[]) => numbers.toSorted((a, b) => a - b);
    assertEquals(
      sorted(
        sizes.map((_, group) =>
          stays.filter((name) => name.startsWith(`${group}.`)).length
        ),
      ),
      sorted(left),
    );
  };
  const random = seededRandom(3);
  for (let round = 0; round < 200; round++) {
    const sizes = Array.from(
      { length: round % 9 },
      () => Math.floor(10 * random()),
    );
    check(sizes, Math.floor(60 * random()));
  }
});

Deno.test("evictions looks at each group a few times, however many places are freed", () => {
  let looks = 0;
  const gone = evictions(Array(10_000).keys(), {
    sizeOf: () => (looks++, 2),
    isOfMany: () => false,
    inOrder: (group) => (looks++, [`${group} a`, `${group} b`]),
  }).take(5_000).toArray();
  assertEquals([gone.length, looks <= 20_000], [5_000, true]);
});
