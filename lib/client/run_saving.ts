/**
 * Saves the chosen files of a run of `getFiles`, with one thread or with lanes;
 * in a dry run, only reports what would be done with them.
 *
 * @module
 */

import type { Failure } from "../base/errors.ts";
import type { Hasher } from "../transfer/hashing.ts";
import type { Lanes } from "../transfer/lanes.ts";
import type { SourceTrouble } from "../transfer/source.ts";
import { followedBy } from "./prefetch.ts";
import { boundsOf, hasherFor, lanesFor } from "./downloading.ts";
import { DryRun } from "./dry_run.ts";
import type { ClientEvent } from "./events.ts";
import type { Followups } from "./followups.ts";
import { type Job, sizeOf } from "./jobs.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";
import type { RunNames } from "./run_names.ts";
import type { RunNodes } from "./run_nodes.ts";
import type { GetRunOptions } from "./run_options.ts";
import type { SaveReport } from "./save_report.ts";
import { SaveRun } from "./save_run.ts";
import type { Swarming } from "./swarming.ts";
import { Targets } from "./targets.ts";
import type { WantedSums } from "./wanted_sums.ts";

/** What {@linkcode RunSaving} needs, in addition to the options of the run. */
export interface RunSavingParts {
  readonly names: RunNames;
  readonly nodes: RunNodes;
  readonly wanted: WantedSums;
  readonly outcomes: SaveReport;
  readonly followups: Followups;
  readonly swarming: Swarming | undefined;
  /** Stops everything when aborted; is aborted when everything has ended. */
  readonly stop: AbortController;
  readonly signal: AbortSignal;
  readonly emit: (event: ClientEvent) => void;
  /** A node, or another client that sends pieces. */
  readonly nodeOf: (id: string) => ListedNode;
}

/** Saves files. Disposing ends the workers. */
export class RunSaving implements Disposable {
  readonly #peers: Peers;
  readonly #options: GetRunOptions;
  readonly #parts: RunSavingParts;
  #hasher: Hasher | null = null;

  constructor(peers: Peers, options: GetRunOptions, parts: RunSavingParts) {
    this.#peers = peers;
    this.#options = options;
    this.#parts = parts;
  }

  /** Saves some files, and those of the batches after them. */
  async save(
    jobs: readonly Job[],
    batches: AsyncIterable<readonly Job[]>,
  ): Promise<void> {
    const lanes = this.#lanesFor(jobs);
    // The files that follow may be large.
    const sizes = this.#parts.nodes.isAsked ? jobs.map(sizeOf) : [Infinity];
    const hasher = this.#hasher = lanes ?? hasherFor(sizes);
    const all = followedBy(jobs, batches);
    if (this.#options.dryRun) return await this.#dryRun(hasher).run(all);
    const { nodes, swarming } = this.#parts;
    const saveRun = this.#saveRun(hasher, lanes);
    nodes.begin(saveRun, lanes);
    try {
      await saveRun.run(all);
    } catch (error) {
      swarming?.failed(error);
      throw error;
    } finally {
      nodes.end();
    }
  }

  #isSwarmed(job: Job): boolean {
    return this.#parts.swarming?.wants(job) ?? false;
  }

  /** Lanes, if all files are known and lanes make the fetch faster. */
  #lanesFor(jobs: readonly Job[]): Lanes | undefined {
    const { limits } = this.#peers;
    const { limitRate, dryRun } = this.#options;
    if (!this.#parts.nodes.isAsked || dryRun) return undefined;
    // Without its hashes, a lane could not check a file.
    const isKnown = jobs.every((job) =>
      sizeOf(job) < limits.smallFileBytes || job.group.content !== undefined
    );
    if (!isKnown || jobs.some((job) => this.#isSwarmed(job))) return undefined;
    return lanesFor(jobs.map(sizeOf), { limits, limitRate });
  }

  #dryRun(hasher: Hasher): DryRun {
    const { overwrite = false, base, candidates, folder } = this.#options;
    const { wanted, outcomes, followups, nodes, emit, signal } = this.#parts;
    return new DryRun({
      ...{ overwrite, wanted, base, hasher, outcomes, emit, signal, folder },
      describe: (job) => followups.describe(job),
      isClaimed: () => candidates.isByContent,
      elsewhere: (job) => this.#elsewhere(job),
      nodeOf: (id) => nodes.byId.get(id)!,
      turnMs: this.#peers.limits.turnMs,
    });
  }

  #saveRun(hasher: Hasher, lanes: Lanes | undefined): SaveRun {
    const { overwrite = false, sync = true, base, folder } = this.#options;
    const { wanted, outcomes, followups, swarming, stop, signal, nodeOf } =
      this.#parts;
    return new SaveRun({
      ...boundsOf(this.#peers, this.#options),
      ...{ hasher, stop, signal, outcomes, swarming },
      laneCount: lanes?.count ?? 0,
      targets: new Targets({
        ...{ overwrite, sync, wanted, base, signal, hasher, outcomes, folder },
        // Another person chose the file of a link.
        mayRun: this.#options.access?.link === undefined,
        openFileCount: this.#peers.limits.openFileCount,
        describe: (job) => followups.describe(job),
        isSwarmed: (job) => this.#isSwarmed(job),
      }),
      again: (job) => this.#replace(job, followups.again(job)),
      isDisbelieved: (job) => followups.isDisbelieved(job),
      otherwise: (job) => this.#replace(job, followups.otherwise(job)),
      besides: (job, failure) =>
        this.#replace(job, followups.besides(job, failure)),
      elsewhere: (job) => this.#elsewhere(job),
      nodeName: (id) => nodeOf(id).name,
      onTrouble: (trouble) => this.#reportTrouble(trouble),
    });
  }

  #reportTrouble({ source, kind, cause, out }: SourceTrouble): void {
    const { nodes, nodeOf, emit } = this.#parts;
    // A failure of another client is normal, and not reported.
    if (!nodes.byId.has(source) && kind !== "lied") return;
    const node = nodeOf(source);
    // It was reported as slow already, which ends its other sessions.
    if (kind === "broke_off" && this.#peers.isOut(source)) return;
    if (kind === "slow" && out) this.#peers.putOut(source);
    emit({ event: "node_trouble", node, kind, cause, out });
  }

  /** The same file from nodes that were not asked, if some have it. */
  async #elsewhere(job: Job): Promise<Job | undefined> {
    if (!this.#options.candidates.isByContent) return undefined;
    const { nodes, followups } = this.#parts;
    const next = await followups.elsewhere(job, await nodes.widen([job]));
    nodes.addSources(next?.sources.keys() ?? []);
    return next;
  }

  /** Notes the job that replaces another, if there is one. */
  async #replace(
    { name }: Job,
    asked: Promise<Job | Failure>,
  ): Promise<Job | Failure> {
    const next = await asked;
    this.#parts.names.replace(name, next);
    return next;
  }

  [Symbol.dispose](): void {
    this.#hasher?.[Symbol.dispose]();
  }
}
