/**
 * Decides which TLS handshake begins next if many wait: one of the address
 * group that recently left the fewest handshakes unfinished. An attacker with
 * many addresses looks like many honest newcomers at first, but honest peers
 * then send a hello. Pure: time is an argument, in milliseconds on any
 * monotonic clock.
 *
 * @module
 */

import { putLast } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";

/** The record of one address group. */
interface Conduct {
  /** Handshakes without a hello; old ones count less. */
  unfinished: number;
  /** The time at which `unfinished` was computed. */
  at: number;
  /** Counts the handshakes of all groups. */
  turn: number;
}

/** A hello cancels its own handshake and another one. */
const HELLO_WORTH = 2;

/** Remembers how the handshakes of each address group ended. */
export class HandshakeOrder {
  readonly #limits: Limits;
  /** The group that began one last is at the end. */
  readonly #groups = new Map<string, Conduct>();
  #turn = 0;

  /** At first no group is known. */
  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Address groups that are remembered. */
  get groupCount(): number {
    return this.#groups.size;
  }

  /** Notes that a handshake of `group` begins. */
  begun(group: string, now: number): void {
    const unfinished = this.#unfinishedOf(group, now) + 1;
    const conduct = { unfinished, at: now, turn: ++this.#turn };
    putLast(this.#groups, [group, conduct], this.#limits.handshakeGroupCount);
  }

  /**
   * Notes that a peer of `group` sent a hello. A client of a new relay makes
   * one handshake to learn its certificate, and disconnects; the hello after
   * its next handshake cancels both.
   */
  finished(group: string, now: number): void {
    const conduct = this.#groups.get(group);
    if (conduct === undefined) return; // forgotten in the meantime
    const unfinished = this.#unfinishedOf(group, now) - HELLO_WORTH;
    conduct.unfinished = Math.max(0, unfinished);
    conduct.at = now;
  }

  /** Whether `group` left more handshakes unfinished than a newcomer would. */
  leavesSome(group: string, now: number): boolean {
    return this.#unfinishedOf(group, now) >= HELLO_WORTH;
  }

  /** The group that is next; `undefined` if there is none. */
  first(groups: Iterable<string>, now: number): string | undefined {
    let best: string | undefined;
    let fewest = Infinity;
    let earliest = Infinity;
    for (const group of groups) {
      const unfinished = this.#unfinishedOf(group, now);
      // A newcomer may be one of many addresses of an attacker.
      const turn = this.#groups.get(group)?.turn ?? Infinity;
      const isBetter = best === undefined || unfinished < fewest ||
        (unfinished === fewest && turn < earliest);
      if (isBetter) [best, fewest, earliest] = [group, unfinished, turn];
    }
    return best;
  }

  #unfinishedOf(group: string, now: number): number {
    const conduct = this.#groups.get(group);
    if (conduct === undefined) return 0;
    const halves = (now - conduct.at) / this.#limits.handshakeHalfLifeMs;
    return conduct.unfinished * 0.5 ** halves;
  }
}
