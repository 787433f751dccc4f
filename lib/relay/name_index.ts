/**
 * Which nodes may have a name: pairs of a fingerprint and a node, in sorted
 * blocks of typed arrays. Pure, and no call does more than a bounded amount of
 * work.
 *
 * A pair that is removed is only marked. When a node is removed, its slot
 * becomes invalid, and so do its pairs. They are removed when their block is
 * rewritten. If there are many, `tidy` rewrites block after block. Another node
 * gets the slot when the last of its pairs was removed.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { BLOCK_PAIRS, type Pair, PairBlock, Run } from "./pair_block.ts";

/** Why a fingerprint was not added. */
export type IndexRefusal = "node_full" | "group_full" | "index_full";

// Tidying begins when one pair of this many is garbage.
const GARBAGE_PART = 8;
// When the index is this full, large address groups lose nodes to small ones.
const CROWDED_PART = 7 / 8;
// The part of a crowded index that all groups share equally: the rest is for
// new nodes.
const SHARED_PART = 3 / 4;
// A group that holds this many times its share loses nodes.
const OVER_SHARE = 3 / 2;
// Two neighbours with fewer pairs than this together become one block.
const JOINED_PAIRS = 2_048;

/** What the nodes of one address group have together. */
interface GroupState {
  readonly name: string;
  /** Their fingerprints. */
  held: number;
  /** Their live slots. */
  slots: number;
}

/** A node's place in the index. */
interface SlotState {
  readonly group: GroupState;
  /** Its fingerprints. */
  pairs: number;
  /** The highest it ever had: above it, no search is needed. */
  highest: number;
}

/** The fingerprints of all nodes. */
export class NameIndex {
  readonly #limits: Limits;
  /** In the order of their pairs; there is always one. */
  readonly #blocks: PairBlock[] = [new PairBlock(new Run(0))];
  /** The first fingerprint of each block: one array to search. */
  #firsts = new Float64Array(1);
  readonly #slots: (SlotState | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  /**
   * 1 for each slot of a node that is there. Apart from the slots: a look-up of a
   * common name visits a thousand of them, and these bytes stay in the cache.
   */
  #live = new Uint8Array(1_024);
  /** Pairs in the blocks for each slot, also those that are marked. */
  #storedOf = new Uint32Array(1_024);
  readonly #groups = new Map<string, GroupState>();
  /** Groups with fingerprints. */
  #holdingCount = 0;
  /** Pairs of live slots that are not marked. */
  #pairs = 0;
  /** All pairs in the blocks. */
  #stored = 0;
  #isTidying = false;
  /** The next block to tidy. */
  #tidyAt = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Fingerprints of all nodes. */
  get entryCount(): number {
    return this.#pairs;
  }

  /** Bytes of the arrays that hold them. */
  get bytes(): number {
    return this.#blocks.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** A slot for a node at an address of `group`. */
  open(group: string): number {
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    const state = this.#groups.get(group) ?? { name: group, held: 0, slots: 0 };
    state.slots++;
    this.#groups.set(group, state);
    this.#slots[slot] = { group: state, pairs: 0, highest: -1 };
    if (slot >= this.#live.length) {
      const [live, storedOf] = [this.#live, this.#storedOf];
      this.#live = new Uint8Array(2 * live.length);
      this.#live.set(live);
      this.#storedOf = new Uint32Array(2 * live.length);
      this.#storedOf.set(storedOf);
    }
    this.#live[slot] = 1;
    return slot;
  }

  /** Removes a node with all of its fingerprints. */
  close(slot: number): void {
    const state = this.#stateOf(slot);
    this.#live[slot] = 0;
    this.#slots[slot] = undefined;
    if (this.#storedOf[slot] === 0) this.#freeSlots.push(slot);
    this.#count(state, -state.pairs);
    const { group } = state;
    if (--group.slots === 0) this.#groups.delete(group.name);
  }

  /** Fingerprints of a node. */
  entriesOf(slot: number): number {
    return this.#stateOf(slot).pairs;
  }

  /** Adds a fingerprint to a node's. Returns why it could not. */
  add(fingerprint: number, slot: number): IndexRefusal | undefined {
    const state = this.#stateOf(slot);
    const pair = pairOf(fingerprint, slot);
    const number = this.#blockOf(pair);
    const block = this.#blocks[number]!;
    // A node sends its fingerprints in ascending order. After a restart, 1,000
    // nodes send theirs at once.
    const at = fingerprint > state.highest ? -1 : block.placeOf(pair);
    const isNew = at < 0;
    if (!isNew && !block.isRemoved(at)) return undefined;
    const refusal = this.#refusalOf(state, isNew);
    if (refusal !== undefined) return refusal;
    this.#count(state, 1);
    if (!isNew) {
      block.mark(at, { removed: false });
      return undefined;
    }
    block.append(pair);
    this.#storedOf[slot]!++;
    state.highest = Math.max(state.highest, fingerprint);
    this.#stored++;
    if (block.isFull) this.#rewrite(number);
    return undefined;
  }

  /** Removes a fingerprint of a node, if it has it. */
  remove(fingerprint: number, slot: number): void {
    const state = this.#stateOf(slot);
    const pair = pairOf(fingerprint, slot);
    const block = this.#blocks[this.#blockOf(pair)]!;
    const at = block.placeOf(pair);
    if (at < 0 || block.isRemoved(at)) return;
    block.mark(at, { removed: true });
    this.#count(state, -1);
  }

  /**
   * Calls `visit` with the slot of each node with a fingerprint, once, until it
   * returns false. Returns the number of pairs it went through, also those of
   * removed nodes.
   */
  visit(fingerprint: number, visit: (slot: number) => boolean): number {
    const first = pairOf(fingerprint, 0);
    const last = pairOf(fingerprint, LAST_SLOT);
    const live = this.#live;
    let count = 0;
    const visitLive = (slot: number) => {
      count++;
      return live[slot] === 0 || visit(slot);
    };
    let number = this.#blockOf(first);
    let goesOn: boolean;
    do {
      const block = this.#blocks[number++]!;
      goesOn = block.visit(first.high, first.low, visitLive);
    } while (
      goesOn && number < this.#blocks.length &&
      this.#blocks[number]!.compareFirst(last) <= 0
    );
    return count;
  }

  /**
   * Which index is replaced if there is no room. `index_full` if the node's
   * address group holds more than its share, and more than half of what the
   * largest group holds. Otherwise the slot of the node that is removed from
   * the index, if a group holds much more than its share, and more than twice
   * as much.
   */
  makeWayFor(slot: number): "index_full" | number | undefined {
    const { indexEntryCount } = this.#limits;
    if (this.#stored < indexEntryCount * CROWDED_PART) return undefined;
    const { group } = this.#stateOf(slot);
    const { held } = group;
    const groupCount = this.#holdingCount + Number(held === 0);
    if (groupCount === 1) return undefined;
    const share = indexEntryCount * SHARED_PART / groupCount;
    const largest = this.#largestGroup(group);
    const isSmall = 2 * held <= largest.held;
    if (held > share && !isSmall) return "index_full";
    // Equal groups hold a little more than their shares, and stay. Garbage is
    // room enough until it is removed.
    const isOver = largest.held > OVER_SHARE * share && isSmall &&
      !this.#isMuchGarbage;
    return isOver ? this.#largestSlotOf(largest) : undefined;
  }

  /** The group that holds most; `first` if all hold as much. */
  #largestGroup(first: GroupState): GroupState {
    let largest = first;
    for (const group of this.#groups.values()) {
      if (group.held > largest.held) largest = group;
    }
    return largest;
  }

  #largestSlotOf(group: GroupState): number | undefined {
    let [largest, most]: [number | undefined, number] = [undefined, 0];
    for (const [slot, state] of this.#slots.entries()) {
      if (state?.group !== group || state.pairs <= most) continue;
      [largest, most] = [slot, state.pairs];
    }
    return largest;
  }

  get #isMuchGarbage(): boolean {
    const garbage = this.#stored - this.#pairs;
    return garbage > 0 && garbage * GARBAGE_PART >= this.#stored;
  }

  /** Removes garbage from one or two blocks if the index is full. */
  makeRoom(): void {
    if (this.#stored >= this.#limits.indexEntryCount) this.tidy(BLOCK_PAIRS);
  }

  /**
   * Removes garbage from some blocks, with `most` pairs or a block more, if
   * there is much of it. Returns whether it has not finished.
   */
  tidy(most: number): boolean {
    if (!this.#isTidying) {
      if (!this.#isMuchGarbage) return false;
      this.#isTidying = true;
      this.#tidyAt = 0;
    }
    for (let left = most; left > 0 && this.#tidyAt < this.#blocks.length;) {
      left -= this.#blocks[this.#tidyAt]!.count;
      this.#tidyAt += this.#rewrite(this.#tidyAt);
    }
    if (this.#tidyAt < this.#blocks.length) return true;
    this.#isTidying = false;
    return false;
  }

  /** A pair of a slot is no longer in the blocks. */
  readonly #removed = (slot: number): void => {
    const left = this.#storedOf[slot]! - 1;
    this.#storedOf[slot] = left;
    if (left === 0 && this.#live[slot] === 0) this.#freeSlots.push(slot);
  };

  #stateOf(slot: number): SlotState {
    const state = this.#slots[slot];
    if (state !== undefined) return state;
    throw new TypeError(`Cannot use slot ${slot}: it is not open`);
  }

  #refusalOf(
    { pairs, group }: SlotState,
    isNew: boolean,
  ): IndexRefusal | undefined {
    const limits = this.#limits;
    if (pairs >= limits.indexEntriesPerNodeCount) return "node_full";
    if (group.held >= limits.indexEntriesPerAddressCount) return "group_full";
    return isNew && this.#stored >= limits.indexEntryCount
      ? "index_full"
      : undefined;
  }

  #count(state: SlotState, change: number): void {
    state.pairs += change;
    this.#pairs += change;
    const { group } = state;
    this.#holdingCount -= Number(group.held > 0);
    group.held += change;
    this.#holdingCount += Number(group.held > 0);
  }

  /**
   * The last block that begins at or before `pair`; if none does, the first.
   */
  #blockOf(pair: Pair): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    const firsts = this.#firsts;
    const fingerprint = pair.high * 256 + pair.low;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const difference = firsts[middle]! - fingerprint ||
        this.#blocks[middle]!.compareFirst(pair);
      if (difference <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Puts blocks in the place of `count` others. */
  #replace(number: number, count: number, news: readonly PairBlock[]): void {
    const before = this.#blocks.length;
    this.#blocks.splice(number, count, ...news);
    const after = this.#blocks.length;
    if (after > this.#firsts.length) {
      const larger = new Float64Array(2 * after);
      larger.set(this.#firsts);
      this.#firsts = larger;
    }
    const behind = number + news.length;
    this.#firsts.copyWithin(behind, number + count, before);
    for (const [n, { first }] of news.entries()) {
      this.#firsts[number + n] = first;
    }
  }

  /**
   * Sorts a block and drops its garbage, with the next one if both are short.
   * Returns the number of blocks in its place.
   */
  #rewrite(number: number): number {
    const [block, next] = this.#blocks.slice(number, number + 2);
    const olds = next !== undefined && block!.count + next.count <= JOINED_PAIRS
      ? [block!, next]
      : [block!];
    const before = olds.reduce((sum, { count }) => sum + count, 0);
    const run = new Run(before);
    for (const old of olds) old.copyTo(run, this.#live, this.#removed);
    this.#stored += run.count - before;
    const news = [...run.blocks()];
    if (news.length === 0 && this.#blocks.length === olds.length) {
      news.push(new PairBlock(run));
    }
    this.#replace(number, olds.length, news);
    // Tidying visits a block twice rather than never.
    if (number < this.#tidyAt) {
      const moved = this.#tidyAt + news.length - olds.length;
      this.#tidyAt = Math.max(0, moved);
    }
    return news.length;
  }
}

const LAST_SLOT = 0x7fff_ffff;

function pairOf(fingerprint: number, slot: number): Pair {
  return { high: Math.floor(fingerprint / 256), low: fingerprint % 256, slot };
}
