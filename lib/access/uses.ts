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

/** Characters at the end of a serial number that distinguish secrets. */
export const TAG_LENGTH = 8;

/**
 * Remembers the fetches by each link until the link expires, or the secret that
 * it was made with.
 */
export class Uses {
  /** The ends of the serial numbers of links that are accepted, if not all are. */
  #tags: ReadonlySet<string> | undefined;
  /** Whether there may be others among them, which are forgotten first. */
  #hasStrange = false;
  readonly #most: number;
  readonly #links = new Map<
    string,
    { readonly fetches: Set<string>; readonly expires: number }
  >();
  readonly #onTaken: (use: Use) => void;
  #count = 0;
  /** The earliest expiry of the links whose fetches are remembered. */
  #earliest = Infinity;

  /** `onTaken` gets every fetch that is counted for the first time. */
  constructor(
    { linkUseCount }: Limits,
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

  /** Counts a fetch that another instance of the relay has admitted. */
  learn(use: Omit<Use, "uses">, now: number): "taken" | "stale" | "full" {
    const { serial, fetch, expires } = use;
    const isKnown = this.#links.get(serial)?.fetches.has(fetch);
    if (isKnown || expires < now) return "stale";
    // That instance may have a new secret, and this one not yet.
    if (!this.#isAccepted(serial)) this.#hasStrange = true;
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

  /**
   * From now on only links are accepted whose serial numbers end with one of the
   * `tags`. Forgets the others.
   */
  keepOnly(tags: Iterable<string>): void {
    this.#tags = new Set(tags);
    this.#removeStrange();
  }

  #removeStrange(): void {
    this.#hasStrange = false;
    this.#remove((serial) => !this.#isAccepted(serial));
  }

  #isAccepted(serial: string): boolean {
    return this.#tags?.has(serial.slice(-TAG_LENGTH)) ?? true;
  }

  #note(
    { serial, fetch, expires }: Omit<Use, "uses">,
    now: number,
  ): boolean {
    if (this.#count >= this.#most) this.#forget(now);
    const isFull = this.#count >= this.#most;
    if (isFull && this.#hasStrange) this.#removeStrange();
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
    this.#remove((_, expires) => expires < now);
  }

  #remove(isOver: (serial: string, expires: number) => boolean): void {
    this.#earliest = Infinity;
    for (const [serial, { fetches, expires }] of this.#links) {
      if (!isOver(serial, expires)) {
        this.#earliest = Math.min(this.#earliest, expires);
        continue;
      }
      this.#links.delete(serial);
      this.#count -= fetches.size;
    }
  }
}
