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
  readonly #onTaken: (use: Use) => void;
  #count = 0;
  /** No link of which fetches are remembered expires before. */
  #earliest = Infinity;

  /** `onTaken` gets every fetch that is counted for the first time. */
  constructor(
    { linkUseCount }: Pick<Limits, "linkUseCount">,
    onTaken: (use: Use) => void = () => {},
  ) {
    this.#most = linkUseCount;
    this.#onTaken = onTaken;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts a fetch, once; `now` is in seconds since 1970. */
  take(use: Use, now: number): UseOutcome {
    const { serial, uses, fetch, expires } = use;
    const link = this.#links.get(serial) ?? { fetches: new Set(), expires };
    if (link.fetches.has(fetch)) return "counted";
    if (link.fetches.size >= uses) return "used_up";
    if (!this.#note(use, now)) return "no_room";
    this.#onTaken(use);
    return "counted";
  }

  /** Counts a fetch that another instance of the relay has let in. */
  learn(use: Omit<Use, "uses">, now: number): "taken" | "stale" | "full" {
    const { serial, fetch, expires } = use;
    const isKnown = this.#links.get(serial)?.fetches.has(fetch);
    if (isKnown || expires < now) return "stale";
    return this.#note(use, now) ? "taken" : "full";
  }

  /** Each fetch, as `SERIAL.FETCH`. */
  *ids(): Iterable<string> {
    for (const [serial, { fetches }] of this.#links) {
      for (const fetch of fetches) yield `${serial}.${fetch}`;
    }
  }

  /** When the link of such a fetch expires; `undefined` if it is not known. */
  find(id: string): Pick<Use, "expires"> | undefined {
    const [serial = "", fetch = ""] = id.split(".");
    const link = this.#links.get(serial);
    return link?.fetches.has(fetch) ? { expires: link.expires } : undefined;
  }

  #note(
    { serial, fetch, expires }: Omit<Use, "uses">,
    now: number,
  ): boolean {
    if (this.#count >= this.#most) this.#forget(now);
    if (this.#count >= this.#most) return false;
    const link = this.#links.get(serial) ?? { fetches: new Set(), expires };
    link.fetches.add(fetch);
    this.#links.set(serial, link);
    this.#earliest = Math.min(this.#earliest, link.expires);
    this.#count++;
    return true;
  }

  /** Forgets expired links: nobody accepts them any more. */
  #forget(now: number): void {
    if (this.#earliest >= now) return;
    this.#earliest = Infinity;
    for (const [serial, { fetches, expires }] of this.#links) {
      if (expires >= now) {
        this.#earliest = Math.min(this.#earliest, expires);
        continue;
      }
      this.#links.delete(serial);
      this.#count -= fetches.size;
    }
  }
}
