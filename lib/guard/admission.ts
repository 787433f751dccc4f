/**
 * Decides at accept, before a byte is read or a handshake begins, whether a
 * connection may stay, and how often one peer may ask. Pure: time is an
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

/** One open connection in the counts. */
export interface Slot {
  /** The peer has said hello: its handshake is no longer pending. */
  settle(): void;
  /** The connection is gone. */
  leave(): void;
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
    | "connectRatePerSecond"
    | "connectBurstCount"
  >
  & {
    /** Connections of one address. */
    readonly connectionsPerAddressCount: number;
  };

interface AddressGroup {
  connections: number;
  /** Connections without a hello so far, oldest first. */
  readonly pending: Set<Slot>;
  readonly bucket: TokenBucket;
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

/**
 * Counts connections by source, the address group that the caller chose. The
 * machine's own loopback address belongs to everybody behind a local proxy:
 * only the totals apply to it, and half of the handshakes.
 *
 * When a source has as many pending handshakes as it may have, its oldest one
 * gives way. Silent connections therefore lock out nobody at the same address.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #sources = new Map<string, AddressGroup>();
  /**
   * Groups with pending handshakes; at most as many as there may be handshakes.
   */
  readonly #pending = new Set<AddressGroup>();
  #connections = 0;
  #handshakes = 0;
  #untilPurge = PURGE_EVERY;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get connectionCount(): number {
    return this.#connections;
  }

  /** Connections without a hello so far. */
  get handshakeCount(): number {
    return this.#handshakes;
  }

  get sourceCount(): number {
    return this.#sources.size;
  }

  /** Admits one more connection of `source`, or says why not. */
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
    const slot = this.#slotFor(entry);
    entry.pending.add(slot);
    this.#pending.add(entry);
    return { kind: "admitted", slot, ...(evicted ? { evicted } : {}) };
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
   * The group whose oldest handshake gives way to a new one of `source`. It is
   * the group itself where that has as many as it may have. Where all are
   * taken, it is the group with the most, if that has more than `source`.
   * Otherwise none.
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

  /** Frees the slot of the oldest handshake where no slot is free. */
  #evict(source: string, entry: AddressGroup): Slot | undefined {
    const [oldest] = this.#loserTo(source, entry)?.pending ?? [];
    oldest?.leave();
    return oldest;
  }

  #slotFor(entry: AddressGroup): Slot {
    let hasLeft = false;
    const settle = () => {
      if (!entry.pending.delete(slot)) return;
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
    const slot = { settle, leave };
    return slot;
  }

  /** Now and then forgets the groups that would start afresh anyway. */
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
