/**
 * Randomness that is the same in every run.
 */

/** Numbers from 0 to below 1, decided by `seed` (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Bytes decided by `random`. */
export function randomBytes(
  length: number,
  random: () => number,
): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let at = 0; at < words.length; at++) words[at] = random() * 2 ** 32;
  return new Uint8Array(words.buffer, 0, length);
}

/** A copy of `bytes` with 1 to 8 bits flipped, and sometimes cut or grown. */
export function mutate(
  bytes: Uint8Array,
  random: () => number,
): Uint8Array<ArrayBuffer> {
  const below = (most: number) => Math.floor(random() * most);
  let copy = bytes.slice();
  if (random() < 0.2) copy = copy.slice(0, below(copy.length + 1));
  if (random() < 0.1) copy = new Uint8Array([...copy, below(256)]);
  for (let flips = 1 + below(8); flips > 0 && copy.length > 0; flips--) {
    const at = below(copy.length);
    copy[at] = copy[at]! ^ (1 << below(8));
  }
  return copy;
}
