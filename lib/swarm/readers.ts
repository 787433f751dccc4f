/**
 * The order in which a client serves the others of a swarm: a piece to one
 * reader after the other, a few readers at a time. A few quick streams finish
 * pieces that can be passed on; many slow ones finish none for long. Pure.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/** The numbers that {@linkcode Readers} keep to. */
export type ReaderNumbers = Pick<
  Limits,
  "swarmReaderCount" | "swarmReaderQueueCount"
>;

/** A request to serve now. */
export interface ReaderTurn<Request> {
  readonly reader: string;
  readonly request: Request;
}

/** What the readers of one content have asked for. */
export class Readers<Request> {
  readonly #numbers: ReaderNumbers;
  /** The requests of each reader that has some; the next reader is first. */
  readonly #waiting = new Map<string, Request[]>();
  /** Readers that something is being sent to. */
  readonly #served = new Set<string>();

  /** Nobody has asked for anything. */
  constructor(numbers: ReaderNumbers) {
    this.#numbers = numbers;
  }

  /** Readers that something is being sent to. */
  get servedCount(): number {
    return this.#served.size;
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
    for (const [reader, requests] of this.#waiting) {
      if (this.#served.has(reader)) continue;
      const request = requests.shift()!;
      this.#waiting.delete(reader);
      if (requests.length > 0) this.#waiting.set(reader, requests); // the last
      this.#served.add(reader);
      return { reader, request };
    }
    return undefined;
  }

  /** What a reader was served has been sent. */
  sent(reader: string): void {
    this.#served.delete(reader);
  }

  /** Forgets a reader and what it asked for. */
  left(reader: string): void {
    this.#waiting.delete(reader);
    this.#served.delete(reader);
  }
}
