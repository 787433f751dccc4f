/**
 * Decides which requests wait for a turn: those of clients that fetch a file
 * together with many others. A client shows that with the message `holding`.
 * All other clients are served at once, unless the service gives all clients
 * turns.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { SharedRate } from "../base/shared_rate.ts";
import type { PieceRun } from "../content/piece_set.ts";
import type { ReadTurn, ReadTurns } from "./served.ts";

/** The parts of a service that decide about turns. */
export interface TurnService {
  readonly limits: Limits;
  /** Limits all sending of the service; can change. */
  rate: SharedRate | undefined;
  /**
   * The order of clients that fetch a content together; by default there is
   * none.
   */
  readonly readTurns?: ReadTurns;
  /** Whether all other clients wait in that order too. */
  readonly allTakeTurns?: boolean;
}

/** The turns of one client. */
export class ClientTurns implements Disposable {
  readonly #service: TurnService;
  /** The key under which its turns are counted: the group of its address. */
  readonly #group: unknown;
  /** Versions of the files that it fetches together with others. */
  readonly #joined = new Map<string, Disposable>();

  constructor(service: TurnService, group?: unknown) {
    this.#service = service;
    this.#group = group;
  }

  /**
   * Notes that it fetches a file with others; keeps only the last few files.
   */
  join(file: string): void {
    const { readTurns, limits } = this.#service;
    if (readTurns === undefined || this.#joined.has(file)) return;
    this.#joined.set(file, readTurns.join(file));
    if (this.#joined.size <= limits.requestedFileCount) return;
    for (const [oldest, joined] of this.#joined) {
      joined[Symbol.dispose]();
      this.#joined.delete(oldest);
      return;
    }
  }

  /** Whether pieces of a file wait for a turn. */
  isNeededFor(file: string): boolean {
    const { readTurns, allTakeTurns } = this.#service;
    if (readTurns === undefined) return false;
    if (allTakeTurns === true) return true;
    return this.#joined.has(file) && readTurns.isNeededFor(file);
  }

  /** The pieces of a request that are sent next, in one turn if they need one. */
  next(file: string, { first, count }: PieceRun): PieceRun {
    const { swarmRunPieceCount } = this.#service.limits;
    const most = this.isNeededFor(file) ? swarmRunPieceCount : count;
    return { first, count: Math.min(count, most) };
  }

  /**
   * Resolves when it is the turn of these pieces. Rejects if the signal is aborted
   * before that.
   */
  async take(
    file: string,
    run: PieceRun & { readonly bytes: number },
    signal?: AbortSignal,
  ): Promise<ReadTurn | undefined> {
    const { readTurns, rate, limits } = this.#service;
    // The time that our rate limit needs for the pieces of all current turns.
    const ownMs = rate === undefined
      ? 0
      : 1_000 * limits.swarmReaderCount * run.bytes / rate.bytesPerSecond;
    return await readTurns?.take(file, run, {
      group: this.#group,
      ownMs,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  [Symbol.dispose](): void {
    for (const joined of this.#joined.values()) joined[Symbol.dispose]();
  }
}
