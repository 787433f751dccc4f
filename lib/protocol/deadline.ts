/**
 * Deadlines on a conn. A deadline that passes closes the conn, and the
 * interrupted call throws the deadline's error.
 *
 * @module
 */

import { onDispose } from "../base/collections.ts";
import type { Conn } from "../base/conn.ts";

// How many times progress is checked within the time in which there must be
// some.
const QUIET_PARTS = 4;

/** Gets a call when a deadline has passed before its step was done. */
export interface Passing {
  pass(): void;
}

/** A deadline for one step. Disposing says that the step is done. */
class Deadline implements Disposable {
  readonly #queue: DeadlineQueue;
  readonly of: Passing;
  readonly dueAt: number;

  constructor(queue: DeadlineQueue, dueAt: number, of: Passing) {
    this.#queue = queue;
    this.dueAt = dueAt;
    this.of = of;
  }

  [Symbol.dispose](): void {
    this.#queue.remove(this);
  }
}

/**
 * Deadlines of equal length pass in the order in which they were set. One timer
 * therefore serves all of them, in place of one for each of ten thousand idle
 * peers.
 */
class DeadlineQueue {
  readonly #ms: number;
  readonly #waiting = new Set<Deadline>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isHeld: boolean;

  constructor(ms: number, isHeld: boolean) {
    this.#ms = ms;
    this.#isHeld = isHeld;
  }

  /** Whether the timer stays when no deadline waits. */
  set isHeld(isHeld: boolean) {
    this.#isHeld = isHeld;
    this.#stopIdle();
  }

  add(passing: Passing): Deadline {
    const dueAt = performance.now() + this.#ms;
    const deadline = new Deadline(this, dueAt, passing);
    this.#waiting.add(deadline);
    this.#timer ??= setTimeout(() => this.#passDue(), this.#ms);
    return deadline;
  }

  remove(deadline: Deadline): void {
    if (this.#waiting.delete(deadline)) this.#stopIdle();
  }

  #stopIdle(): void {
    if (this.#isHeld || this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #passDue(): void {
    const now = performance.now();
    const due: Deadline[] = [];
    this.#timer = undefined;
    for (const deadline of this.#waiting) {
      const leftMs = deadline.dueAt - now;
      if (leftMs > 0) {
        // Set before any of them passes: a deadline that one of these sets must
        // not come first.
        this.#timer = setTimeout(() => this.#passDue(), leftMs);
        break;
      }
      due.push(deadline);
    }
    for (const deadline of due) {
      if (this.#waiting.delete(deadline)) deadline.of.pass();
    }
  }
}

/** Groups deadlines by length, for all conns that share this object. */
export class Deadlines {
  readonly #queues = new Map<number, DeadlineQueue>();
  #isHeld = false;

  /** Calls `pass` after `ms`. Disposing cancels the call. */
  set(ms: number, pass: () => void): Disposable {
    return this.schedule(ms, { pass });
  }

  /** Notifies `passing` after `ms`. Disposing cancels that. */
  schedule(ms: number, passing: Passing): Disposable {
    let queue = this.#queues.get(ms);
    if (queue === undefined) {
      queue = new DeadlineQueue(ms, this.#isHeld);
      this.#queues.set(ms, queue);
    }
    return queue.add(passing);
  }

  /**
   * Keeps timers between deadlines, for steps that follow each other. Disposing
   * stops unused timers. Must not be nested.
   */
  hold(): Disposable {
    this.#hold(true);
    return onDispose(() => this.#hold(false));
  }

  #hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    for (const queue of this.#queues.values()) queue.isHeld = isHeld;
  }
}

/** Options of {@linkcode ProgressWatch}. */
export interface ProgressOptions {
  /** A number that rises with progress. */
  readonly done: () => number;
  /** Milliseconds without progress after which the watch reports a stall. */
  readonly ms: number;
  /** Makes the error that the watch reports. */
  readonly reason: () => Error;
}

/**
 * Watches the progress of steps that follow each other. While it is held they
 * share one timer, because a timer for each piece of a file costs as much as
 * reading it.
 */
export class ProgressWatch {
  readonly #options: ProgressOptions;
  readonly #pass: (reason: Error) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isHeld = false;
  #isRunning = false;
  #before = 0;
  #quietParts = 0;
  readonly #step: Disposable = {
    [Symbol.dispose]: () => {
      this.#isRunning = false;
      if (!this.#isHeld) this.#stop();
    },
  };

  /** Calls `pass` on a stall. */
  constructor(options: ProgressOptions, pass: (reason: Error) => void) {
    this.#options = options;
    this.#pass = pass;
  }

  /** Keeps the timer between steps. Disposing stops it. Must not be nested. */
  hold(): Disposable {
    this.#isHeld = true;
    return onDispose(() => {
      this.#isHeld = false;
      this.#stop();
    });
  }

  /** Starts a step. Disposing ends it. Only one runs at a time. */
  begin(): Disposable {
    this.#isRunning = true;
    this.#before = this.#options.done();
    // If the timer already runs, the first part is too short to count.
    this.#quietParts = this.#timer === undefined ? 0 : -1;
    this.#timer ??= setInterval(
      () => this.#look(),
      this.#options.ms / QUIET_PARTS,
    );
    return this.#step;
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    if (!this.#isRunning) return this.#stop();
    const now = this.#options.done();
    this.#quietParts = now === this.#before ? this.#quietParts + 1 : 0;
    this.#before = now;
    if (this.#quietParts >= QUIET_PARTS) this.#pass(this.#options.reason());
  }
}

/**
 * Deadlines of one conn. A call that a deadline interrupts throws the reason of
 * the deadline.
 */
export class ConnDeadlines {
  readonly #conn: Conn;
  readonly #deadlines: Deadlines;
  #reason: Error | null = null;

  constructor(conn: Conn, deadlines = new Deadlines()) {
    this.#conn = conn;
    this.#deadlines = deadlines;
  }

  /** Notifies `passing` after `ms`. Disposing cancels that. */
  schedule(ms: number, passing: Passing): Disposable {
    return this.#deadlines.schedule(ms, passing);
  }

  /** Ends the conn after `ms`. Disposing cancels this. */
  expect(ms: number, reason: () => Error): Disposable {
    return this.#deadlines.set(ms, () => this.end(reason()));
  }

  /**
   * Keeps timers between steps, for a conn with its own deadlines. Disposing
   * stops unused timers.
   */
  hold(): Disposable {
    return this.#deadlines.hold();
  }

  /** A watch that ends the conn when a step makes no progress. */
  watchProgress(options: ProgressOptions): ProgressWatch {
    return new ProgressWatch(options, (reason) => this.end(reason));
  }

  end(reason: Error): void {
    this.#reason ??= reason;
    this.#conn.close();
  }

  /** Waits for `step`. If the conn ended first, throws the reason. */
  async guard<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      throw this.reasonFor(error);
    }
  }

  /** The error to throw: the reason why the conn was ended, or `error`. */
  reasonFor(error: unknown): unknown {
    return this.#reason ?? error;
  }
}
