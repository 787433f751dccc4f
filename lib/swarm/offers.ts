/**
 * Offers the pieces that a client has of one content to other holders, over a
 * connection of its own to each, on which these ask and it answers. A client that
 * cannot be dialled gives by that alone.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import type { Channel } from "../protocol/channel.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { ListedHolder } from "../uplink/listed_holders.ts";
import { Rests } from "./rests.ts";

/** Options of {@linkcode Offers}. */
export interface OffersOptions {
  readonly content: string;
  /** This client's id as a holder. */
  readonly id: string;
  readonly limits: Pick<
    Limits,
    "swarmDialCount" | "swarmFirstRetryMs" | "swarmRetryMs"
  >;
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
  readonly #rests: Rests;

  constructor(options: OffersOptions) {
    const { swarmFirstRetryMs: firstMs, swarmRetryMs: mostMs } = options.limits;
    this.#options = options;
    this.#rests = new Rests({ firstMs, mostMs });
  }

  /** A holder can be offered pieces; may be told as often as one likes. */
  met(holder: ListedHolder): void {
    const { isNeeded, limits: { swarmDialCount } } = this.#options;
    const { id } = holder;
    const isFull = this.#open.size >= swarmDialCount;
    if (this.#stop.signal.aborted || isFull || this.#open.has(id)) return;
    if (this.#rests.has(id, performance.now()) || !isNeeded(holder)) return;
    const offering = this.#offer(holder).finally(() => {
      this.#open.delete(id);
      this.#rests.begin(id, performance.now());
    });
    this.#open.set(id, offering);
    offering.catch(() => {}); // a bug; disposing throws it
  }

  async #offer(holder: ListedHolder): Promise<void> {
    const { content, id, dial, give } = this.#options;
    const { signal } = this.#stop;
    try {
      await using session = await dial(holder, signal);
      session.endOn(signal);
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
