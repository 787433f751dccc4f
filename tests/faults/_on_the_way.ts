/**
 * Faults on the way between a client and a node, through a proxy: with
 * encryption and without.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Limits } from "../../lib/base/limits.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import type { GetOutcome } from "../client/_outcomes.ts";
import {
  type Fault,
  FILE,
  getInTime,
  MIB,
  MIDDLE,
  type Mode,
  onEachConnection,
  startGood,
  startNetwork,
  towardsClient,
} from "./_proxied.ts";

const SMALL = randomBytes(5_000, seededRandom(2));

// Where nothing is to be given up, also on a busy machine.
const PATIENT: Partial<Limits> = {
  connectMs: 10_000,
  handshakeMs: 10_000,
  pieceStallMs: 10_000,
};

/** What the client says of a node it knows nothing good of. */
function lastAnswer({ log }: GetOutcome): string {
  return log.of("node_answered").filter(({ node }) => node.name === "faulty")
    .at(-1)!.answer.kind;
}

const FATAL: readonly Fault[] = [
  {
    name: "a proxy that takes everything and answers nothing",
    faults: { toTarget: { swallowAfter: 0 } },
    alone: "not_found",
    reached: false,
  },
  {
    name: "a proxy that reads nothing",
    faults: { toTarget: { stallAfter: 1 } },
    alone: "not_found",
    reached: false,
  },
  {
    name: "an end before the first byte",
    faults: towardsClient({ cutAfter: 0 }),
    alone: "not_found",
    reached: false,
  },
  {
    name: "a reset before the first byte",
    faults: towardsClient({ cutAfter: 0, cut: "rst" }),
    alone: "not_found",
    reached: false,
  },
  {
    name: "an end in the middle of the hellos",
    faults: towardsClient({ cutAfter: 100 }),
    alone: "not_found",
    reached: false,
  },
  {
    name: "a stall in the middle of the file",
    faults: onEachConnection({ stallAfter: MIDDLE }),
    alone: "undelivered",
    reached: true,
  },
  {
    name: "a black hole from the middle of the file on",
    faults: onEachConnection({ swallowAfter: MIDDLE }),
    alone: "undelivered",
    reached: true,
  },
  {
    name: "an end in the middle of the file",
    faults: onEachConnection({ cutAfter: MIDDLE }),
    alone: "undelivered",
    reached: true,
  },
  {
    name: "a reset in the middle of the file",
    faults: onEachConnection({ cutAfter: MIDDLE, cut: "rst" }),
    alone: "undelivered",
    reached: true,
  },
  {
    name: "a reset on the way to the node",
    faults: { toTarget: { cutAfter: 400, cut: "rst" } },
    alone: "not_found",
    reached: false,
  },
];

/** Registers the tests of faults on the way, with encryption or without. */
export function testFaultsOnTheWay(mode: Mode): void {
  testFatal(mode);
  testSlow(mode);
  testNeverBack(mode);
}

function testFatal(mode: Mode): void {
  for (const { name, faults, alone, reached } of FATAL) {
    // In plaintext a client says less than that in all.
    if (mode === "plaintext" && !reached && faults.toTarget?.cutAfter) continue;
    Deno.test(`Fault proxy, ${mode}: ${name}, and no other node: reported as ${alone}, in time`, async () => {
      await using network = await startNetwork({ mode, faults });
      await using folder = await tempShare();
      const outcome = await getInTime(network, folder, { mode });
      assertEquals([outcome.saved, outcome.failed], [{}, { "f": alone }]);
      if (reached) {
        assertEquals(outcome.log.trouble.at(-1), "faulty broke_off, out");
      } else assertMatch(lastAnswer(outcome), /^(unreachable|failed)$/);
      network.proxy.faults = {};
      const { saved } = await getInTime(network, folder, { mode });
      assertEquals(Object.keys(saved), ["f"], "mended, the same run goes on");
    });

    Deno.test(`Fault proxy, ${mode}: ${name}: the client continues with another node`, async () => {
      await using network = await startNetwork({ mode, faults });
      await using _good = await startGood(network.relay, mode);
      await using folder = await tempShare();
      const outcome = await getInTime(network, folder, { mode });
      assertEquals([Object.keys(outcome.saved), outcome.failed], [["f"], {}]);
      assert(network.proxy.acceptedCount > 0, "it was tried");
      const from = outcome.log.bytesFrom("f");
      assert(from["good"]! > 0, JSON.stringify(from));
    });
  }
}

function testSlow(mode: Mode): void {
  for (
    const [name, faults] of [
      ["a byte at a time in the hellos", { sliceBytes: 1 }],
      ["100 ms late, both ways", { delayMs: 100 }],
      ["at 100 KB a second", { bytesPerSecond: 100_000 }],
    ] as const
  ) {
    Deno.test(`Fault proxy, ${mode}: ${name}: it is only slower`, async () => {
      const both = { toTarget: faults, toDialler: faults };
      const files = { "f": SMALL };
      await using network = await startNetwork({ mode, faults: both, files });
      await using folder = await tempShare();
      const outcome = await getInTime(network, folder, {
        ...{ mode, bytes: SMALL },
        limits: PATIENT,
      });
      assertEquals([Object.keys(outcome.saved), outcome.log.trouble], [
        ["f"],
        [],
      ]);
    });
  }
}

function testNeverBack(mode: Mode): void {
  Deno.test(`Fault proxy, ${mode}: a node that does not return is given up, and the other finishes`, async () => {
    // Slow enough for the file not to be there before the node is gone.
    await using network = await startNetwork({
      mode,
      faults: towardsClient({ bytesPerSecond: 2 * MIB }),
    });
    await using _good = await startGood(network.relay, mode, 2 * MIB);
    await using folder = await tempShare();
    const getting = getInTime(network, folder, { mode });
    await within(
      network.proxy.passed(MIB / 4),
      "some of the file from the faulty node",
    );
    await network.proxy.breakDown();
    const { saved, log } = await getting;
    assertEquals(Object.keys(saved), ["f"]);
    const total = Object.values(log.bytesFrom("f")).reduce((a, b) => a + b);
    assertEquals(total, FILE.length, "nothing counted twice");
  });
}
