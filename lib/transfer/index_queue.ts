/**
 * Numbers in ascending order, each once: the next ones to look at. Pure. Adding
 * behind the last and taking the first, the usual operations, cost one step.
 *
 * @module
 */

// Taken places are given back together, so that none is moved often.
const TAKEN_COUNT = 1_024;

/** A queue of numbers, the smallest first. */
export class IndexQueue {
  readonly #indices: number[] = [];
  #head = 0;

  /** The smallest number. */
  get first(): number | undefined {
    return this.#indices[this.#head];
  }

  /** Takes the smallest away. */
  shift(): void {
    this.#head++;
    if (this.#head < TAKEN_COUNT && this.#head < this.#indices.length) return;
    this.#indices.splice(0, this.#head);
    this.#head = 0;
  }

  /** Adds a number, unless it is there. */
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
