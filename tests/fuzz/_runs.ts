/**
 * How often properties run, and from which seed: the same thousand runs every
 * time, unless the environment says otherwise. `deno task test` does the first
 * fifth of them, and `tests/long/properties_test.ts` does all.
 *
 * - `RELAY_P2P_FUZZ_SECONDS`: each property runs for this time, from one seed
 * after
 *   the other.
 * - `RELAY_P2P_FUZZ_SEED`: the first seed. A failure names its own.
 * - `RELAY_P2P_FUZZ_PATH`: goes straight to the run that failed with that seed;
 *   for one property, chosen with `--filter`.
 */

import { assert } from "@std/assert";
import fc from "fast-check";
import { Failure, type FailureKind } from "../../lib/base/errors.ts";

const seconds = Number(Deno.env.get("RELAY_P2P_FUZZ_SECONDS") ?? 0);
const firstSeed = Number(Deno.env.get("RELAY_P2P_FUZZ_SEED") ?? 20_241_017);
const path = Deno.env.get("RELAY_P2P_FUZZ_PATH");

const RUNS = 1_000;
const QUICK_RUNS_PERCENT = 20;

// A given seed is for finding a failure again, which may be in the last run.
let runsPercent = Deno.env.has("RELAY_P2P_FUZZ_SEED")
  ? 100
  : QUICK_RUNS_PERCENT;

/** Properties that are registered from now on do all their runs. */
export function doAllRuns(): void {
  runsPercent = 100;
}

/** Options of {@linkcode holds}. */
export interface RunOptions {
  /** Runs from one seed; properties that touch the disk need fewer. */
  readonly runs?: number;
}

/** A test that a property holds for everything that `arbitraries` make. */
export function holds<T extends [unknown, ...unknown[]]>(
  name: string,
  arbitraries: { readonly [At in keyof T]: fc.Arbitrary<T[At]> },
  property: (...values: T) => void | Promise<void>,
  { runs = RUNS }: RunOptions = {},
): void {
  const numRuns = Math.ceil(runs * runsPercent / 100);
  Deno.test(name, async () => {
    const until = performance.now() + seconds * 1_000;
    let seed = firstSeed;
    do {
      await fc.assert(
        fc.asyncProperty(
          ...arbitraries as unknown as [fc.Arbitrary<unknown>],
          async (...values) => await property(...values as unknown as T),
        ),
        { seed: seed++, numRuns, ...(path === undefined ? {} : { path }) },
      );
    } while (performance.now() < until);
  });
}

/** Text of every kind: plain, full of what acts, hides or breaks, or not Unicode. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.oneof(
      fc.constantFrom(
        ...["/", "\\", ".", ":", "[", "]", "%", "*", "?", "{", "}", "!", "("],
        ...[" ", "\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x9b", "|", ")"],
        ...["\u200b", "\u202e", "\u2066", "\u2028", "\ufeff", "\ue000"],
        ...["\ud800", "\udfff", "\u0301", "e\u0301", "\u00e9", "\ufb01"],
        ...["con", "p2p://", ".p2p-part", "..", "é", "💾", "K", "1", "a"],
      ),
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 2 }),
    ),
    maxLength: 60,
  }),
);

// What acts on a terminal, hides or reorders.
const ACTS = /[\p{C}\p{Zl}\p{Zp}]/u;

/** Whether a person can be shown `text` as it is. */
export function isShowable(text: string): boolean {
  return !ACTS.test(text);
}

/**
 * What `parse` makes of the input; nothing where it refused, which it must do
 * with a {@linkcode Failure} of that kind, in words that can be shown.
 */
export function parsed<T>(parse: () => T, kind: FailureKind): T | undefined {
  try {
    return parse();
  } catch (error) {
    return refusedAs(error, kind);
  }
}

/** Makes sure that `error` is a refusal as it should be. */
export function refusedAs(error: unknown, kind: FailureKind): undefined {
  if (!(error instanceof Failure) || error.kind !== kind) throw error;
  assert(isShowable(error.message), JSON.stringify(error.message));
  return undefined;
}
