/**
 * The offers that a client takes: other clients, which it cannot dial, have
 * dialled it, and send it pieces of one content over that connection.
 *
 * There are few places. Nobody proves who makes an offer, so places are shared
 * out by address group: see {@linkcode TakenOffers.take}.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { isShared } from "../guard/admission.ts";
import { GroupSizes, placeToEvict } from "../guard/eviction.ts";
import type { PieceOffer, TakenOffer } from "../node/served.ts";
import type { Channel } from "../protocol/channel.ts";
import { NodeSession } from "../transfer/session.ts";
import { SourceExhausted } from "../transfer/source.ts";
import type { HolderSource } from "./holder_search.ts";

/** Options of {@linkcode TakenOffers}. */
export interface TakenOffersOptions {
  readonly content: string;
  readonly limits: Limits;
  /** Whether there is a connection to a holder that was dialled. */
  readonly isConnected: (id: string) => boolean;
  readonly onSource: (found: HolderSource) => void;
  /** The monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

/** An offer that is taken. */
interface IncomingOffer {
  readonly id: string;
  /** The address group that it is counted in. */
  readonly group: string;
  /** Whether any piece of it was correct. */
  hasGiven: boolean;
  /** When it last sent a piece; at first when it was taken. */
  activeAt: number;
  /** Aborted when another takes the place. */
  readonly end: AbortController;
}

/** The offers of one content. Disposing ends them. */
export class TakenOffers implements Disposable {
  readonly #options: TakenOffersOptions;
  readonly #places = new Set<IncomingOffer>();
  /** Groups whose offers are refused until a time. */
  readonly #rests = new Map<string, number>();
  /**
   * Groups that wait for the place of an offer that sends nothing, with the
   * time of their last request, in the order of their first. Asking more often
   * does not help.
   */
  readonly #waiting = new Map<string, number>();
  readonly #now: () => number;
  #isOver = false;
  #count = 0;

  constructor(options: TakenOffersOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The content is complete: no more offers are taken. */
  completed(): void {
    this.#isOver = true;
  }

  /**
   * Takes an offer, if there is a place for it. If all places are taken, it
   * replaces one of a group that has at least two places more than its own, see
   * {@linkcode placeToEvict}. Otherwise it replaces one that has sent nothing for
   * `swarmOfferIdleMs`. In both cases, places that never sent anything go first.
   */
  take(offer: PieceOffer, source: string): TakenOffer | undefined {
    const { limits, isConnected } = this.#options;
    const { id } = offer;
    const group = isShared(source) ? id : source;
    const now = this.#now();
    this.#forget(now);
    if (this.#isOver || isConnected(id) || this.#rests.has(group)) {
      return undefined;
    }
    // In another group, another client may claim the same id.
    const twin = this.#places.values()
      .find((one) => one.id === id && one.group === group);
    if (twin !== undefined) {
      if (!this.#isIdle(twin, now)) return undefined;
      this.#end(twin);
    } else if (this.#places.size >= limits.swarmOfferCount) {
      const replaced = this.#replaceable(group, now);
      if (replaced === undefined) return undefined;
      this.#end(replaced);
    }
    this.#waiting.delete(group);
    const end = new AbortController();
    const place = { id, group, hasGiven: false, activeAt: now, end };
    this.#places.add(place);
    return {
      receive: (channel) => this.#receive(place, channel),
      [Symbol.dispose]: () => this.#places.delete(place),
    };
  }

  #forget(now: number): void {
    for (const [group, until] of this.#rests) {
      if (until <= now) this.#rests.delete(group);
    }
    // A group that still wants a place asks again within this time.
    const lostMs = 2 * this.#options.limits.swarmRetryMs;
    for (const [group, askedAt] of this.#waiting) {
      if (now - askedAt >= lostMs) this.#waiting.delete(group);
    }
  }

  #isIdle({ activeAt }: IncomingOffer, now: number): boolean {
    return now - activeAt >= this.#options.limits.swarmOfferIdleMs;
  }

  #end(place: IncomingOffer): void {
    this.#places.delete(place);
    place.end.abort(new Error("another offer has taken its place"));
  }

  /** The place that an offer of a group may have, if there is one. */
  #replaceable(group: string, now: number): IncomingOffer | undefined {
    const places = [...this.#places];
    const sizes = new GroupSizes(places);
    // First those that never sent anything.
    const first = (among: readonly IncomingOffer[], own?: number) => {
      const rule = {
        ...own !== undefined && { own },
        sizeOf: (place: IncomingOffer) => sizes.of(place.group),
        order: (one: IncomingOffer, other: IncomingOffer) =>
          one.activeAt - other.activeAt,
      };
      return placeToEvict(among.filter(({ hasGiven }) => !hasGiven), rule) ??
        placeToEvict(among, rule);
    };
    const larger = first(places, sizes.of(group));
    if (larger !== undefined) return larger;
    const idle = places.filter((place) =>
      this.#isIdle(place, now) && sizes.yields(place, group)
    );
    return this.#ahead(group, now) < idle.length ? first(idle) : undefined;
  }

  /** The number of groups that have waited longer than this one. */
  #ahead(group: string, now: number): number {
    const { swarmOfferWaitingCount } = this.#options.limits;
    if (
      this.#waiting.has(group) || this.#waiting.size < swarmOfferWaitingCount
    ) this.#waiting.set(group, now);
    const at = [...this.#waiting.keys()].indexOf(group);
    return at < 0 ? this.#waiting.size : at;
  }

  async #receive(place: IncomingOffer, channel: Channel): Promise<void> {
    const { limits: { pieceStallMs, swarmRetryMs } } = this.#options;
    const { id, group, end: { signal } } = place;
    using _until = channel.endOn(signal);
    try {
      channel.swapRoles({ acceptsData: true, idleMs: pieceStallMs });
      const { session } = await NodeSession.open(channel, {
        ...{ id, path: "direct" },
      });
      await using _session = session;
      if (this.#isOver) return;
      session.endOn(signal);
      const { mayReturn } = await this.#useAsSource(place, channel, session);
      if (mayReturn || signal.aborted) return;
      this.#rests.set(group, this.#now() + swarmRetryMs);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Requests pieces over the session until it is of no more use. */
  #useAsSource(
    place: IncomingOffer,
    { conn: { remote } }: Channel,
    session: NodeSession,
  ): Promise<{ mayReturn: boolean }> {
    const { content, onSource } = this.#options;
    return new Promise((resolve) =>
      onSource({
        holder: { id: place.id, addresses: [remote] },
        source: {
          id: `offer ${++this.#count} ${content}`,
          ...{ isHolder: true, content, session },
          open: () => Promise.reject(new SourceExhausted("it disconnected")),
          arrived: () => {
            place.hasGiven = true;
            place.activeAt = this.#now();
          },
          ended: resolve,
        },
      })
    );
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    const left = new Error("this client no longer fetches the content");
    for (const { end } of this.#places) end.abort(left);
  }
}
