/**
 * The leases of a client at its relays: it stays listed at each of them, and
 * asks all of them for the holders of a content.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Limits } from "../base/limits.ts";
import {
  HolderLease,
  type HolderLeaseOptions,
} from "../uplink/holder_lease.ts";
import type { ListedHolder } from "../uplink/listed_holders.ts";
import type { RelayDialer } from "../uplink/relay_dialer.ts";

/** Asks the relays for the other holders of one content. */
export type RequestHolders = (
  signal: AbortSignal,
) => Promise<readonly ListedHolder[]>;

/** One lease at each relay. Disposing withdraws them. */
export class HolderLeases implements AsyncDisposable {
  readonly #leases: readonly HolderLease[];
  readonly #limits: Limits;

  /** Does not dial yet. */
  constructor(
    dialers: readonly RelayDialer[],
    options: Omit<HolderLeaseOptions, "dialer">,
  ) {
    this.#leases = dialers.map((dialer) =>
      new HolderLease({ ...options, dialer })
    );
    this.#limits = options.limits;
  }

  /**
   * Lists this client as a holder of a content, until it is released: at each
   * relay if the content is open, otherwise at private relays alone.
   */
  hold(content: string, { isOpen }: { isOpen: boolean }): void {
    for (const lease of this.#leases) lease.hold(content, { isOpen });
  }

  /** Withdraws this client as a holder of a content. Returns at once. */
  release(content: string): void {
    for (const lease of this.#leases) lease.release(content);
  }

  /** Whether any relay could not dial this client. */
  get isUnreached(): boolean {
    return this.#leases.some((lease) => lease.isUnreached);
  }

  /** Whether the relay that lists a holder could not dial this client. */
  isUnreachedAt({ relay }: Pick<ListedHolder, "relay">): boolean {
    return this.#leases.some((lease) =>
      lease.relay === relay && lease.isUnreached
    );
  }

  /**
   * Asks for the holders of one content, again and again. Takes the answers
   * that arrive shortly after the first; a later answer counts the next time.
   */
  holdersOf(content: string): RequestHolders {
    const answers = new Map<HolderLease, readonly ListedHolder[]>();
    const running = new Map<HolderLease, Promise<void>>();
    const request = async (lease: HolderLease, signal: AbortSignal) => {
      try {
        const holders = await lease.requestHolders(content, { signal });
        const { relay } = lease;
        answers.set(lease, holders.map((one) => ({ ...one, relay })));
      } finally {
        running.delete(lease);
      }
    };
    return async (signal) => {
      for (const lease of this.#leases) {
        if (!running.has(lease)) running.set(lease, request(lease, signal));
      }
      const { relayGraceMs } = this.#limits;
      const over = new AbortController();
      const late = Promise.any(running.values())
        .then(() => delay(relayGraceMs, { signal: over.signal }));
      try {
        await Promise.race([Promise.all(running.values()), late]);
      } finally {
        over.abort();
        late.catch(() => {});
        for (const one of running.values()) one.catch(() => {});
      }
      return eachOnce([...answers.values()].flat());
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#leases.map((lease) => lease[Symbol.asyncDispose]()),
    );
  }
}

/** Each holder once, as the first relay that names it lists it. */
function eachOnce(listed: readonly ListedHolder[]): ListedHolder[] {
  const holders = new Map<string, ListedHolder>();
  for (const holder of listed) {
    if (!holders.has(holder.id)) holders.set(holder.id, holder);
  }
  return [...holders.values()];
}
