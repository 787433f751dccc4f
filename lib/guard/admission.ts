/**
 * Decides at accept, before a byte is read or a handshake begins, whether a
 * connection may stay, and how often one peer may ask. Pure: time is an
 * argument, in milliseconds on any monotonic clock.
 *
 * @module
 */

import { evictions, placeToEvict } from "./eviction.ts";
import { PlaceUse } from "./place_use.ts";
import {
  type AddressGroup,
  type AdmissionLimits,
  type AdmissionRefusal,
  type Books,
  isShared,
  mostOf,
  Place,
  settling,
  type Slot,
} from "./places.ts";
import { DescriptorRoom } from "./room.ts";
import { TokenBucket } from "./token_bucket.ts";

export { isInTunnel, isShared, tunnelSource } from "./places.ts";
export type { AdmissionRefusal, SettleOutcome, Slot } from "./places.ts";

/** The decision about a connection at accept. */
export type AdmissionOutcome =
  | {
    readonly kind: "admitted";
    readonly slot: Slot;
    /** A connection that was evicted: the caller closes it. */
    readonly evicted?: Slot;
  }
  | { readonly kind: "refused"; readonly reason: AdmissionRefusal };

const PURGE_EVERY = 1024;

/** Whether a group has any connections. */
function isOpen({ pending, settled }: AddressGroup): boolean {
  return pending.size + settled.size > 0;
}

/**
 * Counts connections by source, the address group that the caller chose. The
 * machine's own loopback address belongs to everybody behind a local proxy:
 * only the totals apply to it, and half of the handshakes.
 *
 * Connections that have said hello and handshakes have places apart. When all
 * places of the former are taken, a newcomer replaces the idlest connection of
 * the source that has most, if that has at least two more than its own. No source
 * therefore keeps all places while another wants one. Otherwise, with a limit
 * `restingMs`, it replaces the connection whose last piece is the oldest, if
 * that piece is older than the limit.
 *
 * When a source has as many pending handshakes as it may have, its oldest one
 * is evicted. Silent connections therefore lock out nobody at the same address.
 *
 * When all places for handshakes are taken, one rule says which one is evicted.
 * The cost of a source is one for each of its pending handshakes, and one for
 * each `handshakeGraceMs` that its handshakes have recently held places. The
 * oldest handshake of the source with the highest cost is evicted, if that cost
 * is more than one above the newcomer's. Half of the places are for sources
 * that said hello before, and half for others: the rule applies within each
 * half, and a half lends what it does not need. Therefore
 *
 * - a new source keeps its place for `handshakeGraceMs`;
 * - it is refused only while each place of its half is held by a source that has
 *   recently used at most one `handshakeGraceMs`. Attackers at K sources can
 * hold
 *   128 places for K / 128 times that long, some K / 50 s.
 */
export class Admission {
  readonly #books: Books;
  #untilPurge = PURGE_EVERY;

  constructor(limits: AdmissionLimits) {
    this.#books = {
      limits,
      use: new PlaceUse(limits),
      room: new DescriptorRoom(limits),
      pending: new Set(),
      sources: new Map(),
      settled: 0,
      handshakes: 0,
    };
  }

  /** Open connections, with those that have not said hello yet. */
  get connectionCount(): number {
    return this.#books.settled + this.#books.handshakes;
  }

  /** Connections without a hello so far. */
  get handshakeCount(): number {
    return this.#books.handshakes;
  }

  get sourceCount(): number {
    return this.#books.sources.size;
  }

  /** Admits one more connection of `source`, or says why not. */
  admit(source: string, now: number): AdmissionOutcome {
    this.#purge(now);
    const { limits, sources } = this.#books;
    const group = sources.get(source) ?? {
      source,
      pending: new Set(),
      settled: new Set(),
      bucket: new TokenBucket(
        limits.connectRatePerSecond,
        limits.connectBurstCount,
        now,
      ),
      apart: 0,
      apartBucket: new TokenBucket(
        limits.connectRatePerSecond,
        limits.holdersPerAddressCount,
        now,
      ),
    };
    sources.set(source, group);
    const reason = this.#refusal(group, now);
    if (reason !== undefined) return { kind: "refused", reason };
    const loser = this.#loserTo(group, now);
    if (loser === "none") {
      return { kind: "refused", reason: "too_many_handshakes" };
    }
    const [evicted] = loser?.pending ?? [];
    evicted?.leave(now);
    const slot = new Place(this.#books, group, now);
    return { kind: "admitted", slot, ...(evicted ? { evicted } : {}) };
  }

  /**
   * No file descriptor is left: some connections are evicted, and until the
   * shortage is over there may be no more than are left then.
   *
   * @returns the connections that the caller closes.
   */
  makeRoom(now: number): Slot[] {
    const { room, sources } = this.#books;
    room.short(this.connectionCount, now);
    const excess = this.connectionCount - room.countAt(now);
    const ended = evictions(sources.values(), {
      sizeOf: ({ pending, settled }) => pending.size + settled.size,
      isOfMany: ({ source }) => isShared(source),
      inOrder: ({ pending, settled }) => [
        ...pending,
        ...[...settled].sort((a, b) => a.rateAt(now) - b.rateAt(now)),
      ],
    }).take(Math.max(0, excess)).toArray();
    for (const slot of ended) slot.leave(now);
    return ended;
  }

  #refusal(group: AddressGroup, now: number): AdmissionRefusal | undefined {
    if (!isShared(group.source) && !group.bucket.take(now)) {
      return "connecting_too_fast";
    }
    // Asked again after the handshake; this avoids a useless handshake.
    return settling(this.#books, group, now).refused;
  }

  /**
   * The group whose oldest handshake a new one of `group` replaces;
   * `undefined` if a place is free.
   */
  #loserTo(
    group: AddressGroup,
    now: number,
  ): AddressGroup | "none" | undefined {
    const most = mostOf(this.#books, now).handshakes;
    if (this.#mustEvict(group, most)) return group;
    const { handshakes, pending, use } = this.#books;
    if (handshakes < most) return undefined;
    const isKnown = use.isKnown(group.source);
    const ownHalf: AddressGroup[] = [];
    const otherHalf: AddressGroup[] = [];
    let ownCount = 0;
    for (const each of pending) {
      const isOwn = use.isKnown(each.source) === isKnown;
      (isOwn ? ownHalf : otherHalf).push(each);
      if (isOwn) ownCount += each.pending.size;
    }
    const isLent = ownCount < Math.floor(most / 2);
    return placeToEvict(isLent ? otherHalf : ownHalf, {
      ...!isLent && { own: this.#against(group, now) + 1 }, // its new one
      sizeOf: (each) => this.#against(each, now),
    }) ?? "none";
  }

  #against({ source, pending }: AddressGroup, now: number): number {
    const { limits, use } = this.#books;
    let sum = use.units(source, now);
    for (const { since } of pending) {
      sum += 1 + (now - since) / limits.handshakeGraceMs;
    }
    return sum;
  }

  #mustEvict({ source, pending }: AddressGroup, mostOfAll: number): boolean {
    const most = isShared(source)
      ? Math.ceil(mostOfAll / 2)
      : this.#books.limits.handshakesPerAddressCount;
    return pending.size >= most;
  }

  /** Now and then forgets groups whose record is empty again. */
  #purge(now: number): void {
    if (--this.#untilPurge > 0) return;
    this.#untilPurge = PURGE_EVERY;
    const { sources } = this.#books;
    for (const [source, group] of sources) {
      const isFresh = group.bucket.isFull(now) && group.apartBucket.isFull(now);
      if (!isOpen(group) && isFresh) sources.delete(source);
    }
  }
}
