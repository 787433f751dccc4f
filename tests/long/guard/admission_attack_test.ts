/** Admission under attack: who still gets in, how soon, and for how long. */

import { assert, assertEquals, assertLess } from "@std/assert";
import { LIMITS } from "../../../lib/base/limits.ts";
import { Admission, type Slot } from "../../../lib/guard/admission.ts";
import { seededRandom } from "../../_random.ts";

const limits = {
  ...LIMITS,
  connectionsPerAddressCount: LIMITS.nodeConnectionsPerAddressCount,
  connectBurstCount: 100_000, // attackers come as often as they like
};
const GRACE_MS = LIMITS.handshakeGraceMs;
const STEP_MS = 100;
const VISIT_MS = 300; // of an honest peer, to its hello

// What attackers do with a place: leave it, or say hello, after this time.
const MOVES: Record<
  string,
  (random: () => number) => {
    readonly holdMs: number;
    readonly saysHello: boolean;
  }
> = {
  "hold it to the deadline": () => ({
    holdMs: LIMITS.handshakeMs,
    saysHello: false,
  }),
  "leave it just before it is evicted": () => ({
    holdMs: GRACE_MS - STEP_MS,
    saysHello: false,
  }),
  "say hello just before it is evicted": () => ({
    holdMs: GRACE_MS - STEP_MS,
    saysHello: true,
  }),
  "do anything": (random) => ({
    holdMs: random() * LIMITS.handshakeMs,
    saysHello: random() < 0.3,
  }),
};

interface Attack {
  readonly addressCount: number;
  /** Connections that each address opens in a step. */
  readonly perAddress: number;
  readonly move: (random: () => number) => {
    readonly holdMs: number;
    readonly saysHello: boolean;
  };
  readonly random: () => number;
}

/** Attackers that connect again and again, in steps. */
function startAttack(admission: Admission, attack: Attack) {
  const { addressCount, perAddress, move, random } = attack;
  const held = new Map<Slot, { until: number; saysHello: boolean }>();
  const connect = (source: string, now: number) => {
    const outcome = admission.admit(source, now);
    if (outcome.kind === "refused") return;
    if (outcome.evicted) held.delete(outcome.evicted);
    const { holdMs, saysHello } = move(random);
    held.set(outcome.slot, { until: now + holdMs, saysHello });
  };
  return (now: number) => {
    for (const [slot, { until, saysHello }] of held) {
      if (until > now) continue;
      if (saysHello) slot.settle(now);
      slot.leave(now);
      held.delete(slot);
    }
    const first = Math.floor(random() * addressCount);
    for (let n = 0; n < addressCount; n++) {
      for (let each = 0; each < perAddress; each++) {
        connect(`attacker ${(first + n) % addressCount}`, now);
      }
    }
  };
}

/** When attackers at so many addresses have used up what they may hold. */
function mostWaitMs(addressCount: number): number {
  const half = limits.handshakeCount / 2;
  return (Math.ceil(addressCount / half) + 2) * GRACE_MS;
}

for (const [name, move] of Object.entries(MOVES)) {
  for (const [addressCount, perAddress] of [[1, 64], [128, 2], [300, 1]]) {
    for (const isKnown of [false, true]) {
      Deno.test(`Admission lets ${isKnown ? "a known" : "a new"} address in, and keeps it, while ${addressCount} others open ${perAddress} connections each 100 ms and ${name}`, () => {
        const admission = new Admission(limits);
        if (isKnown) {
          const outcome = admission.admit("honest", 0);
          assert(outcome.kind === "admitted");
          outcome.slot.settle(0);
          outcome.slot.leave(0);
        }
        const random = seededRandom(addressCount! + perAddress!);
        const attack = startAttack(admission, {
          addressCount: addressCount!,
          perAddress: perAddress!,
          move,
          random,
        });
        let now = 0;
        const wait = (ms: number) => {
          for (const until = now + ms; now < until; now += STEP_MS) attack(now);
        };
        for (let visit = 0; visit < 4; visit++) {
          wait(visit * 2_000 + STEP_MS); // the first when the attack begins
          const from = now;
          let outcome = admission.admit("honest", now);
          while (outcome.kind === "refused") {
            wait(STEP_MS);
            assertLess(now - from, mostWaitMs(addressCount!));
            outcome = admission.admit("honest", now);
          }
          wait(VISIT_MS);
          const pendingCount = admission.handshakeCount;
          outcome.slot.settle(now);
          assertEquals(admission.handshakeCount, pendingCount - 1, "kept");
          outcome.slot.leave(now);
        }
      });
    }
  }
}
