/**
 * Looks ahead at the files of a run that may be there already. A worker does
 * that once many have been found, because for a few it is not worth its start.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import { hasRoomForWorker } from "../transport/descriptors.ts";
import { type FileChecker, startFileChecker } from "./file_checker.ts";
import type { CheckedFile, FileToCheck } from "./file_checker_code.ts";

/** Options of {@linkcode AheadChecks}. */
export interface AheadChecksOptions {
  /** Ends pending looks. */
  readonly signal: AbortSignal;
  /** Starts the worker. */
  readonly start?: () => FileChecker;
}

const OTHER: CheckedFile = { kind: "other" };

/** Looks at files. Disposing ends the worker. */
export class AheadChecks implements Disposable {
  readonly #start: () => FileChecker;
  readonly #signal: AbortSignal;
  readonly #end = () => this[Symbol.dispose]();
  #checker: FileChecker | undefined;
  #foundCount = 0;
  #isOver = false;

  constructor(
    { signal, start = startFileChecker }: AheadChecksOptions,
  ) {
    this.#start = start;
    this.#signal = signal;
    // The worker may wait for a pipe that somebody put in the place of a file.
    signal.addEventListener("abort", this.#end);
  }

  /** Whether so many files were found that looking ahead pays. */
  get isWorthIt(): boolean {
    return !this.#isOver && this.#foundCount >= LIMITS.lookedHereCount;
  }

  /** Notes that the caller found a small file, and read it. */
  found(): void {
    this.#foundCount++;
  }

  /** Looks at a file; if that fails, the caller has to look itself. */
  look(file: FileToCheck): Promise<CheckedFile> {
    // Without a free descriptor for it, Deno would end.
    if (this.#checker === undefined && !hasRoomForWorker()) {
      return Promise.resolve(OTHER);
    }
    this.#checker ??= this.#start();
    return this.#checker.add(file).catch(() => OTHER);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#signal.removeEventListener("abort", this.#end);
    this.#checker?.[Symbol.dispose]();
  }
}
