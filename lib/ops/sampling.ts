/**
 * Reads a role's metrics every few seconds, for its status page.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { type Reading, Samples } from "./samples.ts";

/** Samples that grow until they are disposed of. */
export interface Sampling extends Disposable {
  /** What was read so far. */
  readonly samples: Samples;
}

/** Reads at once, and then every `sampleMs`. The caller disposes of it. */
export function startSampling(
  read: () => Reading,
  { sampleMs, sampleCount }: Limits,
): Sampling {
  const samples = new Samples(sampleCount);
  const sample = () => samples.add(read(), performance.now());
  sample();
  const timer = setInterval(sample, sampleMs);
  return { samples, [Symbol.dispose]: () => clearInterval(timer) };
}
