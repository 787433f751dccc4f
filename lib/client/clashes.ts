/**
 * Files that cannot be saved beside each other: in one place, or one where the
 * other needs a folder. One of them is saved, and all others are.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { Failure } from "../errors.ts";
import { show } from "../text.ts";
import type { Job } from "./jobs.ts";
import { tellsNamesApart } from "./places.ts";

/** Options of {@linkcode Clashes}. */
export interface ClashesOptions {
  /** Whether the person gave this name themselves. */
  readonly isNamed: (name: string) => boolean;
  /** What people call a node. */
  readonly nodeName: (id: string) => string;
  /** Whether the disk has two files where names differ in case or form alone. */
  readonly tellsApart?: (folder: string) => Promise<boolean>;
}

/** A file that is not saved, and why. */
export interface Clash {
  readonly job: Job;
  readonly failure: Failure;
}

/** Jobs by the place that is meant, however it is written. */
type Claims = Map<string, Map<string, Job>>;

// Names of more nodes than this are told as a number.
const MOST_NAMES = 3;

/** Gives each place to one file. */
export class Clashes {
  readonly #options: ClashesOptions;
  readonly #files: Claims = new Map();
  /** A file in each folder that is needed. */
  readonly #folders: Claims = new Map();
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
    for (const job of jobs.toSorted((a, b) => this.#compare(a, b))) {
      const other = await this.#occupantOf(job);
      if (other === undefined) this.#claim(job);
      else refused.set(job, this.#failure(job, other));
    }
    return {
      admitted: jobs.filter((job) => !refused.has(job)),
      refused: [...refused].map(([job, failure]) => ({ job, failure })),
    };
  }

  #compare(a: Job, b: Job): number {
    const { isNamed } = this.#options;
    return +isNamed(b.name) - +isNamed(a.name) ||
      b.group.votes - a.group.votes ||
      a.path.split("/").length - b.path.split("/").length;
  }

  #claim(job: Job): void {
    note(this.#files, job.path, job);
    for (const folder of foldersOf(job.path)) {
      const key = keyOf(folder);
      if (this.#folders.get(key)?.has(folder)) return; // and all above it
      note(this.#folders, folder, job);
    }
  }

  /** What is in the place of a file, or of a folder that it needs. */
  async #occupantOf({ path }: Job): Promise<Job | undefined> {
    return await this.#at(path, this.#files) ??
      await this.#at(path, this.#folders) ??
      await this.#above(path);
  }

  async #above(path: string): Promise<Job | undefined> {
    const folder = dirname(path);
    // As a rule another file of the folder has looked.
    if (this.#folders.get(keyOf(folder))?.has(folder)) return undefined;
    for (const folder of foldersOf(path)) {
      const found = await this.#at(folder, this.#files);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #at(path: string, claims: Claims): Promise<Job | undefined> {
    const claimed = claims.get(keyOf(path));
    if (claimed === undefined) return undefined;
    const same = claimed.get(path);
    if (same !== undefined) return same;
    if (await this.#tellsApart(dirname(path))) return undefined;
    return claimed.values().next().value;
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

function note(claims: Claims, path: string, job: Job): void {
  const key = keyOf(path);
  const claimed = claims.get(key);
  if (claimed === undefined) claims.set(key, new Map([[path, job]]));
  else if (!claimed.has(path)) claimed.set(path, job);
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
