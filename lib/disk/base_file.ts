/**
 * An older version of a file. Its right pieces are copied instead of fetched.
 * Each is hashed in the buffer that is then written, so a file that changes in
 * the meantime does no harm.
 *
 * @module
 */

import { describeCause, Failure, isBug, localKindOf } from "../base/errors.ts";
import type { RemedyCode } from "../base/remedy_code.ts";
import { grantRemedy, requireAccess } from "../base/permission.ts";
import { openRegular } from "../base/regular_file.ts";
import { show } from "../base/text.ts";
import { type Manifest, pieceBytesOf } from "../content/manifest.ts";
import type { Hasher } from "../transfer/hashing.ts";
import { isInode } from "./leftover_file.ts";
import { type HashedRun, hashRuns, runsToRead } from "./rehash.ts";

/** Consecutive pieces that have the right hashes. */
export interface RightPieces {
  /** Number of the first. */
  readonly first: number;
  /** How many there are. */
  readonly count: number;
  /** Their bytes; valid until the next run is requested. */
  readonly bytes: Uint8Array;
}

/** Options of {@linkcode BaseFile.rightPieces}. */
export interface RightPiecesOptions {
  /** Whether a piece is still needed. */
  readonly isWanted: (piece: number) => boolean;
  /** Hashes the pieces. */
  readonly hasher: Hasher;
  /** Ends the hashing. */
  readonly signal: AbortSignal;
}

/** A file to copy pieces from. Disposing closes it. */
export class BaseFile implements Disposable {
  /** Where it is. */
  readonly path: string;
  /** Its size when it was opened. */
  readonly size: number;
  readonly #file: Deno.FsFile;
  readonly #info: Deno.FileInfo;

  private constructor(path: string, file: Deno.FsFile, info: Deno.FileInfo) {
    this.path = path;
    this.size = info.size;
    this.#file = file;
    this.#info = info;
  }

  /**
   * Opens the file that the user named.
   *
   * @throws {Failure} of kind `local` or `not_allowed`.
   */
  static async open(path: string): Promise<BaseFile> {
    let place = path;
    try {
      requireAccess(path, "read");
      // Deno opens a link without this permission, but `stat` of the open file
      // needs it.
      place = await Deno.realPath(path);
      requireAccess(place, "read");
      const info = await Deno.stat(path);
      if (info.isDirectory) throw unfit(path, "it is a folder");
      const file = await openRegular(path);
      return new BaseFile(path, file, await file.stat());
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure(localKindOf(error), {
        what: "Cannot use base file",
        where: show(path),
        why: error instanceof Deno.errors.NotFound
          ? "there is no such file"
          : describeCause(error),
        ...(error instanceof Deno.errors.NotCapable
          ? { remedy: grantRemedy([place], "read") }
          : { remedyCode: "other_base" }),
        cause: error,
      });
    }
  }

  /** Opens the file that is to be replaced, if its pieces can be used. */
  static async openReplaced(path: string): Promise<BaseFile | undefined> {
    try {
      const file = await openRegular(path, { follow: false });
      return new BaseFile(path, file, await file.stat());
    } catch (error) {
      if (isBug(error)) throw error;
      return undefined;
    }
  }

  /** Throws if it is the file that is being saved. */
  async requireOther(target: string): Promise<void> {
    const info = await Deno.lstat(target).catch(() => undefined);
    if (info === undefined || !isInode(info, this.#info)) return;
    throw unfit(
      this.path,
      "it is the file to be saved",
      "no_base",
    );
  }

  /**
   * The wanted pieces whose hashes are in the manifest, in order. Ends early if
   * the file can no longer be read.
   */
  async *rightPieces(
    manifest: Manifest,
    { isWanted, hasher, signal }: RightPiecesOptions,
  ): AsyncGenerator<RightPieces> {
    const { size } = manifest;
    const runs = runsToRead({ size, found: this.size, isWanted });
    const hashed = hashRuns(this.#file, runs, { size, hasher, signal });
    try {
      for await (const run of hashed) yield* rightIn(manifest, run);
    } catch (error) {
      signal.throwIfAborted();
      if (isBug(error)) throw error; // the rest comes from a node
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function unfit(
  path: string,
  why: string,
  remedyCode: RemedyCode = "other_base",
): Failure {
  const where = show(path);
  return new Failure("local", {
    what: "Cannot use base file",
    where,
    why,
    remedyCode,
  });
}

/** The right pieces of a run, in groups of consecutive ones. */
function* rightIn(
  manifest: Manifest,
  { first, bytes, hashes }: HashedRun,
): Generator<RightPieces> {
  const pieceBytes = pieceBytesOf(manifest.size);
  for (let at = 0; at < hashes.length;) {
    let count = 0;
    while (
      at + count < hashes.length &&
      manifest.has(first + at + count, hashes[at + count]!)
    ) count++;
    if (count > 0) {
      const part = bytes.subarray(at * pieceBytes, (at + count) * pieceBytes);
      yield { first: first + at, count, bytes: part };
    }
    at += Math.max(1, count);
  }
}
