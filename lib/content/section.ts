/**
 * The wanted part of a file: as a range of bytes, and as the pieces that hold
 * it. Pure.
 *
 * @module
 */

import { pieceBytesOf } from "./manifest.ts";

/** Wanted bytes: from `first` to `last`, both included, or the last `tail`. */
export type ByteRange =
  | { readonly first: number; readonly last?: number }
  | { readonly tail: number };

/** Bytes of a file. */
export interface Section {
  /** The first of them, counted from 0. */
  readonly start: number;
  /** The first one after them. */
  readonly end: number;
}

/**
 * The bytes that a range means in a file of `size` bytes, cut at its end.
 * `undefined` if it begins after the last byte. In an empty file, a range from
 * 0 is an empty section.
 */
export function sectionOf(
  range: ByteRange | undefined,
  size: number,
): Section | undefined {
  if (range === undefined) return { start: 0, end: size };
  if ("tail" in range) {
    return { start: Math.max(0, size - range.tail), end: size };
  }
  const { first, last = Infinity } = range;
  if (first > 0 && first >= size) return undefined;
  return { start: first, end: Math.min(last + 1, size) };
}

/** The pieces that hold a section of a file: from `first`, without `end`. */
export function piecesOfSection(
  { start, end }: Section,
  size: number,
): { readonly first: number; readonly end: number } {
  const pieceBytes = pieceBytesOf(size);
  const first = Math.floor(start / pieceBytes);
  return { first, end: end === start ? first : Math.ceil(end / pieceBytes) };
}

/** The part of `bytes`, which begin at `position`, that is in a section. */
export function cutToSection(
  bytes: Uint8Array<ArrayBuffer>,
  position: number,
  { start, end }: Section,
): Uint8Array<ArrayBuffer> {
  return bytes.subarray(
    Math.max(0, start - position),
    Math.max(0, end - position),
  );
}
