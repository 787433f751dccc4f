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
import { distinct } from "./selections.ts";
import type { GetOptions } from "./run_options.ts";
import { checkedName } from "./transfer_options.ts";

export type { GetResult } from "./get_run.ts";
export type { GetOptions } from "./run_options.ts";
export type { Selection } from "./selections.ts";

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
  const emit = options.onEvent ?? (() => {});
  const base = options.base === undefined
    ? undefined
    : stack.use(await BaseFile.open(options.base));
  const peers = stack.use(new Peers(options, emit));
  const candidates = await Candidates.of(peers, selections, options);
  const given = { ...options, selections, candidates, base, onEvent: emit };
  const get = stack.use(new GetRun(peers, given));
  return await get.run();
}
