/**
 * Remembers the dials of a command. Anybody can register nodes at other
 * people's addresses, so many nodes with one address must not cause many
 * connections to it.
 *
 * @module
 */

import { addressGroup, isIpv4, isIpv6, isLoopback } from "../base/address.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { isBug, isShortage, ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { orAborted } from "../base/waiting.ts";

/** A node that lists an endpoint. */
export interface DialledFor {
  /** Its id. */
  readonly id: string;
  /**
   * Whether the relay saw the node at this host. Otherwise the node only claims
   * it.
   */
  readonly isObserved: boolean;
}

/** Options of a dial. */
export interface DialHow<Connected> {
  readonly connect: () => Promise<Connected>;
  /** Ends the dial; this proves nothing about the endpoint. */
  readonly signal: AbortSignal | undefined;
}

/** The facts known about an endpoint. */
interface Known {
  /** Nodes that it was dialled for. */
  readonly ids: Set<string>;
  /** Dials in flight; they never reject. */
  readonly running: Set<Promise<unknown>>;
  /** The error that shows that nobody answers there. */
  absence: { readonly error: unknown; readonly id: string } | null;
}

/** The endpoints of one network. By default nodes only claim them. */
interface Claimed {
  readonly failed: Set<string>;
  /** Failed endpoints at which the relay says that it saw nodes. */
  readonly failedSeen: Set<string>;
  /** Dials in flight; they never reject. */
  readonly running: Set<Promise<void>>;
}

export class Dials {
  readonly #limits: Limits;
  readonly #known = new Map<string, Known>();
  readonly #claimed = new Map<string, Claimed>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * Dials for a node. Refuses if nobody answers there, or if too many nodes
   * claim the endpoint.
   *
   * @throws {ProtocolError} `identity_mismatch` if it refuses.
   */
  async dial<Connected>(
    endpoint: Endpoint,
    node: DialledFor,
    { connect, signal }: DialHow<Connected>,
  ): Promise<Connected> {
    const key = formatEndpoint(endpoint);
    const known = this.#of(key);
    if (!known.ids.has(node.id)) {
      // Another dial may show that nobody answers there.
      while (known.running.size > 0) {
        await orAborted(Promise.race(known.running), signal);
      }
    }
    const { absence } = known;
    if (absence !== null && absence.id !== node.id) throw absence.error;
    const claimed = this.#claimedAt(endpoint.host);
    const { promise: settled, resolve: settle } = Promise.withResolvers<void>();
    known.running.add(settled);
    try {
      if (!node.isObserved) {
        await this.#claim(endpoint, { known, claimed, node, signal, settled });
      } else if (
        claimed.failedSeen.size >= this.#limits.observedFailureCount &&
        !isLoopback(endpoint.host) && !known.ids.has(node.id)
      ) throw crowded(endpoint);
      known.ids.add(node.id);
      return await this.#connect(endpoint, node, { connect, signal });
    } finally {
      settle();
      known.running.delete(settled);
      claimed.running.delete(settled);
    }
  }

  async #connect<Connected>(
    endpoint: Endpoint,
    node: DialledFor,
    { connect, signal }: DialHow<Connected>,
  ): Promise<Connected> {
    try {
      const connected = await connect();
      const key = formatEndpoint(endpoint);
      this.#of(key).absence = null;
      const { failed, failedSeen } = this.#claimedAt(endpoint.host);
      failed.delete(key);
      failedSeen.delete(key);
      return connected;
    } catch (error) {
      if (!signal?.aborted && !isBug(error)) this.#note(endpoint, node, error);
      throw error;
    }
  }

  #of(key: string): Known {
    const known = this.#known.get(key) ??
      { ids: new Set(), running: new Set(), absence: null };
    this.#known.set(key, known);
    return known;
  }

  #claimedAt(host: string): Claimed {
    const group = networkOf(host);
    const claimed = this.#claimed.get(group) ??
      { failed: new Set(), failedSeen: new Set(), running: new Set() };
    this.#claimed.set(group, claimed);
    return claimed;
  }

  /**
   * Refuses an endpoint that too many nodes claim, or in whose network too many
   * dials have failed. Waits while the dials in flight could exceed that limit;
   * then counts this dial until `settled`.
   */
  async #claim(
    endpoint: Endpoint,
    { known, claimed, node, signal, settled }: {
      known: Known;
      claimed: Claimed;
      node: DialledFor;
      signal: AbortSignal | undefined;
      settled: Promise<void>;
    },
  ): Promise<void> {
    if (known.ids.has(node.id)) return;
    const { claimedDialCount, claimedFailureCount } = this.#limits;
    const { failed, running } = claimed;
    const isOpen = () => failed.size < claimedFailureCount;
    while (isOpen() && failed.size + running.size >= claimedFailureCount) {
      await orAborted(Promise.race(running), signal);
    }
    if (known.ids.size < claimedDialCount && isOpen()) {
      known.ids.add(node.id);
      running.add(settled);
      return;
    }
    throw crowded(endpoint);
  }

  #note(endpoint: Endpoint, node: DialledFor, error: unknown): void {
    const key = formatEndpoint(endpoint);
    if (isShortage(error)) { // says nothing about the endpoint
      this.#of(key).ids.delete(node.id);
      return;
    }
    const isElse = error instanceof ProtocolError &&
      error.code !== "timed_out";
    if (!isElse) this.#of(key).absence = { error, id: node.id };
    const { failed, failedSeen } = this.#claimedAt(endpoint.host);
    (node.isObserved ? failedSeen : failed).add(key);
  }
}

function crowded(endpoint: Endpoint): ProtocolError {
  return new ProtocolError(
    "identity_mismatch",
    `Cannot dial ${formatEndpoint(endpoint)}: too many nodes claim to be there`,
  );
}

/**
 * What is counted as one network: an address group, or all names under one
 * domain, because its owner can make as many names for an address as wanted.
 */
function networkOf(host: string): string {
  return isIpv4(host) || isIpv6(host)
    ? addressGroup(host)
    : host.toLowerCase().split(".").filter(Boolean).slice(-2).join(".");
}
