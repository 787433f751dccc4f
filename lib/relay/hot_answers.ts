/**
 * Answers from the index that many clients ask for. Each is made and encoded
 * once, and sent to all of them while it is valid. Pure.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/** An encoded answer. */
export interface HotAnswer {
  /** Sent to many clients, so nobody may change it. */
  readonly frame: Uint8Array;
  /** The cost of finding it, which every client is charged. */
  readonly workCount: number;
  /** When the first lease in it ends. */
  readonly trueUntil: number;
}

/** The answers of one relay, by the fingerprints that were asked for. */
export class HotAnswers {
  readonly #most: number;
  readonly #answers = new Map<string, HotAnswer>();
  #bytes = 0;
  #changes = 0;

  constructor({ hotAnswerBytes }: Limits) {
    this.#most = hotAnswerBytes;
  }

  /** Bytes that the answers take. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The answer to a request, if it is still true at `now`. `changes` rises with
   * everything that may change an answer.
   */
  find(
    request: string,
    { changes, now }: { changes: number; now: number },
  ): HotAnswer | undefined {
    if (changes !== this.#changes) return undefined;
    const answer = this.#answers.get(request);
    return answer !== undefined && now < answer.trueUntil ? answer : undefined;
  }

  /** Keeps an answer. The oldest ones make room for it. */
  keep(request: string, answer: HotAnswer, changes: number): void {
    if (changes !== this.#changes) this.#clear(changes);
    const former = this.#answers.get(request);
    if (former !== undefined) this.#drop(request, former);
    this.#bytes += bytesOf(request, answer);
    this.#answers.set(request, answer);
    for (const [oldest, dropped] of this.#answers) {
      if (this.#bytes <= this.#most) return;
      this.#drop(oldest, dropped);
    }
  }

  #clear(changes: number): void {
    this.#answers.clear();
    this.#bytes = 0;
    this.#changes = changes;
  }

  #drop(request: string, answer: HotAnswer): void {
    this.#answers.delete(request);
    this.#bytes -= bytesOf(request, answer);
  }
}

/** Its frame, its request, and an entry of a map. */
function bytesOf(request: string, { frame }: HotAnswer): number {
  return frame.length + request.length + 256;
}
