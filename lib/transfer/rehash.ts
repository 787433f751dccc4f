/**
 * Hashes what is on the disk: nothing else about it is believed.
 *
 * @module
 */

import { isBug } from "../errors.ts";
import { type Manifest, pieceBytesOf } from "../manifest.ts";
import type { Hasher } from "./hashing.ts";

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
  const pieceBytes = pieceBytesOf(manifest.size);
  const perRead = Math.max(1, Math.floor(REHASH_BYTES / pieceBytes));
  const { size } = await file.stat();
  const whole = Math.floor(size / pieceBytes);
  const count = size >= manifest.size ? manifest.pieceCount : whole;
  for (let first = 0; first < count; first += perRead) {
    const start = first * pieceBytes;
    const pieces = Math.min(perRead, count - first);
    const length = Math.min(pieces * pieceBytes, manifest.size - start);
    const bytes = await readAt(file, start, length);
    if (bytes === undefined) return; // it became shorter
    const { hashes } = await hasher.hash(bytes, pieceBytes);
    for (const [at, hash] of hashes.entries()) {
      if (manifest.has(first + at, hash)) yield first + at;
    }
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
