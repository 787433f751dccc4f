/** Which connections keep their places when all are taken. */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  Admission,
  type Slot,
  tunnelSource,
} from "../../lib/guard/admission.ts";

const FEW = {
  ...LIMITS,
  connectionsPerAddressCount: LIMITS.nodeConnectionsPerAddressCount,
  connectionCount: 6,
};

/** Handshakes of `source` that go on. */
function begin(admission: Admission, source: string, count: number): Slot[] {
  return Array.from({ length: count }, () => {
    const outcome = admission.admit(source, 0);
    assert(outcome.kind === "admitted");
    return outcome.slot;
  });
}

/** Connections of `source` that have said hello, and moved `movedBytes` each. */
function settleMany(
  admission: Admission,
  source: string,
  { count, movedBytes = 0 }: { count: number; movedBytes?: number },
): { slots: Slot[]; replaced: Slot[]; refused: string[] } {
  const slots: Slot[] = [];
  const replaced: Slot[] = [];
  const refused: string[] = [];
  for (let n = 0; n < count; n++) {
    const outcome = admission.admit(source, 0);
    const settled = outcome.kind === "admitted"
      ? outcome.slot.settle(0, { movedBytes })
      : outcome;
    if (settled.kind === "refused") refused.push(settled.reason);
    if (outcome.kind === "refused") continue;
    slots.push(outcome.slot);
    if (settled.kind === "settled" && settled.replaced) {
      replaced.push(settled.replaced);
    }
  }
  return { slots, replaced, refused };
}

Deno.test("Admission has a newcomer replace the idlest connection of the address that has most, until each has as many", () => {
  const admission = new Admission(FEW);
  const busy = settleMany(admission, "192.0.2.1", { count: 2, movedBytes: 9 });
  const idle = settleMany(admission, "192.0.2.1", { count: 4 });
  const { replaced, refused } = settleMany(admission, "192.0.2.2", {
    count: 5,
  });
  assertEquals(replaced, idle.slots.slice(0, 3), "in their order");
  assertEquals(refused, Array(2).fill("too_many_connections"));
  assertEquals(admission.connectionCount, 6);
  const third = settleMany(admission, "192.0.2.3", { count: 1 });
  assertEquals(third.replaced, idle.slots.slice(3));
  assertEquals(busy.refused, []);
  assertEquals(admission.connectionCount, 6);
});

Deno.test("Admission keeps places for handshakes apart from those of connections, and from those of the address", () => {
  const admission = new Admission({ ...FEW, connectionsPerAddressCount: 3 });
  begin(admission, "192.0.2.1", LIMITS.handshakesPerAddressCount);
  for (const source of ["192.0.2.1", "192.0.2.2"]) {
    const { refused } = settleMany(admission, source, { count: 4 });
    assertEquals(refused, ["too_many_connections_for_address"]);
  }
});

Deno.test("Admission refuses a handshake that ends when no place is left, and one whose address has its connections by then", () => {
  const admission = new Admission({ ...FEW, connectionsPerAddressCount: 4 });
  const early = begin(admission, "192.0.2.1", 5);
  const outcomes = early.map((slot) => slot.settle(0));
  assertEquals(outcomes.at(-1), {
    kind: "refused",
    reason: "too_many_connections_for_address",
  });
  const late = begin(admission, "192.0.2.2", 4);
  assertEquals(late.map((slot) => slot.settle(0).kind), [
    "settled",
    "settled",
    "settled", // in place of one of the first
    "refused",
  ]);
  for (const slot of [...early, ...late]) slot.leave(0);
  assertEquals(admission.connectionCount, 0);
});

Deno.test("Admission evicts no connection for a client in a tunnel, and none of the machine's own address", () => {
  for (
    const [many, one] of [
      ["192.0.2.1", tunnelSource("192.0.2.2")],
      ["127.0.0.1", "192.0.2.2"],
    ] as const
  ) {
    const admission = new Admission(FEW);
    settleMany(admission, many, { count: 6 });
    const { refused } = settleMany(admission, one, { count: 1 });
    assertEquals(refused, ["too_many_connections"]);
  }
});

Deno.test("Admission has a newcomer replace a connection over which no piece was sent for restingMs", () => {
  const restingMs = 60_000;
  const places = new Admission({ ...FEW, restingMs });
  const enter = (n: number, now: number, moved = { movedBytes: 0 }) => {
    const outcome = places.admit(`192.0.2.${n}`, now);
    if (outcome.kind === "refused") return outcome.reason;
    const settled = outcome.slot.settle(now, moved);
    if (settled.kind === "refused") return settled.reason;
    return { slot: outcome.slot, replaced: settled.replaced };
  };
  const traffic = Array.from({ length: 6 }, () => ({ movedBytes: 1_000 }));
  const entered = traffic.map((moved, n) => enter(n, n, moved));
  const slots = entered.map((each) => typeof each === "object" && each.slot);
  const full = "too_many_connections";
  assertEquals(enter(10, restingMs - 1), full);
  // Pieces have gone over the first two. Less than a piece counts as nothing.
  for (const moved of traffic.slice(0, 2)) {
    moved.movedBytes += LIMITS.pieceMinBytes;
  }
  traffic[2]!.movedBytes += LIMITS.pieceMinBytes - 1_001;
  const late = restingMs + 10;
  for (const n of [2, 3, 4, 5]) {
    const next = enter(10 + n, late);
    assert(typeof next === "object");
    assertEquals(next.replaced, slots[n]);
  }
  assertEquals(enter(20, late), full, "the others are in use, or new");
  assertEquals(enter(20, 2 * restingMs + 9), full);
  const last = enter(20, 2 * restingMs + 10);
  assert(typeof last === "object");
  assertEquals(last.replaced, slots[0], "no piece since it was looked at");
});

Deno.test("Admission without restingMs keeps connections however long they rest", () => {
  const admission = new Admission(FEW);
  for (let n = 0; n < FEW.connectionCount; n++) {
    settleMany(admission, `192.0.2.${n}`, { count: 1 });
  }
  const { kind } = admission.admit("192.0.2.99", 1e9);
  assertEquals(kind, "refused");
});

Deno.test("Admission evicts a resting connection of the newcomer's own address, and none of an address with as many", () => {
  const admission = new Admission({ ...FEW, restingMs: 1_000 });
  settleMany(admission, "192.0.2.1", { count: 3 });
  const { slots } = settleMany(admission, "192.0.2.2", { count: 3 });
  const outcome = admission.admit("192.0.2.2", 5_000);
  assert(outcome.kind === "admitted");
  const settled = outcome.slot.settle(5_000);
  assert(settled.kind === "settled");
  assertEquals(settled.replaced, slots[0]);
});
