/**
 * Saves small files that arrived complete and verified. Takes the steps of
 * {@linkcode PartialFile} with synchronous calls, which need a tenth of the
 * time for ten thousand files. If there are many files, a worker saves them.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { dirname } from "@std/path/dirname";
import { Failure } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import { errorOf } from "../transfer/lane.ts";
import { cannot, notSynced } from "./disk_failure.ts";
import { OTHERS_WRITE, PRIVATE_MODE, unfit } from "./leftover_file.ts";
import { replaced } from "./own_place.ts";
import { PartialFile, type PartialFileOptions } from "./partial.ts";
import { isOthers, partialPathOf } from "./partial_name.ts";
import {
  noMoreThanThere,
  type TargetOptions,
  usualMode,
  writtenAt,
} from "./publishing.ts";
import { type Saver, saverHere, startSaver } from "./saver.ts";
import type { SaveTerms } from "./saver_code.ts";

/** Options of {@linkcode SmallFiles}. */
export interface SmallFilesOptions {
  /** The most files that may be open at once. */
  readonly mostOpen?: number;
  /** How long to wait for another process that saves the same file. */
  readonly otherSaverMs?: number;
  /** Starts the worker when there are many files. */
  readonly start?: (mostOpen: number) => Saver;
}

// Another process has all bytes of a small file and only waits for the disk.
const OTHER_SAVER_MS = 2_000;
const LOOK_MS = 20;

/** The terms of a file, and what they follow from. */
interface LastTerms extends Pick<TargetOptions, "sync"> {
  readonly folder: string;
  readonly judged: TargetOptions["folder"];
  readonly mode: number;
  readonly terms: SaveTerms;
}

/** Saves small files. Disposing ends the worker. */
export class SmallFiles implements Disposable {
  readonly #mostOpen: number;
  readonly #otherSaverMs: number;
  readonly #start: (mostOpen: number) => Saver;
  /** Modes of new files, plain and executable. */
  readonly #modes = new Map<boolean, number>();
  /** The terms of the last file, and what they follow from. */
  #last: LastTerms | undefined;
  #saver: Saver;
  #isHere = true;
  #count = 0;

  constructor(
    {
      mostOpen = LIMITS.openFileCount,
      otherSaverMs = OTHER_SAVER_MS,
      start = startSaver,
    }: SmallFilesOptions = {},
  ) {
    this.#mostOpen = mostOpen;
    this.#otherSaverMs = otherSaverMs;
    this.#start = start;
    this.#saver = saverHere(mostOpen);
  }

  /**
   * Saves one file, durably unless the options say otherwise. The caller may
   * reuse the bytes when it resolves.
   *
   * @throws {Failure} of kind `local`.
   */
  async save(
    path: string,
    bytes: Uint8Array,
    options: TargetOptions,
  ): Promise<void> {
    try {
      const terms = await this.#termsOf(path, options);
      if (this.#isHere && ++this.#count > LIMITS.savedHereCount) {
        this.#isHere = false;
        this.#saver = this.#start(this.#mostOpen);
      }
      const outcome = await this.#saver.add({
        path,
        partialPath: partialPathOf(path),
        bytes,
        writtenMs: writtenAt(options),
        terms,
      });
      if (outcome.kind === "saved") return;
      if (outcome.kind === "failed") throw errorOf(outcome.error);
      if (outcome.kind === "lost") {
        throw notSynced(path, errorOf(outcome.error));
      }
      if (outcome.kind === "replaced") {
        throw unfit(partialPathOf(path), "it was replaced in the meantime");
      }
      if (outcome.kind === "moved") throw replaced(path);
    } catch (error) {
      throw error instanceof Failure ? error : cannot("save", path, error);
    }
    // An earlier run left it, or another process writes it: the lock shows
    // which.
    const partial = await this.#openWhenFree(path, {
      ...options,
      size: bytes.length,
    });
    try {
      await partial.write(0, bytes);
    } catch (error) {
      await partial.keep(); // closes it, so this process may try again
      throw error;
    }
    await partial.finish();
  }

  /**
   * Opens the partial file. If another process is saving it, waits for that.
   */
  async #openWhenFree(
    path: string,
    options: PartialFileOptions,
  ): Promise<PartialFile> {
    const until = performance.now() + this.#otherSaverMs;
    for (;;) {
      try {
        return await PartialFile.open(path, options);
      } catch (error) {
        if (!isOthers(error) || performance.now() >= until) throw error;
      }
      await delay(LOOK_MS);
    }
  }

  /** The terms of a file: the same object as for the last one, if it can be. */
  #termsOf(
    path: string,
    options: TargetOptions,
  ): SaveTerms | Promise<SaveTerms> {
    const usual = this.#modes.get(options.isExecutable === true);
    return usual === undefined || options.overwrite
      ? this.#newTerms(path, options)
      : this.#termsFor(path, options, usual);
  }

  async #newTerms(path: string, options: TargetOptions): Promise<SaveTerms> {
    const isExecutable = options.isExecutable === true;
    const usual = this.#modes.get(isExecutable) ??
      await this.#modeOf(dirname(path), isExecutable);
    const mode = options.overwrite ? await noMoreThanThere(path, usual) : usual;
    return this.#termsFor(path, options, mode);
  }

  #termsFor(path: string, options: TargetOptions, mode: number): SaveTerms {
    const { overwrite, sync, folder: judged } = options;
    const folder = dirname(path);
    const last = this.#last;
    const isSame = last !== undefined && last.folder === folder &&
      last.judged === judged && last.mode === mode && last.sync === sync &&
      last.terms.overwrite === overwrite;
    if (isSame) return last.terms;
    // No later run would use a partial file that others can write to.
    const isOpen = (mode & OTHERS_WRITE) !== 0 && Deno.build.os !== "windows";
    const terms = {
      mode: isOpen ? PRIVATE_MODE : mode,
      finalMode: isOpen ? mode : undefined,
      overwrite,
      syncedIn: sync === false ? undefined : folder,
      judged: judged && { path: folder, ...judged },
    };
    this.#last = { folder, judged, mode, sync, terms };
    return terms;
  }

  /** The mode of new files: the same in all folders. */
  async #modeOf(folder: string, isExecutable: boolean): Promise<number> {
    const mode = await usualMode(folder, { isExecutable });
    this.#modes.set(isExecutable, mode);
    return mode;
  }

  [Symbol.dispose](): void {
    this.#saver[Symbol.dispose]();
  }
}
