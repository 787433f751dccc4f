/**
 * The order in which a node works for its clients: one at a time, for a few
 * milliseconds each. In between, the listener, the disk and other clients get a
 * turn, however fast requests come.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import { isShared } from "../guard/admission.ts";
import type { Limits } from "../base/limits.ts";
import { afterOthers } from "../base/turns.ts";
import { type Account, type WorkKind, WorkLedger } from "./work_ledger.ts";

/**
 * The work for all clients of a node. Disposing lets all waiting clients
 * continue.
 */
export class WorkQueue implements Disposable {
  readonly #ledger: WorkLedger;
  readonly #turnMs: number;
  /**
   * Clients that wait for a turn, with the function that lets each continue.
   */
  readonly #waiting = new Map<Account, () => void>();
  /** Clients that must pause first. */
  readonly #resting = new Map<Account, () => void>();
  /** When work in this turn of the event loop began, and for which client. */
  #startedAt: number | null = null;
  #holder: Account | null = null;
  /** Milliseconds used in earlier turns, since others had a turn. */
  #usedMs = 0;
  /** Set while others have a turn. */
  #giving: Disposable | null = null;
  #immediate: ReturnType<typeof setImmediate> | undefined;
  #isClosed = false;

  constructor(limits: Limits) {
    this.#ledger = new WorkLedger(limits);
    this.#turnMs = limits.turnMs;
  }

  /** Adds a client; `source` is the group that limits count it in. */
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

  /** Whether this turn belongs to the client or to none, and time is left. */
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

  /** Notes when this turn began, and schedules its end. */
  #begin(): void {
    if (this.#startedAt !== null || this.#giving !== null) return;
    this.#startedAt = performance.now();
    this.#immediate = setImmediate(() => this.#end());
  }

  /** Gives others a turn whenever clients have used enough time. */
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

  /** Lets the next waiting client continue, if there is one. */
  #goOn(): void {
    const next = this.#ledger.next(this.#waiting.keys());
    if (next === undefined) return;
    this.#holder = next;
    this.#begin();
    this.#release(next);
  }

  /** Lets one waiting or pausing client continue. */
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

/** The work for one client. Disposing removes it. */
export interface ClientWork extends Disposable {
  /** Charges work to it, in milliseconds of processor time. */
  charge(ms: number, kind?: WorkKind): void;
  /**
   * Await this before more work for it; `undefined` if it may continue at once.
   */
  turn(): Promise<void> | undefined;
}
