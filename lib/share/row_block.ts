/**
 * The columns of a table of files, for a block of rows.
 *
 * @module
 */

/** Rows of a block. */
export const BLOCK_ROWS = 4_096;
/** Numbers in a stamp: size, times, device, inode. */
export const STAMP_NUMBERS = 5;
/** 32-bit words in a version. */
export const VERSION_WORDS = 4;
const HASH_BYTES = 32;

/** The states of a row. */
export const FREE = 0;
export const UNHASHED = 1;
export const HASHED = 2;
export const TRIED = 3;

/** The columns for a block of rows. */
export class RowBlock {
  readonly states = new Uint8Array(BLOCK_ROWS);
  /** The scan in which a file was last seen. */
  readonly seen = new Uint8Array(BLOCK_ROWS);
  readonly folders = new Uint32Array(BLOCK_ROWS);
  readonly bases: string[] = new Array<string>(BLOCK_ROWS).fill("");
  readonly executables = new Uint8Array(BLOCK_ROWS);
  /** What indexes count of the file: the marks of `index_marks.ts`. */
  readonly indexed = new Uint16Array(BLOCK_ROWS);
  readonly stamps = new Float64Array(BLOCK_ROWS * STAMP_NUMBERS);
  readonly versions = new Uint32Array(BLOCK_ROWS * VERSION_WORDS);
  readonly contents = new Uint8Array(BLOCK_ROWS * HASH_BYTES);
  readonly sums = new Uint8Array(BLOCK_ROWS * HASH_BYTES);
  /** Linked list of rows with the same content, as row plus 1. */
  readonly before = new Uint32Array(BLOCK_ROWS);
  readonly after = new Uint32Array(BLOCK_ROWS);
}

/** The hash at a place of a column. */
export function hashAt(hashes: Uint8Array, at: number): Uint8Array {
  return hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
}

/**
 * A copy of a text. A slice would keep the whole original in memory. If the
 * text has several parts, V8 joins them to a new text, in a third of the time
 * of encoding it.
 */
export function copied(text: string): string {
  return [text.slice(0, 1), text.slice(1)].join("");
}

/** 32 bits of a hash, by default the first. */
export function wordOf(hash: Uint8Array, word = 0): number {
  const at = 4 * word;
  return (hash[at]! << 24 | hash[at + 1]! << 16 | hash[at + 2]! << 8 |
    hash[at + 3]!) >>> 0;
}

/** The numbers in a version. */
export function wordsOf(version: string): number[] {
  const words: number[] = [];
  for (let word = 0; word < VERSION_WORDS; word++) {
    words.push(parseInt(version.slice(word * 8, word * 8 + 8), 16));
  }
  return words;
}
