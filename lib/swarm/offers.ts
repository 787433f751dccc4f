/**
 * Offers the pieces that a client has of one content to holders that it has
 * dialled, over a second connection to each, on which these ask and it answers. A
 * client that cannot be dialled gives by that alone.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import type { Channel } from "../protocol/channel.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { ListedHolder } from "../uplink/listed_holders.ts";

/** Options of {@linkcode Offers}. */
export interface OffersOptions {
  readonly content: string;
  /** This client's id as a holder. */
  readonly id: string;
  readonly limits: Pick<Limits, "swarmDialCount" | "swarmRetryMs">;
  /** Whether a holder cannot dial this client, as far as is known. */
  readonly isNeeded: (holder: ListedHolder) => boolean;
  /** Opens another session with a holder. */
  readonly dial: (
    holder: ListedHolder,
    signal: AbortSignal,
  ) => Promise<NodeSession>;
  /** Answers over a channel of which a holder has taken the offer. */
  readonly give: (channel: Channel) => Promise<void>;
}

/** The offers of one content. Disposing ends those that are taken. */
export class Offers implements AsyncDisposable {
  readonly #options: OffersOptions;
  readonly #stop = new AbortController();
  readonly #open = new Map<string, Promise<void>>();
  /** Holders that are not offered anything again before a time. */
  readonly #rests = new Map<string, number>();

  constructor(options: OffersOptions) {
    this.#options = options;
  }

  /** There is a link to a holder; may be told as often as one likes. */
  linked(holder: ListedHolder): void {
    const { isNeeded, limits: { swarmDialCount, swarmRetryMs } } =
      this.#options;
    const { id } = holder;
    const now = performance.now();
    for (const [other, until] of this.#rests) {
      if (until <= now) this.#rests.delete(other);
    }
    const isFull = this.#open.size >= swarmDialCount;
    const isOver = this.#stop.signal.aborted;
    if (isOver || isFull || this.#open.has(id) || this.#rests.has(id)) return;
    if (!isNeeded(holder)) return;
    const offering = this.#offer(holder).finally(() => {
      this.#open.delete(id);
      this.#rests.set(id, performance.now() + swarmRetryMs);
    });
    this.#open.set(id, offering);
    offering.catch(() => {}); // a bug; disposing throws it
  }

  async #offer(holder: ListedHolder): Promise<void> {
    const { content, id, dial, give } = this.#options;
    const { signal } = this.#stop;
    try {
      await using session = await dial(holder, signal);
      using _end = onAbort(signal, () => session.abort(signal.reason));
      const outcome = await session.offer(content, id);
      if (!("kind" in outcome)) await give(outcome);
    } catch (error) {
      if (isBug(error)) throw error;
      // It is offered again after a while, if it is still there.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the content is given no longer"));
    await Promise.all(this.#open.values());
  }
}

/** Calls `end` when a signal is aborted, until disposed of. */
function onAbort(signal: AbortSignal, end: () => void): Disposable {
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  return {
    [Symbol.dispose]: () => signal.removeEventListener("abort", end),
  };
}
