/**
 * Finds out whether a node can be dialled: a bounded number at once, and each
 * only now and then, whoever asks.
 *
 * @module
 */

import type { Endpoint } from "../conn.ts";
import { systemErrorCode } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { dial, type DialOptions } from "../transport/dial.ts";
import { learnCertificate } from "../transport/learn.ts";

/** What was found: `unchecked` says nothing of the node. */
export type DialBackOutcome = "alive" | "gone" | "unchecked";

/** The numbers of `limits.ts` that bound dial-backs. */
export type DialBackLimits = Pick<
  Limits,
  "connectMs" | "dialBackPauseMs" | "dialBackCount"
>;

/** A node to be dialled, and where. */
export interface DialBackTarget {
  /** Id of the node: each is dialled now and then only. */
  readonly id: string;
  /** Where; never what a peer says, unless it was seen to come from there. */
  readonly endpoint: Endpoint;
  /** Who must answer; `null` where nothing is encrypted. */
  readonly peer: DialOptions["peer"];
}

/** The dial-backs of one relay. */
export class DialBacks {
  readonly #limits: DialBackLimits;
  readonly #signal: AbortSignal;
  /** When each id was dialled, oldest first. */
  readonly #dialledAt = new Map<string, number>();
  #running = 0;

  /** Ends those under way when `signal` is aborted. */
  constructor(limits: DialBackLimits, signal: AbortSignal) {
    this.#limits = limits;
    this.#signal = signal;
  }

  /** Dials a node, or says `unchecked` where it was just now, or too many are. */
  async check(
    { id, endpoint, peer }: DialBackTarget,
    now: number,
  ): Promise<DialBackOutcome> {
    if (!this.#may(id, now)) return "unchecked";
    this.#dialledAt.set(id, now);
    this.#running++;
    try {
      return await this.#isThere(endpoint, peer) ? "alive" : "gone";
    } catch (error) {
      const ours = this.#signal.aborted ||
        systemErrorCode(error) === "EMFILE" ||
        error instanceof Deno.errors.NotCapable;
      return ours ? "unchecked" : "gone";
    } finally {
      this.#running--;
    }
  }

  /**
   * Whether `peer` answers. By `node:tls`: where a handshake is not answered,
   * Deno's own TLS keeps the socket for as long as the other side likes.
   */
  async #isThere(
    endpoint: Endpoint,
    peer: DialBackTarget["peer"],
  ): Promise<boolean> {
    const timing = {
      timeoutMs: this.#limits.connectMs,
      signal: this.#signal,
    };
    if (peer === null) {
      using _conn = await dial(endpoint, { peer, ...timing });
      return true;
    }
    const found = await learnCertificate(endpoint, timing);
    return equal(found, peer.certificate);
  }

  #may(id: string, now: number): boolean {
    const { dialBackPauseMs, dialBackCount } = this.#limits;
    for (const [dialled, at] of this.#dialledAt) {
      if (now - at < dialBackPauseMs) break; // the rest is newer
      this.#dialledAt.delete(dialled);
    }
    return !this.#dialledAt.has(id) && this.#running < dialBackCount;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
