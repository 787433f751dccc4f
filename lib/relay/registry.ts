/**
 * The relay's table of leases: which nodes are registered, and until when.
 * Pure: time and randomness are arguments, there are no timers and no sockets.
 * The table does not look into the entries that it stores.
 *
 * `expiresAt` is the only truth about a lease, and every read applies it. If
 * very many leases end at once, only some of them are swept in one turn. Leases
 * wait in a heap for the moment at which they may have ended. A renewal only
 * moves `expiresAt`; when the moment in the heap comes, the lease is put back.
 * A renewal therefore costs nothing.
 *
 * Two processes with one identity do not take turns. The newer one gets the
 * lease, and the older one is refused until that lease ends.
 *
 * @module
 */

import { BinaryHeap } from "@std/data-structures/binary-heap";
import type {
  History,
  Lease,
  LeaseTerms,
  MutableLease,
  Page,
  RegisterOutcome,
  RegisterRefusal,
  Registration,
  RenewOutcome,
} from "./lease.ts";
import type { Limits } from "../base/limits.ts";
import {
  formatCursor,
  parseCursor,
  placeOf,
  skipTo,
  startWalk,
} from "./listing_order.ts";

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
  | "sweepCount"
>;

/** A node that has just withdrawn, or was found dead. */
interface Departed extends History {
  readonly forgetAt: number;
}

/** The table of leases. */
export class Registry {
  readonly #limits: RegistryLimits;
  readonly #onExpired: (id: string, entry: string) => void;
  readonly #byId = new Map<string, MutableLease>();
  /** In order of departure, which is also the order of `forgetAt`. */
  readonly #departed = new Map<string, Departed>();
  readonly #dense: MutableLease[] = [];
  readonly #perSource = new Map<string, number>();
  readonly #checks = new BinaryHeap<MutableLease>((a, b) =>
    a.checkAt - b.checkAt
  );
  #listedBytes = 0;
  #changes = 0;

  /** `onExpired` gets every lease that expires. */
  constructor(
    limits: RegistryLimits,
    onExpired: (id: string, entry: string) => void,
  ) {
    this.#limits = limits;
    this.#onExpired = onExpired;
  }

  /** Nodes with a lease, and expired ones that are not swept yet. */
  count(now: number): number {
    this.expire(now);
    return this.#dense.length;
  }

  /** Rises with every change of the list. */
  changes(now: number): number {
    this.expire(now);
    return this.#changes;
  }

  /** The lease of a node, unless it has expired. */
  find(id: string, now: number): Lease | undefined {
    this.expire(now);
    return this.#alive(id, now);
  }

  /** The id of a node that begins so, if there is one. Goes through all ids. */
  startingWith(start: string, now: number): string | undefined {
    this.expire(now);
    for (const id of this.#byId.keys()) {
      if (id.startsWith(start) && this.#alive(id, now)) return id;
    }
    return undefined;
  }

  /**
   * The terms for a node that registers now. The busier the relay, the longer
   * the interval, so that the rate of renewals stays below a limit.
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
   * Grants or renews the lease of a node. Each id has one entry, and the newest
   * process wins. Renewals are granted even when the table is full.
   */
  register(node: Registration, now: number): RegisterOutcome {
    const reason = this.refusalOf(node, now);
    if (reason !== undefined) return { kind: "refused", reason };
    const lease = this.#byId.get(node.id);
    const terms = this.terms();
    const expiresAt = now + terms.leaseSeconds * 1000;
    if (lease === undefined) this.#add(node, expiresAt, now);
    else {
      this.#replace(lease, node);
      this.#extend(lease, expiresAt, now);
    }
    return { kind: "granted", terms, isNew: lease === undefined };
  }

  /**
   * Renews a lease as it stands. The list does not change, so pages that were
   * made stay true.
   */
  renew(id: string, now: number): RenewOutcome {
    this.expire(now);
    const lease = this.#alive(id, now);
    if (lease === undefined) return { kind: "refused", reason: "unknown" };
    const { reregisterCount } = this.#limits;
    if (this.#windowOf(lease, now).windowCount >= reregisterCount) {
      return { kind: "refused", reason: "registering_too_fast" };
    }
    const terms = this.terms();
    this.#extend(lease, now + terms.leaseSeconds * 1000, now);
    return { kind: "granted", terms };
  }

  /**
   * Why a registration would be refused. This is checked before the signature,
   * which costs more than all of this.
   */
  refusalOf(
    node: Pick<Registration, "id" | "instance" | "sequence" | "source">,
    now: number,
  ): RegisterRefusal | undefined {
    this.expire(now);
    const limits = this.#limits;
    const lease = this.#alive(node.id, now);
    if (lease?.displaced === node.instance) return "identity_used_twice";
    const past = lease ?? this.#departed.get(node.id);
    if (past !== undefined && node.sequence <= past.sequence) {
      return "stale_sequence";
    }
    if (this.#windowOf(past, now).windowCount >= limits.reregisterCount) {
      return "registering_too_fast";
    }
    if (lease === undefined && this.#dense.length >= limits.nodeCount) {
      return "registry_full";
    }
    const held = this.#perSource.get(node.source) ?? 0;
    return node.source !== lease?.source && held >= limits.nodesPerAddressCount
      ? "too_many_nodes_for_address"
      : undefined;
  }

  /** The rate window that a registration at `now` falls into. */
  #windowOf(
    past: History | undefined,
    now: number,
  ): Pick<History, "windowAt" | "windowCount"> {
    return past === undefined ||
        now - past.windowAt >= this.#limits.reregisterWindowMs
      ? { windowAt: now, windowCount: 0 }
      : past;
  }

  #replace(lease: MutableLease, node: Registration): void {
    if (node.source !== lease.source) {
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

  #extend(lease: MutableLease, expiresAt: number, now: number): void {
    const { windowAt, windowCount } = this.#windowOf(lease, now);
    lease.windowAt = windowAt;
    lease.windowCount = windowCount + 1;
    lease.renewedAt = now;
    // The heap would notice the end of a shorter lease too late.
    lease.expiresAt = Math.max(lease.checkAt, expiresAt);
  }

  /**
   * Ends a lease early, unless another process has it: a process that stops
   * must not withdraw its successor. `sequence` is that of the node's last
   * registration; if that one arrives late, it is refused.
   *
   * @returns the entry of the ended lease, if there was one.
   */
  withdraw(
    { id, instance, sequence }: Pick<
      Registration,
      "id" | "instance" | "sequence"
    >,
    now: number,
  ): string | undefined {
    this.expire(now);
    const lease = this.#alive(id, now);
    if (lease?.instance !== instance || sequence < lease.sequence) {
      return undefined;
    }
    lease.sequence = sequence;
    return this.#depart(lease, now);
  }

  /**
   * Ends the lease of a dead node, unless the node has registered again since
   * `sequence`, or renewed since `renewedAt`.
   *
   * @returns the entry of the ended lease, if there was one.
   */
  drop(
    { id, sequence, renewedAt }: Pick<Lease, "id" | "sequence" | "renewedAt">,
    now: number,
  ): string | undefined {
    this.expire(now);
    const lease = this.#alive(id, now);
    if (lease?.sequence !== sequence || lease.renewedAt !== renewedAt) {
      return undefined;
    }
    return this.#depart(lease, now);
  }

  /**
   * Removes expired leases, and forgets nodes that left long ago, a limited
   * number at a time so that others need not wait. Readers never see the rest;
   * the next calls remove it.
   *
   * @returns whether some are left.
   */
  expire(now: number): boolean {
    let left = this.#limits.sweepCount;
    for (const [id, { forgetAt }] of this.#departed) {
      if (forgetAt > now) break; // so are the others
      if (left-- === 0) return true;
      this.#departed.delete(id);
    }
    for (;;) {
      const lease = this.#checks.peek();
      if (lease === undefined || lease.checkAt > now) return false;
      if (left-- <= 0) return true;
      this.#checks.pop();
      if (lease.index < 0) continue; // withdrawn meanwhile
      if (lease.expiresAt > now) {
        lease.checkAt = lease.expiresAt;
        this.#checks.push(lease);
      } else this.#end(lease);
    }
  }

  /** The lease of `id`. Ends it if it has expired, swept or not. */
  #alive(id: string, now: number): MutableLease | undefined {
    const lease = this.#byId.get(id);
    if (lease === undefined || lease.expiresAt > now) return lease;
    this.#end(lease);
    return undefined;
  }

  #end(lease: MutableLease): void {
    this.#onExpired(lease.id, this.#remove(lease));
  }

  /**
   * Makes a page of the listing: as many entries as both the page's count and
   * `pageBytes` allow, and never an empty page while entries are left. If
   * everything fits on one page, the order is that of registration. Otherwise
   * `random` (from 0 to below 1) decides the order anew for each listing. A
   * listing may miss a node that registers while it is read. Cursors cost the
   * relay no memory.
   */
  list(
    options: {
      cursor?: string;
      pageBytes: number;
      random: () => number;
      /** Additional bytes for each entry on the page. */
      besidesBytes?: number;
    },
    now: number,
  ): Page {
    const { besidesBytes = 0 } = options;
    this.expire(now);
    const count = this.#dense.length;
    const pageCount = this.#limits.listingPageCount;
    if (
      options.cursor === undefined && count <= pageCount &&
      this.#listedBytes + count * (1 + besidesBytes) <= options.pageBytes
    ) {
      const alive = [...this.#byId.values()]
        .filter(({ expiresAt }) => expiresAt > now);
      return pageOf(alive, { count });
    }
    const walk = options.cursor === undefined
      ? startWalk(count, options.random)
      : parseCursor(options.cursor, this.#limits.nodeCount);
    if (walk === undefined) return pageOf([], { count });
    const leases: Lease[] = [];
    let bytes = 0;
    for (; skipTo(walk, count); walk.step++) {
      const lease = this.#dense[placeOf(walk)]!;
      if (lease.expiresAt <= now) continue; // not swept yet
      bytes += lease.listedBytes + 1 + besidesBytes;
      if (leases.length >= pageCount || bytes > options.pageBytes) break;
      leases.push(lease);
    }
    const done = walk.step >= walk.span || leases.length === 0;
    return pageOf(leases, {
      count,
      ...(done ? {} : { cursor: formatCursor(walk) }),
    });
  }

  #add(node: Registration, expiresAt: number, now: number): void {
    const { id, instance, sequence, observedHost, source } = node;
    const { windowAt, windowCount } = this.#windowOf(
      this.#departed.get(id),
      now,
    );
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
      checkAt: expiresAt,
      index: this.#dense.length,
      windowCount: windowCount + 1,
      windowAt,
    };
    this.#byId.set(id, lease);
    this.#dense.push(lease);
    this.#checks.push(lease);
    this.#countSource(source, 1);
    this.#listedBytes += node.listedBytes;
    this.#changes++;
  }

  /**
   * Like {@linkcode #remove}, but remembers the id for one rate window.
   * Otherwise a node that leaves and returns could register as often as it
   * likes, and again with records that it signed before it left.
   */
  #depart(lease: MutableLease, now: number): string {
    const { id, sequence, windowAt, windowCount } = lease;
    if (this.#departed.size >= this.#limits.nodeCount) {
      const [oldest] = this.#departed.keys();
      this.#departed.delete(oldest!);
    }
    const forgetAt = now + this.#limits.reregisterWindowMs;
    this.#departed.set(id, { sequence, windowAt, windowCount, forgetAt });
    return this.#remove(lease);
  }

  /**
   * Removes `lease`, and returns its entry, which the lease no longer stores.
   */
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
    this.#listedBytes -= lease.listedBytes;
    this.#changes++;
    lease.entry = ""; // the heap may keep the lease for another minute
    return entry;
  }

  #countSource(source: string, change: number): void {
    const count = (this.#perSource.get(source) ?? 0) + change;
    if (count === 0) this.#perSource.delete(source);
    else this.#perSource.set(source, count);
  }
}

function pageOf(
  leases: readonly Lease[],
  rest: Pick<Page, "count" | "cursor">,
): Page {
  return {
    ...rest,
    entries: leases.map(({ entry }) => entry),
    ids: leases.map(({ id }) => id),
    trueUntil: leases.reduce(
      (first, { expiresAt }) => Math.min(first, expiresAt),
      Infinity,
    ),
  };
}
