/**
 * Decides at accept, before a byte is read or a handshake begun, whether a
 * connection may stay; and how often one peer may ask. Pure: time is an
 * argument, in milliseconds on any monotonic clock.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/** Why a connection was closed at accept. */
export type AdmissionRefusal =
  | "too_many_connections"
  | "too_many_connections_for_address"
  | "too_many_handshakes"
  | "connecting_too_fast";

/** A connection's place among those that are open. */
export interface Slot {
  /** The peer has said hello: its handshake is no longer pending. */
  settle(): void;
  /** The connection is gone. */
  leave(): void;
}

/** What became of a connection at accept. */
export type AdmissionOutcome =
  | {
    readonly kind: "admitted";
    readonly place: Slot;
    /** A place that was taken away for it: the caller ends that connection. */
    readonly evicted?: Slot;
  }
  | { readonly kind: "refused"; readonly reason: AdmissionRefusal };

/** The numbers that bound who is let in. */
export type AdmissionLimits =
  & Pick<
    Limits,
    | "connectionCount"
    | "handshakeCount"
    | "handshakesPerAddressCount"
    | "connectRatePerSecond"
    | "connectBurstCount"
  >
  & {
    /** Connections of one address. */
    readonly connectionsPerAddressCount: number;
  };

interface AddressGroup {
  connections: number;
  /** Those that have not said hello yet, oldest first. */
  readonly pending: Set<Slot>;
  readonly bucket: TokenBucket;
}

// A proxy or a tunnel on this machine brings everybody from one address.
const SHARED_SOURCES: ReadonlySet<string> = new Set(["127.0.0.1", "::1"]);

// Where a client in a tunnel comes from is the word of the relay.
const IN_TUNNEL = "tunnel ";

/**
 * What a client in a tunnel is counted under: apart from all who come directly,
 * so that no relay can use up what an address may have here.
 */
export function tunnelSource(group: string): string {
  return IN_TUNNEL + group;
}

/** Whether many who have nothing to do with each other come from `source`. */
export function isShared(source: string): boolean {
  const isInTunnel = source.startsWith(IN_TUNNEL);
  return SHARED_SOURCES.has(
    isInTunnel ? source.slice(IN_TUNNEL.length) : source,
  );
}

const PURGE_EVERY = 1024;

/**
 * Counts connections by source, a string the caller groups addresses by. The
 * machine's own loopback address is shared by all who come through a local
 * proxy: it is held only to the totals, and to half of the handshakes.
 *
 * Where a source has as many handshakes pending as it may, the oldest gives way:
 * silent connections lock nobody out who shares their address.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #sources = new Map<string, AddressGroup>();
  /** Those with handshakes pending, at most as many as handshakes may be. */
  readonly #pending = new Set<AddressGroup>();
  #connections = 0;
  #handshakes = 0;
  #untilPurge = PURGE_EVERY;

  /** Nobody is in yet. */
  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#connections;
  }

  /** Connections that have not said hello yet. */
  get handshakeCount(): number {
    return this.#handshakes;
  }

  /** Addresses that are remembered. */
  get sourceCount(): number {
    return this.#sources.size;
  }

  /** Lets one more connection of `source` in, or says why not. */
  admit(source: string, now: number): AdmissionOutcome {
    this.#purge(now);
    const entry = this.#sources.get(source) ?? {
      connections: 0,
      pending: new Set(),
      bucket: new TokenBucket(
        this.#limits.connectRatePerSecond,
        this.#limits.connectBurstCount,
        now,
      ),
    };
    this.#sources.set(source, entry);
    const reason = this.#refusal(source, entry, now);
    if (reason !== undefined) return { kind: "refused", reason };
    const evicted = this.#evict(source, entry);
    this.#connections++;
    this.#handshakes++;
    entry.connections++;
    const place = this.#placeOf(entry);
    entry.pending.add(place);
    this.#pending.add(entry);
    return { kind: "admitted", place, ...(evicted ? { evicted } : {}) };
  }

  #refusal(
    source: string,
    entry: AddressGroup,
    now: number,
  ): AdmissionRefusal | undefined {
    const limits = this.#limits;
    const shared = isShared(source);
    if (!shared && !entry.bucket.take(now)) return "connecting_too_fast";
    if (this.#connections >= limits.connectionCount) {
      return "too_many_connections";
    }
    if (!shared && entry.connections >= limits.connectionsPerAddressCount) {
      return "too_many_connections_for_address";
    }
    return this.#handshakes >= limits.handshakeCount &&
        this.#loserTo(source, entry) === undefined
      ? "too_many_handshakes"
      : undefined;
  }

  /**
   * Whose oldest handshake gives way to one more of `source`: its own where it
   * has as many as it may, else, where all places are taken, that of whoever
   * has most of them and more than it has. None where it has most itself.
   */
  #loserTo(source: string, entry: AddressGroup): AddressGroup | undefined {
    if (this.#mustEvict(source, entry)) return entry;
    if (this.#handshakes < this.#limits.handshakeCount) return undefined;
    let loser: AddressGroup | undefined;
    for (const other of this.#pending) {
      if (other.pending.size > (loser ?? entry).pending.size) loser = other;
    }
    return loser;
  }

  #mustEvict(source: string, entry: AddressGroup): boolean {
    const { handshakeCount, handshakesPerAddressCount } = this.#limits;
    const most = isShared(source)
      ? Math.ceil(handshakeCount / 2)
      : handshakesPerAddressCount;
    return entry.pending.size >= most;
  }

  /** Takes the place of the oldest handshake where there is no other. */
  #evict(source: string, entry: AddressGroup): Slot | undefined {
    const [oldest] = this.#loserTo(source, entry)?.pending ?? [];
    oldest?.leave();
    return oldest;
  }

  #placeOf(entry: AddressGroup): Slot {
    let hasLeft = false;
    const settle = () => {
      if (!entry.pending.delete(place)) return;
      this.#handshakes--;
      if (entry.pending.size === 0) this.#pending.delete(entry);
    };
    const leave = () => {
      if (hasLeft) return;
      settle();
      hasLeft = true;
      this.#connections--;
      entry.connections--;
    };
    const place = { settle, leave };
    return place;
  }

  /** Forgets, now and then, the addresses that would start afresh anyway. */
  #purge(now: number): void {
    if (--this.#untilPurge > 0) return;
    this.#untilPurge = PURGE_EVERY;
    for (const [source, entry] of this.#sources) {
      if (entry.connections === 0 && entry.bucket.isFull(now)) {
        this.#sources.delete(source);
      }
    }
  }
}

/** Lets `burst` through at once and `rate` a second in the long run. */
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

  /** Takes one token; `false` when there is none. */
  take(now: number): boolean {
    this.#fill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Whether nothing has been taken lately. */
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
