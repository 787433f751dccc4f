/**
 * The pages of a listing, as frames. An open relay makes the first page once
 * for all clients while it stays valid. In a flood of listings this saves most
 * of the work.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import { encodeNodes, NODES_OVERHEAD_BYTES } from "../protocol/messages.ts";
import type { Lease } from "./lease.ts";
import type { Registry } from "./registry.ts";
import type { Entries } from "./entries.ts";
import { type HotAnswer, HotAnswers } from "./hot_answers.ts";
import type { IndexedNodes } from "./indexed_nodes.ts";
import type { Tunnels } from "./tunnels.ts";

/** What pages are made of. */
export interface ListingsOptions {
  /** The leases. */
  readonly registry: Registry;
  /** Unpacks what the registry stores. */
  readonly entries: Entries;
  /** The indexes of the nodes; `null` if the relay keeps none. */
  readonly names: IndexedNodes | null;
  /** Base64 of the key of the fingerprints in them. */
  readonly indexKey: string;
  /** Knows the attached nodes, if the relay carries tunnels. */
  readonly tunnels: Pick<Tunnels, "isAttached" | "changes"> | null;
  /**
   * The other instance of the relay that a node is attached to, as `HOST:PORT`;
   * by default there is none.
   */
  readonly tunnelAt?: (lease: Lease) => string | undefined;
  readonly limits: Limits;
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
}

/** An encoded page. */
export interface ListingPage {
  /** Sent to many clients, so nobody may change it. */
  readonly frame: Uint8Array;
  /** Whether another page follows. */
  readonly hasMore: boolean;
}

/** The request for a page. */
export interface PageRequest {
  /** The cursor from the page before. */
  readonly cursor?: string | undefined;
  /** Makes the asking peer's grant for a node id. */
  readonly granter?: ((nodeId: string) => string) | undefined;
}

/** The request for a page with only some nodes. */
export interface NarrowRequest extends PageRequest {
  /** Their ids, sorted. */
  readonly ids: readonly string[];
  /** Id of the key of the request; by default the relay's. */
  readonly askedKey?: string | undefined;
}

/** A page, and when the first lease on it ends. */
export interface DatedPage extends ListingPage {
  readonly trueUntil: number;
}

interface FirstPage extends ListingPage {
  readonly changes: number;
  readonly until: number;
}

/** `"at":"HOST:PORT",` at its longest. */
const AT_BYTES = 88;

/** Makes the pages of one relay. */
export class Listings {
  readonly #options: ListingsOptions;
  /** Id of the relay, to measure grants with: all ids have the same length. */
  readonly #relayId: string;
  #first: FirstPage | null = null;
  readonly #hot: HotAnswers;

  constructor(relayId: string, options: ListingsOptions) {
    this.#relayId = relayId;
    this.#options = options;
    this.#hot = new HotAnswers(options.limits);
  }

  /** The requested page, as it is at `now`. */
  page({ cursor, granter }: PageRequest, now: number): ListingPage {
    if (cursor !== undefined || granter !== undefined) {
      return this.#make({ cursor, granter }, now);
    }
    const { limits } = this.#options;
    const changes = this.#changes(now);
    const former = this.#first;
    if (former?.changes === changes && now < former.until) return former;
    const { trueUntil, ...page } = this.#make({}, now);
    const until = Math.min(trueUntil, now + limits.firstPageMs);
    const first: FirstPage = { ...page, changes, until };
    return this.#first = first;
  }

  /** Rises with every change of the list. */
  #changes(now: number): number {
    const { registry, tunnels } = this.#options;
    return registry.changes(now) + (tunnels?.changes ?? 0);
  }

  /** Rises with every change of an answer from the index. */
  answerChanges(now: number): number {
    return this.#changes(now) + (this.#options.names?.changes ?? 0);
  }

  /**
   * The only page with the nodes that may have the names, if it was made before
   * and is still valid. An open relay gives all clients the same.
   */
  hot(fingerprints: string, now: number): HotAnswer | undefined {
    const changes = this.answerChanges(now);
    return this.#hot.find(fingerprints, { changes, now });
  }

  /**
   * Keeps such a page for {@linkcode hot}, unless something has changed since
   * the nodes were looked up, at the time of `changes`.
   */
  keep(
    fingerprints: string,
    answer: HotAnswer,
    { changes, now }: { changes: number; now: number },
  ): void {
    if (changes !== this.answerChanges(now)) return;
    this.#hot.keep(fingerprints, answer, changes);
  }

  /**
   * A page with only some of the nodes. Pages are in the order of the ids, and a
   * cursor is the last id.
   */
  narrowed(
    { cursor = "", granter, ids, askedKey }: NarrowRequest,
    now: number,
  ): DatedPage {
    const { registry, indexKey: key, limits } = this.#options;
    let trueUntil = Infinity;
    const entries: string[] = [];
    const grants: string[] = [];
    let bytes = 0;
    let last: string | undefined;
    for (const id of ids) {
      const lease = id > cursor ? registry.find(id, now) : undefined;
      if (lease === undefined) continue;
      const grant = granter?.(id);
      bytes += lease.listedBytes + 1 + (grant?.length ?? 0) + 3 + this.#atBytes;
      const isFull = bytes > limits.frameControlBytes - NODES_OVERHEAD_BYTES;
      if (isFull && last !== undefined) {
        const page = { entries, grants, key, askedKey, cursor: last };
        return { ...this.#narrowedPage(page, now), trueUntil };
      }
      trueUntil = Math.min(trueUntil, lease.expiresAt);
      entries.push(this.#listed(lease));
      if (grant !== undefined) grants.push(grant);
      last = id;
    }
    const page = this.#narrowedPage({ entries, grants, key, askedKey }, now);
    return { ...page, trueUntil };
  }

  /** A page with one node, or with none if it has no lease. */
  alone(
    id: string | undefined,
    { granter }: Pick<PageRequest, "granter">,
    now: number,
  ): ListingPage {
    const { registry } = this.#options;
    const lease = id === undefined ? undefined : registry.find(id, now);
    const frame = encodeNodes({
      count: registry.count(now),
      entries: lease === undefined ? [] : [this.#listed(lease)],
      ...(lease === undefined || granter === undefined
        ? {}
        : { grants: [granter(id!)] }),
    });
    return { frame, hasMore: false };
  }

  /** A page without nodes: what a client needs to ask for some of them. */
  keyAlone(now: number): ListingPage {
    const { indexKey: key } = this.#options;
    return this.#narrowedPage({ entries: [], grants: [], key }, now);
  }

  #narrowedPage(
    { entries, grants, key, askedKey, cursor }: {
      entries: readonly string[];
      grants: readonly string[];
      key: string;
      askedKey?: string | undefined;
      cursor?: string;
    },
    now: number,
  ): ListingPage {
    const { registry, names } = this.#options;
    const frame = encodeNodes({
      count: registry.count(now),
      entries,
      ...(cursor === undefined ? {} : { cursor }),
      ...(grants.length === 0 ? {} : { grants }),
      index: { key, unindexed: names!.unindexedCount(askedKey) },
    });
    return { frame, hasMore: cursor !== undefined };
  }

  /** Bytes on a page for the instance that a node is attached to. */
  get #atBytes(): number {
    return this.#options.tunnelAt === undefined ? 0 : AT_BYTES;
  }

  #listed(lease: Lease): string {
    const { entries, tunnels, tunnelAt } = this.#options;
    const tunnel = tunnels?.isAttached(lease.id) ?? false;
    const at = tunnel ? undefined : tunnelAt?.(lease);
    return entries.listed(lease.entry, {
      tunnel: tunnel || at !== undefined,
      at,
    });
  }

  #make(
    { cursor, granter }: PageRequest,
    now: number,
  ): DatedPage {
    const { registry, limits, random } = this.#options;
    const page = registry.list({
      ...(cursor === undefined ? {} : { cursor }),
      pageBytes: limits.frameControlBytes - NODES_OVERHEAD_BYTES,
      random,
      // All grants have the same length; two quotes and a comma go with each.
      besidesBytes: this.#atBytes +
        (granter === undefined ? 0 : granter(this.#relayId).length + 3),
    }, now);
    const listed = page.leases.map((lease) => this.#listed(lease));
    const grants = granter && page.leases.map(({ id }) => granter(id));
    const frame = encodeNodes({
      ...page,
      entries: listed,
      ...(grants === undefined ? {} : { grants }),
    });
    const hasMore = page.cursor !== undefined;
    return { frame, hasMore, trueUntil: page.trueUntil };
  }
}
