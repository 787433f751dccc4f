/**
 * The options of one run of `getFiles`.
 *
 * @module
 */

import type { BaseFile } from "../disk/base_file.ts";
import type { Candidates } from "./candidates.ts";
import type { Selection } from "./selections.ts";
import type { SwarmOptions } from "./swarming.ts";
import type { TransferOptions } from "./transfer_options.ts";

/** Options of {@linkcode getFiles}. */
export interface GetOptions extends TransferOptions {
  /** The names and patterns to fetch. */
  selections: readonly Selection[];
  /** The path to save a file at. */
  pathOf: (name: string, selection: Selection) => string;
  /**
   * The folder that all files are saved in or below. Only to this folder may a
   * link lead. By default it is the path of each file without the folders of
   * its name.
   */
  folder?: string;
  /** Whether to replace existing files. */
  overwrite?: boolean;
  /**
   * Whether each file is stored durably before `file_received` is reported;
   * true by default. Otherwise a power failure may lose reported files.
   */
  sync?: boolean;
  /**
   * The SHA-256 of each file, as 64 hexadecimal digits; others are not fetched.
   * Then each name means exactly one file.
   */
  sums?: ReadonlyMap<string, string>;
  /** An older file, whose right pieces are copied and not fetched. */
  base?: string;
  /** Only reports what would happen to each file: `file_planned`. */
  dryRun?: boolean;
  /**
   * How long to ask again for files that no node has, in milliseconds; by
   * default not at all.
   */
  waitMs?: number;
  /**
   * Whether large files are fetched together with the other clients that fetch
   * them: each gives the others what it has.
   */
  swarm?: SwarmOptions;
}

/** Options of `GetRun`. */
export interface GetRunOptions extends Omit<GetOptions, "base"> {
  /** The nodes to ask. */
  readonly candidates: Candidates;
  /** An older file, whose right pieces are copied and not fetched. */
  readonly base: BaseFile | undefined;
  /** Whether files that no node has are asked for again soon. */
  readonly isRepeated?: boolean;
}
