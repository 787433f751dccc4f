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
import { isInode } from "./left_file.ts";
import { type HashedRun, hashRuns, runsToRead } from "./rehash.ts";

/** Pieces in a row that are what they must be. */
export interface RightPieces {
  /** Number of the first. */
  readonly first: number;
  /** How many there are. */
  readonly count: number;
  /** Their bytes, which may be used until the next are asked for. */
  readonly bytes: Uint8Array;
}

/** Options of {@linkcode BaseFile.rightPieces}. */
export interface RightPiecesOptions {
  /** Whether a piece is of use. */
  readonly isWanted: (piece: number) => boolean;
  /** Hashes the pieces. */
  readonly hasher: Hasher;
  /** Ends the hashing. */
  readonly signal: AbortSignal;
}

/** A file to take pieces from. Disposing closes it. */
export class BaseFile implements Disposable {
  /** Where it is. */
  readonly path: string;
  /** Bytes that it had when it was opened. */
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
   * Opens the file that a person named.
   *
   * @throws {Failure} of kind `local` or `not_allowed`.
   */
  static async open(path: string): Promise<BaseFile> {
    let place = path;
    try {
      requireAccess(path, "read");
      // Deno opens a link without, but then `stat` of the open file asks for it.
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

  /** Opens the file that is to be replaced, where it can be of use. */
  static async openReplaced(path: string): Promise<BaseFile | undefined> {
    try {
      const file = await openRegular(path, { follow: false });
      return new BaseFile(path, file, await file.stat());
    } catch (error) {
      if (isBug(error)) throw error;
      return undefined;
    }
  }

  /** Throws where it is the file to be saved itself. */
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
   * The wanted pieces that are what a manifest says, in order. Ends early where
   * the file cannot be read any more.
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
      if (isBug(error)) throw error; // else a node has the rest
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

/** The right pieces among those of a run, in rows. */
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
