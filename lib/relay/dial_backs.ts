/**
 * Finds out whether a node can be dialled. Limits the dials in flight, and how
 * often each node is dialled, for any number of requests.
 *
 * @module
 */

import { addressGroup, isIpv4, withoutMapping } from "../base/address.ts";
import { putLast } from "../base/collections.ts";
import type { Endpoint } from "../base/conn.ts";
import { isShortage } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { isShared } from "../guard/admission.ts";
import { placeToEvict } from "../guard/eviction.ts";
import { dial, type DialOptions } from "../transport/dial.ts";
import { learnCertificate } from "../transport/learn.ts";

/** The result; `unchecked` proves nothing about the node. */
export type DialBackOutcome = "alive" | "gone" | "unchecked";

/** Options of {@linkcode DialBacks}. */
export interface DialBacksOptions {
  readonly limits: Limits;
  /** Milliseconds in which a node must answer. */
  readonly timeoutMs: number;
  /** Ends the dials in flight. */
  readonly signal: AbortSignal;
}

/** A node to dial. */
export interface DialBackTarget {
  /** Id of the node: each is dialled rarely, counted by address family. */
  readonly id: string;
  /**
   * The endpoint to dial. Its host must be the address that the peer connected
   * from, not only one that it claims.
   */
  readonly endpoint: Endpoint;
  /** The identity that it must prove; `null` without encryption. */
  readonly peer: DialOptions["peer"];
}

/** A dial in flight. */
interface Dialling {
  /** The group of the dialled address. */
  readonly group: string;
  /** Aborted when another takes its place. */
  readonly end: AbortController;
}

/**
 * The dial-backs of one relay. The cost of an address is the number of dials to
 * it that are in flight, and of its ports that recently failed. If too many are
 * in flight, one to the address with the highest cost is evicted, if that cost
 * is more than one above the newcomer's. Attackers at K addresses therefore
 * keep a relay from dialling an address at which nothing failed for K / 16
 * times the time of a dial.
 */
export class DialBacks {
  readonly #options: DialBacksOptions;
  /** When each id was last dialled by IPv4 or IPv6, oldest first. */
  readonly #dialledAt = new Map<string, number>();
  /** Dials in flight, oldest first. */
  readonly #running = new Set<Dialling>();
  readonly #failures: FailedPorts;

  constructor(options: DialBacksOptions) {
    this.#options = options;
    this.#failures = new FailedPorts(options.limits);
    options.signal.addEventListener("abort", () => {
      for (const { end } of this.#running) end.abort();
    });
  }

  /**
   * Whether a node at `host` may be dialled now: not too soon after the last
   * time, and not while too many dials are in flight, in all or to that
   * address. One of them may be evicted.
   */
  may({ id, host }: { id: string; host: string }, now: number): boolean {
    const { limits } = this.#options;
    for (const [dialled, at] of this.#dialledAt) {
      if (now - at < limits.dialBackPauseMs) break; // the others are newer
      this.#dialledAt.delete(dialled);
    }
    const source = addressGroup(host);
    return !this.#dialledAt.has(wayTo(id, host)) &&
      (isShared(source) ||
        this.#countOf(source) < limits.dialBacksPerAddressCount) &&
      (!this.#isFull || this.#loserTo(source, now) !== undefined);
  }

  get #isFull(): boolean {
    return this.#running.size >= this.#options.limits.dialBackCount;
  }

  /** The dial that one to `group` replaces; `undefined` if there is none. */
  #loserTo(group: string, now: number): Dialling | undefined {
    const against = (of: string) =>
      this.#countOf(of) + this.#failures.count(of, now);
    return placeToEvict(this.#running, {
      own: against(group),
      sizeOf: (dialling) => against(dialling.group),
    });
  }

  /** Dials to a group that are in flight. */
  #countOf(group: string): number {
    return this.#running.values().filter((one) => one.group === group)
      .reduce((count) => count + 1, 0);
  }

  /** Dials a node; `unchecked` if it may not be dialled now. */
  async check(
    { id, endpoint, peer }: DialBackTarget,
    now: number,
  ): Promise<DialBackOutcome> {
    if (this.#options.signal.aborted) return "unchecked";
    if (!this.may({ id, host: endpoint.host }, now)) return "unchecked";
    this.#dialledAt.set(wayTo(id, endpoint.host), now);
    const source = addressGroup(endpoint.host);
    if (!this.#failures.mayDial(source, endpoint.port, now)) return "unchecked";
    const dialling = this.#begin(source, now);
    const { signal } = dialling.end;
    try {
      if (await this.#isThere(endpoint, { peer, signal })) {
        return "alive";
      }
    } catch (error) {
      const ours = signal.aborted ||
        isShortage(error) ||
        error instanceof Deno.errors.NotCapable;
      if (ours) return "unchecked";
    } finally {
      this.#running.delete(dialling);
    }
    this.#failures.add(source, endpoint.port, now);
    return "gone";
  }

  #begin(group: string, now: number): Dialling {
    const loser = this.#isFull ? this.#loserTo(group, now) : undefined;
    if (loser !== undefined) {
      this.#running.delete(loser);
      loser.end.abort();
    }
    const dialling = { group, end: new AbortController() };
    this.#running.add(dialling);
    return dialling;
  }

  /**
   * Whether `peer` answers. Uses `node:tls`, because Deno's own TLS keeps the
   * socket of an unanswered handshake until the other side closes it.
   */
  async #isThere(
    endpoint: Endpoint,
    { peer, signal }: Pick<DialBackTarget, "peer"> & { signal: AbortSignal },
  ): Promise<boolean> {
    const timing = { timeoutMs: this.#options.timeoutMs, signal };
    if (peer === null) {
      using _conn = await dial(endpoint, { peer, ...timing });
      return true;
    }
    const found = await learnCertificate(endpoint, timing);
    return equal(found, peer.certificate);
  }
}

/** A node, and the address family by which it is dialled. */
function wayTo(id: string, host: string): string {
  return isIpv4(withoutMapping(host)) ? id : `${id} IPv6`;
}

/**
 * The ports of each address at which recently no node proved its identity. An
 * attacker behind a shared address chooses the ports that a relay dials there,
 * and can use any number of ids.
 */
class FailedPorts {
  readonly #limits: Limits;
  /** By address group, the one of the last failure at the end. */
  readonly #groups = new Map<string, Map<number, number>>();

  constructor(limits: Limits) {
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

  /** The ports of a group that recently failed. */
  count(group: string, now: number): number {
    const { dialBackFailureMs } = this.#limits;
    let count = 0;
    for (const at of this.#groups.get(group)?.values() ?? []) {
      if (now - at < dialBackFailureMs) count++;
    }
    return count;
  }

  add(group: string, port: number, now: number): void {
    const ports = this.#groups.get(group) ?? new Map<number, number>();
    putLast(this.#groups, [group, ports]);
    putLast(ports, [port, now]);
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
