/**
 * Finds out whether a node can be dialled. Limits the dials in flight, and how
 * often each node is dialled, for any number of requests.
 *
 * @module
 */

import { addressGroup, isIpv4, withoutMapping } from "../base/address.ts";
import { isShared } from "../guard/admission.ts";
import type { Endpoint } from "../base/conn.ts";
import { isShortage } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { dial, type DialOptions } from "../transport/dial.ts";
import { learnCertificate } from "../transport/learn.ts";

/** The result; `unchecked` says nothing about the node. */
export type DialBackOutcome = "alive" | "gone" | "unchecked";

/** The numbers of `limits.ts` that bound dial-backs. */
export type DialBackLimits = Pick<
  Limits,
  | "dialBackPauseMs"
  | "dialBackCount"
  | "dialBacksPerAddressCount"
  | "dialBackFailureCount"
  | "dialBackFailureMs"
>;

/** Options of {@linkcode DialBacks}. */
export interface DialBacksOptions {
  readonly limits: DialBackLimits;
  /** Milliseconds in which a node must answer. */
  readonly timeoutMs: number;
  /** Ends the dials in flight. */
  readonly signal: AbortSignal;
}

/** A node to dial. */
export interface DialBackTarget {
  /** Id of the node, because each is dialled only now and then by a family. */
  readonly id: string;
  /**
   * The endpoint to dial. It must be one that the peer was seen to come from,
   * not merely one that it claims.
   */
  readonly endpoint: Endpoint;
  /** The identity that it must prove; `null` without encryption. */
  readonly peer: DialOptions["peer"];
}

/** The dial-backs of one relay. */
export class DialBacks {
  readonly #options: DialBacksOptions;
  /** When each id was last dialled by IPv4 or IPv6, oldest first. */
  readonly #dialledAt = new Map<string, number>();
  #running = 0;
  /** Dials in flight, by the group of the dialled address. */
  readonly #perSource = new Map<string, number>();
  readonly #failures: FailedPorts;

  constructor(options: DialBacksOptions) {
    this.#options = options;
    this.#failures = new FailedPorts(options.limits);
  }

  /**
   * Whether a node at `host` may be dialled now: not too soon after the last
   * time, and not while too many dials are in flight, in all or to that
   * address.
   */
  may({ id, host }: { id: string; host: string }, now: number): boolean {
    const { limits } = this.#options;
    for (const [dialled, at] of this.#dialledAt) {
      if (now - at < limits.dialBackPauseMs) break; // the others are newer
      this.#dialledAt.delete(dialled);
    }
    const source = addressGroup(host);
    const beside = isShared(source) ? 0 : this.#perSource.get(source) ?? 0;
    return !this.#dialledAt.has(wayTo(id, host)) &&
      this.#running < limits.dialBackCount &&
      beside < limits.dialBacksPerAddressCount;
  }

  /** Dials a node; `unchecked` if it may not be dialled now. */
  async check(
    { id, endpoint, peer }: DialBackTarget,
    now: number,
  ): Promise<DialBackOutcome> {
    const { signal } = this.#options;
    if (!this.may({ id, host: endpoint.host }, now)) return "unchecked";
    this.#dialledAt.set(wayTo(id, endpoint.host), now);
    const source = addressGroup(endpoint.host);
    if (!this.#failures.mayDial(source, endpoint.port, now)) return "unchecked";
    this.#count(source, 1);
    try {
      if (await this.#isThere(endpoint, peer)) return "alive";
    } catch (error) {
      const ours = signal.aborted ||
        isShortage(error) ||
        error instanceof Deno.errors.NotCapable;
      if (ours) return "unchecked";
    } finally {
      this.#count(source, -1);
    }
    this.#failures.add(source, endpoint.port, now);
    return "gone";
  }

  #count(source: string, change: number): void {
    this.#running += change;
    const count = (this.#perSource.get(source) ?? 0) + change;
    if (count === 0) this.#perSource.delete(source);
    else this.#perSource.set(source, count);
  }

  /**
   * Whether `peer` answers. Uses `node:tls`, because Deno's own TLS keeps the
   * socket of an unanswered handshake for as long as the other side likes.
   */
  async #isThere(
    endpoint: Endpoint,
    peer: DialBackTarget["peer"],
  ): Promise<boolean> {
    const timing = this.#options;
    if (peer === null) {
      using _conn = await dial(endpoint, { peer, ...timing });
      return true;
    }
    const found = await learnCertificate(endpoint, timing);
    return equal(found, peer.certificate);
  }
}

/** A node, and the family that it is dialled by. */
function wayTo(id: string, host: string): string {
  return isIpv4(withoutMapping(host)) ? id : `${id} IPv6`;
}

/**
 * The ports of each address at which no node proved itself lately. An attacker
 * behind a shared address chooses the ports that a relay dials there, with as
 * many ids as wanted.
 */
class FailedPorts {
  readonly #limits: DialBackLimits;
  /** By address group, the one of the last failure at the end. */
  readonly #groups = new Map<string, Map<number, number>>();

  constructor(limits: DialBackLimits) {
    this.#limits = limits;
  }

  mayDial(group: string, port: number, now: number): boolean {
    this.#purge(now);
    const ports = this.#groups.get(group);
    if (ports === undefined || isShared(group)) return true;
    const { dialBackFailureCount, dialBackFailureMs, dialBackPauseMs } =
      this.#limits;
    for (const [failed, at] of ports) {
      if (now - at < dialBackFailureMs) break; // the others are newer
      ports.delete(failed);
    }
    const failedAt = ports.get(port);
    return failedAt === undefined
      ? ports.size < dialBackFailureCount
      : now - failedAt >= dialBackPauseMs;
  }

  add(group: string, port: number, now: number): void {
    const ports = this.#groups.get(group) ?? new Map<number, number>();
    this.#groups.delete(group);
    this.#groups.set(group, ports);
    ports.delete(port);
    ports.set(port, now);
  }

  #purge(now: number): void {
    for (const [group, ports] of this.#groups) {
      const last = [...ports.values()].at(-1) ?? -Infinity;
      if (now - last < this.#limits.dialBackFailureMs) return;
      this.#groups.delete(group);
    }
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
