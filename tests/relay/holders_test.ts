import { assert, assertEquals } from "@std/assert";
import { LIMITS, type Limits, limitsWith } from "../../lib/base/limits.ts";
import { type Entrant, type Holder, Holders } from "../../lib/relay/holders.ts";
import { seededRandom } from "../_random.ts";

const random = seededRandom(710);

function entrant(id: string, source = `192.0.2.${id}`): Entrant {
  return {
    id,
    entry: `<${id}>`,
    listedBytes: 900,
    group: source,
    source,
  };
}

function newHolders(limits: Partial<Limits> = {}): Holders {
  return new Holders(limitsWith(limits));
}

/** Lets a client in that must not be refused. */
function enter(holders: Holders, who: Entrant, now = 0): Holder {
  const outcome = holders.enter(who, now);
  assert(!("refusal" in outcome), "was refused");
  return outcome;
}

function refusalOf(outcome: Holder | { refusal: string }): string | undefined {
  return "refusal" in outcome ? outcome.refusal : undefined;
}

function idsOf(
  holders: Holders,
  content: string,
  { self, near = "198.51.100.1", most = 50, now = 0 }: {
    self?: string;
    near?: string;
    most?: number;
    now?: number;
  } = {},
): string[] {
  return holders.list(content, { self, near, most, random }, now)
    .map(({ id }) => id);
}

Deno.test("Holders lists a client only to those that ask for a content that it holds", () => {
  const holders = newHolders();
  const one = enter(holders, entrant("1"));
  enter(holders, entrant("2"));
  assertEquals(holders.hold(one, ["a", "b", "a"], 0), undefined);
  assertEquals(idsOf(holders, "a"), ["1"]);
  assertEquals(idsOf(holders, "b"), ["1"]);
  assertEquals(idsOf(holders, "c"), []);
  assertEquals([holders.count, holders.contentCount], [2, 2]);
  assertEquals(idsOf(holders, "a", { self: "1" }), [], "not to itself");

  assertEquals(holders.hold(one, ["b", "c"], 0), undefined);
  assertEquals(["a", "b", "c"].map((content) => idsOf(holders, content)), [
    [],
    ["1"],
    ["1"],
  ]);
  holders.leave(one);
  assertEquals([holders.count, holders.contentCount], [1, 0]);
});

Deno.test("Holders drops a client at its expiry instant, and each renewal counts from its own time", () => {
  const holders = newHolders();
  const [one, two] = [
    enter(holders, entrant("1")),
    enter(holders, entrant("2")),
  ];
  holders.hold(one, ["a"], 0);
  holders.hold(two, ["a"], 0);
  holders.hold(one, ["a"], 20_000);
  assertEquals(idsOf(holders, "a", { now: 59_999 }).toSorted(), ["1", "2"]);
  assertEquals(idsOf(holders, "a", { now: 60_000 }), ["1"]);
  assertEquals(holders.hold(two, ["a"], 60_000), "lease_ended");
  assertEquals(idsOf(holders, "a", { now: 80_000 }), []);
  assertEquals([holders.count, holders.contentCount], [0, 0]);
});

Deno.test("Holders never lists an expired client, swept or not", () => {
  const holders = newHolders({ sweepCount: 1 });
  for (const id of ["1", "2", "3"]) {
    holders.hold(enter(holders, entrant(id)), ["a"], 0);
  }
  assertEquals(idsOf(holders, "a", { now: 60_000 }), []);
  assertEquals(holders.count, 2);
  assert(holders.expire(60_000));
  assert(!holders.expire(60_000));
  assertEquals(holders.count, 0);
});

Deno.test("Holders keeps all holders longer than their leases while the relay cannot learn of renewals", () => {
  const holders = newHolders();
  const one = enter(holders, entrant("1"));
  const two = enter(holders, entrant("2"));
  holders.hold(one, ["a"], 0);
  holders.hold(two, ["a"], 0);
  holders.holdAll(600_000);
  assertEquals(idsOf(holders, "a", { now: 600_000 }).sort(), ["1", "2"]);
  assert(holders.renew(two, 600_000));
  assertEquals(holders.ownEndOf(two), 660_000);
  holders.holdAll(0);
  assertEquals(idsOf(holders, "a", { now: 600_000 }), ["2"]);
  assertEquals(idsOf(holders, "a", { now: 660_000 }), []);
});

Deno.test("Holders gives a client the place of one that is only kept, at its address or if the table is full", () => {
  const holders = new Holders({
    ...LIMITS,
    ...{ holdersPerAddressCount: 2, holderCount: 3 },
  });
  const at = (id: string, source: string) => ({ ...entrant(id), source });
  holders.holdAll(3_600_000);
  enter(holders, at("a", "s"));
  enter(holders, at("b", "s"));
  enter(holders, at("c", "t"));
  const leaseMs = 1_000 * LIMITS.leaseSeconds;
  assertEquals(
    holders.refusalOf(at("d", "s"), leaseMs - 1),
    "too_many_holders",
  );
  assertEquals("refusal" in holders.enter(at("d", "s"), leaseMs), false);
  assertEquals("refusal" in holders.enter(at("e", "u"), leaseMs), false);
  assertEquals(holders.count, 3);
  assertEquals("refusal" in holders.enter(at("f", "s"), leaseMs), false);
  assertEquals(holders.refusalOf(at("g", "s"), leaseMs), "too_many_holders");
  assertEquals(holders.count, 3);
});

Deno.test("Holders replaces the connection of a key by a newer one, and the end of the older one changes nothing", () => {
  const holders = newHolders();
  const older = enter(holders, entrant("1"));
  holders.hold(older, ["a"], 0);
  const newer = enter(holders, entrant("1"));
  assertEquals(idsOf(holders, "a"), []);
  holders.hold(newer, ["b"], 0);
  holders.leave(older);
  assertEquals(holders.hold(older, ["a"], 0), "lease_ended");
  assertEquals([idsOf(holders, "a"), idsOf(holders, "b")], [[], ["1"]]);
});

Deno.test("Holders takes 256 clients at one address, so 100 machines of an office take part, and more from other addresses", () => {
  const holders = newHolders();
  const refusals = Array.from(
    { length: 300 },
    (_, n) => refusalOf(holders.enter(entrant(`${n}`, "192.0.2.7"), 0)),
  );
  assertEquals(refusals.indexOf("too_many_holders_for_address"), 256);
  assertEquals(refusals.filter((refusal) => refusal === undefined).length, 256);
  enter(holders, entrant("other"));
  // A renewal by a new connection needs no room.
  enter(holders, entrant("0", "192.0.2.7"));
});

Deno.test("Holders takes 10,000 clients in all", () => {
  const holders = newHolders();
  for (let n = 0; n < LIMITS.holderCount; n++) enter(holders, entrant(`${n}`));
  assertEquals(
    refusalOf(holders.enter(entrant("more"), 0)),
    "too_many_holders",
  );
  assertEquals(holders.count, 10_000);
  enter(holders, entrant("more"), 60_000);
});

Deno.test("Holders accepts 64 contents of one client, and keeps those if more are reported", () => {
  const holders = newHolders();
  const one = enter(holders, entrant("1"));
  const contents = Array.from({ length: 65 }, (_, n) => `content ${n}`);
  assertEquals(holders.hold(one, contents.slice(1), 0), undefined);
  assertEquals(holders.hold(one, contents, 0), "too_many_contents");
  assertEquals([idsOf(holders, "content 0"), idsOf(holders, "content 64")], [
    [],
    ["1"],
  ]);
});

Deno.test("Holders takes 4,096 contents of all clients at one address, and 100,000 in all", () => {
  const holders = newHolders({ holdersPerAddressCount: 10_000 });
  const contents = (of: number) =>
    Array.from({ length: 64 }, (_, n) => `${of}/${n}`);
  for (let n = 0; n < 64; n++) {
    const one = enter(holders, entrant(`${n}`, "192.0.2.7"));
    assertEquals(holders.hold(one, contents(n), 0), undefined);
  }
  const late = enter(holders, entrant("late", "192.0.2.7"));
  assertEquals(holders.hold(late, ["x"], 0), "too_many_contents_for_address");
  const refusals = Array.from({ length: 1_600 }, (_, n) => {
    const one = enter(holders, entrant(`o${n}`));
    return holders.hold(one, contents(n), 0);
  });
  const firstRefused = refusals.indexOf("too_many_contents");
  assertEquals(64 * (64 + firstRefused), 99_968);
  assertEquals(idsOf(holders, "x"), []);
});

Deno.test("Holders lists 50 of many at random, each once", () => {
  const holders = newHolders();
  for (let n = 0; n < 200; n++) {
    holders.hold(enter(holders, entrant(`${n}`)), ["a"], 0);
  }
  const seen = new Set<string>();
  for (let n = 0; n < 40; n++) {
    const ids = idsOf(holders, "a");
    assertEquals([ids.length, new Set(ids).size], [50, 50]);
    for (const id of ids) seen.add(id);
  }
  assertEquals(seen.size, 200);
  assertEquals(idsOf(holders, "a", { most: 3 }).length, 3);
  assertEquals(holders.countOf("a"), 200);
});

Deno.test("Holders of one address with 256 clients crowd out no other address", () => {
  const holders = newHolders();
  for (let n = 0; n < 256; n++) {
    const liar = enter(holders, entrant(`liar ${n}`, "203.0.113.9"));
    holders.hold(liar, ["a"], 0);
  }
  const honest = ["1", "2", "3", "4", "5"];
  for (const id of honest) {
    holders.hold(enter(holders, entrant(id)), ["a"], 0);
  }
  for (let n = 0; n < 20; n++) {
    const ids = idsOf(holders, "a");
    assertEquals(ids.length, 50);
    assertEquals(honest.filter((id) => !ids.includes(id)), []);
    const few = idsOf(holders, "a", { most: 6 });
    assertEquals(few.filter((id) => id.startsWith("liar")).length, 1);
  }
});

Deno.test("Holders lists a client that cannot be dialled only to others at its own address", () => {
  const holders = newHolders();
  const one = enter(holders, entrant("1", "192.0.2.7"));
  holders.hold(one, ["a"], 0);
  assertEquals(idsOf(holders, "a"), ["1"], "nobody has tried");
  one.reached = "gone";
  assertEquals(idsOf(holders, "a"), []);
  assertEquals(idsOf(holders, "a", { near: "192.0.2.7" }), ["1"]);
  one.reached = "alive";
  assertEquals(idsOf(holders, "a"), ["1"]);
});

Deno.test("Holders agrees with a simple list through any changes", () => {
  const holders = newHolders();
  const model = new Map<
    string,
    { holder: Holder; until: number; of: string[] }
  >();
  let now = 0;
  const pick = (count: number) => Math.floor(random() * count);
  for (let step = 0; step < 5_000; step++) {
    now += pick(2_000);
    for (const [id, { until }] of model) if (until <= now) model.delete(id);
    const id = `${pick(40)}`;
    const mine = model.get(id);
    if (mine === undefined || pick(8) === 0) {
      const holder = enter(holders, entrant(id, `group ${pick(5)}`), now);
      model.set(id, { holder, until: now + 60_000, of: [] });
    } else if (pick(4) === 0) {
      holders.leave(mine.holder);
      model.delete(id);
    } else {
      const of = Array.from({ length: pick(6) }, () => `${pick(8)}`);
      assertEquals(holders.hold(mine.holder, of, now), undefined);
      Object.assign(mine, { of, until: now + 60_000 });
    }
    const content = `${pick(8)}`;
    const expected = [...model].filter(([, { of }]) => of.includes(content))
      .map(([id]) => id);
    assertEquals(
      idsOf(holders, content, { now }).toSorted(),
      expected.toSorted(),
    );
    assertEquals(holders.count, model.size);
  }
});
