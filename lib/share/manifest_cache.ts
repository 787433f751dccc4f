/**
 * The manifests of a share that are in memory, and where the others are kept.
 *
 * @module
 */

import { HASH_BYTES } from "../base/hash.ts";
import { Manifest, pieceCountOf } from "../content/manifest.ts";
import { uncut } from "../content/whole_hash.ts";
import type { DescribedFile, Standing } from "./digesting.ts";
import type { FileDigest } from "./file_table.ts";

/** Keeps digests between runs. */
export interface DigestStore {
  /** The stored digest of a file. */
  get(key: string): FileDigest | undefined;
  /** Stores a digest, and the manifest if the file has several pieces. */
  put(key: string, described: DescribedFile): void;
  /** The piece hashes of a stored manifest, by content id. */
  hashesOf(content: string): Uint8Array | undefined;
  /**
   * Forgets digests of files that have been missing for long, if it is time;
   * `standingOf` says what became of the file with a key.
   */
  prune?(
    standingOf: (key: string) => Standing,
    signal?: AbortSignal,
  ): Promise<void>;
}

/** Measured memory of a manifest, without its hashes. */
export const MANIFEST_OWN_BYTES = 700;

function bytesOf({ hashes }: Manifest): number {
  return MANIFEST_OWN_BYTES + hashes.length;
}

/** Manifests by content id, up to a total of `mostBytes`. */
export class ManifestCache {
  readonly #mostBytes: number;
  readonly #store: DigestStore | undefined;
  /** Least recently used first. */
  readonly #manifests = new Map<string, Manifest>();
  #bytes = 0;

  constructor(mostBytes: number, store: DigestStore | undefined) {
    this.#mostBytes = mostBytes;
    this.#store = store;
  }

  /** The manifest of a file of `size` bytes, in memory or stored. */
  get(size: number, { content, sha256 }: FileDigest): Manifest | undefined {
    if (pieceCountOf(size) <= 1) return uncut(size, sha256);
    const known = this.#manifests.get(content);
    if (known !== undefined) {
      this.#manifests.delete(content);
      this.#manifests.set(content, known); // the most recently used now
      return known;
    }
    const hashes = this.#store?.hashesOf(content);
    if (hashes === undefined) return undefined;
    const isWhole = hashes.length === pieceCountOf(size) * HASH_BYTES;
    const manifest = isWhole ? new Manifest(size, hashes) : undefined;
    if (manifest?.contentId !== content) return undefined;
    this.keep(manifest);
    return manifest;
  }

  /** Keeps a manifest, and drops the least recently used that do not fit. */
  keep(manifest: Manifest): void {
    const { contentId, pieceCount } = manifest;
    if (pieceCount <= 1 || this.#manifests.has(contentId)) return;
    this.#manifests.set(contentId, manifest);
    this.#bytes += bytesOf(manifest);
    for (const [content, oldest] of this.#manifests) {
      if (this.#bytes <= this.#mostBytes || content === contentId) break;
      this.#manifests.delete(content);
      this.#bytes -= bytesOf(oldest);
    }
  }
}
