/**
 * What each holder can be asked for: files with missing pieces, in the order in
 * which they were added. Pure.
 *
 * @module
 */

import { IndexQueue } from "./index_queue.ts";
import type { FileProgress } from "./plan_state.ts";

/** Files with pieces to ask for, by their phase. */
export class PhaseQueues {
  readonly open = new IndexQueue();
  readonly waiting = new IndexQueue();

  /**
   * The place of the first file: waiting files are skipped if none may open.
   */
  firstPhase(mayOpen: boolean): FileProgress["phase"] {
    const { open, waiting } = this;
    if (!mayOpen || waiting.first === undefined) return "open";
    return open.first !== undefined && open.first < waiting.first
      ? "open"
      : "waiting";
  }
}

/** Files by the order in which their pieces are asked for. */
export interface Queues {
  readonly rarest: PhaseQueues;
  readonly front: PhaseQueues;
}

/** The queues of all holders. */
export class HolderQueues {
  readonly #queues = new Map<string, Queues>();

  /** The queues of a holder, if it has been given files. */
  of(holder: string): Queues | undefined {
    return this.#queues.get(holder);
  }

  /** Queues the file again for one of its holders, or for all. */
  add(
    { index, holders, rarest, phase }: FileProgress,
    only: Iterable<string> = holders,
  ): void {
    for (const holder of only) {
      let queues = this.#queues.get(holder);
      if (queues === undefined) {
        queues = { rarest: new PhaseQueues(), front: new PhaseQueues() };
        this.#queues.set(holder, queues);
      }
      queues[rarest === undefined ? "front" : "rarest"][phase].push(index);
    }
  }
}
