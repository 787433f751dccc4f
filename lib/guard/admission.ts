/**
 * Decides at accept, before a byte is read or a handshake begins, whether a
 * connection may stay, and how often one peer may ask. Pure: time is an
 * argument, in milliseconds on any monotonic clock.
 *
 * @module
 */

import type { NoRoomCode } from "../base/errors.ts";
import type { Conn } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import { givesWay, leaving } from "./giving_way.ts";
import { PlaceUse } from "./place_use.ts";
import { DescriptorRoom, type RoomLimits } from "./room.ts";
import { TokenBucket } from "./token_bucket.ts";

/** Why a connection was closed at accept. */
export type AdmissionRefusal =
  | NoRoomCode
  | "too_many_handshakes"
  | "connecting_too_fast";

/** The measure of how much a connection is used. */
export type Traffic = Pick<Conn, "movedBytes">;

/** The fate of a connection after its handshake. */
export type SettleOutcome =
  | {
    readonly kind: "settled";
    /** A connection that had to give way: the caller closes it. */
    readonly replaced?: Slot;
  }
  | { readonly kind: "refused"; readonly reason: NoRoomCode };

/** One open connection in the counts. */
export interface Slot {
  /**
   * The peer has said hello: its handshake is no longer pending, and it takes a
   * place among the connections. If it is refused, the caller closes it.
   */
  settle(now: number, traffic?: Traffic): SettleOutcome;
  /**
   * Counts the connection of a swarm's holder apart from those of its address,
   * and gives its turn to connect back, as far as there is room for holders.
   *
   * @returns whether there was.
   */
  setApart(now: number): boolean;
  /** Gives the connection attempt back: the peer was required to connect. */
  giveTurnBack(): void;
  /** Its bytes were not a handshake: that costs its address more turns. */
  spoil(now: number): void;
  /** The connection has ended. */
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
  & RoomLimits
  & {
    /** Connections of one address. */
    readonly connectionsPerAddressCount: number;
  };

interface AddressGroup {
  readonly source: string;
  /** Connections without a hello so far, oldest first. */
  readonly pending: Set<Place>;
  /** Connections that have said hello, oldest first. */
  readonly settled: Set<Place>;
  readonly bucket: TokenBucket;
  /** Connections of holders, which do not count among the others. */
  apart: number;
  /** Connections that only holders may make, in addition to those for all. */
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

/** The counts of an admission. */
interface Books {
  readonly limits: AdmissionLimits;
  readonly use: PlaceUse;
  readonly room: DescriptorRoom;
  /**
   * Groups with pending handshakes; at most as many as there may be handshakes.
   */
  readonly pending: Set<AddressGroup>;
  readonly sources: Map<string, AddressGroup>;
  /** Connections that have said hello. */
  settled: number;
  handshakes: number;
}

/** How many connections that have said hello, and handshakes, there may be. */
function mostOf(
  { limits, room }: Books,
  now: number,
): { settled: number; handshakes: number } {
  const handshakes = Math.ceil(room.countAt(now) / 4);
  return {
    settled: Math.min(limits.connectionCount, 3 * handshakes),
    handshakes: Math.min(limits.handshakeCount, handshakes),
  };
}

/**
 * Whether one more connection of `group` can settle, and which one then gives
 * way.
 */
function settling(
  books: Books,
  group: AddressGroup,
  now: number,
): { refused?: NoRoomCode; loser?: Place } {
  const { limits, settled, sources } = books;
  const most = limits.connectionsPerAddressCount;
  if (!isShared(group.source) && group.settled.size - group.apart >= most) {
    return { refused: "too_many_connections_for_address" };
  }
  if (settled < mostOf(books, now).settled) return {};
  // The address of a client in a tunnel is only what the relay claims.
  const largest = group.source.startsWith(IN_TUNNEL)
    ? undefined
    : givesWay(sources.values(), {
      own: group.settled.size,
      // A shared one is of many peers.
      sizeOf: ({ source, settled }) => isShared(source) ? 0 : settled.size,
    });
  return largest === undefined
    ? { refused: "too_many_connections" }
    : { loser: idlestOf(largest.settled, now)! };
}

/** Whether a group has any connections. */
function isOpen({ pending, settled }: AddressGroup): boolean {
  return pending.size + settled.size > 0;
}

/** The one that has moved fewest bytes for its age. */
function idlestOf(places: Iterable<Place>, now: number): Place | undefined {
  let idlest: Place | undefined;
  let least = Infinity;
  for (const place of places) {
    const rate = place.rateAt(now);
    if (rate < least) [idlest, least] = [place, rate];
  }
  return idlest;
}

/**
 * Counts connections by source, the address group that the caller chose. The
 * machine's own loopback address belongs to everybody behind a local proxy:
 * only the totals apply to it, and half of the handshakes.
 *
 * Connections that have said hello and handshakes have places apart. When all
 * places of the former are taken, a newcomer replaces the idlest connection of
 * the source that has most, if that has at least two more than its own. No source
 * therefore keeps all places while another wants one.
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
   * No file descriptor is left: some connections give way, and until the
   * shortage is over there may be no more than are left then.
   *
   * @returns the connections that the caller closes.
   */
  makeRoom(now: number): Slot[] {
    const { room, sources } = this.#books;
    room.short(this.connectionCount, now);
    const excess = this.connectionCount - room.countAt(now);
    const ended = leaving(sources.values(), {
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
    // Asked again after the handshake; this saves one that would be in vain.
    return settling(this.#books, group, now).refused;
  }

  /**
   * The group whose oldest handshake gives way to a new one of `group`;
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
    return givesWay(isLent ? otherHalf : ownHalf, {
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

  /** Now and then forgets the groups that would start afresh anyway. */
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

/** A counted connection, and its place among the handshakes or the others. */
class Place implements Slot {
  readonly #books: Books;
  readonly #group: AddressGroup;
  /** When it got the place that it has. */
  since: number;
  #traffic: Traffic | undefined;
  #isApart = false;

  constructor(books: Books, group: AddressGroup, now: number) {
    this.#books = books;
    this.#group = group;
    this.since = now;
    books.handshakes++;
    group.pending.add(this);
    books.pending.add(group);
  }

  /** Bytes that it has moved for its age, as far as anybody counts them. */
  rateAt(now: number): number {
    return (this.#traffic?.movedBytes ?? 0) / Math.max(1, now - this.since);
  }

  settle(now: number, traffic?: Traffic): SettleOutcome {
    const books = this.#books;
    const group = this.#group;
    if (!group.pending.has(this)) return { kind: "settled" };
    const { refused: reason, loser } = settling(books, group, now);
    if (reason !== undefined) return { kind: "refused", reason };
    loser?.leave(now);
    this.#giveUp(now);
    this.since = now;
    this.#traffic = traffic;
    books.settled++;
    group.settled.add(this);
    books.use.greeted(group.source);
    return { kind: "settled", ...loser && { replaced: loser } };
  }

  setApart(now: number): boolean {
    const group = this.#group;
    const most = this.#books.limits.holdersPerAddressCount;
    const isFull = !isShared(group.source) && group.apart >= most;
    const isSettled = group.settled.has(this);
    if (this.#isApart || !isSettled || isFull) return this.#isApart;
    this.#isApart = true;
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
    if (this.#giveUp(now) || !this.#group.settled.delete(this)) return;
    this.#books.settled--;
    if (this.#isApart) this.#group.apart--;
  }

  /**
   * Gives up its place among the handshakes, and returns whether it had one.
   */
  #giveUp(now: number): boolean {
    const { pending, source } = this.#group;
    if (!pending.delete(this)) return false;
    this.#books.handshakes--;
    this.#books.use.held(source, now - this.since, now);
    if (pending.size === 0) this.#books.pending.delete(this.#group);
    return true;
  }
}
