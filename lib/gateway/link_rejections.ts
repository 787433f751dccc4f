/**
 * Counts links that relays rejected. A relay that has rejected several blocks
 * the gateway, so the gateway stops before that number. Each address group has
 * its own count first: so one stranger cannot use up the attempts of all. Pure:
 * time is an argument.
 *
 * @module
 */

import { keepNewest } from "../base/collections.ts";
import { createSha256 } from "../base/hash.ts";
import type { Limits } from "../base/limits.ts";
import { RecentCounts } from "./recent.ts";

/** Too many links were rejected: no other is tried for a while. */
export class TooManyRejected extends Error {
  override readonly name = "TooManyRejected";
}

/** The address that asks, and its link. */
export interface LinkAttempt {
  /** The link as text. */
  readonly text: string;
  /** The group of the address that asks. */
  readonly source: string;
}

const ALL = "";
// Accepted links that are remembered: 100 bytes each.
const MOST_ACCEPTED = 1_000;

/** What relays rejected in the last minute, and what they accepted. */
export class LinkRejections {
  readonly #limits: Limits;
  readonly #counts = new RecentCounts();
  /** Hashes of links. */
  readonly #accepted = new Set<string>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * Whether a link may be tried. One that was accepted before always may.
   *
   * @throws {TooManyRejected} if not.
   */
  check({ text, source }: LinkAttempt, now: number): void {
    if (this.#accepted.has(hashOf(text))) return;
    const { gatewayLinkRejectedCount, gatewayAllLinksRejectedCount } =
      this.#limits;
    const own = this.#counts.countOf(source, now);
    const all = this.#counts.countOf(ALL, now);
    if (
      own >= gatewayLinkRejectedCount || all >= gatewayAllLinksRejectedCount
    ) {
      throw new TooManyRejected();
    }
  }

  /** A relay rejected it. */
  note({ text, source }: LinkAttempt, now: number): void {
    this.#accepted.delete(hashOf(text));
    this.#counts.note(source, now);
    this.#counts.note(ALL, now);
  }

  /** All of its relays accepted it. */
  accepted({ text }: LinkAttempt): void {
    this.#accepted.add(hashOf(text));
    keepNewest(this.#accepted, MOST_ACCEPTED);
  }
}

function hashOf(text: string): string {
  return createSha256().update(new TextEncoder().encode(text)).digest("hex");
}
