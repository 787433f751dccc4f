/**
 * Stores similar texts as their differences. Pure.
 *
 * @module
 */

/**
 * The most characters of one skip or one literal, because one character holds
 * the count.
 */
const RUN_LENGTH = 255;
/** Equal characters that justify a new run, which costs two. */
const WORTH_SKIPPING = 4;

/**
 * Packs tuples of similar texts: for each text only the differences, position
 * by position, from the same text of a sample. Lossless for any text, and short
 * for those that resemble the sample. A character above 0xFF doubles the size.
 *
 * A packed text is a series of runs `skip[1] length[1] literal[length]`: `skip`
 * characters as in the sample, then `length` of its own. An empty run ends it.
 */
export class Packing {
  readonly #sample: readonly string[];

  /** Only the same sample unpacks what a sample has packed. */
  constructor(sample: readonly string[]) {
    this.#sample = sample;
  }

  /** Packs the texts into one string, in memory of its own. */
  pack(texts: readonly string[]): string {
    const units: number[] = [];
    for (const [index, text] of texts.entries()) {
      const sample = this.#sample[index] ?? "";
      for (let at = 0; at < text.length;) {
        const skip = commonLength(text, sample, { at, most: RUN_LENGTH });
        const start = at + skip;
        at = start;
        while (
          at < text.length && at - start < RUN_LENGTH &&
          commonLength(text, sample, { at, most: WORTH_SKIPPING }) <
            WORTH_SKIPPING
        ) at++;
        units.push(skip, at - start);
        for (let n = start; n < at; n++) units.push(text.charCodeAt(n));
      }
      units.push(0, 0);
    }
    return String.fromCharCode(...units);
  }

  /** The texts in a packed string. */
  unpack(packed: string): string[] {
    const texts: string[] = [];
    let sample = this.#sample[0] ?? "";
    let text = "";
    for (let at = 0; at < packed.length;) {
      const skip = packed.charCodeAt(at);
      const length = packed.charCodeAt(at + 1);
      at += 2;
      if (skip === 0 && length === 0) {
        texts.push(text);
        text = "";
        sample = this.#sample[texts.length] ?? "";
        continue;
      }
      const done = text.length;
      text += sample.slice(done, done + skip) + packed.slice(at, at + length);
      at += length;
    }
    return texts;
  }
}

/** How many characters from `at` on are equal in both, up to `most`. */
function commonLength(
  text: string,
  sample: string,
  { at, most }: { at: number; most: number },
): number {
  const end = Math.min(text.length, sample.length, at + most);
  let length = 0;
  while (
    at + length < end &&
    text.charCodeAt(at + length) === sample.charCodeAt(at + length)
  ) length++;
  return length;
}
