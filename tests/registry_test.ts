import { assertEquals, assertExists, assertLess } from "@std/assert";
import { LIMITS } from "../lib/limits.ts";
import {
  type Registration,
  Registry,
  type RegistryLimits,
} from "../lib/registry.ts";
import { seededRandom } from "./_random.ts";

const LEASE_MS = LIMITS.leaseSeconds * 1_000;

function newRegistry(overrides: Partial<RegistryLimits> = {}): {
  registry: Registry;
  expired: string[];
} {
  const expired: string[] = [];
  const registry = new Registry(
    { ...LIMITS, ...overrides },
    (id) => expired.push(id),
  );
  return { registry, expired };
}

function node(id: string, overrides: Partial<Registration> = {}): Registration {
  return {
    id,
    sequence: 1,
    entry: `{"of":"${id}"}`,
    observedHost: "192.0.2.7",
    source: id, // one address each, unless a test says otherwise
    ...overrides,
  };
}

const WHOLE = { pageBytes: 60_000, random: seededRandom(1) };

function entries(registry: Registry, now: number): readonly string[] {
  return registry.list(WHOLE, now).entries;
}

Deno.test("Registry lists a node until its expiry instant, and not at it", () => {
  const { registry, expired } = newRegistry();
  registry.register(node("a"), 0);
  assertEquals(registry.count(LEASE_MS - 1), 1);
  assertExists(registry.find("a", LEASE_MS - 1));
  assertEquals(registry.find("a", LEASE_MS), undefined);
  assertEquals(entries(registry, LEASE_MS), []);
  assertEquals(expired, ["a"]);
});

Deno.test("Registry applies the expiry on every read, without a sweep", () => {
  for (const read of ["count", "find", "list", "withdraw"] as const) {
    const { registry, expired } = newRegistry();
    registry.register(node("a"), 0);
    if (read === "count") registry.count(LEASE_MS);
    if (read === "find") registry.find("a", LEASE_MS);
    if (read === "list") entries(registry, LEASE_MS);
    if (read === "withdraw") registry.withdraw("a", 9, LEASE_MS);
    assertEquals(expired, ["a"], read);
  }
});

Deno.test("Registry renews: listed through missed renewals, gone after the third", () => {
  const { registry } = newRegistry();
  registry.register(node("a"), 0);
  const renewed = registry.register(node("a", { sequence: 2 }), 20_000);
  assertEquals(renewed, {
    kind: "granted",
    isNew: false,
    terms: { leaseSeconds: 60, renewSeconds: 20 },
  });
  assertEquals(registry.count(LEASE_MS + 19_999), 1);
  assertEquals(registry.count(LEASE_MS + 20_000), 0);
});

Deno.test("Registry keeps one entry for one id, the newest", () => {
  const { registry } = newRegistry();
  registry.register(node("a", { entry: "old" }), 0);
  registry.register(node("a", { entry: "new", sequence: 2 }), 1);
  assertEquals(entries(registry, 2), ["new"]);
});

for (const sequence of [0, 1]) {
  Deno.test(`Registry refuses sequence ${sequence} after 1`, () => {
    const { registry } = newRegistry();
    registry.register(node("a", { entry: "new" }), 0);
    const outcome = registry.register(node("a", { entry: "old", sequence }), 1);
    assertEquals(outcome, { kind: "refused", reason: "stale_sequence" });
    assertEquals(entries(registry, 2), ["new"]);
  });
}

Deno.test("Registry withdraws at once, and returns the entry", () => {
  const { registry, expired } = newRegistry();
  registry.register(node("a", { entry: "x" }), 0);
  assertEquals(registry.withdraw("a", 1, 1), "x");
  assertEquals(registry.count(1), 0);
  assertEquals(registry.withdraw("a", 1, 1), undefined);
  assertEquals(registry.count(LEASE_MS), 0);
  assertEquals(expired, []);
});

Deno.test("Registry: a process that leaves does not take down its successor", () => {
  const { registry } = newRegistry();
  registry.register(node("a", { sequence: 5 }), 0);
  registry.register(node("a", { sequence: 9 }), 1);
  assertEquals(registry.withdraw("a", 5, 2), undefined);
  assertEquals(registry.count(2), 1);
});

Deno.test("Registry drops a dead node, unless it has registered meanwhile", () => {
  const { registry } = newRegistry();
  registry.register(node("a", { sequence: 5 }), 0);
  registry.register(node("a", { sequence: 6 }), 1);
  assertEquals(registry.drop("a", 5), undefined);
  assertEquals(registry.count(1), 1);
  assertEquals(registry.drop("a", 6), '{"of":"a"}');
  assertEquals(registry.count(1), 0);
});

Deno.test("Registry lists an id again after it left, as a new one", () => {
  const { registry } = newRegistry();
  registry.register(node("a", { sequence: 5 }), 0);
  registry.withdraw("a", 5, 1);
  const outcome = registry.register(node("a", { sequence: 1 }), 2);
  assertEquals(outcome.kind === "granted" && outcome.isNew, true);
});

Deno.test("Registry renews when full, and refuses who is new", () => {
  const { registry } = newRegistry({ nodeCount: 2 });
  registry.register(node("a"), 0);
  registry.register(node("b"), 0);
  assertEquals(registry.register(node("c"), 1), {
    kind: "refused",
    reason: "registry_full",
  });
  assertEquals(
    registry.register(node("a", { sequence: 2 }), 1).kind,
    "granted",
  );
  registry.withdraw("b", 1, 2);
  assertEquals(registry.register(node("c"), 3).kind, "granted");
});

Deno.test("Registry takes 32 nodes from one address, and others from others", () => {
  const { registry } = newRegistry();
  const outcomes = Array.from(
    { length: 1_000 },
    (_, n) => registry.register(node(`n${n}`, { source: "192.0.2.7" }), 0),
  );
  const granted = outcomes.filter(({ kind }) => kind === "granted");
  assertEquals(granted.length, LIMITS.nodesPerAddressCount);
  assertEquals(outcomes.at(-1), {
    kind: "refused",
    reason: "too_many_nodes_for_address",
  });
  assertEquals(registry.register(node("x"), 0).kind, "granted");
  registry.withdraw("n0", 1, 1);
  const next = registry.register(node("y", { source: "192.0.2.7" }), 1);
  assertEquals(next.kind, "granted", "a place became free");
});

Deno.test("Registry counts a node that moves at its new address", () => {
  const { registry } = newRegistry({ nodesPerAddressCount: 1 });
  registry.register(node("a", { source: "one" }), 0);
  registry.register(node("a", { source: "two", sequence: 2 }), 1);
  assertEquals(
    registry.register(node("b", { source: "one" }), 2).kind,
    "granted",
  );
  const moved = registry.register(node("b", { source: "two", sequence: 2 }), 3);
  assertEquals(moved, {
    kind: "refused",
    reason: "too_many_nodes_for_address",
  });
});

Deno.test("Registry refuses the fourth registration of one id in ten seconds", () => {
  const { registry } = newRegistry();
  const register = (sequence: number, now: number) =>
    registry.register(node("a", { sequence }), now);
  const kinds = [1, 2, 3, 4].map((n) => register(n, n).kind);
  assertEquals(kinds, ["granted", "granted", "granted", "refused"]);
  assertEquals(register(5, 10_001).kind, "granted");
});

Deno.test("Registry lengthens leases when it is busy, within bounds", () => {
  const { registry } = newRegistry();
  assertEquals(registry.terms(), { renewSeconds: 20, leaseSeconds: 60 });
  const fill = (count: number) => {
    for (let n = registry.count(0); n < count; n++) {
      registry.register(node(`n${n}`), 0);
    }
  };
  fill(40_000);
  assertEquals(registry.terms(), { renewSeconds: 40, leaseSeconds: 120 });
  fill(100_000);
  assertEquals(registry.terms(), { renewSeconds: 100, leaseSeconds: 300 });
});

Deno.test("Registry lists what fits one page in the order of registration", () => {
  const { registry } = newRegistry();
  const names = Array.from({ length: 50 }, (_, n) => `n${n}`);
  for (const name of names) registry.register(node(name, { entry: name }), 0);
  registry.withdraw("n7", 1, 0);
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

Deno.test("Registry holds a page to its bytes and to its count", () => {
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
  ]
) {
  Deno.test(`Registry answers the cursor ${JSON.stringify(cursor)} harmlessly`, () => {
    const { registry } = newRegistry();
    for (const id of ["a", "b", "c"]) registry.register(node(id), 0);
    const page = registry.list({ ...WHOLE, cursor }, 0);
    assertEquals(page.count, 3);
    assertEquals(page.entries.length <= 3, true);
  });
}

Deno.test("Registry agrees with a simple model over 20,000 random steps", () => {
  const random = seededRandom(7);
  const below = (most: number) => Math.floor(random() * most);
  const { registry } = newRegistry({ reregisterCount: Infinity });
  const model = new Map<string, { sequence: number; expiresAt: number }>();
  let now = 0;
  for (let step = 0; step < 20_000; step++) {
    now += below(400);
    for (const [id, lease] of model) {
      if (lease.expiresAt <= now) model.delete(id);
    }
    const id = `n${below(200)}`;
    const sequence = below(50);
    const lease = model.get(id);
    if (random() < 0.7) {
      const isNewer = lease === undefined || sequence > lease.sequence;
      const { kind } = registry.register(node(id, { sequence }), now);
      assertEquals(kind, isNewer ? "granted" : "refused");
      if (isNewer) model.set(id, { sequence, expiresAt: now + LEASE_MS });
    } else {
      const isHeld = lease !== undefined && sequence >= lease.sequence;
      const entry = registry.withdraw(id, sequence, now);
      assertEquals(entry !== undefined, isHeld);
      if (isHeld) model.delete(id);
    }
    assertEquals(registry.count(now), model.size);
    assertEquals(registry.find(id, now)?.expiresAt, model.get(id)?.expiresAt);
  }
});
