import { assert, assertEquals } from "@std/assert";
import {
  Admission,
  isShared,
  type Slot,
  tunnelSource,
} from "../../lib/guard/admission.ts";
import { TokenBucket } from "../../lib/guard/token_bucket.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { PlaceUse } from "../../lib/guard/place_use.ts";

const limits = {
  ...LIMITS,
  connectionsPerAddressCount: LIMITS.nodeConnectionsPerAddressCount,
};

/** Admits `count` connections of `source`, all at the same moment. */
function admit(
  admission: Admission,
  source: string,
  { count, now, settle }: { count: number; now: number; settle: boolean },
): { slots: Slot[]; evicted: Slot[]; refused: string[] } {
  const slots: Slot[] = [];
  const evicted: Slot[] = [];
  const refused: string[] = [];
  for (let n = 0; n < count; n++) {
    const outcome = admission.admit(source, now);
    if (outcome.kind === "refused") refused.push(outcome.reason);
    else {
      slots.push(outcome.slot);
      if (outcome.evicted !== undefined) evicted.push(outcome.evicted);
      if (settle) outcome.slot.settle(now);
    }
  }
  return { slots, evicted, refused };
}

Deno.test("Admission admits a burst of one address, then a limited number a second", () => {
  const admission = new Admission(limits);
  const burst = admit(admission, "192.0.2.7", {
    count: 5_000,
    now: 0,
    settle: true,
  });
  assertEquals(burst.slots.length, limits.connectBurstCount);
  assertEquals(new Set(burst.refused), new Set(["connecting_too_fast"]));
  const later = admit(admission, "192.0.2.7", {
    count: 50,
    now: 1_000,
    settle: true,
  });
  assertEquals(later.slots.length, limits.connectRatePerSecond);
  const other = admit(admission, "192.0.2.8", {
    count: 1,
    now: 0,
    settle: true,
  });
  assertEquals(other.slots.length, 1);
});

Deno.test("Admission takes badHandshakeTurnCount more turns of an address for each connection that was no handshake", () => {
  const admission = new Admission(limits);
  const { connectBurstCount, badHandshakeTurnCount } = limits;
  const spoilAll = (now: number) => {
    for (let count = 0;; count++) {
      const outcome = admission.admit("192.0.2.7", now);
      if (outcome.kind === "refused") return count;
      outcome.slot.spoil(now);
      outcome.slot.leave(now);
    }
  };
  const each = 1 + badHandshakeTurnCount;
  assertEquals(spoilAll(0), Math.ceil(connectBurstCount / each));
  // And what was taken on credit is paid back before the next one.
  const paybackMs = 1_000 * each / limits.connectRatePerSecond;
  assertEquals(spoilAll(paybackMs), 1);
  assertEquals(spoilAll(paybackMs + 1), 0);
  assertEquals(admission.admit("192.0.2.8", 0).kind, "admitted");
});

Deno.test("Admission limits the connections of one address", () => {
  const admission = new Admission(limits);
  let slots: Slot[] = [];
  for (let second = 0; second < 40; second++) {
    const now = second * 1_000;
    const more = admit(admission, "192.0.2.7", {
      count: 10,
      now,
      settle: true,
    });
    slots = [...slots, ...more.slots];
  }
  assertEquals(slots.length, limits.connectionsPerAddressCount);
  const refusal = admission.admit("192.0.2.7", 60_000);
  assertEquals(refusal, {
    kind: "refused",
    reason: "too_many_connections_for_address",
  });
  slots[0]?.leave(60_000);
  assertEquals(admission.admit("192.0.2.7", 61_000).kind, "admitted");
});

Deno.test("Admission limits the pending handshakes of one address: the oldest are evicted", () => {
  const admission = new Admission(limits);
  const silent = admit(admission, "192.0.2.7", {
    count: limits.handshakesPerAddressCount + 24,
    now: 0,
    settle: false,
  });
  assertEquals(silent.refused, []);
  assertEquals(silent.evicted, silent.slots.slice(0, 24), "in their order");
  assertEquals(admission.handshakeCount, limits.handshakesPerAddressCount);
  assertEquals(admission.connectionCount, limits.handshakesPerAddressCount);
  const other = admit(admission, "192.0.2.8", {
    count: 1,
    now: 0,
    settle: false,
  });
  assertEquals(other.slots.length, 1);
});

Deno.test("Admission limits the pending handshakes of all addresses together", () => {
  const admission = new Admission(limits);
  for (let host = 0; host < 20; host++) {
    const source = `192.0.2.${host}`;
    admit(admission, source, { count: 16, now: 0, settle: false });
    assertEquals(
      admission.handshakeCount,
      Math.min(16 * (host + 1), limits.handshakeCount),
    );
  }
});

Deno.test("Admission limits the connections of all addresses together", () => {
  const admission = new Admission({ ...limits, connectionCount: 3 });
  const { slots, refused } = admit(admission, "127.0.0.1", {
    count: 5,
    now: 0,
    settle: true,
  });
  assertEquals(slots.length, 3);
  assertEquals(refused, ["too_many_connections", "too_many_connections"]);
  for (const slot of slots) slot.leave(0);
  assertEquals(admission.connectionCount, 0);
});

Deno.test("Admission evicts a handshake of the address with most for a newcomer when all are taken", () => {
  const admission = new Admission({ ...limits, handshakeCount: 24 });
  const [oldest] = admit(admission, "192.0.2.1", {
    count: 16,
    now: 0,
    settle: false,
  }).slots;
  admit(admission, "192.0.2.2", { count: 8, now: 0, settle: false });
  const outcome = admission.admit("192.0.2.3", 0);
  assertEquals(outcome.kind === "admitted" && outcome.evicted, oldest);
  assertEquals(admission.admit("192.0.2.1", 0), {
    kind: "refused",
    reason: "too_many_handshakes",
  }, "it has most itself");
  assertEquals(admission.handshakeCount, 24);
});

Deno.test("Admission refuses attackers that would only evict one another when all handshakes are taken", () => {
  const admission = new Admission(limits);
  const sources = Array.from({ length: 64 }, (_, n) => `198.51.100.${n}`);
  let evictedCount = 0;
  for (const source of [...sources, ...sources]) {
    const most = { count: 5, now: 0, settle: false };
    evictedCount += admit(admission, source, most).evicted.length;
  }
  // The later ones got as many as a half of the first ones kept.
  assertEquals(admission.handshakeCount, limits.handshakeCount);
  assert(evictedCount <= 64, `${evictedCount}`);
  const newcomer = { count: 2, now: 0, settle: false };
  const { slots } = admit(admission, "192.0.2.7", newcomer);
  assertEquals(slots.length, 2);
});

Deno.test("Admission evicts no connection that has said hello", () => {
  const admission = new Admission(limits);
  const source = "192.0.2.7";
  admit(admission, source, { count: 20, now: 0, settle: true });
  const { evicted } = admit(admission, source, {
    count: 16,
    now: 0,
    settle: false,
  });
  assertEquals(evicted, []);
});

Deno.test("Admission counts an evicted slot once", () => {
  const admission = new Admission(limits);
  const { evicted, slots } = admit(admission, "192.0.2.7", {
    count: limits.handshakesPerAddressCount + 14,
    now: 0,
    settle: false,
  });
  for (const slot of evicted) {
    slot.settle(0);
    slot.leave(0);
  }
  assertEquals(admission.handshakeCount, limits.handshakesPerAddressCount);
  for (const slot of slots) slot.leave(0);
  assertEquals(admission.connectionCount, 0);
  assertEquals(admission.handshakeCount, 0);
});

Deno.test("Admission limits the machine's own address to half of the handshakes", () => {
  const admission = new Admission(limits);
  admit(admission, "127.0.0.1", { count: 5_000, now: 0, settle: false });
  assertEquals(admission.handshakeCount, limits.handshakeCount / 2);
  const other = admit(admission, "127.0.0.2", {
    count: 1,
    now: 0,
    settle: false,
  });
  assertEquals(other.slots.length, 1);
});

Deno.test("Admission counts a slot once, however often it is settled or left", () => {
  const admission = new Admission(limits);
  const { slots } = admit(admission, "192.0.2.7", {
    count: 2,
    now: 0,
    settle: false,
  });
  for (const slot of slots) {
    slot.settle(0);
    slot.settle(0);
    slot.leave(0);
    slot.leave(0);
    slot.settle(0);
  }
  assertEquals(admission.connectionCount, 0);
  assertEquals(admission.handshakeCount, 0);
});

Deno.test("Admission counts clients in tunnels separately from those who come directly, and not as one behind a local proxy of the relay", () => {
  const admission = new Admission({ ...limits, connectBurstCount: 1_000 });
  const victim = "192.0.2.7";
  const most = limits.connectionsPerAddressCount;
  // A relay may say of anybody that they come from there.
  for (let n = 0; n < most; n++) {
    const outcome = admission.admit(tunnelSource(victim), 0);
    if (outcome.kind === "admitted") outcome.slot.settle(0);
  }
  assertEquals(
    admission.admit(tunnelSource(victim), 0),
    { kind: "refused", reason: "too_many_connections_for_address" },
  );
  assertEquals(admission.admit(victim, 0).kind, "admitted");
  for (const shared of ["127.0.0.1", "::1"]) {
    assertEquals(isShared(tunnelSource(shared)), true);
    assertEquals(isShared(shared), true);
  }
  assertEquals(isShared(tunnelSource(victim)), false);
});

Deno.test("Admission forgets addresses that have left", () => {
  const admission = new Admission(limits);
  for (let n = 0; n < 10_000; n++) {
    const outcome = admission.admit(`10.0.${n >> 8}.${n & 255}`, n * 100);
    if (outcome.kind === "admitted") outcome.slot.leave(n * 100);
  }
  assertEquals(admission.sourceCount < 2_000, true);
});

Deno.test("TokenBucket never holds more than its burst", () => {
  const bucket = new TokenBucket(10, 3, 0);
  const take = (now: number) =>
    [1, 2, 3, 4].filter(() => bucket.take(now)).length;
  assertEquals(take(0), 3);
  assertEquals(take(100), 1);
  assertEquals(take(1_000_000), 3);
});

/** Admits one connection of `source`, and returns whether it was. */
function enter(admission: Admission, source: string, now: number): boolean {
  return admission.admit(source, now).kind === "admitted";
}

/** Says hello from `source`, so that it is known. */
function sayHello(admission: Admission, source: string, now: number): void {
  const { slots: [slot] } = admit(admission, source, {
    count: 1,
    now,
    settle: true,
  });
  slot!.leave(now);
}

const GRACE_MS = LIMITS.handshakeGraceMs;

Deno.test("Admission lets a known peer finish its handshake, even if many others connect", () => {
  const admission = new Admission({ ...limits, handshakeCount: 4 });
  const known = ["192.0.2.1", "192.0.2.2"];
  for (const source of known) sayHello(admission, source, 0);
  const slots = known.map((source) => {
    const outcome = admission.admit(source, 0);
    return outcome.kind === "admitted" ? outcome.slot : undefined;
  });
  const evicted = new Set<Slot>();
  for (let n = 0; n < 200; n++) {
    const outcome = admission.admit(`203.0.113.${n}`, n * GRACE_MS / 4);
    if (outcome.kind === "admitted" && outcome.evicted) {
      evicted.add(outcome.evicted);
    }
  }
  assertEquals(evicted.size > 30, true, `${evicted.size}`);
  assertEquals(slots.filter((slot) => evicted.has(slot!)), []);
});

Deno.test("Admission gives a new address the half that known ones had borrowed, and a known one the other half", () => {
  const admission = new Admission({ ...limits, handshakeCount: 4 });
  for (let n = 0; n < 6; n++) sayHello(admission, `192.0.2.${n}`, 0);
  for (let n = 0; n < 4; n++) enter(admission, `192.0.2.${n}`, 0);
  assertEquals(enter(admission, "192.0.2.4", 0), false);
  assertEquals(enter(admission, "198.51.100.1", 0), true);
  assertEquals(enter(admission, "198.51.100.2", 0), true);
  assertEquals(enter(admission, "198.51.100.3", 0), false);
  assertEquals(enter(admission, "192.0.2.5", 0), false);
  assertEquals(admission.handshakeCount, 4);
});

Deno.test("Admission keeps a new address for handshakeGraceMs, and then evicts the oldest", () => {
  const admission = new Admission({ ...limits, handshakeCount: 2 });
  const [first] = admit(admission, "192.0.2.1", {
    count: 1,
    now: 0,
    settle: false,
  }).slots;
  enter(admission, "192.0.2.2", 1);
  assertEquals(enter(admission, "192.0.2.3", GRACE_MS), false);
  const outcome = admission.admit("192.0.2.3", GRACE_MS + 1);
  assertEquals(outcome.kind === "admitted" && outcome.evicted, first);
});

Deno.test("Admission lets a newcomer in whose own earlier handshake failed, while as many silent addresses as there are places hold them", () => {
  const admission = new Admission(limits);
  const [failed] = admit(admission, "192.0.2.7", {
    count: 1,
    now: 0,
    settle: false,
  }).slots;
  failed!.leave(100);
  for (let n = 0; n < limits.handshakeCount; n++) {
    assertEquals(enter(admission, `10.0.1.${n}`, 100), true);
  }
  assertEquals(enter(admission, "192.0.2.7", 200), false);
  assertEquals(enter(admission, "192.0.2.7", 200 + GRACE_MS), true);
});

Deno.test("PlaceUse halves what was used in placeHalfLifeMs, and remembers handshakeGroupCount addresses", () => {
  const use = new PlaceUse(LIMITS);
  use.held("first", GRACE_MS / 2, 0);
  use.held("first", 100 * GRACE_MS, 0); // counts as one
  assertEquals(use.units("first", 0), 1.5);
  assertEquals(use.units("first", LIMITS.placeHalfLifeMs), 0.75);
  use.greeted("first");
  for (let n = 0; n < LIMITS.handshakeGroupCount; n++) {
    assertEquals(use.isKnown("first"), true);
    use.held(`${n}`, 1, 0);
    if (n > 0) use.greeted(`${n}`);
  }
  assertEquals(use.groupCount, LIMITS.handshakeGroupCount);
  assertEquals(use.units("first", 0), 0);
  use.greeted("one more");
  assertEquals(use.isKnown("first"), false);
});

Deno.test("Admission counts holders apart: they take neither connections nor turns of others at their address, up to their own limits", () => {
  const admission = new Admission({ ...limits, holdersPerAddressCount: 60 });
  const enter = (count: number, now: number) => {
    const { slots, refused } = admit(admission, "192.0.2.7", {
      count,
      now,
      settle: true,
    });
    assertEquals(refused, []);
    return slots.map((slot) => ({ slot, isApart: slot.setApart(now) }));
  };
  // Twice the burst, at one moment: each gives its turn back.
  const holders = Array.from({ length: 60 }, () => enter(1, 0)).flat();
  assertEquals(holders.filter(({ isApart }) => isApart).length, 60);
  const [late] = enter(1, 0);
  assertEquals(late?.isApart, false, "counts as before");
  const others = admit(admission, "192.0.2.7", {
    count: 200,
    now: 0,
    settle: true,
  });
  assertEquals(others.slots.length, limits.connectBurstCount - 1);
  assertEquals(admission.connectionCount, 60 + limits.connectBurstCount);

  // Their own turns come back at the same rate, and not with each connection.
  for (const { slot } of holders) slot.leave(0);
  assertEquals(holders[0]?.slot.setApart(0), true, "that it was");
  const again = admit(admission, "192.0.2.7", {
    count: 100,
    now: 1_000,
    settle: true,
  });
  for (const slot of again.slots) slot.setApart(1_000);
  assertEquals(again.slots.length, limits.connectRatePerSecond);
  const more = admit(admission, "192.0.2.7", {
    count: 100,
    now: 1_000,
    settle: true,
  });
  for (const slot of more.slots) slot.setApart(1_000);
  assertEquals(more.slots.length, limits.connectRatePerSecond);
  assertEquals(
    admit(admission, "192.0.2.7", {
      count: 100,
      now: 1_000,
      settle: true,
    }).slots,
    [],
  );
});

Deno.test("Admission gives an address the turn back that a connection of it gives back", () => {
  const admission = new Admission(limits);
  for (let n = 0; n < 2 * limits.connectBurstCount; n++) {
    const { slots, refused } = admit(admission, "192.0.2.7", {
      count: 1,
      now: 0,
      settle: true,
    });
    assertEquals(refused, []);
    for (const slot of slots) {
      slot.giveTurnBack();
      slot.leave(0);
    }
  }
});
