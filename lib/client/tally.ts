/**
 * Counts how much of a fetch has arrived, and how fast. Pure: the clock is an
 * argument.
 *
 * @module
 */

import type { Path } from "../base/conn.ts";
import { PathCount } from "./deliveries.ts";
import type { Progress } from "./events.ts";

// The rate is that of the last few seconds: long enough to be steady, short
// enough to notice a change.
const WINDOW_MS = 5_000;
// An estimate from less would jump about.
const KNOWN_MS = 1_000;
// Times are noted no more often, so that a window has few of them.
const NOTE_MS = 50;

/** What had come by when. */
interface TallyEntry {
  readonly at: number;
  readonly bytes: number;
}

/** Counts bytes and files. */
export class Tally {
  #received = 0;
  #total = 0;
  readonly #paths = new PathCount();
  #name = "";
  #files = 0;
  #started = 0;
  #fileCount = 0;
  #isAll = false;
  readonly #rate = new RecentRate();

  /** A file of `bytes` is among those that are wanted. */
  expect(bytes: number): void {
    this.#total += bytes;
    this.#fileCount++;
  }

  /** All files that are wanted are known. */
  expectNoMore(): void {
    this.#isAll = true;
  }

  /** A file is started, of which `have` bytes are there. */
  start(name: string, have: number): void {
    this.#name = name;
    this.#received += have;
    this.#started++;
  }

  /** A file that was started is begun anew: what was there of it is not. */
  restart(had: number): void {
    this.#received -= had;
    this.#started--;
  }

  /** Bytes have come. */
  add(path: Path, bytes: number): void {
    this.#paths.add(path, bytes);
    this.#received += bytes;
  }

  /** A file is complete. */
  complete(): void {
    this.#files++;
  }

  /** So many bytes that were expected will not come. */
  forgo(bytes: number): void {
    this.#total -= bytes;
  }

  /** How things stand at `now`. */
  progress(now: number, nodes: number): Progress {
    this.#rate.note(now, this.#paths.total);
    const bytesPerSecond = this.#rate.at(now);
    const left = this.#total - this.#received;
    return {
      received: this.#received,
      total: this.#total,
      name: this.#name,
      bytesPerSecond,
      ...(this.#isAll && this.#rate.isKnown && bytesPerSecond > 0
        ? { secondsLeft: left / bytesPerSecond }
        : {}),
      paths: this.#paths.byPath,
      files: this.#files,
      filesStarted: this.#started,
      fileCount: this.#fileCount,
      nodes,
    };
  }
}

/** The rate at which something has grown of late. */
class RecentRate {
  /**
   * Each has more than the one before; the first is of when something had come:
   * what was waited for that is not part of the rate.
   */
  readonly #samples: TallyEntry[] = [];

  /** By `now` so many `bytes` have come. */
  note(now: number, bytes: number): void {
    const samples = this.#samples;
    const last = samples.at(-1) ?? { at: -Infinity, bytes: 0 };
    if (bytes === last.bytes || now - last.at < NOTE_MS) return;
    samples.push({ at: now, bytes });
    // The newest that is old enough stays, and always two.
    while (samples.length > 2 && samples[1]!.at <= now - WINDOW_MS) {
      samples.shift();
    }
  }

  /** Whether it has gone on long enough to say how it goes on. */
  get isKnown(): boolean {
    const [first] = this.#samples;
    return first !== undefined &&
      this.#samples.at(-1)!.at - first.at >= KNOWN_MS;
  }

  /** Bytes a second; 0 once nothing has come for unusually long. */
  at(now: number): number {
    const [first] = this.#samples;
    const [before, last] = this.#samples.slice(-2);
    if (first === undefined || before === undefined || last === undefined) {
      return 0;
    }
    const pause = last.at - before.at;
    if (now - last.at > Math.max(WINDOW_MS, 2 * pause)) return 0;
    // The usual pause is no sign of anything; a longer one is.
    const until = Math.max(last.at, now - pause);
    return (last.bytes - first.bytes) / (until - first.at) * 1_000;
  }
}
