/**
 * Hashes files on the disk, because nothing else about them is trusted.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type Inode, isInode } from "./leftover_file.ts";
import { isBug } from "../base/errors.ts";
import { createSha256, HASH_BYTES, sha256 } from "../base/hash.ts";
import { openRegular } from "../base/regular_file.ts";
import { Manifest, pieceBytesOf, pieceCountOf } from "../content/manifest.ts";
import type { PieceRun } from "../content/piece_set.ts";
import {
  type Hashed,
  HASHED_AT_ONCE_BYTES,
  type Hasher,
} from "../transfer/hashing.ts";
import { readAt } from "./at_position.ts";

/** Bytes that are read back and hashed in one step. */
export const REHASH_BYTES = 1024 * 1024;

/**
 * The pieces of an open file whose hashes are in its manifest. If the file is
 * too short, its last pieces are missing.
 */
export async function* rightPieces(
  file: Deno.FsFile,
  manifest: Manifest,
  hasher: Hasher,
  signal?: AbortSignal,
): AsyncGenerator<number> {
  const { size } = manifest;
  let piece = 0;
  for await (const hash of hashesOf(file, { size, hasher, signal })) {
    if (manifest.has(piece, hash)) yield piece;
    piece++;
  }
}

/**
 * The hashes of the pieces of a file of `size` bytes, up to the end of the
 * file.
 */
async function* hashesOf(
  file: Deno.FsFile,
  options: HashRunsOptions,
): AsyncGenerator<Uint8Array> {
  const { size: found } = await file.stat();
  const runs = runsToRead({ size: options.size, found });
  for await (const { hashes } of hashRuns(file, runs, options)) {
    yield* hashes;
  }
}

/**
 * The wanted pieces of a file of `size` bytes that its first `found` bytes can
 * hold, in runs that are read in one step.
 */
export function* runsToRead(
  { size, found, isWanted = () => true }: {
    size: number;
    found: number;
    isWanted?: (piece: number) => boolean;
  },
): Generator<PieceRun, undefined> {
  const pieceBytes = pieceBytesOf(size);
  const most = Math.max(1, Math.floor(REHASH_BYTES / pieceBytes));
  const end = found >= size
    ? pieceCountOf(size)
    : Math.floor(found / pieceBytes);
  for (let first = 0; first < end;) {
    let count = 0;
    while (count < most && first + count < end && isWanted(first + count)) {
      count++;
    }
    if (count > 0) yield { first, count };
    first += Math.max(1, count);
  }
}

/** Pieces that were read, with their hashes. */
export interface HashedRun extends PieceRun, Hashed {}

/** Options of {@linkcode hashRuns}. */
export interface HashRunsOptions {
  /** Size of the complete file. */
  readonly size: number;
  readonly hasher: Hasher;
  /** Stops between two runs. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads and hashes pieces of an open file; the next run is read while one is
 * being hashed. Ends early if the file has become shorter. The bytes are valid
 * until the next run is requested.
 *
 * @throws the signal's reason when aborted.
 */
export async function* hashRuns(
  file: Deno.FsFile,
  runs: Iterator<PieceRun, undefined>,
  { size, hasher, signal }: HashRunsOptions,
): AsyncGenerator<HashedRun> {
  const pieceBytes = pieceBytesOf(size);
  // Buffers are reused: a new one costs as much as reading, because the system
  // clears its pages.
  const spare: Uint8Array[] = [];
  const read = async () => {
    signal?.throwIfAborted();
    const { value: run } = runs.next();
    if (run === undefined) return undefined;
    const start = run.first * pieceBytes;
    const length = Math.min(run.count * pieceBytes, size - start);
    const room = spare.pop();
    const buffer = room?.length === length ? room : new Uint8Array(length);
    if (!await readAt(file, start, buffer)) return undefined;
    const hashing = hasher.hash(buffer, pieceBytes);
    hashing.catch(() => {}); // the error is thrown below, if the caller continues
    return { run, hashing };
  };
  for (let next = await read(); next !== undefined;) {
    const { run, hashing } = next;
    next = await read();
    const hashed = await hashing;
    yield { ...run, ...hashed };
    spare.push(hashed.bytes);
  }
}

/**
 * Whether a file has the content of a manifest; `false` if it cannot be read.
 *
 * @throws the signal's reason when aborted.
 */
export async function hasContent(
  path: string,
  manifest: Manifest,
  { hasher, signal, seen }: Omit<ContentIdOptions, "size">,
): Promise<boolean> {
  try {
    using file = await openRegular(path, { follow: false, seen });
    if ((await file.stat()).size !== manifest.size) return false;
    let next = 0;
    for await (const piece of rightPieces(file, manifest, hasher, signal)) {
      if (piece !== next++) return false;
    }
    return next === manifest.pieceCount;
  } catch (error) {
    signal?.throwIfAborted();
    if (isBug(error)) throw error;
    return false;
  }
}

/** Options of {@linkcode contentIdAt}. */
export interface ContentIdOptions extends HashRunsOptions {
  /**
   * The regular file that the caller has seen there: no other is read. By
   * default the one that is there now.
   */
  readonly seen?: Inode | undefined;
}

/**
 * The content id of the file at a path; `undefined` if it is not a file of
 * `size` bytes, or cannot be read.
 *
 * @throws the signal's reason when aborted.
 */
export async function contentIdAt(
  path: string,
  options: ContentIdOptions,
): Promise<string | undefined> {
  const { size } = options;
  try {
    const hashes = size <= HASHED_AT_ONCE_BYTES
      ? hashSmall(path, options)
      : await hashLarge(path, options);
    return hashes && new Manifest(size, hashes).contentId;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (isBug(error)) throw error;
    return undefined;
  }
}

const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;
const ROOM = new Uint8Array(HASHED_AT_ONCE_BYTES + 1);

/**
 * With synchronous calls: for 4 KiB they take a fifth of the time of
 * asynchronous ones.
 */
function hashSmall(
  path: string,
  { size, seen }: ContentIdOptions,
): Uint8Array<ArrayBuffer> | undefined {
  const named = seen ?? regularAt(path);
  if (named === undefined) return undefined;
  // Somebody may put a pipe in its place, and opening that would wait.
  const file = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  try {
    // With permission for some folders, Deno 2.9.6 follows a link nevertheless.
    if (!isOpened(named, fstatSync(file))) return undefined;
    // One byte more, to notice a longer file. A short read means the end of the
    // file.
    let filled = 0;
    while (filled < size || filled === 0) {
      const read = readSync(file, ROOM, filled, size + 1 - filled, null);
      if (read === 0) break;
      filled += read;
    }
    if (filled !== size) return undefined;
    return size === 0 ? new Uint8Array() : sha256(ROOM.subarray(0, size));
  } finally {
    closeSync(file);
  }
}

function regularAt(path: string): Inode | undefined {
  const info = Deno.lstatSync(path);
  return info.isFile ? info : undefined;
}

/** Whether `opened` is the file with that name; unknown on Windows. */
function isOpened(named: Inode, opened: Inode): boolean {
  return named.ino === null || isInode(named, opened);
}

async function hashLarge(
  path: string,
  options: ContentIdOptions,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { size, seen } = options;
  using file = await openRegular(path, { follow: false, seen });
  if ((await file.stat()).size !== size) return undefined;
  const hashes = new Uint8Array(pieceCountOf(size) * HASH_BYTES);
  let filled = 0;
  for await (const hash of hashesOf(file, options)) {
    hashes.set(hash, filled);
    filled += hash.length;
  }
  return filled === hashes.length ? hashes : undefined;
}

/**
 * SHA-256 of the file at a path, in hexadecimal; `undefined` if it cannot be
 * read.
 *
 * @throws the signal's reason when aborted.
 */
export async function sha256At(
  path: string,
  { signal, seen }: Pick<ContentIdOptions, "signal" | "seen"> = {},
): Promise<string | undefined> {
  try {
    using file = await openRegular(path, { follow: false, seen });
    const hash = createSha256();
    const buffer = new Uint8Array(REHASH_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const read = await file.read(buffer);
      if (read === null) return hash.digest("hex");
      hash.update(buffer.subarray(0, read));
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (isBug(error)) throw error;
    return undefined;
  }
}
