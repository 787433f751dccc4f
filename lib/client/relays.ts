/**
 * The relays of a client. All are asked at once, and what has arrived a moment
 * after the first answer is taken. A relay that is down, refuses or lies
 * affects only its own nodes.
 *
 * @module
 */

import { formatEndpoint } from "../base/conn.ts";
import { Failure } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { within } from "../base/waiting.ts";
import type { RelayDialer } from "../uplink/relay_dialer.ts";
import { UnreachableFailure } from "../uplink/relay_failures.ts";
import { mergeListings } from "./merged_nodes.ts";
import type { ListedNode, NodeListing } from "./nodes.ts";

/** Events of asking several relays. */
export type RelaysEvent =
  /**
   * One of several relays could not be asked; the others continue. Reported
   * once until it answers again.
   */
  | { event: "relay_failed"; relay: string; error: Failure }
  /**
   * One of several relays had not answered a moment after the first. Reported
   * once until it does.
   */
  | { event: "relay_late"; relay: string }
  /**
   * No relay answers, and nodes are dialled that they listed before; reported
   * once.
   */
  | {
    event: "relays_away";
    error: Failure;
    /** Nodes that are dialled. */
    nodes: number;
    /** Nodes that would refuse, because their grants have ended. */
    ended: number;
    /** Seconds since a relay last listed one of them. */
    seconds: number;
  };

/** Options of {@linkcode Relays}. */
export interface RelaysOptions {
  readonly limits: Limits;
  readonly emit: (event: RelaysEvent) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Asks one relay for its nodes, until nobody waits for them. */
export type ListAt = (
  dialer: RelayDialer,
  over?: AbortSignal,
) => Promise<NodeListing>;

/** An answer, or a request without one. */
interface ListingReply {
  readonly dialer: RelayDialer;
  listing?: NodeListing;
  error?: unknown;
}

/**
 * The relays of a client. Disposing ends requests whose answers are not
 * awaited.
 */
export class Relays implements AsyncDisposable {
  readonly #dialers: readonly RelayDialer[];
  readonly #options: RelaysOptions;
  /** The relay that answered last, the first of them if several did. */
  #first: RelayDialer;
  /** Those whose failure was reported to the user. */
  readonly #reported = new Set<RelayDialer>();
  readonly #over = new AbortController();
  /** Answers that are still on their way. */
  #late: Promise<ListingReply>[] = [];

  /** Takes at least one. */
  constructor(dialers: readonly RelayDialer[], options: RelaysOptions) {
    const [first] = dialers;
    if (first === undefined) throw new TypeError("A client needs a relay");
    this.#dialers = dialers;
    this.#options = options;
    this.#first = first;
  }

  /** The relay to ask if one is enough: the first of those that answered. */
  get first(): RelayDialer {
    return this.#first;
  }

  /** The relay that lists a node. */
  of({ relay }: Pick<ListedNode, "relay">): RelayDialer {
    return this.#dialers.find((dialer) => keyOf(dialer) === relay) ??
      this.#first;
  }

  /**
   * Asks all of them for their nodes.
   *
   * @throws {UnreachableFailure} if no relay answers, {Failure} of the first that
   * refuses if none lists its nodes.
   */
  async list(listAt: ListAt): Promise<NodeListing> {
    const [only, ...more] = this.#dialers;
    if (more.length === 0) return await listAt(only!);
    const come = new Map<RelayDialer, ListingReply>();
    const answers = this.#dialers.map(async (dialer) => {
      const answer = await requestListing(
        dialer,
        (one) => listAt(one, this.#over.signal),
      );
      come.set(dialer, answer);
      return answer;
    });
    const first = Promise.any(answers.map(async (answer) => {
      if ((await answer).listing === undefined) throw new Error("no answer");
    })).catch(() => {}); // none answered: reported below
    await first;
    const { limits, signal } = this.#options;
    await within(Promise.all(answers), limits.relayGraceMs, signal);
    this.#late = answers.filter((_, n) => !come.has(this.#dialers[n]!));
    return this.#merged(this.#dialers.flatMap((dialer) => {
      const one = come.get(dialer);
      if (one === undefined) this.#reportLate(dialer);
      return one === undefined ? [] : [one];
    }));
  }

  /** Nodes of relays that had not answered in time: waits for their answers. */
  async late(): Promise<readonly ListedNode[]> {
    const late = this.#late;
    this.#late = [];
    const answers = await Promise.all(late);
    const { signal } = this.#options;
    signal?.throwIfAborted();
    return answers.flatMap((answer) => this.#listingOf(answer)?.nodes ?? []);
  }

  #merged(answers: readonly ListingReply[]): NodeListing {
    const hasAny = answers.some(({ listing }) => listing !== undefined);
    const listings = !hasAny ? [] : answers.flatMap((answer) => {
      const listing = this.#listingOf(answer);
      return listing === undefined ? [] : [{ answer, listing }];
    });
    const [first] = listings;
    if (first === undefined) throw this.#failure(answers);
    this.#first = first.answer.dialer;
    return mergeListings(listings.map(({ listing }) => listing));
  }

  /** The failure if no relay has listed its nodes. */
  #failure(answers: readonly ListingReply[]): unknown {
    this.#options.signal?.throwIfAborted();
    const errors = answers.map(({ error }) => error);
    const other = errors.find((error) =>
      !(error instanceof UnreachableFailure)
    );
    const away = errors.filter((error) => error instanceof UnreachableFailure);
    const [first] = away;
    if (other !== undefined || first === undefined) return other;
    const { remedy } = first.parts;
    return new UnreachableFailure("relay", {
      what: "Cannot reach any relay",
      where: answers.map(({ dialer }) => keyOf(dialer)).join(", "),
      why: [...new Set(away.map(({ parts }) => parts.why))].join("; "),
      ...remedy === undefined ? {} : { remedy },
      cause: new AggregateError(away),
    });
  }

  /** The listing of an answer; reports a failure. */
  #listingOf(
    { dialer, listing, error }: ListingReply,
  ): NodeListing | undefined {
    if (listing !== undefined) {
      this.#reported.delete(dialer);
      return listing;
    }
    this.#options.signal?.throwIfAborted();
    if (!(error instanceof Failure)) throw error;
    if (!this.#reported.has(dialer)) {
      this.#reported.add(dialer);
      const relay = keyOf(dialer);
      this.#options.emit({ event: "relay_failed", relay, error });
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#late);
  }

  #reportLate(dialer: RelayDialer): void {
    if (this.#reported.has(dialer)) return;
    this.#reported.add(dialer);
    this.#options.emit({ event: "relay_late", relay: keyOf(dialer) });
  }
}

/** Never rejects. */
async function requestListing(
  dialer: RelayDialer,
  listAt: ListAt,
): Promise<ListingReply> {
  const relay = keyOf(dialer);
  try {
    const listing = await listAt(dialer);
    const nodes = listing.nodes.map((node) => ({ ...node, relay }));
    return { dialer, listing: { ...listing, nodes } };
  } catch (error) {
    return { dialer, error };
  }
}

function keyOf({ relay }: RelayDialer): string {
  return formatEndpoint(relay);
}
