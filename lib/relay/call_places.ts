/**
 * The places of the calls to one other instance. If all are taken, callers wait
 * for a limited time, and their address groups take turns: an address that asks
 * for many tunnels does not delay another one.
 *
 * @module
 */

import { groupUnder, onDispose, removeUnder } from "../base/collections.ts";
/** A place that serves one call after another. */
export class CallPlaces {
  #freeCount: number;
  /** Callers that wait, by group; the group whose turn is next comes first. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(count: number) {
    this.#freeCount = count;
  }

  /**
   * Takes a place for a caller of `group`. Disposing gives it back.
   *
   * @returns `undefined` if there was none within `waitMs`.
   */
  async take(group: string, waitMs: number): Promise<Disposable | undefined> {
    if (this.#freeCount > 0) this.#freeCount--;
    else if (!await this.#wait(group, waitMs)) return undefined;
    return onDispose(() => this.#giveBack());
  }

  /** Whether a place was handed over in time. */
  #wait(group: string, waitMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const take = () => {
      clearTimeout(timer);
      resolve(true);
    };
    const timer = setTimeout(() => {
      removeUnder(this.#waiting, group, take);
      resolve(false);
    }, waitMs);
    groupUnder(this.#waiting, group).add(take);
    return promise;
  }

  #giveBack(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#freeCount++;
      return;
    }
    const [group, callers] = next;
    const [take] = callers;
    callers.delete(take!);
    this.#waiting.delete(group);
    if (callers.size > 0) this.#waiting.set(group, callers);
    take!();
  }
}
