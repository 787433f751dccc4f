/**
 * A block of pairs of a fingerprint and a node's slot: sorted ones, followed by
 * a short unsorted tail of new ones. Pure.
 *
 * @module
 */

/** A pair: the fingerprint's first 4 bytes, its last one, and a slot. */
export interface Pair {
  readonly high: number;
  readonly low: number;
  readonly slot: number;
}

/** The most sorted pairs of a block. */
export const BLOCK_PAIRS = 8_192;
/** Bytes of a pair. */
const PAIR_BYTES = 9;
// The tail has this part of the sorted pairs: a longer one takes more memory, a
// shorter one more time.
const TAIL_PART = 8;
const TAIL_LEAST = 32;
/** The bit that marks the slot of a removed pair. */
const REMOVED = 0x8000_0000;
// A key has 40 bits, a place in the tail at most 10.
const TAIL_PLACES = 1_024;

/** Sorted pairs with an unsorted tail. */
export class PairBlock {
  readonly #highs: Uint32Array;
  readonly #lows: Uint8Array;
  readonly #slots: Uint32Array;
  /** Sorted pairs. */
  readonly #sorted: number;
  #count: number;

  /** Holds `count` pairs of `run`, from `start`. */
  constructor(run: Run, start = 0, count = run.count) {
    const room = count + Math.max(TAIL_LEAST, Math.floor(count / TAIL_PART));
    const end = start + count;
    this.#highs = new Uint32Array(room);
    this.#lows = new Uint8Array(room);
    this.#slots = new Uint32Array(room);
    this.#highs.set(run.highs.subarray(start, end));
    this.#lows.set(run.lows.subarray(start, end));
    this.#slots.set(run.slots.subarray(start, end));
    this.#sorted = count;
    this.#count = count;
  }

  /** All pairs, with removed ones. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of its arrays. */
  get bytes(): number {
    return this.#highs.length * PAIR_BYTES;
  }

  /** Its first sorted fingerprint; -1 if it has none. */
  get first(): number {
    return this.#sorted === 0 ? -1 : this.#highs[0]! * 256 + this.#lows[0]!;
  }

  /** Whether there is no room for another pair. */
  get isFull(): boolean {
    return this.#count === this.#highs.length;
  }

  /** How its first sorted pair compares with `pair`; below 0 if it has none. */
  compareFirst(pair: Pair): number {
    return this.#sorted === 0 ? -1 : this.#compare(0, pair);
  }

  /** The place of a pair, removed or not; -1 if the block does not have it. */
  placeOf(pair: Pair): number {
    const at = this.#lowerBound(pair);
    if (at < this.#sorted && this.#compare(at, pair) === 0) return at;
    for (let tail = this.#nextInTail(pair.high, this.#sorted); tail >= 0;) {
      if (this.#compare(tail, pair) === 0) return tail;
      tail = this.#nextInTail(pair.high, tail + 1);
    }
    return -1;
  }

  /** Whether the pair at a place is marked as removed. */
  isRemoved(at: number): boolean {
    return this.#slots[at]! >= REMOVED;
  }

  /** Marks the pair at a place as removed, or as present. */
  mark(at: number, { removed }: { removed: boolean }): void {
    const slot = this.#slots[at]! & ~REMOVED;
    this.#slots[at] = removed ? slot | REMOVED : slot;
  }

  /** Adds a pair to the tail; there must be room. */
  append({ high, low, slot }: Pair): void {
    const at = this.#count++;
    this.#highs[at] = high;
    this.#lows[at] = low;
    this.#slots[at] = slot;
  }

  /**
   * Calls `visit` with the slot of each pair of a fingerprint, without removed
   * pairs, until it returns false. Returns whether it never did.
   */
  visit(high: number, low: number, visit: (slot: number) => boolean): boolean {
    const highs = this.#highs;
    const lows = this.#lows;
    const slots = this.#slots;
    const sorted = this.#sorted;
    let at = this.#lowerBound({ high, low, slot: 0 });
    for (; at < sorted && highs[at] === high && lows[at] === low; at++) {
      const slot = slots[at]!;
      if (slot < REMOVED && !visit(slot)) return false;
    }
    for (let tail = this.#nextInTail(high, sorted); tail >= 0;) {
      const slot = slots[tail]!;
      const isFound = lows[tail] === low && slot < REMOVED;
      if (isFound && !visit(slot)) return false;
      tail = this.#nextInTail(high, tail + 1);
    }
    return true;
  }

  /**
   * The first place in the tail, from `from` on, with these first bytes; -1 if
   * there is none. V8 searches a typed array several times as fast as a loop.
   */
  #nextInTail(high: number, from: number): number {
    const at = this.#highs.indexOf(high, from);
    return at < this.#count ? at : -1;
  }

  /**
   * Adds the pairs whose slots are 1 in `live` to `run`, in order. Calls
   * `onDropped` with the slot of each of the others, and of each removed pair.
   */
  copyTo(
    run: Run,
    live: Uint8Array,
    onDropped: (slot: number) => void = () => {},
  ): void {
    const highs = this.#highs;
    const lows = this.#lows;
    const slots = this.#slots;
    const sorted = this.#sorted;
    const tail = this.#tailInOrder();
    let to = run.count;
    let next = 0;
    for (let at = 0; at < sorted || next < tail.length;) {
      const isTail = at >= sorted ||
        next < tail.length && this.#isAfter(at, tail[next]!);
      const from = isTail ? tail[next++]! : at++;
      const slot = slots[from]!;
      if (slot >= REMOVED || live[slot] !== 1) {
        onDropped(slot & ~REMOVED);
        continue;
      }
      run.highs[to] = highs[from]!;
      run.lows[to] = lows[from]!;
      run.slots[to++] = slot;
    }
    run.count = to;
  }

  /** The places of the tail, in the order of their pairs. */
  #tailInOrder(): Uint32Array {
    const count = this.#count - this.#sorted;
    const keys = new Float64Array(count);
    for (let n = 0; n < count; n++) {
      const at = this.#sorted + n;
      keys[n] = (this.#highs[at]! * 256 + this.#lows[at]!) * TAIL_PLACES + n;
    }
    keys.sort();
    const places = new Uint32Array(count);
    for (let n = 0; n < count;) {
      const fingerprint = Math.floor(keys[n]! / TAIL_PLACES);
      let end = n;
      do end++; while (Math.floor(keys[end]! / TAIL_PLACES) === fingerprint);
      this.#sortBySlot(keys.subarray(n, end));
      for (; n < end; n++) places[n] = this.#sorted + keys[n]! % TAIL_PLACES;
    }
    return places;
  }

  /**
   * Sorts keys of one fingerprint. They are in the order of their arrival, which
   * nodes choose.
   */
  #sortBySlot(keys: Float64Array): void {
    if (keys.length === 1) return;
    for (const [n, key] of keys.entries()) {
      const place = key % TAIL_PLACES;
      const slot = this.#slots[this.#sorted + place]! & ~REMOVED;
      keys[n] = slot * TAIL_PLACES + place;
    }
    keys.sort();
  }

  /** Whether the pair at `a` comes after the one at `b`. */
  #isAfter(a: number, b: number): boolean {
    const difference = this.#highs[a]! - this.#highs[b]! ||
      this.#lows[a]! - this.#lows[b]! ||
      (this.#slots[a]! & ~REMOVED) - (this.#slots[b]! & ~REMOVED);
    return difference > 0;
  }

  /** The first place in the sorted pairs that is not before `pair`. */
  #lowerBound(pair: Pair): number {
    let low = 0;
    let high = this.#sorted;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, pair) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(at: number, { high, low, slot }: Pair): number {
    return this.#highs[at]! - high || this.#lows[at]! - low ||
      (this.#slots[at]! & ~REMOVED) - slot;
  }
}

/** Sorted pairs, to make blocks of. */
export class Run {
  readonly highs: Uint32Array;
  readonly lows: Uint8Array;
  readonly slots: Uint32Array;
  count = 0;

  /** Has room for `most` pairs. */
  constructor(most: number) {
    this.highs = new Uint32Array(most);
    this.lows = new Uint8Array(most);
    this.slots = new Uint32Array(most);
  }

  /** Blocks with all of its pairs. */
  *blocks(): Generator<PairBlock, void> {
    const parts = Math.ceil(this.count / BLOCK_PAIRS);
    const each = Math.ceil(this.count / Math.max(parts, 1));
    for (let at = 0; at < this.count; at += each) {
      yield new PairBlock(this, at, Math.min(each, this.count - at));
    }
  }
}
