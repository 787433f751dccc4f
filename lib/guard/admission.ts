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
  /**
   * Counts the connection of a swarm's holder apart from those of its address,
   * and gives its turn to connect back, as far as there is room for holders.
   *
   * @returns whether there was.
   */
  setApart(now: number): boolean;
  /** Its bytes were no handshake: that costs its address more turns. */
  spoil(now: number): void;
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
    | "badHandshakeTurnCount"
    | "holdersPerAddressCount"
  >
  & {
    /** Connections of one address. */
    readonly connectionsPerAddressCount: number;
  };

/**
 * How much there is against a group of addresses of which so many handshakes are
 * pending; zero or less for one in good standing.
 */
export type Blame = (
  source: string,
  pendingCount: number,
  now: number,
) => number;

interface AddressGroup {
  readonly source: string;
  connections: number;
  /** Connections without a hello so far, oldest first. */
  readonly pending: Set<Slot>;
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

/** So many times as much is against a group that gives way to another. */
const MUCH_MORE = 2;

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
  readonly #blame: Blame;
  readonly #sources = new Map<string, AddressGroup>();
  /**
   * Groups with pending handshakes; at most as many as there may be handshakes.
   */
  readonly #pending = new Set<AddressGroup>();
  #connections = 0;
  #handshakes = 0;
  #untilPurge = PURGE_EVERY;

  /** Without `blame` only the handshakes that are pending count. */
  constructor(
    limits: AdmissionLimits,
    blame: Blame = (_source, pendingCount) => pendingCount,
  ) {
    this.#limits = limits;
    this.#blame = blame;
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
      source,
      connections: 0,
      pending: new Set(),
      bucket: new TokenBucket(
        this.#limits.connectRatePerSecond,
        this.#limits.connectBurstCount,
        now,
      ),
      apart: 0,
      apartBucket: new TokenBucket(
        this.#limits.connectRatePerSecond,
        this.#limits.holdersPerAddressCount,
        now,
      ),
    };
    this.#sources.set(source, entry);
    const reason = this.#refusal(entry, now);
    if (reason !== undefined) return { kind: "refused", reason };
    const loser = this.#loserTo(entry, now);
    if (loser === "none") {
      return { kind: "refused", reason: "too_many_handshakes" };
    }
    const [evicted] = loser?.pending ?? [];
    evicted?.leave();
    this.#connections++;
    this.#handshakes++;
    entry.connections++;
    const slot = this.#slotFor(entry);
    entry.pending.add(slot);
    this.#pending.add(entry);
    return { kind: "admitted", slot, ...(evicted ? { evicted } : {}) };
  }

  #refusal(entry: AddressGroup, now: number): AdmissionRefusal | undefined {
    const limits = this.#limits;
    const shared = isShared(entry.source);
    if (!shared && !entry.bucket.take(now)) return "connecting_too_fast";
    if (this.#connections >= limits.connectionCount) {
      return "too_many_connections";
    }
    if (!shared && entry.connections >= limits.connectionsPerAddressCount) {
      return "too_many_connections_for_address";
    }
    return undefined;
  }

  /**
   * The group whose oldest handshake gives way to a new one of a group;
   * `undefined` if a place is free. It is the group itself where that has as
   * many as it may have. Where all are taken, it is the group with the most
   * against it, if that is more than twice as much as against the new one; a
   * group in good standing never gives way. Otherwise `none`: an eviction costs
   * three times as much as a refusal, and attackers would evict one another.
   */
  #loserTo(
    entry: AddressGroup,
    now: number,
  ): AddressGroup | "none" | undefined {
    if (this.#mustEvict(entry)) return entry;
    if (this.#handshakes < this.#limits.handshakeCount) return undefined;
    const blameOf = ({ source, pending }: AddressGroup) =>
      this.#blame(source, pending.size, now);
    let loser: AddressGroup | "none" = "none";
    let most = Math.max(0, MUCH_MORE * blameOf(entry));
    for (const other of this.#pending) {
      const blame = blameOf(other);
      if (blame > most) [loser, most] = [other, blame];
    }
    return loser;
  }

  #mustEvict({ source, pending }: AddressGroup): boolean {
    const { handshakeCount, handshakesPerAddressCount } = this.#limits;
    const most = isShared(source)
      ? Math.ceil(handshakeCount / 2)
      : handshakesPerAddressCount;
    return pending.size >= most;
  }

  #slotFor(entry: AddressGroup): Slot {
    let hasLeft = false;
    let isApart = false;
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
      if (isApart) entry.apart--;
      else entry.connections--;
    };
    const setApart = (now: number) => {
      const most = this.#limits.holdersPerAddressCount;
      const isFull = !isShared(entry.source) && entry.apart >= most;
      if (isApart || hasLeft || isFull) return isApart;
      isApart = true;
      entry.connections--;
      entry.apart++;
      if (entry.apartBucket.take(now)) entry.bucket.giveBack();
      return true;
    };
    const spoil = (now: number) =>
      entry.bucket.spend(this.#limits.badHandshakeTurnCount, now);
    const slot = { settle, setApart, spoil, leave };
    return slot;
  }

  /** Now and then forgets the groups that would start afresh anyway. */
  #purge(now: number): void {
    if (--this.#untilPurge > 0) return;
    this.#untilPurge = PURGE_EVERY;
    for (const [source, entry] of this.#sources) {
      const isOpen = entry.connections > 0 || entry.apart > 0;
      const isFresh = entry.bucket.isFull(now) && entry.apartBucket.isFull(now);
      if (!isOpen && isFresh) this.#sources.delete(source);
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
