/**
 * Leases that other instances of the relay have granted, in the same table as
 * this instance's own. The node's sequence number decides: the newer
 * registration wins, whichever comes first. A lease ends on this instance's own
 * clock, after the remaining time. Pure.
 *
 * @module
 */

import type { Lease, MergeOutcome, MutableLease, Replica } from "./lease.ts";
import type { LeaseTable } from "./lease_table.ts";
import type { Limits } from "../base/limits.ts";

/** The replicas in one registry. */
export class Replicas {
  readonly #limits: Limits;
  readonly #table: LeaseTable;

  /** Its registry keeps its own leases in the same table. */
  constructor(limits: Limits, table: LeaseTable) {
    this.#limits = limits;
    this.#table = table;
  }

  /** Leases of other instances. */
  count(now: number): number {
    this.#table.expire(now);
    return this.#table.dense.reduce(
      (count, { holder }) => count + (holder === "" ? 0 : 1),
      0,
    );
  }

  /** Takes what another instance has granted, unless something newer is known. */
  merge(replica: Replica, now: number): MergeOutcome {
    this.#table.expire(now);
    const { id, sequence } = replica;
    const lease = this.#table.alive(id, now);
    const departed = lease === undefined ? this.#table.departed(id) : undefined;
    if (departed !== undefined && sequence <= departed.sequence) return "stale";
    if (!(replica.leftMs > 0)) return "stale";
    if (lease === undefined) {
      const isFull = this.#table.count >= this.#limits.nodeCount;
      if (isFull && !this.#table.giveWay()) return "full";
      const added = this.#table.add(replica, this.#endOf(replica, now), now);
      this.#mark(added, replica);
      return "taken";
    }
    if (sequence < lease.sequence) return "stale";
    if (sequence === lease.sequence) return this.extend(replica, now)!;
    this.#table.replace(lease, replica);
    this.#mark(lease, replica);
    this.#table.extend(lease, this.#endOf(replica, now), now);
    return "taken";
  }

  /**
   * Moves the end of a lease; `undefined` if this registration of the node is
   * not known.
   */
  extend(
    renewal: Pick<
      Replica,
      "id" | "sequence" | "holder" | "leftMs" | "isAttachedThere"
    >,
    now: number,
  ): "extended" | "stale" | undefined {
    this.#table.expire(now);
    const { id, sequence } = renewal;
    const lease = this.#table.alive(id, now);
    if (lease === undefined) {
      const departed = this.#table.departed(id);
      return departed && sequence <= departed.sequence ? "stale" : undefined;
    }
    if (sequence > lease.sequence) return undefined;
    // This instance ignores messages about leases that it granted itself.
    if (sequence < lease.sequence || lease.holder === "") return "stale";
    if (!(renewal.leftMs > 0)) return "stale";
    this.#mark(lease, renewal);
    this.#table.extend(lease, this.#endOf(renewal, now), now);
    return "extended";
  }

  /**
   * Ends the lease of a node that withdrew at another instance, unless a newer
   * registration is known.
   *
   * @returns the ended lease, if there was one.
   */
  leave(
    { id, sequence }: Pick<Lease, "id" | "sequence">,
    now: number,
  ): Pick<Lease, "id" | "entry" | "holder"> | undefined {
    this.#table.expire(now);
    const lease = this.#table.alive(id, now);
    if (lease === undefined || sequence < lease.sequence) return undefined;
    const { holder } = lease;
    lease.sequence = sequence;
    return { id, holder, entry: this.#table.depart(lease, now) };
  }

  /**
   * From now on withdrawn nodes are remembered as long as a lease may last, so
   * that nothing that was written before comes back.
   */
  expectLate(): void {
    this.#table.rememberFor(1_000 * this.#limits.leaseMaxSeconds);
  }

  /**
   * From now on all leases last this much longer, also those that this instance
   * has granted, because their nodes may have moved to another one: while no
   * messages of the others arrive, a dead node that is listed costs less than a live one
   * that is missing. With 0, those whose own time is over end.
   */
  hold(ms: number): void {
    this.#table.hold(ms);
  }

  /** When the time is over for which a lease was granted. */
  ownEndOf({ expiresAt }: Pick<Lease, "expiresAt">): number {
    return this.#table.ownEndOf({ expiresAt });
  }

  #endOf({ leftMs }: Pick<Replica, "leftMs">, now: number): number {
    return now + Math.min(leftMs, 1_000 * this.#limits.leaseMaxSeconds);
  }

  #mark(
    lease: MutableLease,
    { holder, isAttachedThere }: Pick<Replica, "holder" | "isAttachedThere">,
  ): void {
    if (lease.isAttachedThere !== isAttachedThere || lease.holder !== holder) {
      this.#table.changed();
    }
    lease.holder = holder;
    lease.isAttachedThere = isAttachedThere;
  }
}
