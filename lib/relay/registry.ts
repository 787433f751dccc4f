/**
 * The relay's table of leases: which nodes are registered, and until when.
 * Pure: time and randomness are arguments, there are no timers and no sockets.
 * The table does not look into the entries that it stores.
 *
 * `expiresAt` alone decides whether a lease is valid, and every read checks it.
 *
 * Two processes with one identity do not take turns. The newer one gets the
 * lease, and the older one is refused until that lease ends.
 *
 * @module
 */

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
import { type ExpiredLease, LeaseTable } from "./lease_table.ts";
import { Replicas } from "./replicas.ts";
import type { Limits } from "../base/limits.ts";
import {
  formatCursor,
  parseCursor,
  placeOf,
  skipTo,
  startWalk,
} from "./listing_order.ts";

/** The table of leases. */
export class Registry {
  readonly #limits: Limits;
  readonly #table: LeaseTable;
  /** Leases that other instances of the relay have granted. */
  readonly replicas: Replicas;

  /** `onExpired` gets every lease that expires. */
  constructor(
    limits: Limits,
    onExpired: (lease: ExpiredLease) => void,
  ) {
    this.#limits = limits;
    this.#table = new LeaseTable(limits, onExpired);
    this.replicas = new Replicas(limits, this.#table);
  }

  /** Nodes with a lease, and expired ones that are not swept yet. */
  count(now: number): number {
    this.expire(now);
    return this.#table.count;
  }

  /** Increases with every change of the list. */
  changes(now: number): number {
    this.expire(now);
    return this.#table.changes;
  }

  /** The lease of a node, unless it has expired. */
  find(id: string, now: number): Lease | undefined {
    this.expire(now);
    return this.#table.alive(id, now);
  }

  /** The id that begins with a text, if there is one. Goes through all ids. */
  startingWith(start: string, now: number): string | undefined {
    this.expire(now);
    for (const { id } of this.#table.inOrder()) {
      if (id.startsWith(start) && this.#table.alive(id, now)) return id;
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
    const spread = Math.ceil(this.#table.count / limits.renewalsPerSecond);
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
    const lease = this.#table.alive(node.id, now);
    const { isFull, isSourceFull } = this.#roomFor(node, lease);
    // A node whose lease is only kept may be dead, and this node is not.
    if (isSourceFull) this.#table.giveWay(node.source);
    else if (isFull) this.#table.giveWay();
    const terms = this.terms();
    const expiresAt = now + terms.leaseSeconds * 1000;
    if (lease === undefined) {
      this.#count(this.#table.add(node, expiresAt, now), now);
    } else {
      this.#table.replace(lease, node);
      this.#own(lease);
      this.#count(lease, now);
      this.#table.extend(lease, expiresAt, now);
    }
    return { kind: "granted", terms, isNew: lease === undefined };
  }

  /**
   * Renews a lease without other changes. The list stays the same, so existing
   * pages stay valid.
   */
  renew(id: string, now: number): RenewOutcome {
    this.expire(now);
    const lease = this.#table.alive(id, now);
    if (lease === undefined) return { kind: "refused", reason: "unknown" };
    const { reregisterCount } = this.#limits;
    if (this.#windowOf(lease, now).windowCount >= reregisterCount) {
      return { kind: "refused", reason: "registering_too_fast" };
    }
    const terms = this.terms();
    this.#own(lease);
    this.#count(lease, now);
    this.#table.extend(lease, now + terms.leaseSeconds * 1000, now);
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
    const lease = this.#table.alive(node.id, now);
    if (lease?.displaced === node.instance) return "identity_used_twice";
    const past = lease ?? this.#table.departed(node.id);
    if (past !== undefined && node.sequence <= past.sequence) {
      return "stale_sequence";
    }
    if (this.#windowOf(past, now).windowCount >= limits.reregisterCount) {
      return "registering_too_fast";
    }
    const { isFull, isSourceFull } = this.#roomFor(node, lease);
    if (isFull && !this.#table.hasKept()) return "registry_full";
    return isSourceFull && !this.#table.hasKept(node.source)
      ? "too_many_nodes_for_address"
      : undefined;
  }

  /** Which further places a node would need. */
  #roomFor(
    { source }: Pick<Registration, "source">,
    lease: Lease | undefined,
  ): { isFull: boolean; isSourceFull: boolean } {
    const { nodeCount, nodesPerAddressCount } = this.#limits;
    return {
      isFull: lease === undefined && this.#table.count >= nodeCount,
      isSourceFull: source !== lease?.source &&
        this.#table.countOf(source) >= nodesPerAddressCount,
    };
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

  /** Counts a registration or renewal of this node at this instance. */
  #count(lease: MutableLease, now: number): void {
    const { windowAt, windowCount } = this.#windowOf(lease, now);
    lease.windowAt = windowAt;
    lease.windowCount = windowCount + 1;
  }

  /** From now on this instance holds the lease. */
  #own(lease: MutableLease): void {
    if (lease.isAttachedThere) this.#table.changed();
    lease.holder = "";
    lease.isAttachedThere = false;
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
    const lease = this.#table.alive(id, now);
    if (lease?.instance !== instance || sequence < lease.sequence) {
      return undefined;
    }
    lease.sequence = sequence;
    return this.#table.depart(lease, now);
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
    const lease = this.#table.alive(id, now);
    if (lease?.sequence !== sequence || lease.renewedAt !== renewedAt) {
      return undefined;
    }
    return this.#table.depart(lease, now);
  }

  /**
   * Removes some of the expired leases; see {@linkcode LeaseTable.expire}.
   *
   * @returns whether some are left.
   */
  expire(now: number): boolean {
    return this.#table.expire(now);
  }

  /** Leases that this instance has granted. */
  *own(now: number): Iterable<Lease> {
    for (const lease of this.#table.inOrder()) {
      if (lease.holder === "" && lease.expiresAt > now) yield lease;
    }
  }

  /**
   * Makes a page of the listing: as many entries as both the page's count and
   * `pageBytes` allow, and never an empty page while entries are left. If
   * everything fits on one page, the order is that of registration. Otherwise
   * `random` (from 0 to below 1) decides the order of each listing. A
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
    const count = this.#table.count;
    const pageCount = this.#limits.listingPageCount;
    if (
      options.cursor === undefined && count <= pageCount &&
      this.#table.listedBytes + count * (1 + besidesBytes) <= options.pageBytes
    ) {
      const alive = [...this.#table.inOrder()]
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
      const lease = this.#table.dense[placeOf(walk)]!;
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
}

function pageOf(
  leases: readonly Lease[],
  rest: Pick<Page, "count" | "cursor">,
): Page {
  return {
    ...rest,
    entries: leases.map(({ entry }) => entry),
    leases,
    trueUntil: leases.reduce(
      (first, { expiresAt }) => Math.min(first, expiresAt),
      Infinity,
    ),
  };
}
