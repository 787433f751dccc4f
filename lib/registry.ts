/**
 * The relay's table of leases: who is registered and until when. Pure: time and
 * randomness are arguments, there are no timers and no sockets, and what a
 * lease carries for the listing is opaque text.
 *
 * `expiresAt` is the only truth about a lease and is applied on every read.
 * Leases wait in a heap for the moment at which they may have ended; a renewal
 * moves `expiresAt` alone, and the lease is put back when its moment comes, so
 * that a renewal costs nothing.
 *
 * @module
 */

import { BinaryHeap } from "@std/data-structures/binary-heap";
import type { Limits } from "./limits.ts";

/** What a node asks to be listed as. Its proof has been checked already. */
export interface Registration {
  /** Id of the node. */
  readonly id: string;
  /** Rises with every registration of one node. */
  readonly sequence: number;
  /** What the listing says of the node, encoded by the caller. */
  readonly entry: string;
  /** The host it was seen to register from. */
  readonly observedHost: string;
  /** That host's group, as the caller counts addresses. */
  readonly source: string;
}

/** A node's listing until `expiresAt`. */
export interface Lease {
  /** Id of the node. */
  readonly id: string;
  /** The newest sequence number seen. */
  readonly sequence: number;
  /** What the listing says of the node. */
  readonly entry: string;
  /** The host it was last seen to register from. */
  readonly observedHost: string;
  /** That host's group. */
  readonly source: string;
  /** End of the lease, in milliseconds on the caller's monotonic clock. */
  readonly expiresAt: number;
}

/** How long leases last and how often to renew; the relay dictates both. */
export interface LeaseTerms {
  /** Seconds until the lease ends. */
  readonly leaseSeconds: number;
  /** Seconds after which the node is to renew, give or take 10 %. */
  readonly renewSeconds: number;
}

/** Why a registration was refused. */
export type RegisterRefusal =
  | "stale_sequence"
  | "registering_too_fast"
  | "registry_full"
  | "too_many_nodes_for_address";

/** What became of a registration. */
export type RegisterOutcome =
  | {
    readonly kind: "granted";
    readonly terms: LeaseTerms;
    /** Whether the node held no lease before. */
    readonly isNew: boolean;
  }
  | { readonly kind: "refused"; readonly reason: RegisterRefusal };

/** A part of the listing. */
export interface Page {
  /** Nodes registered at this moment, on all pages. */
  readonly count: number;
  /** Entries on this page. */
  readonly entries: readonly string[];
  /** Asks for the next page; absent on the last one. */
  readonly cursor?: string;
}

/** The numbers of `limits.ts` that bound a registry. */
export type RegistryLimits = Pick<
  Limits,
  | "leaseSeconds"
  | "renewSeconds"
  | "leaseMaxSeconds"
  | "renewalsPerSecond"
  | "nodeCount"
  | "nodesPerAddressCount"
  | "reregisterCount"
  | "reregisterWindowMs"
  | "listingPageCount"
>;

interface MutableLease extends Lease {
  sequence: number;
  entry: string;
  observedHost: string;
  source: string;
  expiresAt: number;
  /** When the heap looks at this lease next; fixed while it is in there. */
  checkAt: number;
  /** Place in the dense array; -1 once the lease is gone. */
  index: number;
  /** Rises with each new lease: the order of a listing of one page. */
  readonly order: number;
  /** Registrations since `windowAt`. */
  windowCount: number;
  windowAt: number;
}

/** The table. See the module's words. */
export class Registry {
  readonly #limits: RegistryLimits;
  readonly #onExpired: (id: string, entry: string) => void;
  readonly #byId = new Map<string, MutableLease>();
  readonly #dense: MutableLease[] = [];
  readonly #perSource = new Map<string, number>();
  readonly #checks = new BinaryHeap<MutableLease>((a, b) =>
    a.checkAt - b.checkAt
  );
  #entryBytes = 0;
  #nextOrder = 0;

  /** An empty table; `onExpired` hears of every lease whose time is over. */
  constructor(
    limits: RegistryLimits,
    onExpired: (id: string, entry: string) => void,
  ) {
    this.#limits = limits;
    this.#onExpired = onExpired;
  }

  /** Nodes whose lease is alive. */
  count(now: number): number {
    this.expire(now);
    return this.#dense.length;
  }

  /** The lease of a node, while it is alive. */
  find(id: string, now: number): Lease | undefined {
    this.expire(now);
    return this.#byId.get(id);
  }

  /**
   * What a node that registers now is told. The busier the relay, the longer
   * the interval, so that renewals stay under a fixed rate.
   */
  terms(): LeaseTerms {
    const limits = this.#limits;
    const perLease = limits.leaseSeconds / limits.renewSeconds;
    const longest = limits.leaseMaxSeconds / perLease;
    const spread = Math.ceil(this.#dense.length / limits.renewalsPerSecond);
    const renewSeconds = Math.min(
      longest,
      Math.max(limits.renewSeconds, spread),
    );
    return { renewSeconds, leaseSeconds: Math.ceil(renewSeconds * perLease) };
  }

  /**
   * Grants or renews the lease of a node: one entry per id, the newest wins.
   * Renewals are granted even when the table is full.
   */
  register(node: Registration, now: number): RegisterOutcome {
    this.expire(now);
    const lease = this.#byId.get(node.id);
    if (lease !== undefined) return this.#renew(lease, node, now);
    if (this.#dense.length >= this.#limits.nodeCount) {
      return { kind: "refused", reason: "registry_full" };
    }
    if (this.#sourceIsFull(node.source)) {
      return { kind: "refused", reason: "too_many_nodes_for_address" };
    }
    const terms = this.terms();
    const expiresAt = now + terms.leaseSeconds * 1000;
    this.#add({
      ...node,
      expiresAt,
      checkAt: expiresAt,
      index: this.#dense.length,
      order: this.#nextOrder++,
      windowCount: 1,
      windowAt: now,
    });
    return { kind: "granted", terms, isNew: true };
  }

  #renew(
    lease: MutableLease,
    node: Registration,
    now: number,
  ): RegisterOutcome {
    if (node.sequence <= lease.sequence) {
      return { kind: "refused", reason: "stale_sequence" };
    }
    if (now - lease.windowAt >= this.#limits.reregisterWindowMs) {
      lease.windowAt = now;
      lease.windowCount = 0;
    }
    if (lease.windowCount >= this.#limits.reregisterCount) {
      return { kind: "refused", reason: "registering_too_fast" };
    }
    if (node.source !== lease.source) {
      if (this.#sourceIsFull(node.source)) {
        return { kind: "refused", reason: "too_many_nodes_for_address" };
      }
      this.#countSource(lease.source, -1);
      this.#countSource(node.source, 1);
      lease.source = node.source;
    }
    lease.observedHost = node.observedHost;
    lease.windowCount++;
    lease.sequence = node.sequence;
    this.#entryBytes += node.entry.length - lease.entry.length;
    lease.entry = node.entry;
    const terms = this.terms();
    // A lease that got shorter would be looked at too late.
    lease.expiresAt = Math.max(
      lease.checkAt,
      now + terms.leaseSeconds * 1000,
    );
    return { kind: "granted", terms, isNew: false };
  }

  /**
   * Ends a lease early. `sequence` is that of the last registration the node
   * sent, so that a process which leaves cannot take down the one that has
   * replaced it under the same id.
   *
   * @returns the entry of the lease that was ended, if there was one.
   */
  withdraw(id: string, sequence: number, now: number): string | undefined {
    this.expire(now);
    const lease = this.#byId.get(id);
    if (lease === undefined || sequence < lease.sequence) return undefined;
    return this.#remove(lease);
  }

  /**
   * Ends a lease whose node was found dead, unless the node has registered
   * again since `sequence`.
   *
   * @returns the entry of the lease that was ended, if there was one.
   */
  drop(id: string, sequence: number): string | undefined {
    const lease = this.#byId.get(id);
    if (lease === undefined || lease.sequence !== sequence) return undefined;
    return this.#remove(lease);
  }

  /** Ends every lease whose time is over. */
  expire(now: number): void {
    for (;;) {
      const lease = this.#checks.peek();
      if (lease === undefined || lease.checkAt > now) return;
      this.#checks.pop();
      if (lease.index < 0) continue; // withdrawn meanwhile
      if (lease.expiresAt > now) {
        lease.checkAt = lease.expiresAt;
        this.#checks.push(lease);
      } else {
        this.#onExpired(lease.id, this.#remove(lease));
      }
    }
  }

  /**
   * A page of the listing: what fits both the page's count and `pageBytes`.
   * When everything fits on one page it comes in the order of registration,
   * else in an order that `random` (from 0 to below 1) decides anew for each
   * listing. A node that registers while a listing is being paged through may
   * be missing from it; no cursor costs the relay memory.
   */
  list(
    options: { cursor?: string; pageBytes: number; random: () => number },
    now: number,
  ): Page {
    this.expire(now);
    const count = this.#dense.length;
    const pageCount = this.#limits.listingPageCount;
    if (
      options.cursor === undefined && count <= pageCount &&
      this.#entryBytes + count <= options.pageBytes
    ) {
      const inOrder = this.#dense.toSorted((a, b) => a.order - b.order);
      return { count, entries: inOrder.map((lease) => lease.entry) };
    }
    const walk = options.cursor === undefined
      ? startWalk(count, options.random)
      : parseCursor(options.cursor, this.#limits.nodeCount);
    if (walk === undefined) return { count, entries: [] };
    const entries: string[] = [];
    let bytes = 0;
    for (; walk.step < walk.span; walk.step++) {
      const place = (walk.start + walk.step * walk.stride) % walk.span;
      const lease = this.#dense[place];
      if (lease === undefined) continue; // the table has shrunk
      bytes += lease.entry.length + 1;
      if (entries.length >= pageCount || bytes > options.pageBytes) break;
      entries.push(lease.entry);
    }
    const done = walk.step >= walk.span || entries.length === 0;
    return { count, entries, ...(done ? {} : { cursor: formatCursor(walk) }) };
  }

  #add(lease: MutableLease): void {
    this.#byId.set(lease.id, lease);
    this.#dense.push(lease);
    this.#checks.push(lease);
    this.#countSource(lease.source, 1);
    this.#entryBytes += lease.entry.length;
  }

  /** Takes `lease` out; returns its entry, which it no longer holds. */
  #remove(lease: MutableLease): string {
    this.#byId.delete(lease.id);
    const last = this.#dense.pop();
    if (last !== undefined && last !== lease) {
      this.#dense[lease.index] = last;
      last.index = lease.index;
    }
    lease.index = -1;
    this.#countSource(lease.source, -1);
    const { entry } = lease;
    this.#entryBytes -= entry.length;
    lease.entry = ""; // the heap may hold the lease for another minute
    return entry;
  }

  #sourceIsFull(source: string): boolean {
    const held = this.#perSource.get(source) ?? 0;
    return held >= this.#limits.nodesPerAddressCount;
  }

  #countSource(source: string, change: number): void {
    const count = (this.#perSource.get(source) ?? 0) + change;
    if (count === 0) this.#perSource.delete(source);
    else this.#perSource.set(source, count);
  }
}

/** A way through `span` places in which each comes once, in odd order. */
interface Walk {
  readonly start: number;
  readonly stride: number;
  readonly span: number;
  step: number;
}

function startWalk(span: number, random: () => number): Walk | undefined {
  if (span === 0) return undefined;
  const start = Math.floor(random() * span);
  let stride = 1 + Math.floor(random() * span);
  // A stride without a common divisor visits every place once.
  while (greatestCommonDivisor(stride, span) !== 1) stride++;
  return { start, stride: stride % span || 1, span, step: 0 };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function formatCursor(walk: Walk): string {
  return [walk.start, walk.stride, walk.span, walk.step].join(".");
}

function parseCursor(text: string, nodeCount: number): Walk | undefined {
  const match = /^(\d{1,7})\.(\d{1,7})\.(\d{1,7})\.(\d{1,7})$/.exec(text);
  if (match === null) return undefined;
  const [start = 0, stride = 0, span = 0, step = 0] = match.slice(1).map(
    Number,
  );
  if (start >= span || span > nodeCount || step >= span) return undefined;
  return { start, stride, span, step };
}
