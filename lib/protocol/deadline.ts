/**
 * Deadlines on a conn. A passed deadline closes the conn, and the interrupted
 * caller gets the deadline's error.
 *
 * @module
 */

import type { Conn } from "../base/conn.ts";

// Several looks at the progress in the time in which there must be some.
const QUIET_PARTS = 4;

/** A step that must be over by then. Disposing says that it is. */
class Deadline implements Disposable {
  readonly #queue: DeadlineQueue;
  readonly #pass: () => void;
  readonly dueAt: number;

  constructor(queue: DeadlineQueue, dueAt: number, pass: () => void) {
    this.#queue = queue;
    this.dueAt = dueAt;
    this.#pass = pass;
  }

  /** It has come, and the step is not over. */
  pass(): void {
    this.#pass();
  }

  [Symbol.dispose](): void {
    this.#queue.remove(this);
  }
}

/**
 * Deadlines of one length, which come in the order in which they were set: one
 * timer for all of them, where ten thousand idle peers had one each.
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
        // Before any passes: one that is set then must not come first.
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

/** Deadlines of the few lengths there are, for as many conns as share it. */
export class Deadlines {
  readonly #queues = new Map<number, DeadlineQueue>();

  /** Calls `pass` in `ms`, unless disposed of before. */
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
 * Deadlines on a conn, and the reason for which it was closed in place of what
 * the interrupted call threw.
 */
export class ConnDeadlines {
  readonly #conn: Conn;
  readonly #deadlines: Deadlines;
  #reason: Error | null = null;

  constructor(conn: Conn, deadlines = new Deadlines()) {
    this.#conn = conn;
    this.#deadlines = deadlines;
  }

  /** Ends the conn unless disposed of within `ms`. */
  expect(ms: number, reason: () => Error): Disposable {
    return this.#deadlines.set(ms, () => this.end(reason()));
  }

  /** Ends the conn when `done` has not risen for `ms`, unless disposed of. */
  expectProgress(
    done: () => number,
    ms: number,
    reason: () => Error,
  ): Disposable {
    let before = done();
    let quietParts = 0;
    // Looks several times in `ms`: a clock read for every read costs more.
    const timer = setInterval(() => {
      const now = done();
      quietParts = now === before ? quietParts + 1 : 0;
      before = now;
      if (quietParts >= QUIET_PARTS) this.end(reason());
    }, ms / QUIET_PARTS);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /** Ends the conn. */
  end(reason: Error): void {
    this.#reason ??= reason;
    this.#conn.close();
  }

  /** `step`, or the reason for which the conn was ended meanwhile. */
  async guard<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      throw this.reasonFor(error);
    }
  }

  /** What to throw in place of `error`: why the conn was ended, where it was. */
  reasonFor(error: unknown): unknown {
    return this.#reason ?? error;
  }
}
