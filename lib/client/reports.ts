/**
 * Reports nodes that seem dead to the relay. All reports of one command use one
 * connection, and there are at most as many as the relay would check.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import type { RelayDialer, RelaySession } from "../uplink/relay_dialer.ts";

/** Options of {@linkcode Reports}. */
export interface ReportsOptions {
  /** The way to the relay. */
  readonly link: RelayDialer;
  /** The numbers. */
  readonly limits: Pick<Limits, "reportCount" | "withdrawMs">;
}

/** Sends reports. Disposing waits, shortly, for them to leave. */
export class Reports implements AsyncDisposable {
  readonly #options: ReportsOptions;
  readonly #reported = new Set<string>();
  /** Those that the relay has not been told of yet. */
  #waiting: string[] = [];
  #session: RelaySession | null = null;
  #sending: Promise<void> | null = null;

  /** Nobody is reported yet. */
  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** Tells the relay that a node seems dead, each once; never throws. */
  add(id: string): void {
    const { reportCount } = this.#options.limits;
    if (this.#reported.has(id) || this.#reported.size >= reportCount) return;
    this.#reported.add(id);
    this.#waiting.push(id);
    this.#sending ??= this.#send().finally(() => this.#sending = null);
  }

  /**
   * Sends what there is, and what comes meanwhile. The answers are not waited
   * for: to look after one node can take the relay seconds. Good will only: what
   * the person asked for has errors of its own.
   */
  async #send(): Promise<void> {
    const { link, limits } = this.#options;
    const deadline = AbortSignal.timeout(limits.withdrawMs);
    try {
      while (this.#waiting.length > 0) {
        this.#session ??= await link.open(deadline);
        const { channel } = this.#session;
        using _end = channel.endOn(deadline);
        await channel.send({ kind: "report", ids: this.#waiting.splice(0) });
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
