import { assertEquals } from "@std/assert";
import { ClockGaps, type Clocks } from "../../lib/base/clock_gaps.ts";

const START: Clocks = { wall: 1_700_000_000_000, monotonic: 1_000 };

/** The gaps of readings that are so many milliseconds after the one before. */
function gapsOf(...steps: readonly (readonly [wall: number, own: number])[]) {
  const gaps = new ClockGaps(START, 5_000);
  let { wall, monotonic } = START;
  return steps.map(([wallMs, ownMs]) => {
    wall += wallMs;
    monotonic += ownMs;
    return gaps.note({ wall, monotonic });
  });
}

const HOUR = 3_600_000;

for (
  const [what, steps, expected] of [
    ["clocks that run alike", [[1_000, 1_000]], [undefined]],
    ["a drift of 5 s", [[6_000, 1_000]], [undefined]],
    ["a drift of more than 5 s", [[6_001, 1_000]], [
      { kind: "slept", ms: 5_001 },
    ]],
    ["a night's sleep, once", [[8 * HOUR, 1_000], [1_000, 1_000]], [
      { kind: "slept", ms: 8 * HOUR - 1_000 },
      undefined,
    ]],
    ["a process that stood still for an hour", [[HOUR, HOUR]], [undefined]],
    ["a clock that was set back", [[1_000 - HOUR, 1_000], [1_000, 1_000]], [
      { kind: "went_back", ms: HOUR },
      undefined,
    ]],
    ["a clock set back by 5 s", [[-4_000, 1_000]], [undefined]],
    [
      "a clock set back, and a sleep after it",
      [[-HOUR, 0], [HOUR, 0]],
      [{ kind: "went_back", ms: HOUR }, { kind: "slept", ms: HOUR }],
    ],
    [
      "drifts that add up, each of them small",
      [[4_000, 1_000], [4_000, 1_000]],
      [undefined, undefined],
    ],
  ] as const
) {
  Deno.test(`ClockGaps recognises ${what} by the gap`, () => {
    assertEquals(gapsOf(...steps), [...expected]);
  });
}
