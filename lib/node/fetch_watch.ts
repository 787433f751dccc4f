/**
 * Checks the fetches of a node at intervals, while there are any.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { zeroPieces } from "../content/zeros.ts";
import type { Fetch } from "./fetch.ts";
import type { FetchEvent, RunningFetch } from "./fetch_types.ts";
import { Fetches } from "./fetches.ts";
import type { ServedDigests } from "./served.ts";

/** Options of {@linkcode FetchWatch}. */
export interface FetchWatchOptions {
  readonly limits: Limits;
  readonly digests: Pick<ServedDigests, "manifestOf">;
  readonly onEvent: (event: FetchEvent) => void;
  /** Called at each check with what is being sent. */
  readonly onFetches: ((running: readonly RunningFetch[]) => void) | undefined;
}

/** The fetches of a node. Disposing reports the rest. */
export class FetchWatch implements Disposable {
  readonly fetches: Fetches;
  readonly #options: FetchWatchOptions;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: FetchWatchOptions) {
    const { limits, digests, onEvent } = options;
    this.#options = options;
    this.fetches = new Fetches({
      limits,
      now: () => performance.now(),
      lacksOnlyZeros: (fetch) => lacksOnlyZeros(fetch, digests),
      onEvent,
      onActive: () => this.#start(),
    });
  }

  #start(): void {
    const { fetchCheckMs } = this.#options.limits;
    this.#timer ??= setInterval(() => this.#check(), fetchCheckMs);
  }

  #check(): void {
    this.fetches.check();
    this.#options.onFetches?.(this.fetches.running());
    if (!this.fetches.isActive) this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.fetches.end();
    this.#options.onFetches?.([]);
  }
}

/**
 * Whether the pieces that were not sent are zeros, which no client requests.
 */
function lacksOnlyZeros(
  fetch: Fetch,
  digests: Pick<ServedDigests, "manifestOf">,
): boolean {
  const manifest = digests.manifestOf(fetch.file);
  return manifest !== undefined && fetch.lacksOnly(zeroPieces(manifest));
}
