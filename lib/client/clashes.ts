/**
 * Detects files that cannot be saved beside each other: two for one place, or a
 * file where the other needs a folder. It saves one of them, and all other
 * files.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { Failure } from "../base/errors.ts";
import { show } from "../base/text.ts";
import { Turns } from "../base/turns.ts";
import { type Job, votesOf } from "./jobs.ts";
import { tellsNamesApart } from "../disk/places.ts";

/** Options of {@linkcode Clashes}. */
export interface ClashesOptions {
  /** Whether the person gave the name themselves. */
  readonly isNamed: (job: Job) => boolean;
  /** What people call a node. */
  readonly nodeName: (id: string) => string;
  /** For so long others have no turn. */
  readonly turnMs: number;
  /** Whether the disk has two files where names differ in case or form alone. */
  readonly tellsApart?: (folder: string) => Promise<boolean>;
}

/** A file that is not saved, and why. */
export interface Clash {
  readonly job: Job;
  readonly failure: Failure;
}

// Names of more nodes than this are told as a number.
const MOST_NAMES = 3;

/** Gives each place to one file. */
export class Clashes {
  readonly #options: ClashesOptions;
  /** By the place that is meant, however it is written: nearly always one. */
  readonly #files = new Map<string, Job | Job[]>();
  /** A file in each folder that is needed. */
  readonly #folders = new Map<string, Map<string, Job>>();
  readonly #apart = new Map<string, Promise<boolean>>();

  /** All places are free. */
  constructor(options: ClashesOptions) {
    this.#options = options;
  }

  /**
   * Gives files their places, also beside those admitted before. Of two that
   * want one place it is the one that the person named, else the one at more
   * addresses, else the file before what would be inside of it.
   */
  async admit(
    jobs: readonly Job[],
  ): Promise<{ admitted: Job[]; refused: Clash[] }> {
    const refused = new Map<Job, Failure>();
    const turns = new Turns(this.#options.turnMs);
    for (const n of await this.#order(jobs, turns)) {
      if (turns.isOver) await turns.give();
      const job = jobs[n]!;
      const other = this.#isFree(job) ? undefined : await this.#occupantOf(job);
      if (other === undefined) this.#claim(job);
      else refused.set(job, this.#failure(job, other));
    }
    return {
      admitted: jobs.filter((job) => !refused.has(job)),
      refused: [...refused].map(([job, failure]) => ({ job, failure })),
    };
  }

  /** All places are free again: nothing beside these files is admitted. */
  clear(): void {
    this.#files.clear();
    this.#folders.clear();
  }

  /**
   * The numbers of the jobs, of the one first that gets a place first. Each job
   * is looked at once: to make words for it takes memory, of 100,000 at once.
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

  /** Whether nothing can be in the way of a file, as a rule: its folder is known. */
  #isFree({ path }: Job): boolean {
    const key = keyOf(path);
    if (this.#files.has(key) || this.#folders.has(key)) return false;
    const folder = dirname(path);
    return this.#folders.get(keyOf(folder))?.has(folder) ?? false;
  }

  #claim(job: Job): void {
    const key = keyOf(job.path);
    const claimed = this.#files.get(key);
    this.#files.set(key, claimed === undefined ? job : [claimed, job].flat());
    for (const folder of foldersOf(job.path)) {
      const key = keyOf(folder);
      const claimed = this.#folders.get(key);
      if (claimed?.has(folder)) return; // and all above it
      if (claimed === undefined) {
        this.#folders.set(key, new Map([[folder, job]]));
      } else claimed.set(folder, job);
    }
  }

  /** What is in the place of a file, or of a folder that it needs. */
  async #occupantOf({ path }: Job): Promise<Job | undefined> {
    return await this.#fileAt(path) ?? await this.#folderAt(path) ??
      await this.#above(path);
  }

  async #above(path: string): Promise<Job | undefined> {
    const folder = dirname(path);
    // As a rule another file of the folder has looked.
    if (this.#folders.get(keyOf(folder))?.has(folder)) return undefined;
    for (const folder of foldersOf(path)) {
      const found = await this.#fileAt(folder);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #fileAt(path: string): Promise<Job | undefined> {
    const claimed = this.#files.get(keyOf(path));
    if (claimed === undefined) return undefined;
    const jobs = [claimed].flat();
    return jobs.find((job) => job.path === path) ??
      (await this.#tellsApart(dirname(path)) ? undefined : jobs[0]);
  }

  async #folderAt(path: string): Promise<Job | undefined> {
    const claimed = this.#folders.get(keyOf(path));
    if (claimed === undefined) return undefined;
    return claimed.get(path) ??
      (await this.#tellsApart(dirname(path))
        ? undefined
        : claimed.values().next().value);
  }

  #tellsApart(folder: string): Promise<boolean> {
    const { tellsApart = tellsNamesApart } = this.#options;
    const known = this.#apart.get(folder) ?? tellsApart(folder);
    this.#apart.set(folder, known);
    return known;
  }

  #failure(job: Job, other: Job): Failure {
    const one = job.path === other.path;
    return new Failure("local", {
      what: "Cannot save file",
      where: `${show(job.name)}, on ${this.#nodesOf(job)}`,
      why: `${show(other.name)}, on ${this.#nodesOf(other)}, is saved, and ${
        one ? "both would be one file" : "the two would be in each other's way"
      }`,
      remedy: "fetch it alone, with -o for another place",
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

function slashesIn(path: string): number {
  let count = 0;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    count++;
  }
  return count;
}

/** The folders that a path lies in, the nearest first. */
function* foldersOf(path: string): Generator<string> {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) yield at;
}

/** One for all paths that some disk takes for the same. */
function keyOf(path: string): string {
  return /^[\x20-\x7e]*$/.test(path)
    ? path.toLowerCase()
    : path.normalize("NFC").toUpperCase().toLowerCase();
}
