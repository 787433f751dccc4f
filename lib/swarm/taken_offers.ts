/**
 * The offers that a client takes: other clients, which it cannot dial, have
 * dialled it, and give it pieces of one content over that connection.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { isShared } from "../guard/admission.ts";
import type { Offer, TakenOffer } from "../node/served.ts";
import type { Channel } from "../protocol/channel.ts";
import { NodeSession } from "../transfer/session.ts";
import { SourceExhausted } from "../transfer/source.ts";
import type { HolderSource } from "./holder_search.ts";

/** Options of {@linkcode TakenOffers}. */
export interface TakenOffersOptions {
  readonly content: string;
  readonly limits: Pick<
    Limits,
    | "swarmOfferCount"
    | "swarmOffersPerAddressCount"
    | "swarmRetryMs"
    | "pieceStallMs"
  >;
  /** Whether there is a link to a holder that was dialled. */
  readonly isLinked: (id: string) => boolean;
  readonly onSource: (found: HolderSource) => void;
}

/** The offers of one content. Disposing ends them. */
export class TakenOffers implements Disposable {
  readonly #options: TakenOffersOptions;
  /** Offers that are taken, and the group that each is counted in. */
  readonly #taken = new Map<Offer, string>();
  readonly #sessions = new Set<NodeSession>();
  /** Groups of which no offer is taken before a time. */
  readonly #rests = new Map<string, number>();
  #isOver = false;
  #count = 0;

  constructor(options: TakenOffersOptions) {
    this.#options = options;
  }

  /** All of the content is here: no offer is taken any more. */
  completed(): void {
    this.#isOver = true;
  }

  /** Takes an offer, if there is room. Nobody proves the id of an offer. */
  take(offer: Offer, source: string): TakenOffer | undefined {
    const { limits, isLinked } = this.#options;
    const group = isShared(source) ? offer.id : source;
    const now = performance.now();
    for (const [other, until] of this.#rests) {
      if (until <= now) this.#rests.delete(other);
    }
    const beside = [...this.#taken.values()].filter((one) => one === group);
    const isTwice = isLinked(offer.id) ||
      this.#taken.keys().some(({ id }) => id === offer.id);
    const isFull = this.#taken.size >= limits.swarmOfferCount ||
      beside.length >= limits.swarmOffersPerAddressCount;
    if (this.#isOver || isTwice || isFull || this.#rests.has(group)) {
      return undefined;
    }
    this.#taken.set(offer, group);
    return {
      receive: (channel) => this.#receive(offer, channel),
      [Symbol.dispose]: () => this.#taken.delete(offer),
    };
  }

  async #receive(offer: Offer, channel: Channel): Promise<void> {
    const { content, limits, onSource } = this.#options;
    const { pieceStallMs, swarmRetryMs } = limits;
    channel.swapRoles({ acceptsData: true, idleMs: pieceStallMs });
    const { session } = await NodeSession.open(channel, {
      ...{ id: offer.id, path: "direct" },
    });
    await using _session = session;
    if (this.#isOver) return;
    this.#sessions.add(session);
    const ended = new Promise<{ mayReturn: boolean }>((resolve) => {
      onSource({
        holder: { id: offer.id, addresses: [channel.conn.remote] },
        source: {
          id: `offer ${++this.#count} ${content}`,
          ...{ isHolder: true, content, session },
          open: () => Promise.reject(new SourceExhausted("it has left")),
          ended: resolve,
        },
      });
    });
    const { mayReturn } = await ended;
    this.#sessions.delete(session);
    if (mayReturn) return;
    this.#rests.set(this.#taken.get(offer)!, performance.now() + swarmRetryMs);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    const left = new Error("the content is received no longer");
    for (const session of this.#sessions) session.abort(left);
  }
}
