/**
 * Lets the clients of a holder have their turns, as {@linkcode Readers} says. A
 * client that takes long for what it asked for keeps its turn, but no longer
 * keeps others from theirs.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { ReadTurns } from "../node/served.ts";
import { type PieceRequest, type ReaderNumbers, Readers } from "./readers.ts";

// A file has at most 65,536 pieces, so this numbers the pieces of all files.
const PIECES = 65_536;

interface WaitingRead extends PieceRequest {
  readonly begin: () => void;
}

/**
 * Gives turns to readers, one request after the other. Disposing gives all that
 * wait a turn at once.
 */
export class ReaderTurns implements ReadTurns, Disposable {
  readonly #readers: Readers<WaitingRead>;
  /** A number for each file, by its version. */
  readonly #files = new Map<string, number>();
  readonly #limits: ReaderNumbers & Pick<Limits, "swarmSlowMs">;
  readonly #waiting = new Set<() => void>();
  #count = 0;
  #isEnded = false;

  constructor(limits: ReaderNumbers & Pick<Limits, "swarmSlowMs">) {
    this.#readers = new Readers(limits);
    this.#limits = limits;
  }

  /** Requests that are being served, those of slow readers left out. */
  get servedCount(): number {
    return this.#readers.servedCount;
  }

  async take(file: string, first: number): Promise<Disposable> {
    // A client has one request at a time, so each request is its own reader.
    const reader = `${this.#count++}`;
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#isEnded) resolve();
    this.#waiting.add(resolve);
    const piece = this.#numberOf(file) * PIECES + first;
    this.#readers.ask(reader, { piece, begin: resolve });
    this.#serveNext();
    await promise;
    this.#waiting.delete(resolve);
    const release = () => {
      this.#readers.sent(reader);
      this.#serveNext();
    };
    const timer = setTimeout(release, this.#limits.swarmSlowMs);
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        release();
      },
    };
  }

  #numberOf(file: string): number {
    const known = this.#files.get(file);
    if (known !== undefined) return known;
    this.#files.set(file, this.#files.size);
    return this.#files.size - 1;
  }

  #serveNext(): void {
    for (
      let turn = this.#readers.next();
      turn !== undefined;
      turn = this.#readers.next()
    ) turn.request.begin();
  }

  [Symbol.dispose](): void {
    this.#isEnded = true;
    for (const resolve of this.#waiting) resolve();
  }
}
