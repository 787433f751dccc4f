/**
 * A queue of numbers in ascending order, each once. Pure. The usual operations,
 * adding a number above the last one and removing the first, cost one step.
 *
 * @module
 */

// Removed numbers are cut off together, so that the rest is rarely moved.
const TAKEN_COUNT = 1_024;

/** A queue of numbers, smallest first. */
export class IndexQueue {
  readonly #indices: number[] = [];
  #head = 0;

  /** The smallest number. */
  get first(): number | undefined {
    return this.#indices[this.#head];
  }

  /** Removes the smallest number. */
  shift(): void {
    this.#head++;
    if (this.#head < TAKEN_COUNT && this.#head < this.#indices.length) return;
    this.#indices.splice(0, this.#head);
    this.#head = 0;
  }

  /** Adds a number, unless the queue has it. */
  push(index: number): void {
    const indices = this.#indices;
    let low = this.#head;
    let high = indices.length;
    if (high === low || index > indices[high - 1]!) {
      indices.push(index);
      return;
    }
    while (low < high) {
      const middle = (low + high) >> 1;
      if (indices[middle]! < index) low = middle + 1;
      else high = middle;
    }
    if (indices[low] !== index) indices.splice(low, 0, index);
  }
}
