/**
 * Gives turns to the clients that fetch a content together, in the order of
 * {@linkcode Readers}. A client that receives its pieces slowly still gets them,
 * but no longer delays the turns of others.
 *
 * @module
 */

import { countUnder, onDispose } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";
import type { PieceRun } from "../content/piece_set.ts";
import { Readers } from "./readers.ts";
import type { ReadTurn, ReadTurns, TakeTurnOptions } from "./served.ts";

interface WaitingRead extends PieceRun {
  readonly begin: () => void;
}

/**
 * Gives turns to requests, separately for each content. Disposing gives all
 * waiting requests a turn at once.
 */
export class ReaderTurns implements ReadTurns, Disposable {
  readonly #limits: Limits;
  /** The readers of files that are being read, by version. */
  readonly #files = new Map<string, Readers<WaitingRead>>();
  /** Clients that fetch a file together, by its version. */
  readonly #joined = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #count = 0;
  #isEnded = false;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  join(file: string): Disposable {
    countUnder(this.#joined, file, 1);
    return onDispose(() => countUnder(this.#joined, file, -1));
  }

  #joinedCount(file: string): number {
    return this.#joined.get(file) ?? 0;
  }

  isNeededFor(file: string): boolean {
    return this.#joinedCount(file) > this.#limits.swarmReaderCount;
  }

  /** Requests that are being served, without those of slow readers. */
  get servedCount(): number {
    return [...this.#files.values()]
      .reduce((sum, readers) => sum + readers.servedCount, 0);
  }

  /** Requests that wait for their turn. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Number of files with readers. */
  get fileCount(): number {
    return new Set([...this.#files.keys(), ...this.#joined.keys()]).size;
  }

  async take(
    file: string,
    run: PieceRun,
    { group, ownMs = 0, signal }: TakeTurnOptions = {},
  ): Promise<ReadTurn> {
    // A client has one request at a time, so each request is its own reader.
    const reader = `${this.#count++}`;
    const readers = this.#files.get(file) ?? new Readers(this.#limits);
    this.#files.set(file, readers);
    const end = (how: "sent" | "left" | "late") => {
      readers[how](reader);
      serveNext(readers);
      const isCurrent = this.#files.get(file) === readers;
      if (readers.isIdle && isCurrent) this.#files.delete(file);
    };
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#isEnded) resolve();
    this.#waiting.add(resolve);
    const leave = () => reject(signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    readers.request(reader, { ...run, begin: resolve }, group);
    serveNext(readers);
    try {
      await promise;
    } catch (error) {
      end("left");
      throw error;
    } finally {
      signal?.removeEventListener("abort", leave);
      this.#waiting.delete(resolve);
    }
    const slowMs = this.#limits.swarmSlowMs + ownMs;
    const timer = setTimeout(() => end("late"), slowMs);
    let isOver = false;
    const endOnce = (how: "sent" | "left") => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      end(how);
    };
    return {
      sent: () => endOnce("sent"),
      [Symbol.dispose]: () => endOnce("left"),
    };
  }

  [Symbol.dispose](): void {
    this.#isEnded = true;
    for (const resolve of this.#waiting) resolve();
  }
}

function serveNext(readers: Readers<WaitingRead>): void {
  for (
    let turn = readers.next();
    turn !== undefined;
    turn = readers.next()
  ) turn.request.begin();
}
