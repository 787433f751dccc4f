/**
 * The promise of a swarm, in fake time: the real plan and the real policy of
 * connections and readers, with a seed and clients that upload 4 MB/s and a
 * file of 32 MiB.
 */

import { assert, assertEquals } from "@std/assert";
import { type Outcome, type Scenario, simulate } from "./_simulation.ts";

/** Times of the slowest client and copies of the seed, in copies. */
function figuresOf(
  scenario: Partial<Scenario>,
): Outcome & { slowest: number } {
  const outcome = simulate({ clientCount: 50, ...scenario });
  assertEquals(outcome.unfinished, 0, "all have finished");
  return { ...outcome, slowest: outcome.times.at(-1)! / outcome.copyMs };
}

for (const seed of [1, 2, 3]) {
  Deno.test(`A swarm of 50 is done within 1.5 times one copy, and the seed sends at most 3 copies (seed ${seed})`, () => {
    const { slowest, seedCopies, times, wasted } = figuresOf({ seed });
    assertEquals(times.length, 50);
    assert(slowest >= 1, "nothing is quicker than the seed's line");
    // 1.5 and 3 are wanted. Fake time leaves nothing to chance, so that a worse
    // plan shows at once.
    assert(slowest <= 1.35, `${slowest}`);
    assert(seedCopies <= 1.35, `${seedCopies}`);
    assert(wasted <= 0.1, `${wasted}`);
  });
}

for (
  const [name, scenario] of [
    ["some send wrong pieces", { liars: 0.1 }],
    ["some announce everything and send nothing", { idlers: 0.1 }],
    ["some die on the way and others come", { churn: 0.1 }],
  ] as const
) {
  Deno.test(`A swarm of 50 is done within 2 times one copy if ${name}`, () => {
    const { slowest, seedCopies } = figuresOf(scenario);
    assert(slowest <= 2, `${slowest}`);
    assert(seedCopies <= 3, `${seedCopies}`);
  });
}

Deno.test("A swarm whose seed dies knows which pieces nobody has, and finishes when the seed returns", () => {
  const { nowhere, seedCopies, slowest, copyMs } = figuresOf({
    seedDiesAt: 0.6,
    seedAwayMs: 20_000,
  });
  assert(nowhere > 0, "it had not sent every piece");
  assert(seedCopies <= 3, `${seedCopies}`);
  assert(slowest <= 2 + 20_000 / copyMs, `${slowest}`);
});

Deno.test("One client alone takes a file from its seed as quickly as the line allows", () => {
  const { slowest, seedCopies } = figuresOf({ clientCount: 1 });
  assert(slowest <= 1.05, `${slowest}`);
  assertEquals(seedCopies, 1);
});
