/**
 * Pieces of zeros, as in sparse files. Their hash identifies them, so no node
 * has to send them. Pure.
 *
 * @module
 */

import { createSha256, type Hash } from "../base/hash.ts";
import { LIMITS } from "../base/limits.ts";
import { Manifest, pieceBytesOf, pieceLength } from "./manifest.ts";

// For a small piece, the state of the hash of zeros is kept at each multiple of
// this number, and continues from there: any length takes a few microseconds.
const STEP_BYTES = 4096;
const ZEROS = new Uint8Array(LIMITS.pieceMinBytes);

/** Hash states after 0, 1, 2 … steps of zeros, to be continued; made when needed. */
const steps: Hash[] = [createSha256()];
/** Hashes of zeros by length, of whole pieces. */
const whole = new Map<number, Uint8Array>();

/** SHA-256 of `length` zeros. */
function hashOfZeros(length: number): Uint8Array {
  const known = whole.get(length);
  if (known !== undefined) return known;
  const most = Math.min(length, ZEROS.length);
  const count = Math.floor(most / STEP_BYTES);
  while (steps.length <= count) {
    const last = steps.at(-1)!.copy();
    steps.push(last.update(ZEROS.subarray(0, STEP_BYTES)));
  }
  const hash = steps[count]!.copy();
  for (let left = length - count * STEP_BYTES; left > 0;) {
    const part = Math.min(left, ZEROS.length);
    hash.update(ZEROS.subarray(0, part));
    left -= part;
  }
  return new Uint8Array(hash.digest());
}

function hashOfWholePiece(pieceBytes: number): Uint8Array {
  const hash = hashOfZeros(pieceBytes);
  whole.set(pieceBytes, hash);
  return hash;
}

/** The pieces of a content that are all zeros, in order. */
export function zeroPieces(manifest: Manifest): number[] {
  const { size, pieceCount } = manifest;
  if (pieceCount === 0) return [];
  const zeros: number[] = [];
  const pieceBytes = pieceBytesOf(size);
  const hash = hashOfWholePiece(pieceBytes);
  const last = pieceCount - 1;
  for (let piece = 0; piece < last; piece++) {
    if (manifest.has(piece, hash)) zeros.push(piece);
  }
  const end = hashOfZeros(pieceLength(size, last));
  if (manifest.has(last, end)) zeros.push(last);
  return zeros;
}

/** The manifest of a content of one piece if that piece is all zeros. */
export function manifestIfZeros(
  { size, content }: { size: number; content?: string | undefined },
): Manifest | undefined {
  if (size === 0 || content === undefined) return undefined;
  const manifest = manifestOfZeros(size);
  return manifest.contentId === content ? manifest : undefined;
}

// Many small files have the same size.
const MOST_KEPT = 256;
const manifests = new Map<number, Manifest>();

function manifestOfZeros(size: number): Manifest {
  const known = manifests.get(size);
  if (known !== undefined) return known;
  if (manifests.size === MOST_KEPT) manifests.clear();
  const manifest = new Manifest(size, hashOfZeros(size));
  manifests.set(size, manifest);
  return manifest;
}

/** Whether all bytes are zero. */
export function isZeros(bytes: Uint8Array): boolean {
  if (bytes.length === 0 || bytes[0] !== 0) return bytes.length === 0;
  const { buffer, byteOffset, length } = bytes;
  if (byteOffset % 4 !== 0) return bytes.every((byte) => byte === 0);
  const words = new Uint32Array(buffer, byteOffset, length >>> 2);
  for (let at = 0; at < words.length; at++) {
    if (words[at] !== 0) return false;
  }
  return bytes.subarray(words.length * 4).every((byte) => byte === 0);
}

/**
 * The parts of `bytes`, cut every `partBytes`, that are not all zeros or that
 * `isKept` keeps. Returns them as runs: the first byte, and the byte after the
 * last.
 */
export function* runsOfData(
  bytes: Uint8Array,
  partBytes: number,
  isKept: (part: number) => boolean = () => false,
): Generator<{ start: number; end: number }> {
  let start = 0;
  for (let at = 0; at < bytes.length; at += partBytes) {
    const end = Math.min(bytes.length, at + partBytes);
    if (!isZeros(bytes.subarray(at, end)) || isKept(at / partBytes)) continue;
    if (start < at) yield { start, end: at };
    start = end;
  }
  if (start < bytes.length) yield { start, end: bytes.length };
}
