/**
 * Looks ahead at the files of a run that may be there already: at some while
 * nodes still list others, and at the next ones while files are handled. A
 * worker does that if there are many, because for a few it is not worth its
 * start.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { LIMITS } from "../base/limits.ts";
import { hasRoomForWorker } from "../transport/descriptors.ts";
import { type FileChecker, startFileChecker } from "./file_checker.ts";
import type { CheckedFile, FileToCheck } from "./file_checker_code.ts";
import { type Inode, isInode } from "./leftover_file.ts";
import type { JudgedFolder } from "./saver_code.ts";

/** Options of {@linkcode AheadChecks}. */
export interface AheadChecksOptions {
  /** Ends pending looks. */
  readonly signal: AbortSignal;
  /** Starts the worker. */
  readonly start?: () => FileChecker;
}

const OTHER: CheckedFile = { kind: "other" };
// Files of the first page that decide whether to look early: 0.1 ms.
const SAMPLE_COUNT = 16;

/** A file that is probably wanted, and where it would be. */
export interface ExpectedFile {
  readonly path: string;
  readonly size: number;
  /** The folder that the user chose, to which a link may lead. */
  readonly target: string;
}

/** A look at a file before its content was chosen. */
interface EarlyLook {
  readonly size: number;
  /** Its folder, as it was then. */
  readonly judged: JudgedFolder;
  readonly found: Promise<CheckedFile>;
  readonly batch: EarlyBatch;
}

/** Looks that were ordered together, and when they had all been done. */
interface EarlyBatch {
  doneAt: number | undefined;
}

/** Looks at files. Disposing ends the worker. */
export class AheadChecks implements Disposable {
  readonly #start: () => FileChecker;
  readonly #signal: AbortSignal;
  readonly #end = () => this[Symbol.dispose]();
  #checker: FileChecker | undefined;
  #foundCount = 0;
  #isOver = false;
  /** Early looks, by path, and whether they are worth it. */
  readonly #early = new Map<string, EarlyLook>();
  #isEarlyWorthIt: boolean | undefined;
  readonly #folders = new Map<string, JudgedFolder | undefined>();

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
    return !this.#isOver && (this.#isEarlyWorthIt === true ||
      this.#foundCount >= LIMITS.lookedHereCount);
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

  /** Whether {@linkcode AheadChecks.lookEarly} may do anything. */
  get looksEarly(): boolean {
    return !this.#isOver && this.#isEarlyWorthIt !== false &&
      this.#early.size < LIMITS.lookedEarlyCount &&
      this.#folders.size < LIMITS.lookedEarlyCount;
  }

  /**
   * Starts to look at files that a node has listed. Does nothing unless most of
   * the first ones are there.
   */
  lookEarly(files: readonly ExpectedFile[]): void {
    if (this.#isEarlyWorthIt === undefined) {
      if (files.length < LIMITS.lookedHereCount) return;
      this.#isEarlyWorthIt = this.#areMostThere(files);
    }
    if (!this.looksEarly) return;
    const batch: EarlyBatch = { doneAt: undefined };
    let last: Promise<CheckedFile> | undefined;
    for (const { path, size, target } of files) {
      if (!this.looksEarly) break;
      if (this.#early.has(path)) continue;
      const judged = this.#folderAt(dirname(path), target);
      if (judged === undefined) continue;
      last = this.look({ path, size, judged });
      this.#early.set(path, { size, judged, found: last, batch });
    }
    last?.then(() => batch.doneAt = performance.now());
  }

  #areMostThere(files: readonly ExpectedFile[]): boolean {
    const step = Math.ceil(files.length / SAMPLE_COUNT);
    const sample = files.filter((_, n) => n % step === 0);
    const there = sample.filter(({ path, size, target }) => {
      const isIn = this.#folderAt(dirname(path), target) !== undefined;
      const info = isIn ? lookAt(path) : undefined;
      return info?.isFile && info.size === size;
    });
    return 2 * there.length > sample.length;
  }

  /** A folder at or below the target, if no link below that leads to it. */
  #folderAt(folder: string, target: string): JudgedFolder | undefined {
    if (this.#folders.has(folder)) return this.#folders.get(folder);
    const mayBeLinked = folder === target;
    const isIn = mayBeLinked ||
      this.#folderAt(dirname(folder), target) !== undefined;
    const look = mayBeLinked ? Deno.statSync : Deno.lstatSync;
    const info = isIn ? lookAt(folder, look) : undefined;
    const judged = info?.isDirectory
      ? { path: folder, ino: info.ino, dev: info.dev, mayBeLinked }
      : undefined;
    this.#folders.set(folder, judged);
    return judged;
  }

  /** Whether there is an early look at a file that has not been taken. */
  isLookedAt(path: string): boolean {
    const look = this.#early.get(path);
    if (look !== undefined && isOld(look)) this.#early.delete(path);
    return this.#early.has(path);
  }

  /**
   * Takes the early look at a file of that size, unless it is too old or was in
   * another folder than `folder`.
   */
  takeEarly(
    { path, size }: Pick<ExpectedFile, "path" | "size">,
    folder: Inode | undefined,
  ): Promise<CheckedFile> | undefined {
    const look = this.#early.get(path);
    if (look === undefined) return undefined;
    this.#early.delete(path);
    const { judged, found } = look;
    const isIt = look.size === size && !isOld(look) &&
      (folder === undefined || isInode(folder, judged));
    return isIt ? found : undefined;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#early.clear();
    this.#signal.removeEventListener("abort", this.#end);
    this.#checker?.[Symbol.dispose]();
  }
}

/** Whether a look was so long ago that it does not count. */
function isOld({ batch: { doneAt = Infinity } }: EarlyLook): boolean {
  return performance.now() - doneAt > LIMITS.lookedEarlyMs;
}

/** What is at a path; `undefined` if nothing is, or it cannot be told. */
function lookAt(
  path: string,
  look: (path: string) => Deno.FileInfo = Deno.lstatSync,
): Deno.FileInfo | undefined {
  try {
    return look(path);
  } catch {
    return undefined; // the run looks again when it is the turn of the file
  }
}
