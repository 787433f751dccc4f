/**
 * Reports what a `get` would do with each file, and fetches nothing. Reads the
 * disk, and changes nothing there.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { Failure } from "../base/errors.ts";
import { Turns } from "../base/turns.ts";
import { type Manifest, pieceCountOf } from "../content/manifest.ts";
import {
  existingEntryAt,
  existingEntryAtOnce,
} from "../disk/existing_entry.ts";
import { Owners } from "../disk/owners.ts";
import { partialPathOf } from "../disk/partial_name.ts";
import { Folders } from "../disk/places.ts";
import type { ClientEvent, PlannedAction } from "./events.ts";
import { type Job, wholeOf } from "./jobs.ts";
import type { ListedNode } from "./nodes.ts";
import { ExistingFiles, type ExistingFilesOptions } from "./existing_files.ts";
import type { SaveReport } from "./save_report.ts";

/** Options of {@linkcode DryRun}. */
export interface DryRunOptions
  extends Omit<ExistingFilesOptions, "owners" | "folders"> {
  /** The folder that the user chose for all files, if it is known. */
  readonly folder: string | undefined;
  /** Called for files that could not be saved. */
  readonly outcomes: SaveReport;
  /** Asks for the manifest of a file. */
  readonly describe: (job: Job) => Promise<Manifest>;
  /**
   * Whether only nodes were asked that claim to have the content. Then one of
   * them must send its manifest.
   */
  readonly isClaimed: () => boolean;
  /** The same file from nodes that were not asked, if some have it. */
  readonly elsewhere: (job: Job) => Promise<Job | undefined>;
  /** A node by its id. */
  readonly nodeOf: (id: string) => ListedNode;
  /** Called with what would be done with each file. */
  readonly emit: (event: ClientEvent) => void;
  readonly turnMs: number;
  readonly signal: AbortSignal;
}

/** Plans a `get`. */
export class DryRun {
  readonly #options: DryRunOptions;
  readonly #presence: ExistingFiles;
  readonly #folders: Folders;

  constructor(options: DryRunOptions) {
    this.#options = options;
    const owners = new Owners({ mayMake: false });
    const folders = new Folders(owners, options.folder);
    this.#folders = folders;
    this.#presence = new ExistingFiles({ ...options, owners, folders });
  }

  /** Plans all files. */
  async run(batches: AsyncIterable<readonly Job[]>): Promise<void> {
    const { turnMs, signal, outcomes } = this.#options;
    const turns = new Turns(turnMs);
    for await (const jobs of batches) {
      for (const listed of jobs) {
        if (turns.isOver) await turns.give();
        signal.throwIfAborted();
        const job = wholeOf(listed);
        const failure = await this.#plan(job);
        if (failure !== undefined) outcomes.fail(job.name, failure, job);
      }
    }
  }

  /**
   * Reports what would be done with a file; returns why it could not be saved.
   */
  async #plan(job: Job): Promise<Failure | undefined> {
    const failure = await this.#tried(job);
    if (failure?.kind !== "undelivered") return failure;
    const next = await this.#options.elsewhere(job);
    return next === undefined ? failure : await this.#tried(next);
  }

  async #tried(job: Job): Promise<Failure | undefined> {
    try {
      this.#emit(job, await this.#actionFor(job));
      return undefined;
    } catch (error) {
      if (error instanceof Failure) return error;
      throw error;
    }
  }

  #emit({ name, path, group }: Job, action: PlannedAction): void {
    const { emit, nodeOf } = this.#options;
    const { size: bytes, offers } = group;
    const nodes = offers.map(({ node }) => {
      const { number, id, name } = nodeOf(node);
      return { number, id, name };
    });
    emit({ event: "file_planned", name, path, bytes, action, nodes });
  }

  /** @throws {Failure} if the file could not be saved. */
  async #actionFor(job: Job): Promise<PlannedAction> {
    const { name, path, group: { size } } = job;
    const hasFolder = await this.#folders.exists(dirname(path));
    await this.#folders.judge(path, name);
    if (!hasFolder) return "fetch";
    const { occupant, info } = existingEntryAtOnce(path, size);
    const isOpen = occupant === "same_size" && this.#presence.isUnknown(job);
    const { isClaimed, describe } = this.#options;
    const manifest = isOpen || isClaimed() ? await describe(job) : undefined;
    const found = { occupant, info, seen: info, manifest };
    switch (await this.#presence.judge(job, found)) {
      case "same":
        return "keep";
      case "other":
        return "replace";
      case "none":
        return await this.#isBegun(job) ? "continue" : "fetch";
    }
  }

  /** Whether a partial file of an earlier run exists. */
  async #isBegun({ path, group: { size } }: Job): Promise<boolean> {
    return pieceCountOf(size) > 1 &&
      await existingEntryAt(partialPathOf(path), size) !== "none";
  }
}
