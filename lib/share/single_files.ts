/**
 * Keeps files that their owner named one by one up to date: it looks at each
 * from time to time, and never at anything around it, so it needs permission
 * only for these files.
 *
 * @module
 */

import { Exclusions, type ShareFilter } from "./exclusions.ts";
import { RiskyNames } from "./risky_names.ts";
import { FileTable } from "./file_table.ts";
import type { Scan } from "./found_entry.ts";
import { forgetUnseen, lookAtSingleFile } from "./scan.ts";
import type { SingleFile } from "./shared_path.ts";
import { ruleOf, Skipped, type SkippedName } from "./skipped.ts";
import { Turns } from "../base/turns.ts";
import type { ShareListener, Upkeep, UpkeepOptions } from "./upkeep_types.ts";

const SEPARATOR = Deno.build.os === "windows" ? "\\" : "/";

/** Keeps some files up to date. Disposing stops it. */
export class SingleFilesUpkeep implements Upkeep {
  readonly name = "";
  readonly folder = null;
  readonly isThere = true;
  readonly table = new FileTable(SEPARATOR);
  readonly #paths: ReadonlyMap<string, string>;
  readonly #options: UpkeepOptions;
  readonly #closing = new AbortController();
  readonly #exclusions: Exclusions;
  readonly #risks = new RiskyNames();
  #skipped: Skipped;
  #isScanned = false;
  #looking: Promise<void> | null = null;
  #listener: ShareListener | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(files: readonly SingleFile[], options: UpkeepOptions) {
    this.#paths = new Map(files.map(({ name, path }) => [name, path]));
    this.#options = options;
    // Their owner named them: one may begin with a dot.
    this.#exclusions = new Exclusions(
      { ...options.filter, hidden: true },
      { name: "", root: "" },
    );
    this.#skipped = new Skipped(options.limits.skippedNameCount);
  }

  get isScanned(): boolean {
    return this.#isScanned;
  }

  get skipped(): Skipped {
    return this.#skipped;
  }

  skippedNames(): SkippedName[] {
    const names = new Map(Array.from(this.#paths, ([name, path]) => [
      path,
      name,
    ]));
    return Array.from(this.#skipped.entries(), (entry) => ({
      name: names.get(entry.path)!,
      kind: entry.kind,
      rule: ruleOf(entry),
    }));
  }

  /** Whether at least one of the files is there and may be shared. */
  async isReadable(): Promise<boolean> {
    await this.lookThrough();
    return this.table.fileCount > 0;
  }

  startWatch(): Promise<void> {
    return Promise.resolve(); // the system watches folders, which may be out of reach
  }

  follow(listener: ShareListener): Promise<void> {
    this.#listener = listener;
    const { shareCheckMs } = this.#options.limits;
    this.#timer = setInterval(() => void this.lookThrough(), shareCheckMs);
    if (this.#isScanned) this.#changed();
    return Promise.resolve();
  }

  #changed(): void {
    if (this.#listener === null) return;
    const finds = this.#risks.take();
    if (finds) this.#listener.onEvent?.({ event: "share_risky", ...finds });
    this.#listener.onChange();
  }

  async exclude(filter: ShareFilter): Promise<void> {
    this.#exclusions.change({ ...filter, hidden: true });
    await this.#looking;
    await this.lookThrough();
  }

  catchUp(): Promise<void> {
    return Promise.resolve(); // each was looked for at its only path
  }

  async lookFor(name: string): Promise<void> {
    const path = this.#paths.get(name);
    if (path !== undefined) await lookAtSingleFile({ name, path }, this.#scan);
  }

  lookThrough(): Promise<void> {
    return this.#looking ??= this.#lookNow()
      .finally(() => this.#looking = null);
  }

  async #lookNow(): Promise<void> {
    const turns = new Turns(this.#options.limits.turnMs);
    const scan = this.#scan;
    this.table.beginLook();
    for (const [name, path] of this.#paths) {
      await lookAtSingleFile({ name, path }, scan);
      if (this.#closing.signal.aborted) return;
      if (turns.isOver) await turns.give();
    }
    await forgetUnseen(scan);
    this.#isScanned = true;
    this.#changed();
  }

  get #scan(): Scan {
    return {
      root: null,
      table: this.table,
      skipped: this.#skipped,
      exclusions: this.#exclusions,
      risks: this.#risks,
      limits: this.#options.limits,
      onTrouble: () => {}, // each is looked at again soon
      isFull: this.#options.isFull,
      signal: this.#closing.signal,
    };
  }

  stop(): void {
    this.#closing.abort();
    clearInterval(this.#timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#looking;
  }
}
