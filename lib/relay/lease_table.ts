/**
 * Stores the leases: by node, in an array for listings, and in a heap ordered
 * by the time when each may expire. Expiry is its only rule. Pure: time is an
 * argument.
 *
 * If very many leases end at once, only some of them are removed in one turn. A
 * renewal only changes `expiresAt`, and is therefore cheap; when the time in
 * the heap is reached, the lease is put back with its new time.
 *
 * @module
 */

import { BinaryHeap } from "@std/data-structures/binary-heap";
import { WithdrawnNodes } from "./withdrawn_nodes.ts";
import { KeptLeases } from "./kept_leases.ts";
import type { History, Lease, MutableLease, Registration } from "./lease.ts";
import { countUnder } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";

/** The reported parts of a lease that has expired. */
export type ExpiredLease = Pick<Lease, "id" | "entry" | "holder">;

/** The leases of one relay. */
export class LeaseTable {
  readonly #limits: Limits;
  readonly #onExpired: (lease: ExpiredLease) => void;
  readonly #byId = new Map<string, MutableLease>();
  readonly #departed: WithdrawnNodes;
  readonly #dense: MutableLease[] = [];
  readonly #perSource = new Map<string, number>();
  /** All but those that are kept. */
  readonly #checks = newHeap();
  /** Those whose own time is over, while leases last longer. */
  readonly #kept = new KeptLeases();
  /** How long a withdrawn node is remembered. */
  #rememberMs: number;
  /** By how much all leases last longer than they were granted for. */
  #heldMs = 0;
  #listedBytes = 0;
  #changes = 0;

  /** `onExpired` gets every lease that expires. */
  constructor(
    limits: Limits,
    onExpired: (lease: ExpiredLease) => void,
  ) {
    this.#limits = limits;
    this.#onExpired = onExpired;
    this.#departed = new WithdrawnNodes(limits.nodeCount);
    this.#rememberMs = limits.reregisterWindowMs;
  }

  /** Leases, and expired ones that are not swept yet. */
  get count(): number {
    return this.#dense.length;
  }

  /** Bytes of their entries on pages. */
  get listedBytes(): number {
    return this.#listedBytes;
  }

  /** Increases with every change of the list. */
  get changes(): number {
    return this.#changes;
  }

  /** Notes a change that pages show. */
  changed(): void {
    this.#changes++;
  }

  /** The leases, in an order that changes. */
  get dense(): readonly MutableLease[] {
    return this.#dense;
  }

  /** The leases, in the order of registration. */
  inOrder(): Iterable<MutableLease> {
    return this.#byId.values();
  }

  /** Leases of an address group. */
  countOf(source: string): number {
    return this.#perSource.get(source) ?? 0;
  }

  /** What is remembered of a withdrawn node. */
  departed(id: string): History | undefined {
    return this.#departed.get(id);
  }

  /** The lease of `id`. Ends it if it has expired, swept or not. */
  alive(id: string, now: number): MutableLease | undefined {
    const lease = this.#byId.get(id);
    if (lease === undefined || lease.expiresAt > now) return lease;
    this.#end(lease);
    return undefined;
  }

  /**
   * Removes expired leases, and forgets nodes that withdrew long ago, a limited
   * number at a time so that others need not wait. Readers never see the rest;
   * the next calls remove it.
   *
   * @returns whether some are left.
   */
  expire(now: number): boolean {
    let left = this.#departed.forget(now, this.#limits.sweepCount);
    if (left < 0) return true;
    for (;;) {
      const lease = this.#kept.oldest();
      if (lease === undefined || lease.expiresAt > now) break;
      if (left-- <= 0) return true;
      this.#end(lease);
    }
    for (;;) {
      const lease = this.#checks.peek();
      if (lease === undefined || lease.checkAt > now) return false;
      if (left-- <= 0) return true;
      this.#checks.pop();
      if (lease.index < 0) continue; // withdrawn in the meantime
      if (this.ownEndOf(lease) > now) this.#watch(lease);
      else if (lease.expiresAt > now) this.#kept.add(lease);
      else this.#end(lease);
    }
  }

  /** Checks a lease again at the end of the time for which it was granted. */
  #watch(lease: MutableLease): void {
    lease.checkAt = this.ownEndOf(lease);
    this.#checks.push(lease);
  }

  /** The end of the time for which a lease was granted. */
  ownEndOf({ expiresAt }: Pick<Lease, "expiresAt">): number {
    return expiresAt - this.#heldMs;
  }

  /** Whether a lease, one of an address group if given, is only kept. */
  hasKept(source?: string): boolean {
    return this.#kept.oldest(source) !== undefined;
  }

  /**
   * Ends the lease that has been kept the longest, one of an address group if
   * given. Its node is not remembered, so that it can return.
   *
   * @returns whether there was one.
   */
  giveWay(source?: string): boolean {
    const lease = this.#kept.oldest(source);
    if (lease !== undefined) this.#end(lease);
    return lease !== undefined;
  }

  /** Adds a lease of this instance that is granted until `end`. */
  add(node: Registration, end: number, now: number): MutableLease {
    const expiresAt = end + this.#heldMs;
    const { id, instance, sequence, observedHost, source } = node;
    const history = this.#departed.get(id);
    this.#departed.delete(id);
    const lease: MutableLease = {
      id,
      instance,
      sequence,
      entry: node.entry,
      listedBytes: node.listedBytes,
      observedHost,
      source: source === observedHost ? observedHost : source, // one copy
      renewedAt: now,
      expiresAt,
      displaced: undefined,
      holder: "",
      isAttachedThere: false,
      checkAt: end,
      index: this.#dense.length,
      windowCount: history?.windowCount ?? 0,
      windowAt: history?.windowAt ?? now,
    };
    this.#byId.set(id, lease);
    this.#dense.push(lease);
    this.#checks.push(lease);
    this.#countSource(source, 1);
    this.#listedBytes += node.listedBytes;
    this.#changes++;
    return lease;
  }

  /** Replaces a registration by a newer one of the same node. */
  replace(lease: MutableLease, node: Registration): void {
    if (node.source !== lease.source) {
      if (this.#kept.delete(lease)) this.#watch(lease);
      this.#countSource(lease.source, -1);
      this.#countSource(node.source, 1);
      lease.source = node.source;
    }
    lease.observedHost = node.observedHost;
    lease.sequence = node.sequence;
    if (node.instance !== lease.instance) {
      lease.displaced = lease.instance;
      lease.instance = node.instance;
    }
    this.#listedBytes += node.listedBytes - lease.listedBytes;
    lease.listedBytes = node.listedBytes;
    lease.entry = node.entry;
    this.#changes++;
  }

  /** Moves the end of a lease: it is granted until `end`. */
  extend(lease: MutableLease, end: number, now: number): void {
    lease.renewedAt = now;
    const isKept = this.#kept.delete(lease);
    // The heap would notice the end of a shorter lease too late.
    const until = isKept ? end : Math.max(lease.checkAt, end);
    lease.expiresAt = until + this.#heldMs;
    if (isKept) this.#watch(lease);
  }

  /** Extends all leases, beyond the time for which they were granted. */
  hold(ms: number): void {
    const more = ms - this.#heldMs;
    if (more === 0) return;
    this.#heldMs = ms;
    for (const lease of this.#dense) lease.expiresAt += more;
  }

  /** Remembers withdrawn nodes for longer than a rate window. */
  rememberFor(ms: number): void {
    this.#rememberMs = Math.max(ms, this.#limits.reregisterWindowMs);
  }

  /**
   * Removes a lease, but remembers the node for one rate window. Otherwise a
   * node that withdraws and returns could register as often as it likes, and
   * again with records that it signed before it withdrew.
   *
   * @returns its entry.
   */
  depart(lease: MutableLease, now: number): string {
    const forgetAt = now + this.#rememberMs;
    this.#departed.add(lease.id, lease, forgetAt);
    return this.#remove(lease);
  }

  #end(lease: MutableLease): void {
    const { id, holder } = lease;
    this.#onExpired({ id, holder, entry: this.#remove(lease) });
  }

  /**
   * Removes `lease`, and returns its entry, which the lease no longer stores.
   */
  #remove(lease: MutableLease): string {
    this.#byId.delete(lease.id);
    this.#kept.delete(lease);
    const last = this.#dense.pop();
    if (last !== undefined && last !== lease) {
      this.#dense[lease.index] = last;
      last.index = lease.index;
    }
    lease.index = -1;
    this.#countSource(lease.source, -1);
    const { entry } = lease;
    this.#listedBytes -= lease.listedBytes;
    this.#changes++;
    lease.entry = ""; // the heap may keep the lease for another minute
    return entry;
  }

  #countSource(source: string, change: number): void {
    countUnder(this.#perSource, source, change);
  }
}

function newHeap(): BinaryHeap<MutableLease> {
  return new BinaryHeap<MutableLease>((a, b) => a.checkAt - b.checkAt);
}
