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

Deno.test("Admission has no connection give way to a client in a tunnel, and none of the machine's own address", () => {
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
