/**
 * Which names and contents of a table an index counts already. Pure.
 *
 * @module
 */

import { BLOCK_ROWS, FREE, HASHED, type RowBlock } from "./row_block.ts";

/** The index counts the file's name. */
export const NAMED = 1;
/** It counts the file's content. */
export const KNOWN = 2;

/** What an index counts of a file: its name, or its content id, or both. */
export interface Indexable {
  readonly name?: string;
  readonly content?: string;
}

/** Gets changes of the names and contents in a table. */
export interface NameListener {
  /** There is a name or a content that the index does not count. */
  readonly onNew: () => void;
  /** A name or a content that it counts is gone. */
  readonly onGone: (gone: Indexable) => void;
}

/** Keeps the column `indexed` of a table. */
export class IndexMarks {
  /** Gets changes, if there is an index. */
  listener: NameListener | undefined;
  /** Names and contents that the index does not count. */
  #missingCount = 0;

  /** Notes a new row without a digest; `isNamed` if its name is counted. */
  placed(block: RowBlock, at: number, isNamed: boolean): void {
    block.indexed[at] = isNamed ? NAMED : 0;
    if (!isNamed) this.#missing();
  }

  /** Notes that a row has a digest now. */
  hashed(): void {
    this.#missing();
  }

  /** Notes that a row goes, and returns the marks that it had. */
  removed({ states, indexed }: RowBlock, at: number): number {
    this.#missingCount -= bitsIn(wantedOf(states[at]!) & ~indexed[at]!);
    return indexed[at]!;
  }

  /** Marks each row that the index does not count whole; yields what it lacks. */
  *take(
    blocks: readonly RowBlock[],
  ): Generator<{ row: number; lacks: number }, void> {
    for (const [number, { states, indexed }] of blocks.entries()) {
      for (let at = 0; at < BLOCK_ROWS; at++) {
        if (this.#missingCount === 0) return;
        const lacks = wantedOf(states[at]!) & ~indexed[at]!;
        if (lacks === 0) continue;
        indexed[at]! |= lacks;
        this.#missingCount -= bitsIn(lacks);
        yield { row: number * BLOCK_ROWS + at, lacks };
      }
    }
  }

  /** Removes all marks. */
  clear(blocks: readonly RowBlock[]): void {
    this.#missingCount = 0;
    for (const { states, indexed } of blocks) {
      indexed.fill(0);
      for (const state of states) this.#missingCount += bitsIn(wantedOf(state));
    }
  }

  #missing(): void {
    this.#missingCount++;
    this.listener?.onNew();
  }
}

/** What an index should count of a row in this state. */
function wantedOf(state: number): number {
  return state === FREE ? 0 : state === HASHED ? NAMED | KNOWN : NAMED;
}

function bitsIn(marks: number): number {
  return (marks & 1) + (marks >> 1);
}
