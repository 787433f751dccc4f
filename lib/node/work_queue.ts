/**
 * The order in which a node works for its clients: one at a time, for some
 * milliseconds each, with a turn for all others in between. The listener, the
 * disk and other clients get their turn, however fast requests come.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import { isShared } from "../guard/admission.ts";
import type { Limits } from "../base/limits.ts";
import { afterOthers } from "../base/turns.ts";
import { type Account, type WorkKind, WorkLedger } from "./work_ledger.ts";

/** Work for all clients of a node. Disposing lets all that wait go on. */
export class WorkQueue implements Disposable {
  readonly #ledger: WorkLedger;
  readonly #turnMs: number;
  /** Those that wait for a turn, and what lets them go on. */
  readonly #waiting = new Map<Account, () => void>();
  /** Those that have to rest first. */
  readonly #resting = new Map<Account, () => void>();
  /** When this turn of the event loop began to be used, and by whom. */
  #startedAt: number | null = null;
  #holder: Account | null = null;
  /** Used by turns of the event loop before, since others had theirs. */
  #usedMs = 0;
  /** While others have their turn. */
  #giving: Disposable | null = null;
  #immediate: ReturnType<typeof setImmediate> | undefined;
  #isClosed = false;

  /** Nobody waits yet. */
  constructor(limits: Limits) {
    this.#ledger = new WorkLedger(limits);
    this.#turnMs = limits.turnMs;
  }

  /** Takes a client in, by what its address is counted under. */
  enter(source: string): ClientWork {
    const shared = isShared(source) ? undefined : source;
    const account = this.#ledger.open(shared, performance.now());
    return {
      charge: (ms, kind = "asked") =>
        this.#ledger.charge(account, ms, { kind, now: performance.now() }),
      turn: () => this.#turn(account),
      [Symbol.dispose]: () => {
        this.#ledger.close(account);
        this.#release(account);
      },
    };
  }

  #turn(account: Account): Promise<void> | undefined {
    if (this.#isClosed) return undefined;
    const restMs = this.#ledger.restMs(account, performance.now());
    if (restMs === 0 && this.#mayGoOn(account)) return undefined;
    return this.#wait(account, restMs);
  }

  /** Whether this turn is the client's, or nobody's, and there is time left. */
  #mayGoOn(account: Account): boolean {
    if (this.#giving !== null) return false;
    this.#begin();
    if (this.#waiting.size === 0) this.#holder ??= account;
    return this.#holder === account &&
      this.#usedMs + performance.now() - this.#startedAt! < this.#turnMs;
  }

  async #wait(account: Account, restMs: number): Promise<void> {
    if (restMs > 0) await this.#rest(account, restMs);
    if (this.#isClosed) return;
    this.#ledger.wait(account);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(account, resolve);
    this.#begin();
    await promise;
  }

  async #rest(account: Account, ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#resting.set(account, resolve);
    await promise;
    clearTimeout(timer);
    this.#resting.delete(account);
  }

  /** Notes when this turn began, and sees to what follows it. */
  #begin(): void {
    if (this.#startedAt !== null || this.#giving !== null) return;
    this.#startedAt = performance.now();
    this.#immediate = setImmediate(() => this.#end());
  }

  /** Others have their turn whenever enough time was used for clients. */
  #end(): void {
    this.#usedMs += performance.now() - this.#startedAt!;
    this.#startedAt = null;
    this.#holder = null;
    if (this.#usedMs < this.#turnMs) return this.#goOn();
    this.#giving = afterOthers(() => {
      this.#giving = null;
      this.#usedMs = 0;
      this.#goOn();
    });
  }

  /** Lets the next of those that wait go on, where there is one. */
  #goOn(): void {
    const next = this.#ledger.next(this.#waiting.keys());
    if (next === undefined) return;
    this.#holder = next;
    this.#begin();
    this.#release(next);
  }

  /** Lets one go on that waits, or rests. */
  #release(account: Account): void {
    this.#waiting.get(account)?.();
    this.#waiting.delete(account);
    this.#resting.get(account)?.();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearImmediate(this.#immediate);
    this.#giving?.[Symbol.dispose]();
    for (const account of [...this.#waiting.keys(), ...this.#resting.keys()]) {
      this.#release(account);
    }
  }
}

/** The work for one client. Disposing forgets it. */
export interface ClientWork extends Disposable {
  /** Notes work that is done for it, in milliseconds of the processor. */
  charge(ms: number, kind?: WorkKind): void;
  /**
   * Wait for this before more is done for it; nothing where that may be at once.
   */
  turn(): Promise<void> | undefined;
}
