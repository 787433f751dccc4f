/**
 * Reports to the relay which nodes seem dead, and which its index named
 * wrongly. All reports of one command use one connection, and their number is
 * limited to those that the relay would check or count.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import type { RelayDialer, RelaySession } from "../uplink/relay_dialer.ts";

/** Options of {@linkcode Reports}. */
export interface ReportsOptions {
  /** Connects to the relay. */
  readonly dialer: RelayDialer;
  readonly limits: Limits;
}

/** Sends reports. Disposing waits a moment for them to be sent. */
export class Reports implements AsyncDisposable {
  readonly #options: ReportsOptions;
  readonly #reported = new Set<string>();
  /** Ids that have not been reported to the relay yet. */
  #waiting: string[] = [];
  readonly #wrong = new Set<string>();
  #wrongWaiting: string[] = [];
  #session: RelaySession | null = null;
  #sending: Promise<void> | null = null;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** Reports that a node seems dead, once for each node; never throws. */
  add(id: string): void {
    const { reportCount } = this.#options.limits;
    if (this.#reported.has(id) || this.#reported.size >= reportCount) return;
    this.#reported.add(id);
    this.#waiting.push(id);
    this.#start();
  }

  /** Reports a node that the index named wrongly, like {@linkcode add}. */
  addWrong(id: string): void {
    const { wrongHitCount } = this.#options.limits;
    if (this.#wrong.has(id) || this.#wrong.size >= wrongHitCount) return;
    this.#wrong.add(id);
    this.#wrongWaiting.push(id);
    this.#start();
  }

  #start(): void {
    this.#sending ??= this.#send().finally(() => this.#sending = null);
  }

  /**
   * Sends pending reports, and those added while it sends. Does not wait for
   * the answers, because checking a node can take the relay seconds. Errors
   * are ignored: reports only help others.
   */
  async #send(): Promise<void> {
    const { dialer, limits } = this.#options;
    const deadline = AbortSignal.timeout(limits.withdrawMs);
    try {
      while (this.#waiting.length + this.#wrongWaiting.length > 0) {
        this.#session ??= await dialer.open(deadline);
        const { channel } = this.#session;
        using _end = channel.endOn(deadline);
        const ids = this.#waiting.splice(0);
        const wrong = this.#wrongWaiting.splice(0);
        const report = wrong.length === 0 ? { ids } : { ids, wrong };
        await channel.send({ kind: "report", ...report });
      }
    } catch (error) {
      this.#session?.channel.conn.close();
      this.#session = null;
      if (isBug(error)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sending;
    await this.#session?.channel.close();
  }
}
