import { assertEquals } from "@std/assert";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import type { Registration, Replica } from "../../lib/relay/lease.ts";
import { seededRandom } from "../_random.ts";
import { Registry } from "../../lib/relay/registry.ts";

const LEFT_MS = 40_000;

function newRegistry(overrides: Partial<Limits> = {}): {
  registry: Registry;
  expired: string[];
} {
  const expired: string[] = [];
  const registry = new Registry(
    { ...LIMITS, ...overrides },
    ({ id, holder }) => expired.push(`${id} of ${holder || "this"}`),
  );
  return { registry, expired };
}

function node(id: string, sequence = 1): Registration {
  const entry = `${id} ${sequence}`;
  return {
    ...{ id, instance: "one", sequence, entry, listedBytes: entry.length },
    ...{ observedHost: "192.0.2.7", source: id },
  };
}

function replica(
  id: string,
  sequence = 1,
  overrides: Partial<Replica> = {},
): Replica {
  return {
    ...node(id, sequence),
    ...{ holder: "b", leftMs: LEFT_MS, isAttachedThere: false },
    ...overrides,
  };
}

function listed(registry: Registry, now: number): string[] {
  const page = registry.list({ pageBytes: 60_000, random: () => 0 }, now);
  return [...page.entries].sort();
}

Deno.test("Replicas lists what another instance granted, until the remaining time has passed here", () => {
  const { registry, expired } = newRegistry();
  assertEquals(registry.replicas.merge(replica("a"), 1_000), "taken");
  assertEquals(listed(registry, 1_000 + LEFT_MS - 1), ["a 1"]);
  assertEquals(listed(registry, 1_000 + LEFT_MS), []);
  assertEquals(expired, ["a of b"]);
});

Deno.test("Replicas lists one entry of a node, that with the highest sequence, in whatever order the two come", () => {
  for (const order of [[1, 2], [2, 1]]) {
    const { registry } = newRegistry();
    const outcomes = order.map((sequence) =>
      registry.replicas.merge(replica("a", sequence), 0)
    );
    assertEquals(outcomes, ["taken", order[0] === 1 ? "taken" : "stale"]);
    assertEquals(listed(registry, 1), ["a 2"]);
    assertEquals(registry.count(1), 1);
  }
});

Deno.test("Replicas keeps a registration of this instance unless a newer one comes from elsewhere", () => {
  const { registry } = newRegistry();
  registry.register(node("a", 5), 0);
  assertEquals(registry.replicas.merge(replica("a", 4), 1), "stale");
  const echo = replica("a", 5, { leftMs: 1 });
  assertEquals(registry.replicas.merge(echo, 1), "stale");
  assertEquals(registry.find("a", 1)?.holder, "");
  assertEquals(registry.replicas.merge(replica("a", 6), 1), "taken");
  assertEquals(registry.find("a", 1)?.holder, "b");
  assertEquals([...registry.own(1)], []);
});

Deno.test("Registry takes a node over from another instance when it registers or renews here", () => {
  const { registry } = newRegistry();
  registry.replicas.merge(replica("a", 5), 0);
  assertEquals(registry.register(node("a", 6), 1).kind, "granted");
  assertEquals([...registry.own(1)].map(({ id }) => id), ["a"]);
  const renewal = { ...replica("a", 5), leftMs: 90_000 };
  assertEquals(registry.replicas.extend(renewal, 2), "stale");
});

Deno.test("Replicas moves the end of a lease by a renewal elsewhere, and asks for a registration that it does not know", () => {
  const { registry } = newRegistry();
  registry.replicas.merge(replica("a", 1), 0);
  assertEquals(registry.replicas.extend(replica("a", 1), 30_000), "extended");
  assertEquals(listed(registry, 30_000 + LEFT_MS - 1), ["a 1"]);
  assertEquals(registry.replicas.extend(replica("a", 2), 30_000), undefined);
  assertEquals(registry.replicas.extend(replica("b", 1), 30_000), undefined);
});

Deno.test("Replicas ends the lease of a node that withdrew elsewhere, and no newer one", () => {
  const { registry, expired } = newRegistry();
  registry.replicas.merge(replica("a", 2), 0);
  const older = registry.replicas.leave({ id: "a", sequence: 1 }, 1);
  assertEquals(older, undefined);
  const left = registry.replicas.leave({ id: "a", sequence: 2 }, 1);
  assertEquals(left, { id: "a", holder: "b", entry: "a 2" });
  assertEquals(listed(registry, 1), []);
  assertEquals(expired, [], "it did not expire");
  // What was sent before it left comes late, or is sent again.
  assertEquals(registry.replicas.merge(replica("a", 2), 2), "stale");
  assertEquals(registry.replicas.extend(replica("a", 2), 2), "stale");
  assertEquals(registry.replicas.merge(replica("a", 3), 2), "taken");
});

Deno.test("Replicas remembers withdrawn nodes for as long as a lease may last, when late messages are possible", () => {
  const { registry } = newRegistry();
  registry.replicas.expectLate();
  registry.register(node("a", 2), 0);
  registry.withdraw(node("a", 2), 1);
  const most = 1_000 * LIMITS.leaseMaxSeconds;
  assertEquals(registry.replicas.merge(replica("a", 2), most), "stale");
  assertEquals(registry.replicas.merge(replica("a", 2), most + 1), "taken");
});

Deno.test("Replicas takes no lease that is over, or longer than the longest", () => {
  const { registry } = newRegistry();
  for (const leftMs of [0, -1, NaN]) {
    const outcome = registry.replicas.merge(replica("a", 1, { leftMs }), 0);
    assertEquals(outcome, "stale", `${leftMs}`);
  }
  registry.replicas.merge(replica("a", 1, { leftMs: 1e12 }), 0);
  const most = 1_000 * LIMITS.leaseMaxSeconds;
  assertEquals(listed(registry, most - 1).length, 1);
  assertEquals(listed(registry, most).length, 0);
});

Deno.test("Replicas accepts at most nodeCount nodes", () => {
  const { registry } = newRegistry({ nodeCount: 2 });
  registry.register(node("a"), 0);
  assertEquals(registry.replicas.merge(replica("b"), 0), "taken");
  assertEquals(registry.replicas.merge(replica("c"), 0), "full");
  assertEquals(registry.replicas.merge(replica("b", 2), 0), "taken");
});

Deno.test("Replicas keeps all leases longer, including its own, because their nodes may have moved", () => {
  const { registry, expired } = newRegistry();
  const heldMs = 10 * 1_000 * LIMITS.leaseSeconds;
  registry.register(node("own"), 0);
  registry.replicas.merge(replica("a"), 0);
  registry.replicas.hold(heldMs);
  registry.replicas.merge(replica("b", 1), 1_000);
  assertEquals(registry.replicas.ownEndOf(registry.find("b", 0)!), 41_000);
  assertEquals(listed(registry, LEFT_MS + heldMs - 1), ["a 1", "b 1", "own 1"]);
  assertEquals(listed(registry, LEFT_MS + heldMs), ["b 1", "own 1"]);
  registry.renew("own", LEFT_MS + heldMs);
  assertEquals(listed(registry, LEFT_MS + heldMs + 1_000), ["own 1"]);
  assertEquals(expired, ["a of b", "b of b"]);
});

Deno.test("Replicas ends expired leases when it no longer keeps them longer", () => {
  const { registry, expired } = newRegistry();
  registry.replicas.merge(replica("a"), 0);
  registry.replicas.merge(replica("left"), 0);
  registry.replicas.hold(1e6);
  registry.replicas.merge(replica("b"), LEFT_MS);
  registry.replicas.leave({ id: "left", sequence: 1 }, LEFT_MS);
  assertEquals(registry.count(LEFT_MS + 1), 2);
  registry.replicas.hold(0);
  assertEquals(registry.count(LEFT_MS + 1), 1);
  assertEquals(expired, ["a of b"]);
  assertEquals(listed(registry, 2 * LEFT_MS - 1), ["b 1"]);
  assertEquals(registry.count(2 * LEFT_MS), 0, "it was swept in time");
});

/** A registry whose held leases are all that may be of one address. */
function heldRegistry(overrides: Partial<Limits> = {}) {
  const made = newRegistry({ nodesPerAddressCount: 3, ...overrides });
  const { registry } = made;
  const at = (id: string, sequence = 1) => ({
    ...node(id, sequence),
    source: "one address",
  });
  registry.replicas.hold(3_600_000);
  for (const [n, id] of ["a", "b", "c"].entries()) {
    registry.register(at(id), n);
  }
  const leaseMs = 1_000 * registry.terms().leaseSeconds;
  return { ...made, at, leaseMs };
}

Deno.test("A node that registers replaces the lease of its address that has been kept longest, and none that has not expired", () => {
  const { registry, expired, at, leaseMs } = heldRegistry();
  const refusal = (id: string, now: number) => {
    const outcome = registry.register(at(id), now);
    return outcome.kind === "refused" ? outcome.reason : outcome.kind;
  };
  assertEquals(refusal("d", leaseMs - 1), "too_many_nodes_for_address");
  registry.renew("a", leaseMs - 1); // b is the oldest then
  assertEquals(refusal("d", leaseMs), "too_many_nodes_for_address");
  const now = leaseMs + 10; // b and c are only kept
  assertEquals(listed(registry, now), ["a 1", "b 1", "c 1"]);
  assertEquals(refusal("d", now), "granted");
  assertEquals(expired, ["b of this"]);
  assertEquals(refusal("e", now), "granted");
  assertEquals(refusal("f", now), "too_many_nodes_for_address");
  assertEquals(listed(registry, now), ["a 1", "d 1", "e 1"]);
  // Nothing stands in the way of one that was evicted and is alive.
  registry.replicas.leave({ id: "e", sequence: 1 }, now);
  assertEquals(refusal("b", now), "granted");
});

Deno.test("A node of another address replaces no kept lease, unless the registry is full", () => {
  const { registry, leaseMs } = heldRegistry({ nodeCount: 4 });
  const now = leaseMs + 10;
  assertEquals(registry.register(node("x"), now).kind, "granted");
  assertEquals(registry.count(now), 4);
  assertEquals(registry.register(node("y"), now).kind, "granted");
  assertEquals(listed(registry, now), ["b 1", "c 1", "x 1", "y 1"]);
  assertEquals(registry.replicas.merge(replica("z"), now), "taken");
  assertEquals(listed(registry, now), ["c 1", "x 1", "y 1", "z 1"]);
});

Deno.test("A kept lease that is renewed counts as current again, and ends with the others when leases are no longer kept", () => {
  const { registry, at, leaseMs } = heldRegistry();
  const now = leaseMs + 10;
  registry.expire(now);
  assertEquals(registry.renew("a", now).kind, "granted");
  assertEquals(registry.register(at("b", 2), now).kind, "granted");
  assertEquals(registry.register(at("d"), now).kind, "granted");
  assertEquals(
    registry.register(at("e"), now),
    { kind: "refused", reason: "too_many_nodes_for_address" },
  );
  registry.replicas.hold(0);
  assertEquals(listed(registry, now + leaseMs - 1), ["a 1", "b 2", "d 1"]);
  assertEquals(listed(registry, now + leaseMs), []);
  assertEquals(registry.count(now + leaseMs), 0);
});

Deno.test("A registry agrees with a list of leases, whatever is kept, renewed and released in it", () => {
  const random = seededRandom(1018);
  const { registry } = newRegistry({ nodesPerAddressCount: 1_000 });
  const ends = new Map<string, number>();
  const leaseMs = 1_000 * registry.terms().leaseSeconds;
  let [now, held, sequence] = [0, 0, 1];
  for (let step = 0; step < 5_000; step++) {
    now += Math.floor(random() * 3_000);
    const id = `n${Math.floor(random() * 40)}`;
    const dice = random();
    if (dice < 0.02) {
      held = random() < 0.5 ? 0 : Math.floor(random() * 200_000);
      registry.replicas.hold(held);
    } else if (dice < 0.5) {
      const source = `s${Math.floor(random() * 3)}`;
      const granted = registry.register(
        { ...node(id, sequence++), source },
        now,
      );
      if (granted.kind === "granted") ends.set(id, now + leaseMs);
    } else if (registry.renew(id, now).kind === "granted") {
      ends.set(id, now + leaseMs);
    }
    for (const [id, end] of ends) if (end + held <= now) ends.delete(id);
    assertEquals(listed(registry, now).length, ends.size, `step ${step}`);
  }
});

Deno.test("Replicas reports attachments elsewhere as changes of the list", () => {
  const { registry } = newRegistry();
  registry.replicas.merge(replica("a"), 0);
  const before = registry.changes(1);
  const there = replica("a", 1, { isAttachedThere: true });
  registry.replicas.extend(there, 1);
  assertEquals(registry.find("a", 1)?.isAttachedThere, true);
  assertEquals(registry.changes(1) > before, true);
  const after = registry.changes(1);
  registry.replicas.extend(there, 2);
  assertEquals(registry.changes(2), after, "a renewal changes no page");
});
