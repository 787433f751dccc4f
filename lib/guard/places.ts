/**
 * The places of open connections: what an admission counts of them, and which
 * of them are replaced by one that has said hello. Pure: time is an argument,
 * in milliseconds on any monotonic clock.
 *
 * @module
 */

import type { Conn } from "../base/conn.ts";
import type { NoRoomCode } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { placeToEvict } from "./eviction.ts";
import type { PlaceUse } from "./place_use.ts";
import type { DescriptorRoom } from "./room.ts";
import type { TokenBucket } from "./token_bucket.ts";

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
    /** A connection that was evicted: the caller closes it. */
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

/** The numbers that bound open connections and handshakes. */
export type AdmissionLimits =
  & Limits
  & {
    /** Connections of one address. */
    readonly connectionsPerAddressCount: number;
    /** A connection that moved no piece during this time may be evicted. */
    readonly restingMs?: number | undefined;
  };

export interface AddressGroup {
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

/** Whether `source` counts a client in a tunnel. */
export function isInTunnel(source: string): boolean {
  return source.startsWith(IN_TUNNEL);
}

/** Whether clients that have nothing to do with each other share `source`. */
export function isShared(source: string): boolean {
  return SHARED_SOURCES.has(
    isInTunnel(source) ? source.slice(IN_TUNNEL.length) : source,
  );
}

/** The counts of an admission. */
export interface Books {
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

/** The most connections that have said hello, and the most handshakes. */
export function mostOf(
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
 * Whether there is a place for one more connection of `group`, and which one
 * then is evicted.
 */
export function settling(
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
  const largest = isInTunnel(group.source)
    ? undefined
    : placeToEvict(sources.values(), {
      own: group.settled.size,
      // A shared one is of many peers.
      sizeOf: ({ source, settled }) => isShared(source) ? 0 : settled.size,
    });
  const loser = largest === undefined
    ? restingOf(books, group, now)
    : idlestOf(largest.settled, now);
  return loser === undefined ? { refused: "too_many_connections" } : { loser };
}

/**
 * The place that has rested for longest, of this group, or of one that has more.
 */
function restingOf(
  { limits: { restingMs }, sources }: Books,
  group: AddressGroup,
  now: number,
): Place | undefined {
  if (restingMs === undefined) return undefined;
  // A shared source is of many peers.
  const own = isShared(group.source) ? 0 : group.settled.size;
  let [found, longest]: [Place | undefined, number] = [undefined, -Infinity];
  for (const each of sources.values()) {
    const yields = each === group || isShared(each.source) ||
      each.settled.size > own;
    for (const place of each.settled) {
      const ms = place.restedMs(now);
      const mayGo = yields && ms >= restingMs;
      if (mayGo && ms > longest) [found, longest] = [place, ms];
    }
  }
  return found;
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

/** A counted connection, and its place among the handshakes or the others. */
export class Place implements Slot {
  readonly #books: Books;
  readonly #group: AddressGroup;
  /** When it got the place that it has. */
  since: number;
  #traffic: Traffic | undefined;
  /** The bytes that it had moved when it was last found in use. */
  #movedBytes = 0;
  #activeAt: number;
  #isApart = false;

  constructor(books: Books, group: AddressGroup, now: number) {
    this.#books = books;
    this.#group = group;
    this.since = this.#activeAt = now;
    books.handshakes++;
    group.pending.add(this);
    books.pending.add(group);
  }

  /** Bytes that it has moved for its age, if they are counted. */
  rateAt(now: number): number {
    return (this.#traffic?.movedBytes ?? 0) / Math.max(1, now - this.since);
  }

  /** How long no piece has gone over it, as of the last check. */
  restedMs(now: number): number {
    const moved = this.#traffic?.movedBytes ?? 0;
    const { pieceMinBytes } = this.#books.limits;
    if (moved - this.#movedBytes >= pieceMinBytes) {
      [this.#movedBytes, this.#activeAt] = [moved, now];
    }
    return now - this.#activeAt;
  }

  settle(now: number, traffic?: Traffic): SettleOutcome {
    const books = this.#books;
    const group = this.#group;
    if (!group.pending.has(this)) return { kind: "settled" };
    const { refused: reason, loser } = settling(books, group, now);
    if (reason !== undefined) return { kind: "refused", reason };
    loser?.leave(now);
    this.#giveUp(now);
    this.since = this.#activeAt = now;
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
