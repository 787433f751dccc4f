/**
 * Counts the progress and the rate of a fetch. Pure: the clock is an argument.
 *
 * @module
 */

import type { Path } from "../base/conn.ts";
import { PathCount } from "./deliveries.ts";
import type { Progress } from "./events.ts";

// The rate covers the last few seconds: long enough to be steady, short enough
// to show a change.
const WINDOW_MS = 5_000;
// An estimate from less time would jump.
const KNOWN_MS = 1_000;
// The shortest time between two samples, so that a window has few of them.
const NOTE_MS = 50;

/** The bytes that had arrived at a time. */
interface TallyEntry {
  readonly at: number;
  readonly bytes: number;
}

/** Counts bytes and files. */
export class Tally {
  #received = 0;
  #total = 0;
  readonly #paths = new PathCount();
  #swarmBytes = 0;
  #name = "";
  #files = 0;
  #started = 0;
  #fileCount = 0;
  #isAll = false;
  readonly #rate = new RecentRate();

  /** Adds a wanted file of `bytes`. */
  expect(bytes: number): void {
    this.#total += bytes;
    this.#fileCount++;
  }

  /** Notes that all wanted files have been added. */
  expectNoMore(): void {
    this.#isAll = true;
  }

  /** Number and bytes of the wanted files. */
  get wanted(): { readonly files: number; readonly bytes: number } {
    return { files: this.#fileCount, bytes: this.#total };
  }

  /** Starts a file, of which `have` bytes exist already. */
  start(name: string, have: number): void {
    this.#name = name;
    this.#received += have;
    this.#started++;
  }

  /** Starts a file again, without the `had` bytes that existed. */
  restart(had: number): void {
    this.#received -= had;
    this.#started--;
  }

  /** Adds bytes of a started file that nobody had to send. */
  keep(bytes: number): void {
    this.#received += bytes;
  }

  /** Adds received bytes. */
  add(path: Path, bytes: number, { isHolder = false } = {}): void {
    this.#paths.add(path, bytes);
    this.#received += bytes;
    if (isHolder) this.#swarmBytes += bytes;
  }

  /** Counts a complete file. */
  complete(): void {
    this.#files++;
  }

  /** Subtracts wanted bytes that will not arrive. */
  forgo(bytes: number): void {
    this.#total -= bytes;
  }

  /** The progress at `now`, with the nodes and holders that take part. */
  progress(now: number, nodes: number, holders = 0): Progress {
    this.#rate.note(now, this.#paths.total);
    const bytesPerSecond = this.#rate.at(now);
    const left = this.#total - this.#received;
    return {
      received: this.#received,
      total: this.#total,
      isWhole: this.#isAll,
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
      ...(holders > 0 || this.#swarmBytes > 0
        ? { swarm: { holders, bytes: this.#swarmBytes } }
        : {}),
    };
  }
}

/** The rate at which something has grown recently. */
class RecentRate {
  /**
   * Each has more bytes than the one before. The first is from when something
   * had arrived, so the wait before it does not count.
   */
  readonly #samples: TallyEntry[] = [];

  /** Notes the total of `bytes` at `now`. */
  note(now: number, bytes: number): void {
    const samples = this.#samples;
    const last = samples.at(-1) ?? { at: -Infinity, bytes: 0 };
    if (bytes === last.bytes || now - last.at < NOTE_MS) return;
    samples.push({ at: now, bytes });
    // Keeps the newest sample that is old enough, and always two.
    while (samples.length > 2 && samples[1]!.at <= now - WINDOW_MS) {
      samples.shift();
    }
  }

  /** Whether there is enough data for an estimate. */
  get isKnown(): boolean {
    const [first] = this.#samples;
    return first !== undefined &&
      this.#samples.at(-1)!.at - first.at >= KNOWN_MS;
  }

  /** Bytes a second; 0 after an unusually long pause. */
  at(now: number): number {
    const [first] = this.#samples;
    const [before, last] = this.#samples.slice(-2);
    if (first === undefined || before === undefined || last === undefined) {
      return 0;
    }
    const pause = last.at - before.at;
    if (now - last.at > Math.max(WINDOW_MS, 2 * pause)) return 0;
    // A usual pause changes nothing; a longer one lowers the rate.
    const until = Math.max(last.at, now - pause);
    return (last.bytes - first.bytes) / (until - first.at) * 1_000;
  }
}
