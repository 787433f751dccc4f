/**
 * Remembers the dials of a command. Anybody can register nodes at other
 * people's addresses, so many nodes with one address must not cause many
 * connections to it.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { isBug, isShortage, ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";

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

/** How to make a dial. */
export interface DialHow<Connected> {
  readonly connect: () => Promise<Connected>;
  /** Ends the dial; this says nothing about the endpoint. */
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

export class Dials {
  readonly #limits: Limits;
  readonly #known = new Map<string, Known>();
  /** Failed endpoints on each host that nodes only claim. */
  readonly #failures = new Map<string, Set<string>>();

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
      // Another dial may show that nobody is there.
      while (known.running.size > 0 && !signal?.aborted) {
        await Promise.race([...known.running, aborted(signal)]);
      }
    }
    const { absence } = known;
    if (absence !== null && absence.id !== node.id) throw absence.error;
    if (!node.isObserved) this.#refuse(endpoint, known, node);
    known.ids.add(node.id);
    const dialling = connect();
    const settled = dialling.then(() => {}, () => {});
    known.running.add(settled);
    try {
      const connected = await dialling;
      known.absence = null;
      this.#failures.get(endpoint.host)?.delete(key);
      return connected;
    } catch (error) {
      if (!signal?.aborted && !isBug(error)) this.#note(endpoint, node, error);
      throw error;
    } finally {
      known.running.delete(settled);
    }
  }

  #of(key: string): Known {
    const known = this.#known.get(key) ??
      { ids: new Set(), running: new Set(), absence: null };
    this.#known.set(key, known);
    return known;
  }

  /** Refuses an endpoint that too many nodes claim. */
  #refuse(endpoint: Endpoint, { ids }: Known, { id }: DialledFor): void {
    if (ids.has(id)) return;
    const { claimedDialCount, claimedFailureCount } = this.#limits;
    const failed = this.#failures.get(endpoint.host)?.size ?? 0;
    if (ids.size < claimedDialCount && failed < claimedFailureCount) return;
    throw new ProtocolError(
      "identity_mismatch",
      `Cannot dial ${
        formatEndpoint(endpoint)
      }: too many nodes claim to be there`,
    );
  }

  #note(endpoint: Endpoint, node: DialledFor, error: unknown): void {
    if (isShortage(error)) return; // says nothing about the endpoint
    const key = formatEndpoint(endpoint);
    const isElse = error instanceof ProtocolError &&
      error.code !== "timed_out";
    if (!isElse) this.#of(key).absence = { error, id: node.id };
    if (node.isObserved) return;
    const failures = this.#failures.get(endpoint.host) ?? new Set();
    this.#failures.set(endpoint.host, failures.add(key));
  }
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) =>
    signal?.addEventListener("abort", () => resolve(), { once: true })
  );
}
