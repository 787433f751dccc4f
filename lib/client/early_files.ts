/**
 * Large files of a fetch that has not joined their swarms yet: the pieces that
 * it has, and whether other clients could help with the rest. For a file that
 * arrives quickly, the fetch never joins a swarm.
 *
 * @module
 */

import { closeSync } from "node:fs";
import type { Limits } from "../base/limits.ts";
import type { PieceRun } from "../content/piece_set.ts";
import type { Manifest } from "../content/manifest.ts";
import type { DownloadSource } from "../transfer/source.ts";

/** A file that is being saved. */
export interface SwarmFile {
  readonly name: string;
  readonly manifest: Manifest;
  /** Pieces that exist already. */
  readonly have: readonly number[];
  /** The sources that offer it: nodes, and clients that were met. */
  readonly sources: ReadonlyMap<string, string>;
  /** Opens the file again, to read saved pieces; the swarm closes it. */
  readonly openToRead: () => number;
  /** Called for another client that sends pieces of it. */
  readonly onSource: (source: DownloadSource) => void;
}

/** A file that may be joined later. */
export interface EarlyFile {
  readonly file: SwarmFile;
  /** The file, open for reading. */
  readonly descriptor: number;
  /** Pieces that have been saved. */
  readonly have: number[];
  /** How many there were at first, and when that was. */
  readonly haveAtFirst: number;
  readonly since: number;
}

/** The progress of a file. */
export interface EarlyProgress {
  /** Pieces that arrived, and pieces that are missing. */
  readonly receivedCount: number;
  readonly left: number;
  /** Milliseconds in which these pieces arrived. */
  readonly ms: number;
}

/**
 * Whether the rest of a file would take so long that others could help. On a
 * busy machine nothing seems to arrive at first, even over a fast network.
 */
export function isSwarmUseful(
  { receivedCount, left, ms }: EarlyProgress,
  { swarmWorthMs }: Limits,
): boolean {
  if (left === 0) return false;
  if (receivedCount === 0) return ms >= swarmWorthMs / 4;
  return ms / receivedCount * left >= swarmWorthMs;
}

/** Options of {@linkcode EarlyFiles}. */
export interface EarlyFilesOptions {
  readonly limits: Limits;
  /** Whether complete files are kept, to be sent to others later. */
  readonly keepsComplete: boolean;
  /** Called when others could help with one of the files. */
  readonly onOfUse: () => void;
}

/** Large files whose swarms were not joined yet. Disposing closes them. */
export class EarlyFiles implements Disposable {
  readonly #options: EarlyFilesOptions;
  readonly #files = new Map<string, EarlyFile>();
  #looking: ReturnType<typeof setInterval> | undefined;

  constructor(options: EarlyFilesOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#files.size;
  }

  /** Whether a content is among them. */
  has(contentId: string): boolean {
    return this.#files.has(contentId);
  }

  /** Adds a file, if there is room; a complete one may be removed for it. */
  add(file: SwarmFile): void {
    if (!this.#makeRoom()) return;
    const have = [...file.have];
    this.#files.set(file.manifest.contentId, {
      ...{ file, have, haveAtFirst: have.length },
      descriptor: file.openToRead(),
      since: performance.now(),
    });
    const { swarmLookMs } = this.#options.limits;
    this.#looking ??= setInterval(() => this.#look(), swarmLookMs);
  }

  #makeRoom(): boolean {
    if (this.#files.size < this.#options.limits.contentsPerHolderCount) {
      return true;
    }
    for (const [contentId, early] of this.#files) {
      if (progressOf(early).left > 0) continue;
      this.leave(contentId);
      return true;
    }
    return false;
  }

  #look(): void {
    const { limits, onOfUse } = this.#options;
    const isOfUse = this.#files.values()
      .some((early) => isSwarmUseful(progressOf(early), limits));
    if (isOfUse) onOfUse();
  }

  /** Notes pieces that have been verified and saved. */
  saved(contentId: string, { first, count }: PieceRun): void {
    const early = this.#files.get(contentId);
    if (early === undefined) return;
    for (let n = 0; n < count; n++) early.have.push(first + n);
    const isComplete = progressOf(early).left === 0;
    if (isComplete && !this.#options.keepsComplete) this.leave(contentId);
  }

  /** Removes and returns all of them; the caller closes their descriptors. */
  takeAll(): EarlyFile[] {
    const all = [...this.#files.values()];
    this.#files.clear();
    this.#rest();
    return all;
  }

  /** Closes a file that is not to be joined. */
  leave(contentId: string): void {
    const early = this.#files.get(contentId);
    if (early === undefined) return;
    this.#files.delete(contentId);
    closeSync(early.descriptor);
    if (this.#files.size === 0) this.#rest();
  }

  #rest(): void {
    clearInterval(this.#looking);
    this.#looking = undefined;
  }

  [Symbol.dispose](): void {
    for (const contentId of [...this.#files.keys()]) this.leave(contentId);
  }
}

function progressOf(
  { file: { manifest }, have, haveAtFirst, since }: EarlyFile,
): EarlyProgress {
  return {
    receivedCount: have.length - haveAtFirst,
    left: manifest.pieceCount - have.length,
    ms: performance.now() - since,
  };
}
