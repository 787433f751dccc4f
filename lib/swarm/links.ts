/**
 * Which clients of a swarm one client dials. Pure: time and randomness are
 * arguments, and the caller opens and closes the connections.
 *
 * Each client reads from a few that it dials, and accepts more that read from it,
 * so that newcomers find a place. A client that cannot be dialled dials twice: see
 * `offers.ts`.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { Rests } from "./rests.ts";

/** The numbers that links keep to. */
export type LinkNumbers = Pick<
  Limits,
  | "swarmDialCount"
  | "swarmFirstDialCount"
  | "swarmFirstRetryMs"
  | "swarmRetryMs"
  | "swarmAskFirstMs"
  | "swarmAskSoonMs"
  | "swarmAskEveryMs"
  | "swarmAskLaterMs"
>;

/** Options of {@linkcode SwarmLinks}. */
export interface SwarmLinksOptions {
  /** This client's id as a holder. */
  readonly id: string;
  readonly numbers: LinkNumbers;
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
}

/** The links of one client for one content. */
export class SwarmLinks {
  readonly #options: SwarmLinksOptions;
  /** Holders that are being dialled, or were reached. */
  readonly #dialled = new Set<string>();
  /** Holders that the relay named last. */
  #known: readonly string[] = [];
  /** Those of them that it had not named before. */
  #fresh: ReadonlySet<string> = new Set();
  /** How many to dial, as often as it has named some. */
  #dialCount = 0;
  /** Holders that are not dialled again before a time. */
  readonly #rests: Rests;
  #isComplete = false;

  /** No links, and no holders known. */
  constructor(options: SwarmLinksOptions) {
    const { swarmFirstRetryMs: firstMs, swarmRetryMs: mostMs } =
      options.numbers;
    this.#options = options;
    this.#rests = new Rests({ firstMs, mostMs });
  }

  /** Notes the holders that the relay named, in place of those before. */
  learned(holders: Iterable<string>): void {
    const before = new Set(this.#known);
    this.#known = [...holders].filter((id) => id !== this.#options.id);
    this.#fresh = new Set(this.#known).difference(before);
    if (this.#known.length === 0) return;
    const { swarmDialCount, swarmFirstDialCount } = this.#options.numbers;
    const more = this.#dialCount + swarmFirstDialCount;
    this.#dialCount = Math.min(swarmDialCount, more);
  }

  /** Records that this client has all pieces: it dials no more clients. */
  completed(): void {
    this.#isComplete = true;
  }

  /**
   * Holders to dial now. Each takes a place until {@linkcode SwarmLinks.closed}.
   */
  toDial(now: number): string[] {
    if (this.#isComplete) return [];
    const room = this.#dialCount - this.#dialled.size;
    const ids = this.#candidates(now).slice(0, Math.max(0, room));
    for (const id of ids) this.#dialled.add(id);
    return ids;
  }

  /**
   * Known holders without a link, in an order of chance: first those that the
   * relay had not named before. Fewer clients know them.
   */
  #candidates(now: number): string[] {
    const ids = this.#known.filter((id) =>
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
    return [...fresh, ...others];
  }

  /** A dial failed, or a link ended: the holder rests for a while. */
  closed(id: string, now: number): void {
    this.#dialled.delete(id);
    this.#rests.begin(id, now);
  }
}

/** Milliseconds from one question for holders to the next. */
export function askAgainMs(sinceStartMs: number, numbers: LinkNumbers): number {
  const { swarmAskFirstMs, swarmAskSoonMs } = numbers;
  const { swarmAskEveryMs, swarmAskLaterMs } = numbers;
  if (sinceStartMs >= swarmAskSoonMs) return swarmAskLaterMs;
  return Math.min(swarmAskEveryMs, Math.max(swarmAskFirstMs, sinceStartMs));
}
