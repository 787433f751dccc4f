import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { Share } from "../../lib/share/share.ts";
import { Turns } from "../../lib/base/turns.ts";
import { tempShare } from "../_temp_share.ts";
import { SteppedTurns, withEcho } from "../_turns.ts";

Deno.test("Turns are over after turnMs, and begin again when others had theirs", async () => {
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

Deno.test("Turns give the network a turn, however soon the next piece begins", async () => {
  await withEcho(async (echo) => {
    const turns = new Turns(0);
    let pieces = 0;
    let isOver = false;
    const answered = echo().then(() => isOver = true);
    while (!isOver) {
      pieces++;
      await turns.give();
    }
    await answered;
    // Byte and answer each take a turn or two; once they took 61 or more.
    assert(pieces <= 20, `${pieces} pieces`);
  });
});

Deno.test("Share gives others a turn every turnMs while scanning a thousand files", async () => {
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
  using turns = new SteppedTurns();
  await share.find("unknown é"); // the disk may spell it in another way
  const most = 1_000 / (LIMITS.turnMs + 1) - 1;
  assert(turns.count >= most, `${turns.count} turns`);
});
