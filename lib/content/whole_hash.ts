/**
 * The plain SHA-256 of a whole file, as nodes claim it. A content id proves the
 * SHA-256 of a file of one piece. For a larger file nothing does but all of its
 * bytes, so that the claims of several addresses are compared. Pure.
 *
 * @module
 */

import { sha256 as hashOf } from "../base/hash.ts";
import type { ContentGroup, Offer } from "./choice.ts";
import { Manifest, pieceCountOf } from "./manifest.ts";

/** What is known of a file: its size and its digests. */
export interface WholeDigest {
  /** Bytes. */
  readonly size: number;
  /** Content id; nothing can be checked without it. */
  readonly content?: string | undefined;
  /** SHA-256 of the whole file, 64 hexadecimal digits. */
  readonly sha256: string;
}

const EMPTY = hashOf(new Uint8Array()).toHex();

/**
 * The manifest of a file with at most one piece: the hash of the file is the
 * hash of the piece.
 */
export function uncut(size: number, sha256: string): Manifest {
  const hash = size === 0 ? new Uint8Array() : Uint8Array.fromHex(sha256);
  return new Manifest(size, hash);
}

/** Whether digests are consistent, as far as a check without a manifest shows. */
export function isPlausible({ size, content, sha256 }: WholeDigest): boolean {
  if (size === 0 && sha256 !== EMPTY) return false;
  return content === undefined || pieceCountOf(size) > 1 ||
    uncut(size, sha256).contentId === content;
}

/** Whether the content id proves the SHA-256. */
export function isProven(digest: WholeDigest): boolean {
  return digest.content !== undefined && pieceCountOf(digest.size) <= 1 &&
    isPlausible(digest);
}

/** Counts the addresses that claim each SHA-256 of one content. */
export class HashVotes {
  readonly #claims = new Map<string, Set<string>>();

  /** A node that counts as `votesAs` claims a SHA-256. */
  add(sha256: string, { votesAs }: Pick<Offer, "votesAs">): void {
    const voters = this.#claims.get(sha256) ?? new Set();
    this.#claims.set(sha256, voters.add(votesAs));
  }

  /** The SHA-256 that most addresses claim; `differs` if there is a tie. */
  get winner(): string | "differs" | undefined {
    const [first, second] = this.#sorted();
    if (first === undefined) return undefined;
    return first.count === second?.count ? "differs" : first.sha256;
  }

  /** The SHA-256 that at least `count` addresses claim, and more than any other. */
  wonBy(count: number): string | undefined {
    const [first, second] = this.#sorted();
    if (first === undefined || first.count < count) return undefined;
    return first.count === second?.count ? undefined : first.sha256;
  }

  #sorted(): { sha256: string; count: number }[] {
    return Array.from(this.#claims, ([sha256, { size: count }]) => ({
      sha256,
      count,
    })).sort((a, b) => b.count - a.count);
  }
}

/**
 * The SHA-256 of a content that is proven, or that most of the addresses have
 * claimed that offer it.
 */
export function wholeHashOf(
  { size, content, votes, offers }: ContentGroup,
): string | undefined {
  const claims = new HashVotes();
  for (const { sha256, votesAs } of offers) {
    if (sha256 === undefined) continue;
    const digest = { size, content, sha256 };
    if (isProven(digest)) return sha256;
    if (isPlausible(digest)) claims.add(sha256, { votesAs });
  }
  return claims.wonBy(majorityOf(votes));
}

/** The least number that is more than half. */
export function majorityOf(votes: number): number {
  return Math.floor(votes / 2) + 1;
}
