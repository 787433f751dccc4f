/**
 * Asks for files again until nodes have them, or the time is over. Waits longer
 * after each round, because each asks the relay and its nodes.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { Failure } from "../base/errors.ts";
import { type Limits, limitsWith } from "../base/limits.ts";
import type { ClientEvent } from "./events.ts";
import { SeveralFound } from "./failures.ts";
import type { GetResult } from "./get_run.ts";
import type { Selection } from "./selections.ts";
import { checkedName, type TransferOptions } from "./transfer_options.ts";

/** The options that differ from round to round, and those that it needs. */
export interface RoundOptions extends TransferOptions {
  /** The names and patterns to fetch. */
  readonly selections: readonly Selection[];
}

/** The result of a round, or why it could not be asked. */
type Round = GetResult | Failure;

/**
 * Fetches files with `get`, and again those that no node has, for `waitMs`. A
 * relay that answered once may be away meanwhile.
 *
 * @throws {Failure} if a round fails in another way, or the last one at all; the
 * signal's reason when aborted.
 */
export async function getWhenThere<Options extends RoundOptions>(
  options: Options,
  { waitMs, get }: {
    waitMs: number;
    get: (options: Options) => Promise<GetResult>;
  },
): Promise<GetResult> {
  const limits = limitsWith(options.limits);
  const tell = options.onEvent ?? (() => {});
  const until = performance.now() + waitMs;
  const saved = new Map<string, string>();
  const failed = new Map<string, Failure>();
  let selections = options.selections;
  let hasAsked = false;
  for (let round = 0;; round++) {
    const isLast = performance.now() >= until;
    const found = await ask(get, {
      ...options,
      selections,
      onEvent: (event: ClientEvent) => {
        hasAsked ||= event.event === "nodes_listed";
        const isEarly = event.event === "file_failed" && isMissing(event.error);
        if (isLast || !isEarly) tell(event);
      },
    }, { isPatient: hasAsked && !isLast });
    if (found instanceof Failure) {
      if (isLast) throw found;
    } else {
      for (const [name, path] of found.saved) saved.set(name, path);
      selections = selections.filter((selection) =>
        isMissing(found.failed.get(keyOf(selection)))
      );
      const missing = new Set(selections.map(keyOf));
      for (const [name, failure] of found.failed) {
        if (isLast || !missing.has(name)) failed.set(name, failure);
      }
      if (isLast || selections.length === 0) return { saved, failed };
    }
    const leftMs = until - performance.now();
    const pauseMs = Math.max(0, Math.min(pauseAfter(round, limits), leftMs));
    tell({
      event: "waiting_for_files",
      names: selections.map(keyOf),
      againMs: Math.round(pauseMs),
      leftMs: Math.round(Math.max(0, leftMs)),
    });
    await pause(pauseMs, options.signal);
  }
}

/** Failures that the next round may not have are returned. */
async function ask<Options>(
  get: (options: Options) => Promise<GetResult>,
  options: Options,
  { isPatient }: { isPatient: boolean },
): Promise<Round> {
  try {
    return await get(options);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { kind } = error;
    if (kind === "not_found" || kind === "relay" && isPatient) return error;
    throw error;
  }
}

/** Whether a node may have the file later. */
function isMissing(error: Error | undefined): boolean {
  return error instanceof Failure && error.kind === "not_found" &&
    !(error instanceof SeveralFound);
}

function keyOf(selection: Selection): string {
  return selection.kind === "name"
    ? checkedName(selection.name)
    : selection.pattern;
}

/** Twice as long after each round, up to a limit. */
function pauseAfter(
  round: number,
  { waitFirstMs, waitMostMs }: Pick<Limits, "waitFirstMs" | "waitMostMs">,
): number {
  return Math.min(waitFirstMs * 2 ** Math.min(round, 30), waitMostMs);
}

/** Waits; rejects with the signal's reason when aborted. */
async function pause(ms: number, signal: AbortSignal | undefined) {
  try {
    await delay(ms, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
