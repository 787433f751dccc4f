/**
 * Saves small files that arrived complete and verified. The steps are those of
 * {@linkcode PartialFile}, with synchronous calls, which take a tenth of the
 * time for ten thousand files. If the disk is slow to make files durable,
 * several files wait for it together.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { systemErrorCode } from "../base/errors.ts";
import { isZeros } from "../content/zeros.ts";
import { changeMode, OTHERS_WRITE, PRIVATE_MODE } from "./left_file.ts";
import { cannot } from "./disk_failure.ts";
import { PartialFile } from "./partial.ts";
import { partialPathOf } from "./partial_name.ts";
import {
  hasNoLinks,
  ignoreGone,
  type TargetOptions,
  usualMode,
  writtenAt,
} from "./publishing.ts";

// From here on it pays that several files wait for the disk at once: a call
// through a thread takes 0.1 ms of its own.
const SLOW_SYNC_MS = 1;

/** Saves small files. */
export class SmallFiles {
  readonly #mostOpen: number;
  readonly #waiting: (() => void)[] = [];
  #open = 0;
  /** How long the disk takes to sync a file, lately. */
  #syncMs = 0;

  /** Has at most `mostOpen` files open at a time. */
  constructor(mostOpen = Infinity) {
    this.#mostOpen = mostOpen;
  }

  /**
   * Saves one file. The bytes may be used again when it resolves.
   *
   * @throws {Failure} of kind `local`.
   */
  async save(
    path: string,
    bytes: Uint8Array,
    options: TargetOptions,
  ): Promise<void> {
    while (this.#open >= this.#mostOpen) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#open++;
    try {
      await this.#save(path, bytes, options);
    } finally {
      this.#open--;
      this.#waiting.shift()?.();
    }
  }

  async #save(
    path: string,
    bytes: Uint8Array,
    options: TargetOptions,
  ): Promise<void> {
    const partialPath = partialPathOf(path);
    try {
      const mode = await usualMode(dirname(path), options);
      // No later run would use a partial file that others can write to.
      const isOpen = (mode & OTHERS_WRITE) !== 0;
      using file = openNew(partialPath, isOpen ? PRIVATE_MODE : mode);
      if (file !== undefined) {
        write(file, bytes, options);
        await this.#sync(file);
        if (isOpen) changeMode(partialPath, file, mode);
        return publish(partialPath, path, options);
      }
    } catch (error) {
      throw cannot("save", path, error);
    }
    // Left by an earlier run, or being written by another: the lock will tell.
    const partial = await PartialFile.open(path, {
      ...options,
      size: bytes.length,
    });
    try {
      await partial.write(0, bytes);
    } catch (error) {
      await partial.keep(); // closes it: this process may try again
      throw error;
    }
    await partial.finish();
  }

  /** Waits on the spot while the disk is quick; else others go on meanwhile. */
  async #sync(file: Deno.FsFile): Promise<void> {
    const startedAt = performance.now();
    if (this.#syncMs < SLOW_SYNC_MS) file.syncSync();
    else await file.sync();
    const ms = performance.now() - startedAt;
    this.#syncMs += (ms - this.#syncMs) / 8;
  }
}

const NEW = { write: true, createNew: true };

/** A new file, locked for this process; nothing where there is one. */
function openNew(path: string, mode: number): Deno.FsFile | undefined {
  try {
    const file = Deno.openSync(path, { ...NEW, mode });
    if (file.tryLockSync(true)) return file;
    file.close();
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    throw error;
  }
}

function write(
  file: Deno.FsFile,
  bytes: Uint8Array,
  options: TargetOptions,
): void {
  // Zeros are a hole, as in a large file.
  const hasData = !isZeros(bytes);
  if (!hasData) file.truncateSync(bytes.length);
  for (let written = 0; hasData && written < bytes.length;) {
    try {
      written += file.writeSync(bytes.subarray(written));
    } catch (error) {
      if (systemErrorCode(error) !== "EINTR") throw error; // else once more
    }
  }
  file.utimeSync(new Date(), new Date(writtenAt(options)));
}

// How disks say that they take no such name.
const NAME_REFUSALS = ["ENAMETOOLONG", "EINVAL", "EILSEQ"];

function publish(
  from: string,
  to: string,
  { overwrite }: TargetOptions,
): void {
  if (overwrite) return Deno.renameSync(from, to);
  try {
    Deno.linkSync(from, to);
  } catch (error) {
    if (!hasNoLinks(error)) {
      // Where no run will ever publish it under that name, nobody goes on with it.
      const isHopeless = error instanceof Deno.errors.AlreadyExists ||
        NAME_REFUSALS.includes(systemErrorCode(error) ?? "");
      if (isHopeless) removeSync(from);
      throw error;
    }
    // A place is taken before it is filled: nobody else's is.
    Deno.openSync(to, { write: true, createNew: true }).close();
    return Deno.renameSync(from, to);
  }
  removeSync(from);
}

function removeSync(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    ignoreGone(error);
  }
}
