/**
 * Decides at accept, before a byte is read or a handshake begins, whether a
 * connection may stay, and how often one peer may ask. Pure: time is an
 * argument, in milliseconds on any monotonic clock.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { PlaceUse } from "./place_use.ts";

/** Why a connection was closed at accept. */
export type AdmissionRefusal =
  | "too_many_connections"
  | "too_many_connections_for_address"
  | "too_many_handshakes"
  | "connecting_too_fast";

/** One open connection in the counts. */
export interface Slot {
  /** The peer has said hello: its handshake is no longer pending. */
  settle(now: number): void;
  /**
   * Counts the connection of a swarm's holder apart from those of its address,
   * and gives its turn to connect back, as far as there is room for holders.
   *
   * @returns whether there was.
   */
  setApart(now: number): boolean;
  /** It was bound to connect: gives its turn back to its address. */
  giveTurnBack(): void;
  /** Its bytes were no handshake: that costs its address more turns. */
  spoil(now: number): void;
  /** The connection is gone. */
  leave(now: number): void;
}

/** The decision about a connection at accept. */
export type AdmissionOutcome =
  | {
    readonly kind: "admitted";
    readonly slot: Slot;
    /** A connection that had to give way: the caller closes it. */
    readonly evicted?: Slot;
  }
  | { readonly kind: "refused"; readonly reason: AdmissionRefusal };

/** The numbers that bound open connections and handshakes. */
export type AdmissionLimits =
  & Pick<
    Limits,
    | "connectionCount"
    | "handshakeCount"
    | "handshakesPerAddressCount"
    | "handshakeGraceMs"
    | "placeHalfLifeMs"
    | "handshakeGroupCount"
    | "connectRatePerSecond"
    | "connectBurstCount"
    | "badHandshakeTurnCount"
    | "holdersPerAddressCount"
  >
  & {
    /** Connections of one address. */
    readonly connectionsPerAddressCount: number;
  };

interface AddressGroup {
  readonly source: string;
  connections: number;
  /** Connections without a hello so far, oldest first. */
  readonly pending: Set<Place>;
  readonly bucket: TokenBucket;
  /** Connections of holders, which are not among the others. */
  apart: number;
  /** Turns that holders have to connect, beside those of all. */
  readonly apartBucket: TokenBucket;
}

// A local proxy or tunnel makes everybody appear at one of these addresses.
const SHARED_SOURCES: ReadonlySet<string> = new Set(["127.0.0.1", "::1"]);

// A client in a tunnel comes from the address that the relay claims for it.
const IN_TUNNEL = "tunnel ";

/**
 * The group that counts a client in a tunnel. It is apart from the groups of
 * direct clients, so that no relay can use up another address's connections.
 */
export function tunnelSource(group: string): string {
  return IN_TUNNEL + group;
}

/** Whether clients that have nothing to do with each other share `source`. */
export function isShared(source: string): boolean {
  const isInTunnel = source.startsWith(IN_TUNNEL);
  return SHARED_SOURCES.has(
    isInTunnel ? source.slice(IN_TUNNEL.length) : source,
  );
}

const PURGE_EVERY = 1024;

/** What an admission counts. */
interface Books {
  readonly limits: AdmissionLimits;
  readonly use: PlaceUse;
  /**
   * Groups with pending handshakes; at most as many as there may be handshakes.
   */
  readonly pending: Set<AddressGroup>;
  connections: number;
  handshakes: number;
}

/**
 * Counts connections by source, the address group that the caller chose. The
 * machine's own loopback address belongs to everybody behind a local proxy:
 * only the totals apply to it, and half of the handshakes.
 *
 * When a source has as many pending handshakes as it may have, its oldest one
 * gives way. Silent connections therefore lock out nobody at the same address.
 *
 * When all places for handshakes are taken, one rule says which one gives way.
 * Against a source counts one for each of its pending handshakes, and one for
 * each `handshakeGraceMs` that its handshakes have held places lately. The oldest
 * handshake of the source with most against it gives way, if that is more than
 * one above the newcomer's. Half of the places are for sources that said hello
 * before, and half for others: the rule applies within each half, and a half lends
 * what it does not need. Therefore
 *
 * - a new source keeps its place for `handshakeGraceMs`;
 * - it is refused only while each place of its half is held by a source that has
 *   used at most one `handshakeGraceMs` lately. Attackers at K sources can hold
 *   128 places for K / 128 times that long, some K / 50 s.
 */
export class Admission {
  readonly #books: Books;
  readonly #sources = new Map<string, AddressGroup>();
  #untilPurge = PURGE_EVERY;

  constructor(limits: AdmissionLimits) {
    this.#books = {
      limits,
      use: new PlaceUse(limits),
      pending: new Set(),
      connections: 0,
      handshakes: 0,
    };
  }

  get connectionCount(): number {
    return this.#books.connections;
  }

  /** Connections without a hello so far. */
  get handshakeCount(): number {
    return this.#books.handshakes;
  }

  get sourceCount(): number {
    return this.#sources.size;
  }

  /** Admits one more connection of `source`, or says why not. */
  admit(source: string, now: number): AdmissionOutcome {
    this.#purge(now);
    const { limits } = this.#books;
    const group = this.#sources.get(source) ?? {
      source,
      connections: 0,
      pending: new Set(),
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
    this.#sources.set(source, group);
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

  #refusal(group: AddressGroup, now: number): AdmissionRefusal | undefined {
    const { limits, connections } = this.#books;
    const shared = isShared(group.source);
    if (!shared && !group.bucket.take(now)) return "connecting_too_fast";
    if (connections >= limits.connectionCount) return "too_many_connections";
    if (!shared && group.connections >= limits.connectionsPerAddressCount) {
      return "too_many_connections_for_address";
    }
    return undefined;
  }

  /**
   * The group whose oldest handshake gives way to a new one of `group`;
   * `undefined` if a place is free.
   */
  #loserTo(
    group: AddressGroup,
    now: number,
  ): AddressGroup | "none" | undefined {
    if (this.#mustEvict(group)) return group;
    const { limits, handshakes, pending, use } = this.#books;
    if (handshakes < limits.handshakeCount) return undefined;
    const isKnown = use.isKnown(group.source);
    const ownHalf: AddressGroup[] = [];
    const otherHalf: AddressGroup[] = [];
    let ownCount = 0;
    for (const each of pending) {
      const isOwn = use.isKnown(each.source) === isKnown;
      (isOwn ? ownHalf : otherHalf).push(each);
      if (isOwn) ownCount += each.pending.size;
    }
    return ownCount < Math.floor(limits.handshakeCount / 2)
      ? this.#worst(otherHalf, -Infinity, now)
      : this.#worst(ownHalf, this.#against(group, now) + 2, now); // its new one
  }

  /** The group with most against it, if that is more than `least`. */
  #worst(
    groups: readonly AddressGroup[],
    least: number,
    now: number,
  ): AddressGroup | "none" {
    let worst: AddressGroup | "none" = "none";
    let most = least;
    for (const group of groups) {
      const against = this.#against(group, now);
      if (against > most) [worst, most] = [group, against];
    }
    return worst;
  }

  #against({ source, pending }: AddressGroup, now: number): number {
    const { limits, use } = this.#books;
    let sum = use.units(source, now);
    for (const { since } of pending) {
      sum += 1 + (now - since) / limits.handshakeGraceMs;
    }
    return sum;
  }

  #mustEvict({ source, pending }: AddressGroup): boolean {
    const { handshakeCount, handshakesPerAddressCount } = this.#books.limits;
    const most = isShared(source)
      ? Math.ceil(handshakeCount / 2)
      : handshakesPerAddressCount;
    return pending.size >= most;
  }

  /** Now and then forgets the groups that would start afresh anyway. */
  #purge(now: number): void {
    if (--this.#untilPurge > 0) return;
    this.#untilPurge = PURGE_EVERY;
    for (const [source, group] of this.#sources) {
      const isOpen = group.connections > 0 || group.apart > 0;
      const isFresh = group.bucket.isFull(now) && group.apartBucket.isFull(now);
      if (!isOpen && isFresh) this.#sources.delete(source);
    }
  }
}

/** A counted connection, and its place among the handshakes. */
class Place implements Slot {
  readonly #books: Books;
  readonly #group: AddressGroup;
  /** When it was admitted. */
  readonly since: number;
  #hasLeft = false;
  #isApart = false;

  constructor(books: Books, group: AddressGroup, now: number) {
    this.#books = books;
    this.#group = group;
    this.since = now;
    books.connections++;
    books.handshakes++;
    group.connections++;
    group.pending.add(this);
    books.pending.add(group);
  }

  settle(now: number): void {
    if (this.#giveUp(now)) this.#books.use.greeted(this.#group.source);
  }

  setApart(now: number): boolean {
    const group = this.#group;
    const most = this.#books.limits.holdersPerAddressCount;
    const isFull = !isShared(group.source) && group.apart >= most;
    if (this.#isApart || this.#hasLeft || isFull) return this.#isApart;
    this.#isApart = true;
    group.connections--;
    group.apart++;
    if (group.apartBucket.take(now)) group.bucket.giveBack();
    return true;
  }

  giveTurnBack(): void {
    this.#group.bucket.giveBack();
  }

  spoil(now: number): void {
    const { badHandshakeTurnCount } = this.#books.limits;
    this.#group.bucket.spend(badHandshakeTurnCount, now);
  }

  leave(now: number): void {
    if (this.#hasLeft) return;
    this.#giveUp(now);
    this.#hasLeft = true;
    this.#books.connections--;
    if (this.#isApart) this.#group.apart--;
    else this.#group.connections--;
  }

  /** Gives up its place among the handshakes, and tells whether it had one. */
  #giveUp(now: number): boolean {
    const { pending, source } = this.#group;
    if (!pending.delete(this)) return false;
    this.#books.handshakes--;
    this.#books.use.held(source, now - this.since, now);
    if (pending.size === 0) this.#books.pending.delete(this.#group);
    return true;
  }
}

/** Allows `burst` at once, and `rate` a second on average. */
export class TokenBucket {
  readonly #ratePerMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  /** Full at `now`. */
  constructor(ratePerSecond: number, burst: number, now: number) {
    this.#ratePerMs = ratePerSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAt = now;
  }

  /** Takes one token, or returns `false` if there is none. */
  take(now: number): boolean {
    this.#fill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Takes `count` tokens, on credit as far as there are none. */
  spend(count: number, now: number): void {
    this.#fill(now);
    this.#tokens = Math.max(-this.#burst, this.#tokens - count);
  }

  /** Gives one token back. */
  giveBack(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }

  /** Whether no token has been taken lately. */
  isFull(now: number): boolean {
    this.#fill(now);
    return this.#tokens >= this.#burst;
  }

  #fill(now: number): void {
    const earned = (now - this.#filledAt) * this.#ratePerMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#filledAt = now;
  }
}
