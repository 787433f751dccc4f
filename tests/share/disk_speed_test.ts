import { assert, assertEquals, assertThrows } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { DiskSpeed } from "../../lib/share/opened_file.ts";

/** A disk whose reads take as long as the test wants. */
function disk() {
  let now = 1_000;
  const speed = new DiskSpeed(LIMITS, () => now);
  return {
    speed,
    read: (ms: number) => speed.time(() => now += ms),
    pass: (ms: number) => now += ms,
  };
}

Deno.test("DiskSpeed treats a disk as quick until a read takes long", () => {
  const { speed, read } = disk();
  for (const ms of [0, 0.3, 5]) {
    read(ms);
    assert(speed.isQuick, `${ms} ms`);
  }
  read(5.1);
  assert(!speed.isQuick);
});

for (const ms of [6, 40, 1_000, 20_000]) {
  Deno.test(`DiskSpeed sends reads to threads for 19 times as long as a read of ${ms} ms took`, () => {
    const { speed, read, pass } = disk();
    read(ms);
    pass(19 * ms - 1);
    assert(!speed.isQuick);
    pass(1);
    assert(speed.isQuick);
  });
}

Deno.test("DiskSpeed measures failed reads too", () => {
  const { speed, pass } = disk();
  const failing = () =>
    speed.time(() => {
      pass(100);
      throw new Error("the disk fails");
    });
  assertThrows(failing, Error, "the disk fails");
  assert(!speed.isQuick);
});

Deno.test("Reads of a slow disk block for a twentieth of the time, however slow it is", () => {
  for (const ms of [6, 250, 3_000]) {
    const { speed, read, pass } = disk();
    let blockedMs = 0;
    let allMs = 0;
    for (let n = 0; n < 50; n++) {
      read(ms);
      blockedMs += ms;
      allMs += ms;
      for (; !speed.isQuick; allMs++) pass(1);
    }
    assertEquals(Math.round(blockedMs / allMs * 100), LIMITS.slowReadPercent);
  }
});
