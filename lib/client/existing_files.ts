/**
 * Decides whether a file is at its path already, and whether it may be
 * replaced. Reads the disk and changes nothing.
 *
 * @module
 */

import type { BaseFile } from "../disk/base_file.ts";
import {
  type ExistingEntry,
  linkWhy,
  SPECIAL_WHY,
} from "../disk/existing_entry.ts";
import {
  existsAlready,
  type Folders,
  inTheWay,
  notOwn,
} from "../disk/places.ts";
import type { Inode } from "../disk/leftover_file.ts";
import type { Owned, Owners } from "../disk/owners.ts";
import { contentIdAt, hasContent, sha256At } from "../disk/rehash.ts";
import type { Manifest } from "../content/manifest.ts";
import type { Hasher } from "../transfer/hashing.ts";
import { notReplacedOnVote } from "./failures.ts";
import type { Job } from "./jobs.ts";
import type { WantedSums } from "./wanted_sums.ts";

/** Options of {@linkcode ExistingFiles}. */
export interface ExistingFilesOptions {
  /** Whether existing files may be replaced. */
  readonly overwrite: boolean;
  /** SHA-256 that files must have. */
  readonly wanted: WantedSums;
  /** The older file that the user named, which must not be replaced. */
  readonly base: BaseFile | undefined;
  /** Hashes existing files. */
  readonly hasher: Hasher;
  /** Tells which folder the user chose. */
  readonly folders: Pick<Folders, "targetOf">;
  /** Whose files count as saved. */
  readonly owners: Owners;
  /** Ends the hashing. */
  readonly signal: AbortSignal;
}

/** What is at the path of a file. */
export interface ExistingFile {
  readonly occupant: ExistingEntry;
  /** Its owner and mode, if something is there. */
  readonly info?: Owned | undefined;
  /** The file that was seen there, unless a worker has read it. */
  readonly seen?: Inode | undefined;
  /** Its content id, if a worker has read it. */
  readonly contentId?: string | undefined;
  /** The wanted content; needed if {@linkcode ExistingFiles.isUnknown}. */
  readonly manifest: Manifest | undefined;
}

/** Compares files on the disk with those that are wanted. */
export class ExistingFiles {
  readonly #options: ExistingFilesOptions;

  constructor(options: ExistingFilesOptions) {
    this.#options = options;
  }

  /** Whether a manifest is needed to decide if the existing file is the wanted one. */
  isUnknown({ name, group: { content } }: Job): boolean {
    return content === undefined && this.#options.wanted.of(name) === undefined;
  }

  /**
   * Whether the wanted file exists already, another one that may be replaced,
   * or none.
   *
   * @throws {Failure} of kind `local` if something must not be replaced.
   */
  async judge(
    job: Job,
    { occupant, info, ...there }: ExistingFile,
  ): Promise<"none" | "same" | "other"> {
    const { path } = job;
    const { overwrite, base } = this.#options;
    if (occupant === "none") return "none";
    if (occupant === "folder") {
      throw inTheWay(path, "a folder of that name is there");
    }
    if (occupant === "special") throw inTheWay(path, SPECIAL_WHY);
    const mayBeIt = occupant === "same_size";
    if (mayBeIt && await this.#isIt(job, there)) {
      const why = await this.#objection(job, info);
      if (why === undefined) return "same";
      if (!overwrite) throw notOwn(path, why);
    }
    if (!overwrite) throw existsAlready(path, await linkWhy(path));
    await base?.requireOther(path);
    if (job.isVoted) throw notReplacedOnVote(job.name, path);
    return "other";
  }

  /** Why the right file there does not count as saved. */
  async #objection(
    { path, name }: Job,
    info: Owned | undefined,
  ): Promise<string | undefined> {
    if (info === undefined) return undefined;
    const { folders, owners } = this.#options;
    const target = folders.targetOf(path, name);
    return await owners.objectionToFile(info, { path, target });
  }

  /**
   * Whether the existing file is the wanted one. A required SHA-256 decides,
   * because only a node claims that the content id belongs to that SHA-256.
   */
  async #isIt(
    { name, path, group: { size, content } }: Job,
    { contentId, manifest, seen }: Omit<ExistingFile, "occupant" | "info">,
  ): Promise<boolean> {
    const { hasher, signal } = this.#options;
    const wanted = this.#options.wanted.of(name);
    if (wanted !== undefined) {
      return await sha256At(path, { signal, seen }) === wanted;
    }
    if (contentId !== undefined) {
      return contentId === (content ?? manifest?.contentId);
    }
    if (content !== undefined) {
      const options = { size, hasher, signal, seen };
      return await contentIdAt(path, options) === content;
    }
    return manifest !== undefined &&
      await hasContent(path, manifest, { hasher, signal, seen });
  }
}
