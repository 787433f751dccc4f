/**
 * Which clients of a swarm one client dials. Pure: time and randomness are
 * arguments, and the caller opens and closes the connections.
 *
 * Each client reads from a few that it dials, and accepts more that read from
 * it, so that newcomers find a place. A client that cannot be dialled dials
 * twice: see `offers.ts`.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { Backoffs } from "./backoffs.ts";

/** A holder that the relay named. */
export interface KnownHolder {
  readonly id: string;
  /** The address group that connections are shared out among. */
  readonly group: string;
}

/** A holder that is being dialled, or was reached. */
interface SwarmConnection {
  readonly group: string;
  /** When it last delivered bytes; at first when it was dialled. */
  activeAt: number;
}

/** Options of {@linkcode SwarmConnections}. */
export interface SwarmConnectionsOptions {
  /** This client's id as a holder. */
  readonly id: string;
  readonly numbers: Limits;
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
}

/** The connections of one client for one content. */
export class SwarmConnections {
  readonly #options: SwarmConnectionsOptions;
  readonly #dialled = new Map<string, SwarmConnection>();
  /** The groups of the holders that the relay named last. */
  #known: ReadonlyMap<string, string> = new Map();
  /** Those of them that it had not named before. */
  #fresh: ReadonlySet<string> = new Set();
  /** How many to dial, as often as it has named some. */
  #dialCount = 0;
  /** Holders that are not dialled again before a time. */
  readonly #rests: Backoffs;
  #isComplete = false;

  /** No connections, and no holders known. */
  constructor(options: SwarmConnectionsOptions) {
    const { swarmFirstRetryMs: firstMs, swarmRetryMs: mostMs } =
      options.numbers;
    this.#options = options;
    this.#rests = new Backoffs({ firstMs, mostMs });
  }

  /** Notes the holders that the relay named, in place of those before. */
  learned(holders: Iterable<KnownHolder>): void {
    const before = new Set(this.#known.keys());
    const known = new Map<string, string>();
    for (const { id, group } of holders) known.set(id, group);
    known.delete(this.#options.id);
    this.#known = known;
    this.#fresh = new Set(known.keys()).difference(before);
    if (known.size === 0) return;
    const { swarmDialCount, swarmFirstDialCount } = this.#options.numbers;
    const more = this.#dialCount + swarmFirstDialCount;
    this.#dialCount = Math.min(swarmDialCount, more);
  }

  /** Records that this client has all pieces: it dials no more clients. */
  completed(): void {
    this.#isComplete = true;
  }

  /**
   * Holders to dial now. Each takes a place until {@linkcode
   * SwarmConnections.closed}.
   */
  toDial(now: number): string[] {
    if (this.#isComplete) return [];
    const room = this.#dialCount - this.#dialled.size;
    const ids = this.#candidates(now).slice(0, Math.max(0, room));
    for (const id of ids) {
      this.#dialled.set(id, { group: this.#known.get(id)!, activeAt: now });
    }
    return ids;
  }

  /** A holder has delivered bytes. */
  brought(id: string, now: number): void {
    const connection = this.#dialled.get(id);
    if (connection !== undefined) connection.activeAt = now;
  }

  /**
   * The idlest connection, if it sent nothing for `swarmConnectionIdleMs`, and
   * keeps another holder from being dialled. The caller ends it.
   */
  toEnd(now: number): string | undefined {
    const isFull = this.#dialled.size >= this.#dialCount;
    const isNeeded = !this.#isComplete && isFull;
    if (!isNeeded || this.#candidates(now).length === 0) return undefined;
    let idlest: string | undefined;
    let longest = this.#options.numbers.swarmConnectionIdleMs;
    for (const [id, { activeAt }] of this.#dialled) {
      if (now - activeAt < longest) continue;
      [idlest, longest] = [id, now - activeAt];
    }
    return idlest;
  }

  /**
   * Known holders without a connection, in an order of chance: first one of
   * each address group, then a second one, connections included. Anybody can
   * run many at one address. Among equals those are first that the relay had
   * not named before: fewer clients know them.
   */
  #candidates(now: number): string[] {
    const ids = [...this.#known.keys()].filter((id) =>
      !this.#dialled.has(id) && !this.#rests.has(id, now)
    );
    for (let at = ids.length - 1; at > 0; at--) {
      const other = Math.floor(this.#options.random() * (at + 1));
      [ids[at], ids[other]] = [ids[other]!, ids[at]!];
    }
    const { fresh = [], others = [] } = Object.groupBy(
      ids,
      (id) => this.#fresh.has(id) ? "fresh" : "others",
    );
    const counts = new Map<string, number>();
    for (const { group } of this.#dialled.values()) addOne(counts, group);
    const ranks = new Map<string, number>();
    for (const id of [...fresh, ...others]) {
      ranks.set(id, addOne(counts, this.#known.get(id)!));
    }
    return [...ranks.keys()].sort((one, other) =>
      ranks.get(one)! - ranks.get(other)!
    );
  }

  /** A dial failed, or a connection ended: the holder rests for a while. */
  closed(id: string, now: number): void {
    this.#dialled.delete(id);
    this.#rests.begin(id, now);
  }
}

/** Counts one more of `group`, and returns how many there were. */
function addOne(counts: Map<string, number>, group: string): number {
  const count = counts.get(group) ?? 0;
  counts.set(group, count + 1);
  return count;
}

/** Milliseconds from one request for holders to the next. */
export function requestPauseMs(sinceStartMs: number, numbers: Limits): number {
  const { swarmRequestFirstMs, swarmRequestSoonMs } = numbers;
  const { swarmRequestEveryMs, swarmRequestLaterMs } = numbers;
  if (sinceStartMs >= swarmRequestSoonMs) return swarmRequestLaterMs;
  return Math.min(
    swarmRequestEveryMs,
    Math.max(swarmRequestFirstMs, sinceStartMs),
  );
}
