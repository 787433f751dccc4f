/**
 * Hashes files on the disk, because nothing else about them is trusted.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import { createSha256, HASH_BYTES, sha256 } from "../base/hash.ts";
import { Manifest, pieceBytesOf, pieceCountOf } from "../content/manifest.ts";
import { HASHED_AT_ONCE_BYTES, type Hasher } from "../transfer/hashing.ts";

/** Bytes that are read back and hashed at once. */
export const REHASH_BYTES = 1024 * 1024;

/**
 * The pieces of an open file that are what its manifest says. A file that is
 * shorter than that has fewer.
 */
export async function* rightPieces(
  file: Deno.FsFile,
  manifest: Manifest,
  hasher: Hasher,
): AsyncGenerator<number> {
  let piece = 0;
  for await (const hash of hashesOf(file, manifest.size, hasher)) {
    if (manifest.has(piece, hash)) yield piece;
    piece++;
  }
}

/** The hashes of the pieces of a file of `size` bytes, as far as it has them. */
async function* hashesOf(
  file: Deno.FsFile,
  size: number,
  hasher: Hasher,
): AsyncGenerator<Uint8Array> {
  const pieceBytes = pieceBytesOf(size);
  const perRead = Math.max(1, Math.floor(REHASH_BYTES / pieceBytes));
  const { size: found } = await file.stat();
  const whole = Math.floor(found / pieceBytes);
  const count = found >= size ? pieceCountOf(size) : whole;
  for (let first = 0; first < count; first += perRead) {
    const start = first * pieceBytes;
    const pieces = Math.min(perRead, count - first);
    const length = Math.min(pieces * pieceBytes, size - start);
    const bytes = await readAt(file, start, length);
    if (bytes === undefined) return; // it became shorter
    yield* (await hasher.hash(bytes, pieceBytes)).hashes;
  }
}

async function readAt(
  file: Deno.FsFile,
  start: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const buffer = new Uint8Array(length);
  file.seekSync(start, Deno.SeekMode.Start);
  for (let filled = 0; filled < length;) {
    const read = await file.read(buffer.subarray(filled));
    if (read === null) return undefined;
    filled += read;
  }
  return buffer;
}

/** Whether a file has the content of a manifest; not where it cannot be read. */
export async function hasContent(
  path: string,
  manifest: Manifest,
  hasher: Hasher,
): Promise<boolean> {
  try {
    using file = await Deno.open(path, { read: true });
    if ((await file.stat()).size !== manifest.size) return false;
    let next = 0;
    for await (const piece of rightPieces(file, manifest, hasher)) {
      if (piece !== next++) return false;
    }
    return next === manifest.pieceCount;
  } catch (error) {
    if (isBug(error)) throw error;
    return false;
  }
}

/**
 * The content id of what is at a path; nothing where that is not a file of `size`
 * bytes, or cannot be read.
 */
export async function contentIdAt(
  path: string,
  size: number,
  hasher: Hasher,
): Promise<string | undefined> {
  try {
    const hashes = size <= HASHED_AT_ONCE_BYTES
      ? hashSmall(path, size)
      : await hashLarge(path, size, hasher);
    return hashes && new Manifest(size, hashes).contentId;
  } catch (error) {
    if (isBug(error)) throw error;
    return undefined;
  }
}

const ROOM = new Uint8Array(HASHED_AT_ONCE_BYTES + 1);

/** With synchronous calls: of 4 KiB they take a fifth of the time of others. */
function hashSmall(
  path: string,
  size: number,
): Uint8Array<ArrayBuffer> | undefined {
  using file = Deno.openSync(path, { read: true });
  // One more, so that a longer file shows; a read that is short has met the end.
  const bytes = ROOM.subarray(0, size + 1);
  let filled = 0;
  while (filled < size || filled === 0) {
    const read = file.readSync(bytes.subarray(filled));
    if (read === null || read === 0) break;
    filled += read;
  }
  if (filled !== size) return undefined;
  return size === 0 ? new Uint8Array() : sha256(bytes.subarray(0, size));
}

async function hashLarge(
  path: string,
  size: number,
  hasher: Hasher,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  using file = await Deno.open(path, { read: true });
  if ((await file.stat()).size !== size) return undefined;
  const hashes = new Uint8Array(pieceCountOf(size) * HASH_BYTES);
  let filled = 0;
  for await (const hash of hashesOf(file, size, hasher)) {
    hashes.set(hash, filled);
    filled += hash.length;
  }
  return filled === hashes.length ? hashes : undefined;
}

/** SHA-256 of what is at a path, in hexadecimal; nothing where it cannot be read. */
export async function sha256At(path: string): Promise<string | undefined> {
  try {
    using file = await Deno.open(path, { read: true });
    const hash = createSha256();
    const buffer = new Uint8Array(REHASH_BYTES);
    for (;;) {
      const read = await file.read(buffer);
      if (read === null) return hash.digest("hex");
      hash.update(buffer.subarray(0, read));
    }
  } catch (error) {
    if (isBug(error)) throw error;
    return undefined;
  }
}
