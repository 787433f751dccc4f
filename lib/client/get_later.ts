/**
 * Asks for files again until nodes have them, or the time is over. Waits longer
 * after each round, because each asks the relay and its nodes. Reads whole
 * lists, for patterns and for names within longer ones, less often if that
 * takes long.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { Failure } from "../base/errors.ts";
import { type Limits, limitsWith } from "../base/limits.ts";
import type { ClientEvent } from "./events.ts";
import type { GetResult } from "./get_run.ts";
import { isMissing } from "./missing_names.ts";
import type { Selection } from "./selections.ts";
import { checkedName, type TransferOptions } from "./transfer_options.ts";

/** The options that differ from round to round, and those that it needs. */
export interface RoundOptions extends TransferOptions {
  /** The names and patterns to fetch. */
  readonly selections: readonly Selection[];
  /** Whether to look for names within longer ones. */
  readonly anywhere?: boolean;
  /**
   * Whether files that no node has are asked for again soon, so that nothing
   * may delay the end of this round.
   */
  readonly isRepeated?: boolean;
}

/** The result of a round, or why it could not be asked. */
type Round = GetResult | Failure;

/**
 * Fetches files with `get`, and again those that no node has, for `waitMs`. A
 * relay that answered once may be unreachable later.
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
  const emit = options.onEvent ?? (() => {});
  const until = performance.now() + waitMs;
  const saved = new Map<string, string>();
  const failed = new Map<string, Failure>();
  const missing = new Set(options.selections.map(keyOf));
  let hasAsked = false;
  const lists = new ListsClock(limits);
  for (let round = 0;; round++) {
    const isLast = performance.now() >= until;
    const asked = isLast || lists.isDue ? options : withoutLists(options);
    const wanted = asked.selections.filter((one) => missing.has(keyOf(one)));
    const startedAt = performance.now();
    const found = await ask(get, {
      ...asked,
      selections: wanted,
      isRepeated: !isLast,
      onEvent: (event: ClientEvent) => {
        hasAsked ||= event.event === "nodes_listed";
        const isEarly = event.event === "file_failed" && isMissing(event.error);
        if (isLast || !isEarly) emit(event);
      },
    }, { isPatient: hasAsked && !isLast });
    const isIdle = found instanceof Failure || found.saved.size === 0;
    if (asked === options && isIdle) lists.read(performance.now() - startedAt);
    if (found instanceof Failure) {
      if (isLast) throw found;
    } else {
      for (const [name, path] of found.saved) saved.set(name, path);
      for (const key of wanted.map(keyOf)) {
        if (!isMissing(found.failed.get(key))) missing.delete(key);
      }
      for (const [name, failure] of found.failed) {
        if (isLast || !missing.has(name)) failed.set(name, failure);
      }
      if (isLast || missing.size === 0) return { saved, failed };
    }
    const leftMs = until - performance.now();
    const pauseMs = Math.max(0, Math.min(pauseAfter(round, limits), leftMs));
    emit({
      event: "waiting_for_files",
      names: [...missing],
      againMs: Math.round(pauseMs),
      leftMs: Math.round(Math.max(0, leftMs)),
    });
    await pause(pauseMs, options.signal);
  }
}

/** Knows when whole lists may be read again. */
class ListsClock {
  readonly #limits: Limits;
  #dueAt = -Infinity;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get isDue(): boolean {
    return performance.now() >= this.#dueAt;
  }

  /** Records how long reading them took. */
  read(tookMs: number): void {
    const { waitListsRatio, waitListsMostMs } = this.#limits;
    const pauseMs = Math.min(tookMs * waitListsRatio, waitListsMostMs);
    this.#dueAt = performance.now() + pauseMs;
  }
}

/** For a round that asks for whole names only, which costs nodes little. */
function withoutLists<Options extends RoundOptions>(options: Options): Options {
  const isName = ({ kind }: Selection) => kind === "name";
  const selections = options.selections.filter(isName);
  return { ...options, selections, anywhere: false };
}

/** Failures that the next round may not have are returned. */
async function ask<Options extends RoundOptions>(
  get: (options: Options) => Promise<GetResult>,
  options: Options,
  { isPatient }: { isPatient: boolean },
): Promise<Round> {
  if (options.selections.length === 0) {
    return { saved: new Map(), failed: new Map() };
  }
  try {
    return await get(options);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { kind } = error;
    if (kind === "not_found" || kind === "relay" && isPatient) return error;
    throw error;
  }
}

function keyOf(selection: Selection): string {
  return selection.kind === "name"
    ? checkedName(selection.name)
    : selection.pattern;
}

/** Twice as long after each round, up to a limit. */
function pauseAfter(
  round: number,
  { waitFirstMs, waitMostMs }: Limits,
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
