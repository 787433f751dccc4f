/**
 * Fetches files to the disk: any number of them, from all nodes that have them.
 * Resumes interrupted runs. Only complete, verified files get their final
 * names.
 *
 * @module
 */

import { BaseFile } from "../disk/base_file.ts";
import { Candidates } from "./candidates.ts";
import { getWhenThere, type RoundOptions } from "./get_later.ts";
import { type GetResult, GetRun } from "./get_run.ts";
import { Peers } from "./peers.ts";
import { distinct, type Selection } from "./selections.ts";
import type { SwarmOptions } from "./swarming.ts";
import { checkedName, type TransferOptions } from "./transfer_options.ts";

export type { GetResult } from "./get_run.ts";
export type { Selection } from "./selections.ts";

/** Options of {@linkcode getFiles}. */
export interface GetOptions extends TransferOptions {
  /** The names and patterns to fetch. */
  selections: readonly Selection[];
  /** The path to save a file at. */
  pathOf: (name: string, selection: Selection) => string;
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

/**
 * Fetches files to the disk.
 *
 * @throws {Failure} of kind `usage` for impossible names, `relay` if the relay
 * cannot be asked, `local` if the disk fails or the older file cannot be used;
 * the signal's reason when aborted.
 */
export function getFiles(options: GetOptions): Promise<GetResult> {
  const { waitMs } = options;
  return waitMs === undefined
    ? getOnce(options)
    : getWhenThere(options, { waitMs, get: getOnce });
}

async function getOnce(
  options: GetOptions & Pick<RoundOptions, "isRepeated">,
): Promise<GetResult> {
  const selections = distinct(
    options.selections.map((selection) =>
      selection.kind === "name"
        ? { ...selection, name: checkedName(selection.name) }
        : selection
    ),
  );
  await using stack = new AsyncDisposableStack();
  const tell = options.onEvent ?? (() => {});
  const base = options.base === undefined
    ? undefined
    : stack.use(await BaseFile.open(options.base));
  const peers = stack.use(new Peers(options, tell));
  const candidates = await Candidates.of(peers, selections, options);
  const given = { ...options, selections, candidates, base, onEvent: tell };
  const get = stack.use(new GetRun(peers, given));
  return await get.run();
}
