/**
 * Shares a rate between address groups: they have turns of the same number of
 * bytes, and the connections of a group rotate within its turns. So the number
 * of its connections gives a group no larger part. Pure: time is an argument.
 *
 * @module
 */

import type { RateLimit } from "./rate.ts";

// A turn shrinks when many wait, so that all are soon served. Shorter turns
// would cost more than they gain.
const LEAST_TURN_BYTES = 64 * 1024;
// Groups that are kept although they wait for nothing now.
const IDLE_GROUP_COUNT = 64;

/** A user that reserves bytes of a rate. */
export interface RateUser {
  /** The key under which it is counted: usually the group of its address. */
  readonly group: unknown;
  /** One of the group. It waits for one reservation at a time. */
  readonly connection: unknown;
}

interface Waiting<Request> {
  readonly bytes: number;
  readonly request: Request;
}

interface Group<Request> {
  readonly key: unknown;
  /** What its connections wait for; the next connection is first. */
  readonly waiting: Map<unknown, Waiting<Request>>;
  /** Bytes that are left of its turn. */
  left: number;
}

/** The order in which users get bytes of a rate. */
export class RateShares<Request> {
  readonly #limit: RateLimit;
  readonly #groups = new Map<unknown, Group<Request>>();
  /** Groups that wait; the first has the turn. */
  readonly #ring: Group<Request>[] = [];

  constructor(limit: RateLimit) {
    this.#limit = limit;
  }

  /** Groups that wait. */
  get groupCount(): number {
    return this.#ring.length;
  }

  /** Groups with kept data. */
  get keptCount(): number {
    return this.#groups.size;
  }

  /** Bytes of a turn: the most that one reservation should have. */
  get turnBytes(): number {
    const { stepBytes } = this.#limit;
    const part = stepBytes / Math.max(1, this.#ring.length);
    return Math.min(stepBytes, Math.max(LEAST_TURN_BYTES, Math.ceil(part)));
  }

  /** Reserves `bytes` if they may be sent now and nobody waits. */
  begin(bytes: number, { group: key }: RateUser, now: number): boolean {
    if (this.#ring.length > 0 || this.#limit.dueIn(now) > 0) return false;
    this.#limit.reserve(bytes, now);
    const group = this.#groups.get(key);
    if (group !== undefined) group.left -= bytes;
    return true;
  }

  /** A user waits for `bytes`. */
  request(bytes: number, user: RateUser, request: Request): void {
    const group = this.#groups.get(user.group) ?? this.#newGroup(user.group);
    group.waiting.set(user.connection, { bytes, request });
    if (group.waiting.size > 1) return;
    // Its turn continues if it used only a part of it, and is no longer than
    // the turns of those who wait now.
    group.left = Math.min(group.left, this.turnBytes);
    if (group.left > 0) this.#ring.unshift(group);
    else this.#begin(group);
  }

  #newGroup(key: unknown): Group<Request> {
    if (this.#groups.size >= this.#ring.length + IDLE_GROUP_COUNT) {
      for (const [idle, { waiting }] of this.#groups) {
        if (waiting.size === 0) this.#groups.delete(idle);
      }
    }
    const group = { key, waiting: new Map(), left: 0 };
    this.#groups.set(key, group);
    return group;
  }

  /** A group waits for its turn, after all others. */
  #begin(group: Group<Request>): void {
    group.left = Math.max(0, group.left) + this.turnBytes;
    this.#ring.push(group);
  }

  /** Milliseconds until somebody can be served; `undefined` if nobody waits. */
  dueIn(now: number): number | undefined {
    return this.#ring.length === 0 ? undefined : this.#limit.dueIn(now);
  }

  /** Reserves for the next user, whose bytes may be sent now. */
  next(now: number): Request | undefined {
    if (this.dueIn(now) !== 0) return undefined;
    for (;;) {
      const group = this.#ring[0]!;
      const [waiting] = group.waiting;
      const [connection, { bytes, request }] = waiting!;
      if (bytes > group.left) {
        this.#ring.shift();
        this.#begin(group);
        continue;
      }
      group.left -= bytes;
      this.#take(group, connection);
      this.#limit.reserve(bytes, now);
      return request;
    }
  }

  #take(group: Group<Request>, connection: unknown): void {
    group.waiting.delete(connection);
    if (group.waiting.size > 0) return;
    this.#ring.splice(this.#ring.indexOf(group), 1);
    if (group.left <= 0) this.#groups.delete(group.key);
  }
}
