/**
 * Computes the manifest and the plain SHA-256 of a file from its bytes. Pure.
 *
 * @module
 */

import { createSha256, type Hash, HASH_BYTES, sha256 } from "../base/hash.ts";
import { Manifest, pieceBytesOf, pieceCountOf } from "../content/manifest.ts";
import type { FileDigest } from "./file_table.ts";
import type { ReadRefusal } from "./opened_file.ts";
import type { ShareFile } from "./shared_file.ts";

/** The digest of a file, or why there is none. */
export type DescribeOutcome =
  | { readonly kind: "described"; readonly described: DescribedFile }
  | { readonly kind: "refused"; readonly reason: ReadRefusal };

/** The state of a file: unchanged, with another version, or missing. */
export type Standing = "current" | "replaced" | "absent";

/** A digest with the manifest that it was computed from. */
export interface DescribedFile extends FileDigest {
  /** Hashes of the pieces. */
  readonly manifest: Manifest;
}

/** Hashes a file of a known size that arrives in parts. */
export class FileHash {
  readonly #size: number;
  readonly #pieceBytes: number;
  readonly #hashes: Uint8Array<ArrayBuffer>;
  /**
   * For a file with several pieces; the hash of a single piece is the file's.
   */
  readonly #whole: Hash | undefined;
  #piece: Hash | undefined;
  #position = 0;

  constructor(size: number) {
    this.#size = size;
    this.#pieceBytes = pieceBytesOf(size);
    this.#hashes = new Uint8Array(pieceCountOf(size) * HASH_BYTES);
    if (size === 0 || size > this.#pieceBytes) this.#whole = createSha256();
  }

  /** Bytes hashed so far. */
  get position(): number {
    return this.#position;
  }

  /** The most bytes for the next {@linkcode update}: the rest of the piece. */
  get mostBytes(): number {
    return this.#pieceBytes - this.#position % this.#pieceBytes;
  }

  /** Hashes the next bytes, all of them in one piece. */
  update(bytes: Uint8Array): void {
    // Created late: an unused hash object stays until garbage collection.
    this.#piece ??= createSha256();
    this.#piece.update(bytes);
    this.#whole?.update(bytes);
    this.#position += bytes.length;
    const isPieceEnd = this.#position % this.#pieceBytes === 0;
    if (!isPieceEnd && this.#position < this.#size) return;
    const index = Math.ceil(this.#position / this.#pieceBytes) - 1;
    this.#hashes.set(this.#piece.digest(), index * HASH_BYTES);
    this.#piece = undefined;
  }

  /** The result, once all bytes are hashed. */
  describe(): DescribedFile {
    const manifest = new Manifest(this.#size, this.#hashes);
    return {
      content: manifest.contentId,
      sha256: this.#whole?.digest("hex") ?? manifest.hashOf(0),
      manifest,
    };
  }
}

/** The same for a file of one piece, whose bytes are all there. */
export function describeWhole(bytes: Uint8Array): DescribedFile {
  const hash = sha256(bytes);
  const hashes = bytes.length === 0 ? new Uint8Array() : hash;
  const manifest = new Manifest(bytes.length, hashes);
  return { content: manifest.contentId, sha256: hash.toHex(), manifest };
}

/** The key of a digest, valid across runs. */
export function keyOf({ name, size, modifiedMs, inode }: ShareFile): string {
  return `${size} ${modifiedMs} ${inode ?? 0} ${name}`;
}

/** The name in a key. */
export function nameInKey(key: string): string {
  return key.split(" ").slice(3).join(" ");
}

/** The state of the file with this key; `file` has its name now. */
export function standingOf(key: string, file: ShareFile | undefined): Standing {
  if (file === undefined) return "absent";
  return keyOf(file) === key ? "current" : "replaced";
}

/** Whether the file with this key has several pieces, and so a manifest. */
export function hasManifest(key: string): boolean {
  return pieceCountOf(parseInt(key)) > 1;
}

/**
 * A file that changed this recently may change again within the same
 * millisecond.
 */
export const SETTLED_MS = 2_000;

/** Whether a file has not changed for {@linkcode SETTLED_MS}, at `now`. */
export function isSettled({ modifiedMs }: ShareFile, now: number): boolean {
  return now - modifiedMs > SETTLED_MS;
}
