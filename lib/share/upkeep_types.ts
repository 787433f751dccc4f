/**
 * Keeps the files of one part of a share up to date: of a folder, or of single
 * files. Types only.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { ShareFilter } from "./exclusions.ts";
import type { FileTable } from "./file_table.ts";
import type { RiskyFinds } from "./risky_names.ts";
import type { FolderIdentity } from "./root.ts";
import type { Skipped, SkippedName } from "./skipped.ts";

/** Events of a share that is kept up to date. */
export type ShareEvent =
  /** The folder is missing, or was replaced by another one. */
  | { event: "share_gone"; directory: string; files: number; why: string }
  /** There is a folder at the path again, and it has been scanned. */
  | { event: "share_back"; directory: string; files: number }
  /**
   * The system does not report changes, so the folder is scanned now and then.
   */
  | { event: "share_unwatched"; directory: string; why: string }
  /**
   * Names are shared that people rarely mean to share: keys, passwords, `.git`.
   * The first of them, and how many there are.
   */
  | ({ event: "share_risky" } & RiskyFinds);

/** Gets the changes of a share. */
export interface ShareListener {
  /** Files were added, changed or removed. */
  readonly onChange: () => void;
  /** Something happened to the share as a whole. */
  readonly onEvent?: ((event: ShareEvent) => void) | undefined;
}

/** Keeps the files of one part of a share up to date. Disposing stops it. */
export interface Upkeep extends AsyncDisposable {
  /** The first part of its names; empty for a single folder. */
  readonly name: string;
  readonly table: FileTable;
  /** The folder that was scanned; `null` for files that were named one by one. */
  readonly folder: FolderIdentity | null;
  /** Whether it was still at its path at the last check. */
  readonly isThere: boolean;
  /** Whether the first scan is complete. */
  readonly isScanned: boolean;
  /** The number of entries that are not shared, by kind. */
  readonly skipped: Skipped;
  /** The first of these entries, in the order of their names. */
  skippedNames(): SkippedName[];
  /** Checks now whether it is still at its path. */
  isReadable(): Promise<boolean>;
  /** Starts the watch, so that no later change is missed. */
  startWatch(): Promise<void>;
  /**
   * Reports changes, and checks every `shareCheckMs`, until disposed of. Resolves
   * when no later change is missed.
   */
  follow(listener: ShareListener): Promise<void>;
  /** Brings the table up to date before an answer that there is no such file. */
  catchUp(): Promise<void>;
  /** Looks for one file at the path that its name gives. */
  lookFor(name: string): Promise<void>;
  /** Scans everything, once for all callers during the scan. */
  lookThrough(): Promise<void>;
  /** Changes what is left out, and scans everything. */
  exclude(filter: ShareFilter): Promise<void>;
  /** Stops all work. */
  stop(): void;
}

/** Options of {@linkcode FolderUpkeep}. */
export interface UpkeepOptions {
  readonly limits: Limits;
  readonly filter: ShareFilter;
  /** Whether the share holds as many files as it may. */
  readonly isFull: () => boolean;
}
