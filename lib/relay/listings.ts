/**
 * The pages of a listing, as frames. An open relay makes the first page once
 * for all clients while it stays valid; in a flood of listings this saves most
 * of the work.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { encodeNodes, NODES_OVERHEAD_BYTES } from "../protocol/messages.ts";
import type { Registry } from "./registry.ts";
import type { Entries } from "./entries.ts";
import type { Tunnels } from "./tunnels.ts";

/** What pages are made of. */
export interface ListingsOptions {
  /** Who is registered. */
  readonly registry: Registry;
  /** Makes text of what the registry keeps. */
  readonly entries: Entries;
  /** Knows who is attached, where there are tunnels. */
  readonly tunnels: Pick<Tunnels, "isAttached" | "changes"> | null;
  /** The numbers. */
  readonly limits: Pick<Limits, "frameControlBytes" | "firstPageMs">;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** A page, ready to be sent. */
export interface ListingPage {
  /** Sent to many: nobody may change it. */
  readonly frame: Uint8Array;
  /** Whether another page follows. */
  readonly hasMore: boolean;
}

/** What a page is asked by. */
export interface PageRequest {
  /** Where the page before ended. */
  readonly cursor?: string | undefined;
  /** Makes the grants of whoever asks, by the ids of nodes. */
  readonly granter?: ((nodeId: string) => string) | undefined;
}

interface FirstPage extends ListingPage {
  readonly changes: number;
  readonly until: number;
}

/** Makes the pages of one relay. */
export class Listings {
  readonly #options: ListingsOptions;
  /** Id of the relay: as long as any, for grants. */
  readonly #relayId: string;
  #first: FirstPage | null = null;

  /** Nothing is made yet. */
  constructor(relayId: string, options: ListingsOptions) {
    this.#relayId = relayId;
    this.#options = options;
  }

  /** The page that is asked for, as it is at `now`. */
  page({ cursor, granter }: PageRequest, now: number): ListingPage {
    if (cursor !== undefined || granter !== undefined) {
      return this.#make({ cursor, granter }, now);
    }
    const { registry, tunnels, limits } = this.#options;
    const changes = registry.changes(now) + (tunnels?.changes ?? 0);
    const former = this.#first;
    if (former?.changes === changes && now < former.until) return former;
    const { trueUntil, ...page } = this.#make({}, now);
    const until = Math.min(trueUntil, now + limits.firstPageMs);
    const first: FirstPage = { ...page, changes, until };
    return this.#first = first;
  }

  #make(
    { cursor, granter }: PageRequest,
    now: number,
  ): ListingPage & { trueUntil: number } {
    const { registry, entries, tunnels, limits, random } = this.#options;
    const page = registry.list({
      ...(cursor === undefined ? {} : { cursor }),
      pageBytes: limits.frameControlBytes - NODES_OVERHEAD_BYTES,
      random,
      // All grants have the length of any; quotes and a comma go with each.
      besidesBytes: granter === undefined
        ? 0
        : granter(this.#relayId).length + 3,
    }, now);
    const listed = page.entries.map((entry, index) =>
      entries.listed(entry, {
        tunnel: tunnels?.isAttached(page.ids[index]!) ?? false,
      })
    );
    const grants = granter && page.ids.map((id) => granter(id));
    const frame = encodeNodes({
      ...page,
      entries: listed,
      ...(grants === undefined ? {} : { grants }),
    });
    const hasMore = page.cursor !== undefined;
    return { frame, hasMore, trueUntil: page.trueUntil };
  }
}
