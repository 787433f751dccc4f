/**
 * Stores where in a file the line of each key begins, in 32 bytes a key,
 * whatever its length. It identifies a key by 128 bits of its hash; the reader
 * of the line compares the full key. Pure.
 *
 * @module
 */

import { sha256OfText } from "../base/short_hash.ts";
import { wordOf } from "./row_block.ts";
import { RowHash } from "./row_hash.ts";

const BLOCK_ROWS = 4_096;
const KEY_WORDS = 4;

interface KeyBlock {
  readonly keys: Uint32Array;
  readonly offsets: Float64Array;
}

/** Offsets of lines by key. */
export class DigestIndex {
  readonly #blocks: KeyBlock[] = [];
  #count = 0;
  readonly #rows = new RowHash((row) =>
    this.#block(row).keys[(row % BLOCK_ROWS) * KEY_WORDS]!
  );

  get count(): number {
    return this.#count;
  }

  /** The offset of the last line of a key. */
  get(key: string): number | undefined {
    const row = this.#find(wordsOf(key));
    return row === undefined
      ? undefined
      : this.#block(row).offsets[row % BLOCK_ROWS];
  }

  /** Stores the offset of the last line of a key. */
  set(key: string, offset: number): void {
    const words = wordsOf(key);
    const row = this.#find(words) ?? this.#add(words);
    this.#block(row).offsets[row % BLOCK_ROWS] = offset;
  }

  #find(words: Uint32Array): number | undefined {
    return this.#rows.find(words[0]!, (row) => {
      const { keys } = this.#block(row);
      const start = (row % BLOCK_ROWS) * KEY_WORDS;
      return words.every((word, index) => keys[start + index] === word);
    });
  }

  #add(words: Uint32Array): number {
    const row = this.#count++;
    if (row % BLOCK_ROWS === 0) {
      this.#blocks.push({
        keys: new Uint32Array(BLOCK_ROWS * KEY_WORDS),
        offsets: new Float64Array(BLOCK_ROWS),
      });
    }
    this.#block(row).keys.set(words, (row % BLOCK_ROWS) * KEY_WORDS);
    this.#rows.add(row);
    return row;
  }

  #block(row: number): KeyBlock {
    return this.#blocks[Math.floor(row / BLOCK_ROWS)]!;
  }
}

function wordsOf(key: string): Uint32Array {
  const hash = sha256OfText(key);
  const words = new Uint32Array(KEY_WORDS);
  for (let word = 0; word < KEY_WORDS; word++) {
    words[word] = wordOf(hash, word);
  }
  return words;
}
