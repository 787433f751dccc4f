import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../lib/limits.ts";
import { Share } from "../lib/share.ts";
import { Turns } from "../lib/turns.ts";
import { tempShare } from "./_temp_share.ts";

Deno.test("Turns are over after turnMs, and begin anew when others had theirs", async () => {
  const { now } = performance;
  let time = 0;
  performance.now = () => time;
  try {
    const turns = new Turns(LIMITS.turnMs);
    time = LIMITS.turnMs - 1;
    assertEquals(turns.isOver, false);
    time = LIMITS.turnMs;
    assertEquals(turns.isOver, true);
    let others = 0;
    setImmediate(() => others++);
    await turns.give();
    assertEquals(others, 1);
    assertEquals(turns.isOver, false);
  } finally {
    performance.now = now;
  }
});

for (
  const [what, work] of Object.entries({
    "looking through": (share: Share) => share.find("unknown"),
    "listing": (share: Share) => Array.fromAsync(share.browse("")),
  })
) {
  Deno.test(`Share gives others a turn every turnMs while ${what} a thousand files`, async () => {
    const files = Array.from(
      { length: 1_000 },
      (_, n) => [`${n % 9}/${n}`, ""],
    );
    await using folder = await tempShare(Object.fromEntries(files));
    const share = await Share.open(folder.path, {
      ...LIMITS,
      rescanPauseMs: 0,
      rescanPercent: 100,
    });
    // Each look at the clock takes a millisecond, so that the number is exact.
    const { now } = performance;
    let time = now.call(performance);
    performance.now = () => time += 1;
    let turns = 0;
    const count = () => {
      turns++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    try {
      await work(share);
    } finally {
      performance.now = now;
      clearImmediate(next);
    }
    const steps = what === "listing" ? 1_000 / 64 : 1_000;
    assert(turns >= steps / (LIMITS.turnMs + 1) - 1, `${turns} turns`);
  });
}
