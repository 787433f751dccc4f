/**
 * An individual order of the numbers below a count: a random start, and steps
 * of a random stride. Pure: randomness is an argument.
 *
 * @module
 */

/** One order of `count` numbers. */
export class Permutation {
  readonly #count: number;
  readonly #start: number;
  readonly #stride: number;
  /** Product with the stride: 1, modulo the count. */
  readonly #inverse: number;

  /** `random` returns a number from 0 to below 1. */
  constructor(numberCount: number, random: () => number) {
    const count = Math.max(1, numberCount);
    this.#count = count;
    this.#start = Math.floor(random() * count);
    let stride = 1 + Math.floor(random() * count);
    let inverse = inverseOf(stride, count);
    // A stride that shares no divisor with the count visits each number once.
    while (inverse === undefined) inverse = inverseOf(++stride, count);
    this.#stride = stride % count;
    this.#inverse = inverse;
  }

  /** The number at a place. */
  at(place: number): number {
    return (this.#start + place * this.#stride) % this.#count;
  }

  /** The place of a number. */
  placeOf(number: number): number {
    const ahead = (number - this.#start + this.#count) % this.#count;
    return ahead * this.#inverse % this.#count;
  }
}

/** The inverse of a number modulo `modulus`, by Euclid's extended algorithm. */
function inverseOf(number: number, modulus: number): number | undefined {
  let [rest, next] = [modulus, number % modulus];
  let [factor, nextFactor] = [0, 1];
  while (next !== 0) {
    const times = Math.floor(rest / next);
    [rest, next] = [next, rest - times * next];
    [factor, nextFactor] = [nextFactor, factor - times * nextFactor];
  }
  if (rest !== 1) return undefined;
  return (factor % modulus + modulus) % modulus;
}
