/**
 * Reads the clocks regularly. After the machine has slept, connections may be
 * dead although nothing was reported, and leases may have ended. Their owners
 * then start again at once.
 *
 * @module
 */

import type { Limits } from "./limits.ts";
import { ClockGaps, type Clocks } from "./clock_gaps.ts";

/** The machine slept, or its clock was set. */
export interface ClockEvent {
  /** Its name. */
  readonly event: "clock_gap";
  /** Whether the clock is ahead of the elapsed time, or behind it. */
  readonly kind: "slept" | "went_back";
  /** By how many seconds. */
  readonly seconds: number;
}

/** Options of {@linkcode ClockWatch}. */
export interface ClockWatchOptions {
  readonly limits: Limits;
  /** Called for each gap. */
  readonly onGap?: (event: ClockEvent) => void;
}

/** Watches the clocks until it is disposed of. Keeps no process running. */
export class ClockWatch implements Disposable {
  readonly #gaps: ClockGaps;
  readonly #options: ClockWatchOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #wake = new AbortController();

  /** Starts to watch. */
  constructor(options: ClockWatchOptions) {
    const { clockCheckMs, clockGapMs } = options.limits;
    this.#options = options;
    this.#gaps = new ClockGaps(clocks(), clockGapMs);
    this.#timer = setInterval(() => this.#check(), clockCheckMs);
    Deno.unrefTimer(Number(this.#timer));
  }

  /**
   * Aborted with {@linkcode Slept} when the machine has slept; then a new
   * signal replaces it.
   */
  get wake(): AbortSignal {
    return this.#wake.signal;
  }

  #check(): void {
    const gap = this.#gaps.note(clocks());
    if (gap === undefined) return;
    const { kind, ms } = gap;
    const seconds = Math.round(ms / 1_000);
    this.#options.onGap?.({ event: "clock_gap", kind, seconds });
    if (kind === "went_back") return;
    const woken = this.#wake;
    this.#wake = new AbortController();
    woken.abort(new Slept());
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** The error of a connection that was opened before a sleep. */
export class Slept extends Deno.errors.ConnectionReset {
  constructor() {
    super("this machine slept");
  }
}

function clocks(): Clocks {
  return { wall: Date.now(), monotonic: performance.now() };
}
