/**
 * Remembers how long the handshakes of each address group have recently held
 * places, and which groups said hello. Pure: time is an argument, in
 * milliseconds on any monotonic clock.
 *
 * @module
 */

import { keepNewest, putLast } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";

interface Use {
  /** In units of `handshakeGraceMs`; old ones count less. */
  units: number;
  /** The time at which `units` was computed. */
  at: number;
}

/** The record of all address groups. */
export class PlaceUse {
  readonly #limits: Limits;
  /** The group that gave up a place last is at the end. */
  readonly #uses = new Map<string, Use>();
  /** Groups with a peer that sent a hello; the last one is at the end. */
  readonly #known = new Set<string>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Address groups whose use is remembered. */
  get groupCount(): number {
    return this.#uses.size;
  }

  /** How much `group` has used, in units of `handshakeGraceMs`. */
  units(group: string, now: number): number {
    const use = this.#uses.get(group);
    if (use === undefined) return 0;
    return use.units * 0.5 ** ((now - use.at) / this.#limits.placeHalfLifeMs);
  }

  /**
   * Notes that a handshake of `group` held a place for `ms`, however it ended.
   * At most `handshakeGraceMs` are counted: it kept the place longer only
   * because nobody else needed it.
   */
  held(group: string, ms: number, now: number): void {
    const more = Math.min(1, ms / this.#limits.handshakeGraceMs);
    const units = this.units(group, now) + more;
    const { handshakeGroupCount } = this.#limits;
    putLast(this.#uses, [group, { units, at: now }], handshakeGroupCount);
  }

  /** Notes that a peer of `group` sent a hello. */
  greeted(group: string): void {
    this.#known.delete(group);
    this.#known.add(group);
    keepNewest(this.#known, this.#limits.handshakeGroupCount);
  }

  /** Whether a peer of `group` has sent a hello. */
  isKnown(group: string): boolean {
    return this.#known.has(group);
  }
}
