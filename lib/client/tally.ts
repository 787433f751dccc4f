/**
 * How much of a fetch is there, and how fast it goes. Pure but for the clock,
 * which is an argument.
 *
 * @module
 */

import type { Path } from "../conn.ts";
import { PathCount } from "./deliveries.ts";
import type { Progress } from "./events.ts";

// The rate is that of about so long.
const SMOOTH_MS = 2_000;

/** Counts bytes and files. */
export class Tally {
  #received = 0;
  #total = 0;
  readonly #paths = new PathCount();
  #files = 0;
  #fileCount = 0;
  #rate = 0;
  #since: number;
  #pending = 0;

  /** Begins at `now`. */
  constructor(now: number) {
    this.#since = now;
  }

  /** A file of `bytes` is to come, of which `have` are there. */
  expect(bytes: number, have: number): void {
    this.#total += bytes;
    this.#received += have;
    this.#fileCount++;
  }

  /** Bytes have come. */
  add(path: Path, bytes: number): void {
    this.#paths.add(path, bytes);
    this.#received += bytes;
    this.#pending += bytes;
  }

  /** A file is complete. */
  complete(): void {
    this.#files++;
  }

  /** How things stand at `now`. */
  progress(now: number, nodes: number): Progress {
    const ms = now - this.#since;
    if (ms >= 50) {
      const rate = this.#pending / ms * 1000;
      const weight = this.#rate === 0 ? 1 : 1 - Math.exp(-ms / SMOOTH_MS);
      this.#rate += weight * (rate - this.#rate);
      this.#since = now;
      this.#pending = 0;
    }
    return {
      received: this.#received,
      total: this.#total,
      bytesPerSecond: this.#rate,
      paths: this.#paths.byPath,
      files: this.#files,
      fileCount: this.#fileCount,
      nodes,
    };
  }
}
