/**
 * Which clients of a swarm one client stays connected to: whom to dial, whom to
 * accept, and whom to drop. Pure: time and randomness are arguments, and the
 * caller opens and closes the connections.
 *
 * Each client dials a few and accepts more, so that newcomers find a place. Two
 * clients have one connection at most: if both dial, the dial of the smaller id
 * stays.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/** The numbers that links keep to. */
export type LinkNumbers = Pick<
  Limits,
  | "swarmDialCount"
  | "swarmFirstDialCount"
  | "swarmAcceptCount"
  | "swarmIdleMs"
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

/** Why a client that dialled gets no link. */
export type LinkRefusal = "full" | "double";

interface Link {
  readonly isDialled: boolean;
  isOpen: boolean;
  /** When a piece last went either way, or when it was opened. */
  movedAt: number;
  isComplete: boolean;
}

/** The links of one client for one content. */
export class SwarmLinks {
  readonly #options: SwarmLinksOptions;
  readonly #links = new Map<string, Link>();
  /** Holders that the relay named last. */
  #known: readonly string[] = [];
  /** Those of them that it had not named before. */
  #fresh: ReadonlySet<string> = new Set();
  /** How many to dial, as often as it has named some. */
  #dialCount = 0;
  /** Holders that are not dialled again before a time. */
  readonly #restUntil = new Map<string, number>();
  #isComplete = false;

  /** No links, and no holders known. */
  constructor(options: SwarmLinksOptions) {
    this.#options = options;
  }

  /** Links that are open. */
  get openCount(): number {
    let count = 0;
    for (const { isOpen } of this.#links.values()) if (isOpen) count++;
    return count;
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

  /** Notes that this client has everything: it dials nobody any more. */
  completed(): void {
    this.#isComplete = true;
  }

  /**
   * Holders to dial now. Each takes a place until {@linkcode SwarmLinks.closed}.
   */
  toDial(now: number): string[] {
    if (this.#isComplete) return [];
    const room = this.#dialCount - this.#countOf(true);
    const ids = this.#candidates(now).slice(0, Math.max(0, room));
    for (const id of ids) this.#add(id, { isDialled: true, now });
    return ids;
  }

  /**
   * Known holders without a link, in an order of chance: first those that the
   * relay had not named before. Fewer clients know them.
   */
  #candidates(now: number): string[] {
    for (const [id, until] of this.#restUntil) {
      if (until <= now) this.#restUntil.delete(id);
    }
    const ids = this.#known.filter((id) =>
      !this.#links.has(id) && !this.#restUntil.has(id)
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

  #countOf(isDialled: boolean): number {
    let count = 0;
    for (const link of this.#links.values()) {
      if (link.isDialled === isDialled) count++;
    }
    return count;
  }

  #add(
    id: string,
    { isDialled, now }: { isDialled: boolean; now: number },
  ): void {
    const isOpen = !isDialled;
    const link = { isDialled, isOpen, movedAt: now, isComplete: false };
    this.#links.set(id, link);
  }

  /** A dial was answered; whether the link is to stay. */
  opened(id: string, now: number): boolean {
    const link = this.#links.get(id);
    if (link?.isDialled !== true) return false; // its own dial has won
    link.isOpen = true;
    link.movedAt = now;
    return true;
  }

  /** Another client has dialled; why it gets no link, or `undefined`. */
  accept(id: string, now: number): LinkRefusal | undefined {
    const link = this.#links.get(id);
    if (link !== undefined) {
      const isTheirs = !link.isOpen && id < this.#options.id;
      if (!isTheirs) return "double";
    }
    const { swarmAcceptCount } = this.#options.numbers;
    if (this.#countOf(false) >= swarmAcceptCount) return "full";
    this.#add(id, { isDialled: false, now });
    return undefined;
  }

  /** A dial failed, or a link ended: the holder rests for a while. */
  closed(id: string, now: number): void {
    this.#links.delete(id);
    this.#restUntil.set(id, now + this.#options.numbers.swarmRetryMs);
  }

  /** A piece went over a link, in either direction. */
  moved(id: string, now: number): void {
    const link = this.#links.get(id);
    if (link !== undefined) link.movedAt = now;
  }

  /** The client at the other end has everything. */
  isComplete(id: string): void {
    const link = this.#links.get(id);
    if (link !== undefined) link.isComplete = true;
  }

  /**
   * Links to close now: those between two complete clients, and idle ones whose
   * place another can take. The caller says {@linkcode SwarmLinks.closed}.
   */
  toDrop(now: number): string[] {
    const { swarmIdleMs, swarmAcceptCount } = this.#options.numbers;
    let others = this.#isComplete ? 0 : this.#candidates(now).length;
    const isFull = this.#countOf(false) >= swarmAcceptCount;
    const ids: string[] = [];
    for (const [id, link] of this.#links) {
      if (!link.isOpen) continue;
      const isIdle = now - link.movedAt >= swarmIdleMs;
      const isReplaced = link.isDialled ? others > 0 : isFull;
      if (this.#isComplete && link.isComplete) ids.push(id);
      else if (isIdle && isReplaced) {
        ids.push(id);
        if (link.isDialled) others--;
      }
    }
    return ids;
  }
}

/** Milliseconds from one question for holders to the next. */
export function askAgainMs(sinceStartMs: number, numbers: LinkNumbers): number {
  const { swarmAskFirstMs, swarmAskSoonMs } = numbers;
  const { swarmAskEveryMs, swarmAskLaterMs } = numbers;
  if (sinceStartMs >= swarmAskSoonMs) return swarmAskLaterMs;
  return Math.min(swarmAskEveryMs, Math.max(swarmAskFirstMs, sinceStartMs));
}
