/**
 * Nodes that said that they have a content, and then sent next to nothing: for
 * some time, others are asked first. Pure: time is an argument.
 *
 * @module
 */

import { putLast } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";

// Nodes that are remembered: 100 bytes each.
const MOST_NODES = 1_000;

/** Nodes that have stalled. */
export class StalledNodes {
  readonly #limits: Limits;
  /** Until when each counts as stalled, by its id. */
  readonly #until = new Map<string, number>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** A node has stalled. */
  note(id: string, now: number): void {
    const until = now + this.#limits.gatewayStalledMs;
    putLast(this.#until, [id, until], MOST_NODES);
  }

  /** Whether a node has stalled a while ago. */
  has(id: string, now: number): boolean {
    return (this.#until.get(id) ?? -Infinity) > now;
  }

  /** Those that have not stalled, then the others. */
  lastAmong<Holder extends { readonly node: { readonly id: string } }>(
    holders: readonly Holder[],
    now: number,
  ): readonly Holder[] {
    const hasStalled = ({ node }: Holder) => this.has(node.id, now);
    return [
      ...holders.filter((holder) => !hasStalled(holder)),
      ...holders.filter(hasStalled),
    ];
  }
}
