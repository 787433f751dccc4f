/**
 * Offers the pieces that a client has of one content to other holders, over a
 * connection of its own to each, on which these ask and it answers. This is the
 * only way in which a client that cannot be dialled serves others.
 *
 * @module
 */

import type { Conn } from "../base/conn.ts";
import { isBug } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { GroupSizes, placeToEvict } from "../guard/eviction.ts";
import type { Channel } from "../protocol/channel.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { ListedHolder } from "../uplink/listed_holders.ts";
import { groupOf } from "./holder_group.ts";
import { Backoffs } from "./backoffs.ts";

/** Options of {@linkcode Offers}. */
export interface OffersOptions {
  readonly content: string;
  /** This client's id as a holder. */
  readonly id: string;
  readonly limits: Limits;
  /** Whether a holder cannot dial this client, as far as is known. */
  readonly isNeeded: (holder: ListedHolder) => boolean;
  /** Opens another session with a holder. */
  readonly dial: (
    holder: ListedHolder,
    signal: AbortSignal,
  ) => Promise<NodeSession>;
  /** Answers over a channel of which a holder has taken the offer. */
  readonly give: (channel: Channel) => Promise<void>;
  /** The monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

/** An offer that is being made, or was taken. */
interface OutgoingOffer {
  readonly id: string;
  readonly group: string;
  /** Aborted when another takes the place. */
  readonly end: AbortController;
  /** The connection of the offer, once it is accepted. */
  conn?: Conn;
  /** The bytes that it had moved when it was last found in use. */
  movedBytes: number;
  activeAt: number;
}

/** The offers of one content. Disposing ends those that are taken. */
export class Offers implements AsyncDisposable {
  readonly #options: OffersOptions;
  readonly #stop = new AbortController();
  readonly #places = new Map<string, OutgoingOffer>();
  readonly #offering = new Set<Promise<void>>();
  readonly #now: () => number;
  /** Holders that are not offered anything again before a time. */
  readonly #rests: Backoffs;

  constructor(options: OffersOptions) {
    const { swarmFirstRetryMs: firstMs, swarmRetryMs: mostMs } = options.limits;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#rests = new Backoffs({ firstMs, mostMs });
  }

  /**
   * Notes that a holder can be offered pieces; may be called any number of times. Where all
   * places are taken, it replaces one of an address group that has at least two
   * places more, or one over which no piece was given for
   * `swarmConnectionIdleMs`.
   */
  met(holder: ListedHolder): void {
    const { isNeeded, limits: { swarmDialCount } } = this.#options;
    const { id } = holder;
    const now = this.#now();
    if (this.#stop.signal.aborted || this.#places.has(id)) return;
    if (this.#rests.has(id, now) || !isNeeded(holder)) return;
    const group = groupOf(holder);
    if (this.#places.size >= swarmDialCount) {
      const replaced = this.#replaceable(group, now);
      if (replaced === undefined) return;
      this.#leave(replaced);
      replaced.end.abort(new Error("another holder has taken its place"));
    }
    const end = new AbortController();
    const place = { id, group, end, movedBytes: 0, activeAt: now };
    this.#places.set(id, place);
    const offering = this.#offer(holder, place).finally(() => {
      this.#leave(place);
      this.#offering.delete(offering);
    });
    this.#offering.add(offering);
    offering.catch(() => {}); // a bug; disposing throws it
  }

  #leave(place: OutgoingOffer): void {
    if (this.#places.get(place.id) !== place) return;
    this.#places.delete(place.id);
    this.#rests.begin(place.id, this.#now());
  }

  /** The place that a holder of a group may have, if there is one. */
  #replaceable(group: string, now: number): OutgoingOffer | undefined {
    const { swarmConnectionIdleMs } = this.#options.limits;
    const places = [...this.#places.values()];
    for (const place of places) this.#look(place, now);
    const sizes = new GroupSizes(places);
    const sizeOf = (place: OutgoingOffer) => sizes.of(place.group);
    const order = (one: OutgoingOffer, other: OutgoingOffer) =>
      one.activeAt - other.activeAt;
    const idle = places.filter((place) =>
      now - place.activeAt >= swarmConnectionIdleMs &&
      sizes.yields(place, group)
    );
    return placeToEvict(places, { own: sizes.of(group), sizeOf, order }) ??
      placeToEvict(idle, { sizeOf, order });
  }

  /** Notes whether pieces went over it: announcements are far smaller. */
  #look(place: OutgoingOffer, now: number): void {
    const moved = place.conn?.movedBytes ?? 0;
    if (moved - place.movedBytes < this.#options.limits.pieceMinBytes) return;
    place.movedBytes = moved;
    place.activeAt = now;
  }

  async #offer(holder: ListedHolder, place: OutgoingOffer): Promise<void> {
    const { content, id, dial, give } = this.#options;
    const signal = AbortSignal.any([this.#stop.signal, place.end.signal]);
    try {
      await using session = await dial(holder, signal);
      session.endOn(signal);
      const outcome = await session.offer(content, id);
      if ("kind" in outcome) return;
      place.conn = outcome.conn;
      await give(outcome);
    } catch (error) {
      if (isBug(error)) throw error;
      // It is offered again after a while, if it is still there.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("this client no longer serves the content"));
    await Promise.all(this.#offering);
  }
}
