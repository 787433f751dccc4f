import { assertEquals, assertExists } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import type { Lease } from "../../lib/relay/lease.ts";
import { seededRandom } from "../_random.ts";
import { entries, newRegistry, node, WHOLE } from "./_registry.ts";

const LEASE_MS = LIMITS.leaseSeconds * 1_000;

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
    if (read === "withdraw") registry.withdraw(node("a"), LEASE_MS);
    assertEquals(expired, ["a"], read);
  }
});

Deno.test("Registry renews: listed through missed renewals, removed after the third", () => {
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

Deno.test("Registry sweeps 1,000 leases in a call, and never lists those that wait for it", () => {
  const { registry, expired } = newRegistry();
  const count = 2 * LIMITS.sweepCount + 500;
  for (let n = 0; n < count; n++) registry.register(node(`n${n}`), 0);
  const swept = () => expired.length;
  assertEquals([registry.expire(LEASE_MS - 1), swept()], [false, 0]);
  assertEquals([registry.expire(LEASE_MS), swept()], [true, LIMITS.sweepCount]);
  assertEquals(entries(registry, LEASE_MS), []);
  assertEquals(registry.expire(LEASE_MS), false, "the rest");
  assertEquals(new Set(expired).size, count);
});

Deno.test("Registry finds no lease that waits to be swept", () => {
  const { registry, expired } = newRegistry({ sweepCount: 1 });
  const ids = ["first", "found", "withdrawn", "dropped", "new", "last", "end"];
  for (const id of ids) registry.register(node(id), 0);
  assertEquals(registry.find("last", LEASE_MS), undefined);
  assertEquals(registry.withdraw(node("end"), LEASE_MS), undefined);
  assertEquals(
    registry.drop({ id: "new", sequence: 1, renewedAt: 0 }, LEASE_MS),
    undefined,
  );
  const again = registry.register(node("dropped"), LEASE_MS);
  assertEquals(again.kind === "granted" && again.isNew, true);
  while (registry.expire(LEASE_MS));
  assertEquals(expired.toSorted(), ids.toSorted(), "each is reported once");
  assertEquals(registry.count(LEASE_MS), 1);
  assertEquals(entries(registry, LEASE_MS), ['{"of":"dropped"}']);
});

Deno.test("Registry lists live nodes among leases that wait to be swept", () => {
  const { registry } = newRegistry({ sweepCount: 1, listingPageCount: 30 });
  for (let n = 0; n < 50; n++) registry.register(node(`old${n}`), 0);
  for (let n = 0; n < 20; n++) registry.register(node(`new${n}`), LEASE_MS - 1);
  const page = registry.list(WHOLE, LEASE_MS);
  assertEquals(new Set(page.entries).size, 20);
  assertEquals(page.entries.filter((entry) => entry.includes("old")), []);
  assertEquals(page.cursor, undefined);
});

Deno.test("Registry does not drop a node whose lease is over", () => {
  const { registry, expired } = newRegistry();
  registry.register(node("a"), 0);
  const seen = { id: "a", sequence: 1, renewedAt: 0 };
  assertEquals(registry.drop(seen, LEASE_MS), undefined);
  assertEquals(expired, ["a"]);
});

Deno.test("Registry withdraws at once, and returns the entry", () => {
  const { registry, expired } = newRegistry();
  registry.register(node("a", { entry: "x" }), 0);
  assertEquals(registry.withdraw(node("a"), 1), "x");
  assertEquals(registry.count(1), 0);
  assertEquals(registry.withdraw(node("a"), 1), undefined);
  assertEquals(registry.count(LEASE_MS), 0);
  assertEquals(expired, []);
});

Deno.test("Registry: a process that withdraws does not remove its successor", () => {
  const { registry } = newRegistry();
  const first = node("a", { instance: "one", sequence: 5 });
  const second = node("a", { instance: "two", sequence: 9 });
  registry.register(first, 0);
  registry.register(second, 1);
  assertEquals(registry.withdraw(first, 2), undefined);
  assertEquals(registry.withdraw({ ...first, sequence: 10 }, 2), undefined);
  assertEquals(registry.withdraw({ ...second, sequence: 8 }, 2), undefined);
  assertEquals(registry.count(2), 1);
  assertEquals(registry.withdraw(second, 2), second.entry);
});

Deno.test("Registry refuses a displaced process until the other's lease ends", () => {
  for (const end of ["withdrawn", "dropped", "expired"] as const) {
    const { registry } = newRegistry();
    const at = (instance: string, sequence: number) =>
      node("a", { instance, sequence, entry: instance });
    registry.register(at("one", 1), 0);
    assertEquals(registry.register(at("two", 2), 1).kind, "granted");
    for (const sequence of [1, 3, 9]) {
      assertEquals(registry.register(at("one", sequence), 2), {
        kind: "refused",
        reason: "identity_used_twice",
      });
    }
    assertEquals(entries(registry, 3), ["two"], "it does not take turns");
    const renewed = registry.register(at("two", 10), 4);
    assertEquals(renewed.kind, "granted", "the refusals changed nothing");
    assertEquals(registry.register(at("one", 11), 5).kind, "refused");
    if (end === "withdrawn") registry.withdraw(at("two", 10), 6);
    if (end === "dropped") registry.drop({ ...at("two", 10), renewedAt: 4 }, 6);
    const later = LEASE_MS + 4;
    assertEquals(registry.register(at("one", 12), later), {
      kind: "granted",
      isNew: true,
      terms: registry.terms(),
    }, end);
  }
});

Deno.test("Registry lets a third process with the identity in", () => {
  const { registry } = newRegistry({ reregisterCount: 4 });
  const register = (instance: string, sequence: number) =>
    registry.register(node("a", { instance, sequence }), sequence).kind;
  assertEquals(register("one", 1), "granted");
  assertEquals(register("two", 2), "granted");
  assertEquals(register("three", 3), "granted");
  assertEquals(register("two", 4), "refused");
  // Only the last displaced process is remembered: this costs one string.
  assertEquals(register("one", 5), "granted");
});

Deno.test("Registry drops a dead node, unless it has registered meanwhile", () => {
  const { registry } = newRegistry();
  registry.register(node("a", { sequence: 5 }), 0);
  registry.register(node("a", { sequence: 6 }), 1);
  const seen = { id: "a", sequence: 5, renewedAt: 1 };
  assertEquals(registry.drop(seen, 1), undefined);
  assertEquals(registry.renew("a", 2).kind, "granted");
  assertEquals(registry.drop({ ...seen, sequence: 6 }, 2), undefined);
  assertEquals(registry.count(2), 1);
  const found = { id: "a", sequence: 6, renewedAt: 2 };
  assertEquals(registry.drop(found, 2), '{"of":"a"}');
  assertEquals(registry.count(2), 0);
});

Deno.test("Registry renews a lease unchanged, unless it has ended", () => {
  const { registry } = newRegistry();
  registry.register(node("a"), 0);
  const changes = registry.changes(0);
  const terms = { leaseSeconds: 60, renewSeconds: 20 };
  assertEquals(registry.renew("a", 50_000), { kind: "granted", terms });
  assertEquals(registry.changes(50_000), changes, "pages stay true");
  assertEquals(registry.find("a", 50_000 + LEASE_MS - 1)?.entry, '{"of":"a"}');
  const unknown = { kind: "refused", reason: "unknown" } as const;
  assertEquals(registry.renew("a", 50_000 + LEASE_MS), unknown);
  assertEquals(registry.renew("b", 50_000), unknown);
});

Deno.test("Registry counts renewals and registrations of a node together", () => {
  const { registry } = newRegistry({ reregisterCount: 2 });
  registry.register(node("a", { sequence: 1 }), 0);
  assertEquals(registry.renew("a", 1).kind, "granted");
  const refused = { kind: "refused", reason: "registering_too_fast" } as const;
  assertEquals(registry.renew("a", 2), refused);
  assertEquals(registry.register(node("a", { sequence: 2 }), 3), refused);
  assertEquals(registry.renew("a", LIMITS.reregisterWindowMs).kind, "granted");
});

for (const leave of ["withdraw", "drop"] as const) {
  Deno.test(`Registry lists an id again after ${leave}, as a new node, unless it repeats a sequence`, () => {
    const { registry } = newRegistry();
    const at = (sequence: number) => node("a", { sequence });
    registry.register(at(5), 0);
    assertExists(registry[leave]({ ...at(5), renewedAt: 0 }, 1));
    assertEquals(registry.register(at(5), 2), {
      kind: "refused",
      reason: "stale_sequence",
    });
    const outcome = registry.register(at(6), 3);
    assertEquals(outcome.kind === "granted" && outcome.isNew, true);
    registry[leave]({ ...at(6), renewedAt: 3 }, 4);
    const later = registry.register(at(1), 4 + LIMITS.reregisterWindowMs);
    assertEquals(later.kind, "granted", "forgotten by now");
  });
}

Deno.test("Registry refuses a registration that arrives after its withdrawal", () => {
  const { registry } = newRegistry();
  registry.register(node("a", { sequence: 5 }), 0);
  registry.withdraw(node("a", { sequence: 6 }), 1); // 6 is still on its way
  assertEquals(registry.register(node("a", { sequence: 6 }), 2), {
    kind: "refused",
    reason: "stale_sequence",
  });
});

Deno.test("Registry reports in advance why it would refuse, and changes nothing", () => {
  const { registry } = newRegistry({ nodeCount: 1 });
  registry.register(node("a", { sequence: 5 }), 0);
  for (let n = 0; n < 9; n++) {
    assertEquals(registry.refusalOf(node("a", { sequence: 6 }), 1), undefined);
    assertEquals(
      registry.refusalOf(node("a", { sequence: 5 }), 1),
      "stale_sequence",
    );
    assertEquals(registry.refusalOf(node("b"), 1), "registry_full");
  }
  assertEquals(registry.find("a", 1)?.sequence, 5);
  assertEquals(registry.refusalOf(node("b"), LEASE_MS), undefined, "a ended");
});

Deno.test("Registry renews when full, and refuses new nodes", () => {
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
  registry.withdraw(node("b"), 2);
  assertEquals(registry.register(node("c"), 3).kind, "granted");
});

Deno.test("Registry accepts 32 nodes from one address, and more from other addresses", () => {
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
  registry.withdraw(node("n0"), 1);
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

Deno.test("Registry counts registrations across withdrawals", () => {
  const { registry } = newRegistry();
  const outcomes = Array.from({ length: 5 }, (_, n) => {
    const outcome = registry.register(node("a", { sequence: n }), n);
    registry.withdraw(node("a", { sequence: n }), n);
    return outcome.kind === "refused" ? outcome.reason : "granted";
  });
  assertEquals(outcomes, [
    ...Array<string>(3).fill("granted"),
    ...Array<string>(2).fill("registering_too_fast"),
  ]);
  assertEquals(
    registry.register(node("a", { sequence: 9 }), 10_000).kind,
    "granted",
    "the window has ended",
  );
});

Deno.test("Registry remembers as many departed nodes as it lists, the latest", () => {
  const { registry } = newRegistry({ nodeCount: 2 });
  for (const id of ["a", "b", "c"]) {
    registry.register(node(id), 0);
    registry.withdraw(node(id), 0);
  }
  const kinds = ["c", "b", "a"].map((id) =>
    registry.register(node(id), 1).kind
  );
  assertEquals(kinds, ["refused", "refused", "granted"]);
});

Deno.test("Registry lengthens leases when it is busy, within bounds", () => {
  const { registry } = newRegistry();
  assertEquals(registry.terms(), { renewSeconds: 20, leaseSeconds: 60 });
  const fill = (count: number) => {
    for (let n = registry.count(0); n < count; n++) {
      registry.register(node(`n${n}`), 0);
    }
  };
  fill(5_000);
  assertEquals(registry.terms(), { renewSeconds: 20, leaseSeconds: 60 });
  fill(10_000);
  assertEquals(registry.terms(), { renewSeconds: 40, leaseSeconds: 120 });
  fill(100_000);
  assertEquals(registry.terms(), { renewSeconds: 300, leaseSeconds: 900 });
});

Deno.test("Registry never sets a lease longer than its limit", () => {
  const { registry } = newRegistry({ leaseMaxSeconds: 300 });
  for (let n = 0; n < 30_000; n++) registry.register(node(`n${n}`), 0);
  assertEquals(registry.terms(), { renewSeconds: 100, leaseSeconds: 300 });
});

Deno.test("Registry lengthens no lease beyond the longest, however busy it is", () => {
  const { registry } = newRegistry({ renewalsPerSecond: 1 });
  for (let n = 0; n < 2 * LIMITS.leaseMaxSeconds; n++) {
    registry.register(node(`n${n}`), 0);
  }
  const { leaseSeconds } = registry.terms();
  assertEquals(leaseSeconds, LIMITS.leaseMaxSeconds);
});

/** What a registry must do, in plain terms. */
class Model {
  readonly leases = new Map<
    string,
    Pick<Lease, "instance" | "sequence" | "expiresAt"> & { displaced?: string }
  >();
  readonly #departed = new Map<
    string,
    { sequence: number; forgetAt: number }
  >();

  pass(now: number): void {
    for (const [id, { expiresAt }] of this.leases) {
      if (expiresAt <= now) this.leases.delete(id);
    }
    for (const [id, { forgetAt }] of this.#departed) {
      if (forgetAt <= now) this.#departed.delete(id);
    }
  }

  /** Registers a node, or says why not. */
  register(id: string, instance: string, sequence: number, now: number) {
    const lease = this.leases.get(id);
    const known = (lease ?? this.#departed.get(id))?.sequence ?? -1;
    if (lease?.displaced === instance) return "identity_used_twice";
    if (sequence <= known) return "stale_sequence";
    const displaced = lease?.instance === instance
      ? lease.displaced
      : lease?.instance;
    const expiresAt = now + LEASE_MS;
    this.leases.set(id, {
      ...{ instance, sequence, expiresAt },
      ...(displaced === undefined ? {} : { displaced }),
    });
    this.#departed.delete(id);
    return undefined;
  }

  /** Withdraws a node. Returns whether that ended its lease. */
  withdraw(id: string, instance: string, sequence: number, now: number) {
    const lease = this.leases.get(id);
    const isHeld = lease?.instance === instance && sequence >= lease.sequence;
    if (!isHeld) return false;
    this.leases.delete(id);
    const forgetAt = now + LIMITS.reregisterWindowMs;
    this.#departed.set(id, { sequence, forgetAt });
    return true;
  }
}

Deno.test("Registry agrees with a simple model over 20,000 random steps", () => {
  const random = seededRandom(7);
  const below = (most: number) => Math.floor(random() * most);
  const { registry } = newRegistry({ reregisterCount: Infinity });
  const model = new Model();
  let now = 0;
  for (let step = 0; step < 20_000; step++) {
    now += below(400);
    model.pass(now);
    const id = `n${below(200)}`;
    const instance = `process ${below(3)}`;
    const sequence = below(50);
    const sent = node(id, { instance, sequence });
    if (random() < 0.7) {
      const outcome = registry.register(sent, now);
      assertEquals(
        outcome.kind === "refused" ? outcome.reason : undefined,
        model.register(id, instance, sequence, now),
      );
    } else {
      const entry = registry.withdraw(sent, now);
      const isHeld = model.withdraw(id, instance, sequence, now);
      assertEquals(entry !== undefined, isHeld);
    }
    assertEquals(registry.count(now), model.leases.size);
    const { expiresAt } = model.leases.get(id) ?? {};
    assertEquals(registry.find(id, now)?.expiresAt, expiresAt);
  }
});
