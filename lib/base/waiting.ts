/**
 * Waits that end early: when a signal is aborted, or when the time is over.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";

/** Resolves when `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Calls `next` with a value: at once if it is not a promise, because waiting
 * for a promise can cost more than the call.
 */
export function andThen<T, U>(
  value: T | Promise<T>,
  next: (value: T) => U | Promise<U>,
): U | Promise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Waits for `work`; rejects with the signal's reason when aborted. */
export function orAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  return signal === undefined ? work : abortable(work, signal);
}

/**
 * Waits for `work`, but no longer than `ms`: after that, `undefined`. Rejects
 * with the signal's reason when aborted.
 */
export async function within<T>(
  work: Promise<T>,
  ms: number,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const { promise: passed, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  try {
    return await orAborted(Promise.race([work, passed]), signal);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The first result that `ask` gives for one of several, in their order. If one
 * gives none for `patienceMs`, the next is asked as well. The signal tells
 * `ask` that its result is no longer wanted.
 */
export async function firstGiven<Item, Result>(
  items: Iterable<Item>,
  ask: (item: Item, over: AbortSignal) => Promise<Result | undefined>,
  { patienceMs }: { readonly patienceMs: number },
): Promise<Result | undefined> {
  const given = Promise.withResolvers<Result>();
  const over = new AbortController();
  const asked: Promise<void>[] = [];
  try {
    for (const item of items) {
      const asking = ask(item, over.signal)
        .then((result) => result !== undefined && given.resolve(result))
        .then(() => {});
      asking.catch(() => {}); // thrown below, or too late to matter
      asked.push(asking);
      const result = await within(
        Promise.race([given.promise, asking]),
        patienceMs,
      );
      if (result !== undefined) return result;
    }
    const all = Promise.all(asked).then(() => undefined);
    return await Promise.race([given.promise, all]);
  } finally {
    over.abort();
  }
}

/**
 * The wait before attempt number `attempt` (from 0): exponential, with full
 * jitter, so that a thousand nodes do not return at the same moment.
 */
export function retryDelayMs(
  attempt: number,
  { firstMs, maxMs, random = Math.random }: {
    firstMs: number;
    maxMs: number;
    random?: () => number;
  },
): number {
  return random() * Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
}

/** Options of {@linkcode CallDeadline}. */
export interface CallDeadlineOptions {
  /** Milliseconds for all steps together. */
  readonly timeoutMs: number;
  /** The caller's signal, which ends them too. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One timer and one signal for all steps of a call. If it ends early, its reason
 * replaces the error of the interrupted step. Disposing says that all is done.
 */
export class CallDeadline implements Disposable {
  readonly #abort = new AbortController();
  /** Aborted when the time is over, or by the caller. */
  readonly signal: AbortSignal = this.#abort.signal;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #outer: AbortSignal | undefined;
  readonly #onOuterAbort = () => this.#abort.abort(this.#outer?.reason);

  /** `late` makes the error of a call that took too long. */
  constructor(
    { timeoutMs, signal }: CallDeadlineOptions,
    late: () => Error,
  ) {
    this.#outer = signal;
    this.#timer = setTimeout(() => this.#abort.abort(late()), timeoutMs);
    if (signal?.aborted) this.#onOuterAbort();
    else signal?.addEventListener("abort", this.#onOuterAbort);
  }

  /** Calls `end` when the call ends early. It must make the step reject. */
  onEnd(end: () => void): void {
    if (this.signal.aborted) end();
    else this.signal.addEventListener("abort", end, { once: true });
  }

  /** Waits for `step`. If the call ended early, throws the reason. */
  async guard<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      throw this.signal.aborted ? this.signal.reason : error;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onOuterAbort);
  }
}

/** Lets everything that waits continue first. */
export function othersTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
