/**
 * The order in which somebody serves the clients of a swarm: a piece to one
 * reader after the other, a few readers at a time, and first the pieces that
 * were not sent yet while somebody waited. Pure.
 *
 * A few quick streams finish pieces that readers can pass on; many slow ones
 * finish none for long. Readers that ask for the same piece at the same time can
 * give it to each other: one of them gets it at once, and the others after the
 * pieces that nobody has yet.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { PieceRun } from "../content/piece_set.ts";

/** The numbers that {@linkcode Readers} keep to. */
export type ReaderNumbers = Pick<
  Limits,
  "swarmReaderCount" | "swarmReaderQueueCount" | "swarmPassCount"
>;

/** A request to serve now. */
export interface ReaderTurn<Request> {
  readonly reader: string;
  readonly request: Request;
}

/** What the readers of one content have asked for. */
export class Readers<Request extends PieceRun> {
  readonly #numbers: ReaderNumbers;
  /** The requests of each reader that has some; the next reader is first. */
  readonly #waiting = new Map<string, Request[]>();
  /** Readers that something is being sent to, and what it is. */
  readonly #served = new Map<string, Request>();
  /** How often pieces were sent, with those on their way. */
  readonly #sent = new Map<number, number>();
  /** Pieces sent again since the one that waits longest had a turn. */
  #passedCount = 0;

  /** Nobody has asked for anything. */
  constructor(numbers: ReaderNumbers) {
    this.#numbers = numbers;
  }

  /** Readers that something is being sent to. */
  get servedCount(): number {
    return this.#served.size;
  }

  /** Whether nobody waits or is being sent something. */
  get isIdle(): boolean {
    return this.#waiting.size + this.#served.size === 0;
  }

  /** Notes a request; `false` if this reader has too many waiting. */
  ask(reader: string, request: Request): boolean {
    const requests = this.#waiting.get(reader) ?? [];
    if (requests.length >= this.#numbers.swarmReaderQueueCount) return false;
    requests.push(request);
    this.#waiting.set(reader, requests);
    return true;
  }

  /**
   * The next request to serve; `undefined` if there is none, or enough readers
   * are served. The caller says {@linkcode Readers.sent} when it is through.
   */
  next(): ReaderTurn<Request> | undefined {
    if (this.#served.size >= this.#numbers.swarmReaderCount) return undefined;
    const reader = this.#first();
    if (reader === undefined) return undefined;
    const requests = this.#waiting.get(reader)!;
    const request = requests.shift()!;
    this.#waiting.delete(reader);
    if (requests.length > 0) this.#waiting.set(reader, requests); // the last
    this.#served.set(reader, request);
    this.#count(request, 1);
    return { reader, request };
  }

  /**
   * Readers have turns for pieces that were not sent yet. A piece that was
   * sent to a client that does not pass it on is wanted by many, but counts as
   * sent. Of the other requests, the latest is served first: its reader knows
   * best what it cannot get elsewhere. Now and then it is the one that has
   * waited longest.
   */
  #first(): string | undefined {
    let partlyNew: string | undefined;
    let least = 1;
    let oldest: string | undefined;
    let newest: string | undefined;
    for (const [reader, [request]] of this.#waiting) {
      if (this.#served.has(reader)) continue;
      const part = this.#sentPart(request!);
      if (part === 0) return reader;
      if (part < least) partlyNew = reader;
      least = Math.min(part, least);
      oldest ??= reader;
      newest = reader;
    }
    if (partlyNew !== undefined || newest === oldest) {
      return partlyNew ?? newest;
    }
    if (this.#passedCount++ < this.#numbers.swarmPassCount) return newest;
    this.#passedCount = 0;
    return oldest;
  }

  /** Of the pieces of a request, the part that was sent already. */
  #sentPart({ first, count }: PieceRun): number {
    let sent = 0;
    for (let piece = first; piece < first + count; piece++) {
      if ((this.#sent.get(piece) ?? 0) > 0) sent++;
    }
    return sent / count;
  }

  #count({ first, count }: PieceRun, by: 1 | -1): void {
    for (let piece = first; piece < first + count; piece++) {
      this.#sent.set(piece, (this.#sent.get(piece) ?? 0) + by);
    }
  }

  /** What a reader was served has been sent. */
  sent(reader: string): void {
    this.#served.delete(reader);
    this.#rest();
  }

  /** If no reader waits, no piece has priority: the counts start again. */
  #rest(): void {
    if (this.isIdle) this.#sent.clear();
  }

  /** Forgets a reader; what was on its way to it has not been sent. */
  left(reader: string): void {
    this.#waiting.delete(reader);
    const request = this.#served.get(reader);
    if (request !== undefined) this.#count(request, -1);
    this.#served.delete(reader);
    this.#rest();
  }
}
