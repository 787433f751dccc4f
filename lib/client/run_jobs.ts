/**
 * Decides for each name of a run of `getFiles` which content to fetch, and which
 * files can be saved together.
 *
 * @module
 */

import { join } from "@std/path/join";
import { Failure } from "../base/errors.ts";
import { Turns } from "../base/turns.ts";
import type { CatalogueEntry } from "./catalogue.ts";
import type { Choosing } from "./choosing.ts";
import { PathConflicts } from "./path_conflicts.ts";
import { asMismatch, hasNoSum } from "./failures.ts";
import { type Job, jobOf, ListedJob, ListedPaths } from "./jobs.ts";
import { compareNames } from "./listing.ts";
import type { MissingNames } from "./missing_names.ts";
import type { ListedNode } from "./nodes.ts";
import type { ListedPlace, PatternLists } from "./pattern_lists.ts";
import type { RunNames } from "./run_names.ts";
import type { SaveReport } from "./save_report.ts";
import type { Selection } from "./selections.ts";
import type { WantedSums } from "./wanted_sums.ts";

/** Options of {@linkcode RunJobs}. */
export interface RunJobsOptions {
  /** The path to save a file at. */
  readonly pathOf: (name: string, selection: Selection) => string;
  /** Whether files may be fetched by their SHA-256 only. */
  readonly hasSums: boolean;
  /** Whether no file may be made. */
  readonly dryRun: boolean;
  readonly turnMs: number;
  /** The most folders that the files may need. */
  readonly folderCount: number;
  readonly signal: AbortSignal;
  readonly names: RunNames;
  readonly lists: PatternLists;
  readonly missed: MissingNames;
  readonly nodes: ReadonlyMap<string, ListedNode>;
  readonly wanted: WantedSums;
  readonly choosing: Choosing;
  readonly outcomes: SaveReport;
}

/** Turns offers into jobs. */
export class RunJobs {
  readonly #options: RunJobsOptions;
  readonly #clashes: PathConflicts;
  readonly #paths = new ListedPaths();

  constructor(options: RunJobsOptions) {
    const { names, nodes, turnMs, folderCount } = options;
    this.#options = options;
    this.#clashes = new PathConflicts({
      // The user named none of the listed files: see #chooseListed.
      isNamed: (job) => !(job instanceof ListedJob) && names.has(job.name),
      ...{ turnMs, folderCount },
      nodeName: (id) => nodes.get(id)!.name,
      // To find out, a file would have to be made.
      ...(options.dryRun
        ? { isCaseSensitive: () => Promise.resolve(Deno.build.os === "linux") }
        : {}),
    });
  }

  /**
   * Decides on a content for each undecided name; `more` says that other names
   * may follow.
   */
  async choose({ more }: { more: boolean }): Promise<Job[]> {
    const { names, outcomes } = this.#options;
    const jobs = await this.#chooseListed();
    for (const name of names.undecided().sort(compareNames)) {
      const offers = names.offersOf(name)!;
      const job = await this.#jobFor({ name, offers }, names.selectionOf(name));
      names.decide(name, job);
      if (job !== null) jobs.push(job);
    }
    const { admitted, refused } = await this.#clashes.admit(jobs);
    if (!more) this.#clashes.clear();
    for (const { job: { name }, failure } of refused) {
      names.replace(name, null);
      outcomes.fail(name, failure);
    }
    outcomes.expect(admitted, { more });
    return admitted;
  }

  /**
   * The same for listed files. If two patterns match a name, the first counts.
   */
  async #chooseListed(): Promise<Job[]> {
    const { lists, names, missed, turnMs, signal } = this.#options;
    const jobs: Job[] = [];
    const turns = new Turns(turnMs);
    const listed = lists.takeNew((name) =>
      names.has(name) || missed.takes(name)
    );
    for (const { list, at, isTaken } of listed) {
      if (turns.isOver) await turns.give();
      signal.throwIfAborted();
      if (isTaken) continue;
      const entry = list.catalogue.entryAt(at);
      const job = await this.#jobFor(entry, list.selection, { list, at });
      if (job !== null) jobs.push(job);
    }
    return jobs;
  }

  /** The job for a name; `null` if the content cannot be decided. */
  async #jobFor(
    { name, offers }: CatalogueEntry,
    selection: Selection,
    listed?: ListedPlace,
  ): Promise<Job | null> {
    const { choosing, wanted, pathOf, hasSums, outcomes, signal } =
      this.#options;
    try {
      if (!wanted.allows(name)) throw hasNoSum(name);
      const choice = await choosing.choose(name, offers);
      const path = oneWay(pathOf(name, selection));
      return jobOf(choice, { name, path, listed, paths: this.#paths });
    } catch (error) {
      signal.throwIfAborted(); // the file did not fail
      if (!(error instanceof Failure)) throw error;
      outcomes.fail(name, hasSums ? asMismatch(error) : error);
      return null;
    }
  }
}

/**
 * A path without `..` after a name, and written as its folder is. Deno's calls
 * differ at `..`: one follows a link that comes before it, and removes another
 * file than the others made.
 */
function oneWay(path: string): string {
  // Windows itself resolves it first, and names keep their slashes.
  return Deno.build.os === "windows" || !/\.\.|\.\/|\/\//.test(path)
    ? path
    : join(path);
}
