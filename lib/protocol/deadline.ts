/**
 * Deadlines on a conn. A deadline that passes closes the conn, and the
 * interrupted call throws the deadline's error.
 *
 * @module
 */

import type { Conn } from "../base/conn.ts";

// How many times progress is checked within the time in which there must be
// some.
const QUIET_PARTS = 4;

/** A deadline for one step. Disposing says that the step is done. */
class Deadline implements Disposable {
  readonly #queue: DeadlineQueue;
  readonly #pass: () => void;
  readonly dueAt: number;

  constructor(queue: DeadlineQueue, dueAt: number, pass: () => void) {
    this.#queue = queue;
    this.dueAt = dueAt;
    this.#pass = pass;
  }

  /** The deadline has passed before the step was done. */
  pass(): void {
    this.#pass();
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

  constructor(ms: number) {
    this.#ms = ms;
  }

  add(pass: () => void): Deadline {
    const dueAt = performance.now() + this.#ms;
    const deadline = new Deadline(this, dueAt, pass);
    this.#waiting.add(deadline);
    this.#timer ??= setTimeout(() => this.#passDue(), this.#ms);
    return deadline;
  }

  remove(deadline: Deadline): void {
    if (this.#waiting.delete(deadline) && this.#waiting.size === 0) {
      this.#stop();
    }
  }

  #stop(): void {
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
        // Before any passes: a deadline set by one of these must not come
        // first.
        this.#timer = setTimeout(() => this.#passDue(), leftMs);
        break;
      }
      due.push(deadline);
    }
    for (const deadline of due) {
      if (this.#waiting.delete(deadline)) deadline.pass();
    }
  }
}

/** Groups deadlines by length, for all conns that share this object. */
export class Deadlines {
  readonly #queues = new Map<number, DeadlineQueue>();

  /** Calls `pass` after `ms`. Disposing cancels the call. */
  set(ms: number, pass: () => void): Disposable {
    let queue = this.#queues.get(ms);
    if (queue === undefined) {
      queue = new DeadlineQueue(ms);
      this.#queues.set(ms, queue);
    }
    return queue.add(pass);
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

  /** Ends the conn after `ms`. Disposing cancels this. */
  expect(ms: number, reason: () => Error): Disposable {
    return this.#deadlines.set(ms, () => this.end(reason()));
  }

  /** Ends the conn if `done` does not rise for `ms`. Disposing cancels this. */
  expectProgress(
    done: () => number,
    ms: number,
    reason: () => Error,
  ): Disposable {
    let before = done();
    let quietParts = 0;
    // Checks several times in `ms`, because reading the clock at each read
    // costs more.
    const timer = setInterval(() => {
      const now = done();
      quietParts = now === before ? quietParts + 1 : 0;
      before = now;
      if (quietParts >= QUIET_PARTS) this.end(reason());
    }, ms / QUIET_PARTS);
    return { [Symbol.dispose]: () => clearInterval(timer) };
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
