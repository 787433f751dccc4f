/**
 * Looks ahead at the files of a run that may be there already. A worker does
 * that once many have been found, because for a few it is not worth its start.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import { hasRoomForWorker } from "../transport/descriptors.ts";
import { type Looker, startLooker } from "./looker.ts";
import type { FileToLookAt, Looked } from "./looker_code.ts";

/** Options of {@linkcode Looks}. */
export interface LooksOptions {
  /** Ends pending looks. */
  readonly signal: AbortSignal;
  /** Starts the worker. */
  readonly start?: () => Looker;
  /** Whether file descriptors are left for it; otherwise Deno would end. */
  readonly hasRoom?: () => boolean;
}

const OTHER: Looked = { kind: "other" };

/** Looks at files. Disposing ends the worker. */
export class Looks implements Disposable {
  readonly #start: () => Looker;
  readonly #hasRoom: () => boolean;
  readonly #signal: AbortSignal;
  readonly #end = () => this[Symbol.dispose]();
  #looker: Looker | undefined;
  #foundCount = 0;
  #isOver = false;

  constructor(
    { signal, start = startLooker, hasRoom = hasRoomForWorker }: LooksOptions,
  ) {
    this.#start = start;
    this.#hasRoom = hasRoom;
    this.#signal = signal;
    // The worker may wait for a pipe that somebody put in the place of a file.
    signal.addEventListener("abort", this.#end);
  }

  /** Whether so many files were found that looking ahead pays. */
  get isWorthIt(): boolean {
    return !this.#isOver && this.#foundCount >= LIMITS.lookedHereCount;
  }

  /** Notes that the caller found a small file, and read it. */
  found(): void {
    this.#foundCount++;
  }

  /** Looks at a file; if that fails, the caller has to look itself. */
  look(file: FileToLookAt): Promise<Looked> {
    if (this.#looker === undefined && !this.#hasRoom()) {
      return Promise.resolve(OTHER);
    }
    this.#looker ??= this.#start();
    return this.#looker.add(file).catch(() => OTHER);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#signal.removeEventListener("abort", this.#end);
    this.#looker?.[Symbol.dispose]();
  }
}
