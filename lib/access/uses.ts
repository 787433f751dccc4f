/**
 * Counts the uses of links. One use is one fetch, with any number of
 * connections and resumptions. Pure: time is an argument.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/** One fetch by one link. */
export interface Use {
  /** Serial number of the link. */
  readonly serial: string;
  /** How many fetches the link allows. */
  readonly uses: number;
  /** Identifies the fetch. */
  readonly fetch: string;
  /** When the link expires, in seconds since 1970. */
  readonly expires: number;
}

/** The outcome of one use; `no_room` if too many are remembered already. */
export type UseOutcome = "counted" | "used_up" | "no_room";

/** Remembers the fetches by each link until the link expires. */
export class Uses {
  readonly #most: number;
  readonly #links = new Map<
    string,
    { readonly fetches: Set<string>; readonly expires: number }
  >();
  #count = 0;

  constructor({ linkUseCount }: Pick<Limits, "linkUseCount">) {
    this.#most = linkUseCount;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts a fetch, once; `now` is in seconds since 1970. */
  take({ serial, uses, fetch, expires }: Use, now: number): UseOutcome {
    const link = this.#links.get(serial) ?? { fetches: new Set(), expires };
    if (link.fetches.has(fetch)) return "counted";
    if (link.fetches.size >= uses) return "used_up";
    if (this.#count >= this.#most) this.#forget(now);
    if (this.#count >= this.#most) return "no_room";
    link.fetches.add(fetch);
    this.#links.set(serial, link);
    this.#count++;
    return "counted";
  }

  /** Forgets expired links: nobody accepts them any more. */
  #forget(now: number): void {
    for (const [serial, { fetches, expires }] of this.#links) {
      if (expires >= now) continue;
      this.#links.delete(serial);
      this.#count -= fetches.size;
    }
  }
}
