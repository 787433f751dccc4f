/**
 * Time that passes when a test says so: `setTimeout`, `setInterval`,
 * `performance.now` and `Date.now` of this process, until disposed of. For what depends on time alone;
 * whatever waits for sockets or files must not be tested with it.
 */

interface Timer {
  readonly dueAt: number;
  readonly call: () => void;
  /** After which it is due again, where it is. */
  readonly everyMs?: number;
}

/** Takes the clocks over. */
export class FakeTime implements Disposable {
  readonly #timers = new Map<number, Timer>();
  readonly #startedAt = Date.now();
  readonly #restore: () => void;
  // Not before now: what was made earlier has the time of the real clock.
  #now = Math.ceil(performance.now() / 1_000) * 1_000;
  /** Milliseconds that the wall clock was set by. */
  #setBy = 0;
  #nextId = 1_000_000;

  constructor() {
    const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
    const { now } = performance;
    const dateNow = Date.now;
    const clear = (id: unknown) => {
      if (!this.#timers.delete(Number(id))) clearTimeout(Number(id));
    };
    Object.assign(globalThis, {
      setTimeout: (call: () => void, ms = 0) =>
        this.#start({ dueAt: this.#now + ms, call }),
      setInterval: (call: () => void, ms = 0) =>
        this.#start({ dueAt: this.#now + ms, call, everyMs: ms }),
      clearTimeout: clear,
      clearInterval: clear,
    });
    performance.now = () => this.#now;
    Date.now = () => this.#startedAt + this.#now + this.#setBy;
    this.#restore = () => {
      Object.assign(globalThis, {
        setTimeout,
        clearTimeout,
        setInterval,
        clearInterval,
      });
      performance.now = now;
      Date.now = dateNow;
    };
  }

  #start(timer: Timer): number {
    const id = this.#nextId++;
    this.#timers.set(id, timer);
    return id;
  }

  /** Sets the wall clock, forward or back, as a sleep does too. */
  setWall(byMs: number): void {
    this.#setBy += byMs;
  }

  /** Timers that wait. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer. */
  get nextTimerMs(): number {
    const dues = [...this.#timers.values()].map(({ dueAt }) => dueAt);
    return Math.min(...dues) - this.#now;
  }

  /** Lets `ms` pass: timers that come due run in order, with what they wake. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const due = [...this.#timers].filter(([, { dueAt }]) => dueAt <= end);
      if (due.length === 0) break;
      const [id, timer] = due.reduce((a, b) => b[1].dueAt < a[1].dueAt ? b : a);
      const { dueAt, everyMs } = timer;
      if (everyMs === undefined) this.#timers.delete(id);
      else this.#timers.set(id, { ...timer, dueAt: dueAt + everyMs });
      this.#now = Math.max(this.#now, timer.dueAt);
      timer.call();
    }
    this.#now = end;
    await settle();
  }

  [Symbol.dispose](): void {
    this.#restore();
  }
}

/** Lets everything run that waits for promises alone. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
