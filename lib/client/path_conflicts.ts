/**
 * Detects files that cannot be saved together: two for one path, or a
 * file where another needs a folder. It saves one of them, and all other files.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { Failure } from "../base/errors.ts";
import { show } from "../base/text.ts";
import { Turns } from "../base/turns.ts";
import { type Job, votesOf } from "./jobs.ts";
import { isCaseSensitive } from "../disk/places.ts";

/** Options of {@linkcode PathConflicts}. */
export interface PathConflictsOptions {
  /** Whether the user gave the name explicitly. */
  readonly isNamed: (job: Job) => boolean;
  /** The display name of a node. */
  readonly nodeName: (id: string) => string;
  /** The longest time without a turn for others. */
  readonly turnMs: number;
  /** The most folders that the files may need. */
  readonly folderCount: number;
  /**
   * Whether the disk keeps names apart that differ only in case or
   * normalisation.
   */
  readonly isCaseSensitive?: (folder: string) => Promise<boolean>;
}

/** A file that is not saved, and why. */
export interface PathConflict {
  readonly job: Job;
  readonly failure: Failure;
}

// If more nodes have a file, only their number is reported.
const MOST_NAMES = 3;

/** Gives each path to one file. */
export class PathConflicts {
  readonly #options: PathConflictsOptions;
  /**
   * By a key that is the same for all spellings of a path. Nearly always one
   * job; otherwise those of all spellings, by path.
   */
  readonly #files = new Map<string, Job | Map<string, Job>>();
  /** For each needed folder, one file in it. */
  readonly #folders = new Map<string, Map<string, Job>>();
  #folderCount = 0;
  readonly #caseSensitive = new Map<string, Promise<boolean>>();

  constructor(options: PathConflictsOptions) {
    this.#options = options;
  }

  /**
   * Admits files, in addition to those admitted before. If two want one path,
   * the one that the user named wins. Otherwise it is the one at more
   * addresses, then the shorter path.
   */
  async admit(
    jobs: readonly Job[],
  ): Promise<{ admitted: Job[]; refused: PathConflict[] }> {
    const refused = new Map<Job, Failure>();
    const turns = new Turns(this.#options.turnMs);
    for (const n of await this.#order(jobs, turns)) {
      if (turns.isOver) await turns.give();
      const job = jobs[n]!;
      const { path } = job; // made anew on each access
      const failure = this.#isFree(path)
        ? undefined
        : await this.#objection(job, path);
      if (failure === undefined) this.#claim(job, path);
      else refused.set(job, failure);
    }
    return {
      admitted: jobs.filter((job) => !refused.has(job)),
      refused: [...refused].map(([job, failure]) => ({ job, failure })),
    };
  }

  /** Forgets all admitted files. */
  clear(): void {
    this.#files.clear();
    this.#folders.clear();
    this.#folderCount = 0;
  }

  /**
   * The indexes of the jobs, in the order in which they get their paths. Reads
   * each job once, because expanding 100,000 jobs at once would take much
   * memory.
   */
  async #order(jobs: readonly Job[], turns: Turns): Promise<Uint32Array> {
    const named = new Uint8Array(jobs.length);
    const votes = new Float64Array(jobs.length);
    const depths = new Float64Array(jobs.length);
    for (let n = 0; n < jobs.length; n++) {
      if (turns.isOver) await turns.give();
      const job = jobs[n]!;
      named[n] = +this.#options.isNamed(job);
      votes[n] = votesOf(job);
      depths[n] = slashesIn(job.path);
    }
    return Uint32Array.from(jobs, (_, n) => n).sort((a, b) =>
      named[b]! - named[a]! || votes[b]! - votes[a]! ||
      depths[a]! - depths[b]! || a - b
    );
  }

  /** Whether nothing can clash with a file at a path: its folder is known. */
  #isFree(path: string): boolean {
    const key = keyOf(path);
    return !this.#files.has(key) && !this.#folders.has(key) &&
      this.#needsNoFolder(path);
  }

  #claim(job: Job, path: string): void {
    const key = keyOf(path);
    const claimed = this.#files.get(key);
    if (claimed === undefined) this.#files.set(key, job);
    else if (claimed instanceof Map) claimed.set(path, job);
    else this.#files.set(key, new Map([[claimed.path, claimed], [path, job]]));
    for (const folder of foldersOf(path)) {
      const key = keyOf(folder);
      const claimed = this.#folders.get(key);
      if (claimed?.has(folder)) return; // and everything above it
      this.#folderCount++;
      if (claimed === undefined) {
        this.#folders.set(key, new Map([[folder, job]]));
      } else claimed.set(folder, job);
    }
  }

  /** Why a file cannot be saved; nothing if it can. */
  async #objection(job: Job, path: string): Promise<Failure | undefined> {
    const { folderCount } = this.#options;
    // First, because the rest looks at each folder of the file.
    if (this.#folderCount >= folderCount && !this.#needsNoFolder(path)) {
      return tooManyFolders(job, folderCount);
    }
    const other = await this.#existingEntryAt(path);
    return other === undefined ? undefined : this.#failure(job, other);
  }

  #needsNoFolder(path: string): boolean {
    const folder = dirname(path);
    return this.#folders.get(keyOf(folder))?.has(folder) ?? false;
  }

  /** The job whose file is at a path, or at a folder that the path needs. */
  async #existingEntryAt(path: string): Promise<Job | undefined> {
    return await this.#fileAt(path) ?? await this.#folderAt(path) ??
      await this.#above(path);
  }

  async #above(path: string): Promise<Job | undefined> {
    // Usually another file of the folder has already checked this.
    if (this.#needsNoFolder(path)) return undefined;
    for (const folder of foldersOf(path)) {
      const found = await this.#fileAt(folder);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #fileAt(path: string): Promise<Job | undefined> {
    const claimed = this.#files.get(keyOf(path));
    if (claimed === undefined) return undefined;
    // A node may list one name in very many spellings.
    const spellings = claimed instanceof Map
      ? claimed
      : new Map([[claimed.path, claimed]]);
    return spellings.get(path) ??
      (await this.#isCaseSensitive(dirname(path))
        ? undefined
        : spellings.values().next().value);
  }

  async #folderAt(path: string): Promise<Job | undefined> {
    const claimed = this.#folders.get(keyOf(path));
    if (claimed === undefined) return undefined;
    return claimed.get(path) ??
      (await this.#isCaseSensitive(dirname(path))
        ? undefined
        : claimed.values().next().value);
  }

  #isCaseSensitive(folder: string): Promise<boolean> {
    const check = this.#options.isCaseSensitive ?? isCaseSensitive;
    const known = this.#caseSensitive.get(folder) ?? check(folder);
    this.#caseSensitive.set(folder, known);
    return known;
  }

  #failure(job: Job, other: Job): Failure {
    const one = job.path === other.path;
    return new Failure("local", {
      what: "Cannot save file",
      where: `${show(job.name)}, on ${this.#nodesOf(job)}`,
      why: `${show(other.name)}, on ${this.#nodesOf(other)}, is saved, and ${
        one ? "both would get the same path" : "their paths clash on this disk"
      }`,
      remedyCode: "alone_elsewhere",
    });
  }

  #nodesOf({ group: { offers } }: Job): string {
    const names = offers.slice(0, MOST_NAMES).map(({ node }) =>
      show(this.#options.nodeName(node))
    );
    const more = offers.length - MOST_NAMES;
    return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
  }
}

function tooManyFolders({ name }: Job, most: number): Failure {
  return new Failure("local", {
    what: "Cannot save file",
    where: show(name),
    why: `the other files need ${most} folders already, and it needs another`,
    remedy: "fetch fewer folders with one command",
  });
}

function slashesIn(path: string): number {
  let count = 0;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    count++;
  }
  return count;
}

/** The folders above a path, nearest first. */
function* foldersOf(path: string): Generator<string> {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) yield at;
}

/** One key for all paths that some disk treats as the same. */
function keyOf(path: string): string {
  return /^[\x20-\x7e]*$/.test(path)
    ? path.toLowerCase()
    : path.normalize("NFC").toUpperCase().toLowerCase();
}
