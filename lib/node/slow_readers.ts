/**
 * Bounds the memory that clients hold by reading slowly: what is sent to one
 * stays in memory until the client takes it. Slow clients together may hold as
 * much as all connections of one address. Beyond that, the node disconnects
 * slow clients of the address group with most of them, first those that have
 * been reading one buffer for longest, but never the only slow one of a group.
 * Clients that read in time do not count. Pure: the clock is an option.
 *
 * @module
 */

import { onDispose } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";
import { placeToEvict } from "../guard/eviction.ts";

/** Memory that a reader holds until it has taken what is being sent to it. */
export interface HeldMemory {
  /** The group of its address. */
  readonly group: string;
  readonly bytes: number;
  /** Cuts the reader off. */
  readonly end: () => void;
}

interface Held extends HeldMemory {
  readonly since: number;
}

/** The slow readers of one address group, the slowest first. */
interface SlowGroup {
  readonly readers: Held[];
}

/** What all readers of a node hold now. */
export class SlowReaders {
  readonly #limits: Limits;
  readonly #now: () => number;
  /** In the order in which sending began. */
  readonly #held = new Set<Held>();
  #bytes = 0;
  #checkedAt = -Infinity;

  constructor(limits: Limits, now = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Bytes that all readers hold. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Something is being sent to a reader. Disposing notes that it was taken. */
  sending(memory: HeldMemory): Disposable {
    const held = { ...memory, since: this.#now() };
    this.#held.add(held);
    this.#bytes += held.bytes;
    this.#check(held.since);
    return onDispose(() => {
      if (this.#held.delete(held)) this.#bytes -= held.bytes;
    });
  }

  #check(now: number): void {
    const { slowReaderBytes, slowReaderCheckMs } = this.#limits;
    if (this.#bytes <= slowReaderBytes) return;
    if (now - this.#checkedAt < slowReaderCheckMs) return;
    this.#checkedAt = now;
    const { groups, bytes } = this.#slowAt(now);
    for (let excess = bytes - slowReaderBytes; excess > 0;) {
      const group = placeToEvict(groups, {
        own: 0,
        sizeOf: ({ readers }) => readers.length,
      });
      const slowest = group?.readers.shift();
      if (slowest === undefined) return;
      excess -= slowest.bytes;
      slowest.end();
    }
  }

  /** The readers that have taken too long for what they hold. */
  #slowAt(now: number): { groups: SlowGroup[]; bytes: number } {
    const groups = new Map<string, SlowGroup>();
    let sum = 0;
    for (const held of this.#held) {
      if (now - held.since < this.#limits.slowReaderMs) break;
      const group = groups.get(held.group) ?? { readers: [] };
      group.readers.push(held);
      groups.set(held.group, group);
      sum += held.bytes;
    }
    return { groups: [...groups.values()], bytes: sum };
  }
}
