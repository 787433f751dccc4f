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

/** Options of `GetRun`. */
export interface GetRunOptions extends TransferOptions {
  readonly selections: readonly Selection[];
  /** The nodes to ask. */
  readonly candidates: Candidates;
  /** The path to save a file at. */
  readonly pathOf: (name: string, selection: Selection) => string;
  /** Whether to replace existing files. */
  readonly overwrite?: boolean;
  /** Whether files are durable before they count as saved; by default they are. */
  readonly sync?: boolean;
  /** The SHA-256 of each file; others are not fetched. */
  readonly sums?: ReadonlyMap<string, string>;
  /** An older file, whose right pieces are copied and not fetched. */
  readonly base: BaseFile | undefined;
  /** With `--wait`: the client waits for a node's first scan of its share. */
  readonly waitMs?: number;
  /** Whether files that no node has are asked for again soon. */
  readonly isRepeated?: boolean;
  /** Only reports what would happen to each file. */
  readonly dryRun?: boolean;
  /** Whether large files are fetched together with other clients. */
  readonly swarm?: SwarmOptions;
}
