/**
 * The room for the lists of all nodes, shared out by address group. If it is
 * full, a group that has less than half of what the largest has gets more: the
 * last files of the largest are removed. Beside N groups, however much they list,
 * a further one therefore has 1/(2N + 1) of the room. Of lists of similar length
 * as few as possible are cut, because nobody gains if all of them are. Pure.
 *
 * @module
 */

import type { ListedFile } from "../protocol/messages.ts";
import type { Catalogue, Offerer } from "./catalogue.ts";
import { Stopped } from "./listing_clock.ts";

// If the largest groups have it, each cut frees this part of the room, because it
// looks at all files.
const CUT_PART = 1 / 8;

/** Adds the files of nodes to a catalogue, within a number of bytes. */
export class ListRoom {
  readonly #catalogue: Catalogue;
  readonly #mostBytes: number;
  /** Bytes of each address group. */
  readonly #groups = new Map<string, number>();
  /** Groups that gave way. */
  readonly #cutGroups = new Set<string>();
  #bytes = 0;

  /** Adds to `catalogue` up to `mostBytes`. */
  constructor(catalogue: Catalogue, mostBytes: number) {
    this.#catalogue = catalogue;
    this.#mostBytes = mostBytes;
  }

  /**
   * Makes room for a file of this node.
   *
   * @returns ids of the nodes that lost files of their lists.
   * @throws {Stopped} if the node's address group already lists too much.
   */
  makeFor({ votesAs: group }: Offerer): ReadonlySet<string> {
    if (this.#cutGroups.has(group)) throw new Stopped(FULL);
    if (this.#bytes < this.#mostBytes) return NOBODY;
    const largest = this.#groups.values()
      .reduce((one, other) => Math.max(one, other), 0);
    if (2 * this.#bytesOf(group) >= largest) throw new Stopped(FULL);
    return this.#cut(this.#toCut(largest));
  }

  /** Adds a file; returns its bytes. */
  add(from: Offerer, file: ListedFile): number {
    const bytes = this.#catalogue.add(from, file);
    this.count(from, bytes);
    return bytes;
  }

  /** Counts bytes that are not in the catalogue. */
  count({ votesAs: group }: Offerer, bytes: number): void {
    this.#groups.set(group, this.#bytesOf(group) + bytes);
    this.#bytes += bytes;
  }

  #bytesOf(group: string): number {
    return this.#groups.get(group) ?? 0;
  }

  /**
   * The groups that give way, with what they keep: at least half each, so that
   * few give way. Those with half of what the largest has keep everything.
   */
  #toCut(largest: number): Map<string, number> {
    const kept = new Map<string, number>();
    let wanted = this.#mostBytes * CUT_PART;
    const sizes = [...this.#groups].sort(([, a], [, b]) => b - a);
    for (const [group, bytes] of sizes) {
      if (wanted <= 0 || 2 * bytes <= largest) break;
      const freed = Math.min(bytes / 2, wanted);
      kept.set(group, bytes - freed);
      wanted -= freed;
    }
    return kept;
  }

  #cut(levels: ReadonlyMap<string, number>): ReadonlySet<string> {
    const nodes = new Set<string>();
    const full = new Set<string>();
    const kept = new Map<string, number>();
    this.#catalogue.filter(({ node, votesAs: group }, bytes) => {
      const sum = (kept.get(group) ?? 0) + bytes;
      const isKept = sum <= (levels.get(group) ?? Infinity) && !full.has(group);
      if (isKept) {
        kept.set(group, sum);
      } else {
        full.add(group);
        nodes.add(node);
      }
      return isKept;
    });
    for (const group of full) this.#cutGroups.add(group);
    this.#groups.clear();
    this.#bytes = 0;
    for (const [group, bytes] of kept) {
      this.#groups.set(group, bytes);
      this.#bytes += bytes;
    }
    return nodes;
  }
}

const FULL = "all nodes together list more than there is room for";
const NOBODY: ReadonlySet<string> = new Set();
