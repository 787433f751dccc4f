/**
 * Decides which content of a name to fetch. If necessary, asks nodes to hash
 * their file.
 *
 * @module
 */

import {
  type Choice,
  chooseContent,
  type ContentCriteria,
  type ContentGroup,
  differ,
  type Offer,
} from "../content/choice.ts";
import { type Failure, isBug } from "../base/errors.ts";
import { orAborted } from "../base/waiting.ts";
import { QuerySessions } from "./query_sessions.ts";
import type { ClientEvent } from "./events.ts";
import type { Others } from "./hash_waits.ts";
import {
  contentUndecided,
  nobodyHasThatContent,
  nobodyHasThatSha256,
  notKnownWhoHasThat,
} from "./failures.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";
import type { WantedSums } from "./wanted_sums.ts";

/** Options of {@linkcode Choosing}. */
export interface ChoosingOptions {
  /** The user's conditions for the content. */
  readonly criteria: ContentCriteria;
  /** The SHA-256 of each file, instead of the one in `criteria`. */
  readonly wanted?: WantedSums | undefined;
  /** The nodes that may offer it; some may be added later. */
  readonly nodes: readonly ListedNode[];
  /** Called for every event. */
  readonly emit: (event: ClientEvent) => void;
  /** Stops asking. */
  readonly signal: AbortSignal;
}

/** A content that was chosen. */
export interface Chosen {
  /** The chosen content. */
  readonly group: ContentGroup;
  /** Whether there may be other contents, and only votes decided. */
  readonly isVoted: boolean;
  /**
   * Whether the offers alone decided, so that they would decide the same again.
   */
  readonly isByOffers: boolean;
}

/** Chooses between contents. Disposing ends pending requests. */
export class Choosing implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #options: ChoosingOptions;
  /** The user's conditions, with the latest modification time that counts. */
  readonly criteria: ContentCriteria;
  readonly #nodes = new Map<string, ListedNode>();
  /**
   * Separate sessions, so that a file that takes long to hash delays no other.
   */
  readonly #asides: QuerySessions;
  readonly #stop = new AbortController();
  readonly #deadline = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(peers: Peers, options: ChoosingOptions) {
    this.#peers = peers;
    this.#options = options;
    const notAfterMs = Date.now() + peers.limits.clockToleranceMs;
    this.criteria = { notAfterMs, ...options.criteria };
    this.#asides = new QuerySessions(
      peers,
      AbortSignal.any([options.signal, this.#stop.signal]),
    );
  }

  /**
   * Chooses between the contents of one name.
   *
   * @throws {Failure} if it chooses none: of kind `undelivered` if as many
   * addresses have another content, `not_found` if no node has the wanted one.
   */
  async choose(name: string, offers: readonly Offer[]): Promise<Chosen> {
    const criteria = this.#criteriaFor(name);
    const { emit } = this.#options;
    offers = this.#inTimeAmong(offers);
    let choice = chooseContent(offers, criteria, { isFinal: false });
    const isByOffers = choice.kind === "taken";
    if (choice.kind !== "taken" && choice.unknown.length > 0) {
      const { unknown } = choice;
      choice = await this.#settle({ name, offers, unknown, criteria });
    }
    const { groups, kind } = choice;
    if (kind === "none") throw this.#nobodyHasIt(name, choice);
    // A link allows one content, so there is nothing to choose.
    if (criteria.content === undefined && differ(groups)) {
      emit({ event: "contents_differ", name, groups, taken: kind === "taken" });
    }
    if (kind !== "taken") throw contentUndecided(name, groups);
    const isVoted = choice.basis === "voted";
    return { group: choice.group, isVoted, isByOffers };
  }

  /**
   * The offers, with the needed digests from the nodes that send them in time.
   */
  async described(name: string, offers: readonly Offer[]): Promise<Offer[]> {
    const { criteria } = this;
    const answers = new Answers(offers, criteria);
    return await Promise.all(
      offers.map(async (offer) =>
        isKnown(offer, criteria)
          ? offer
          : await this.#describe(name, offer, answers) ?? offer
      ),
    );
  }

  /**
   * The offers without those of nodes that hashed for too long, whose votes do
   * not count. All offers if there are no others, or if a given digest decides.
   */
  #inTimeAmong(offers: readonly Offer[]): readonly Offer[] {
    if (this.#isPinned) return offers;
    const { hashWaits } = this.#peers;
    // As with nearly all of 100,000 files.
    if (!offers.some(({ node }) => hashWaits.isOut(node))) return offers;
    const others = offers.filter(({ node }) => !hashWaits.isOut(node));
    return others.length === 0 ? offers : others;
  }

  get #isPinned(): boolean {
    const { criteria: { sha256, content }, wanted } = this.#options;
    return sha256 !== undefined || content !== undefined ||
      (wanted?.isPinned ?? false);
  }

  /** Whether the user gave a digest of the file. */
  isPinned(name: string): boolean {
    const { sha256, content } = this.#criteriaFor(name);
    return sha256 !== undefined || content !== undefined;
  }

  #criteriaFor(name: string): ContentCriteria {
    const sha256 = this.#options.wanted?.of(name);
    return sha256 === undefined ? this.criteria : { ...this.criteria, sha256 };
  }

  #nobodyHasIt(name: string, choice: Choice & { kind: "none" }): Failure {
    const { content } = this.#options.criteria;
    if (choice.unknown.length > 0) {
      return notKnownWhoHasThat(name, choice.unknown.length);
    }
    return content === undefined
      ? nobodyHasThatSha256(name)
      : nobodyHasThatContent(name);
  }

  /**
   * Asks nodes to hash their files, until the choice is clear or all have answered.
   */
  async #settle(
    { name, offers, unknown, criteria }: Unsettled,
  ): Promise<Choice> {
    const answers = new Answers(offers, criteria);
    const decided = Promise.withResolvers<void>();
    const settled = unknown.map(async (offer) => {
      const described = await this.#describe(name, offer, answers);
      if (described === undefined) return;
      const choice = chooseContent(answers.offers, criteria, {
        isFinal: false,
      });
      if (choice.kind === "taken") decided.resolve();
    });
    const all = Promise.all(settled);
    all.catch(() => {}); // handled here, or no longer needed
    await Promise.race([all, decided.promise]);
    const inTime = this.#inTimeAmong(answers.offers);
    return chooseContent(inTime, criteria, { isFinal: true });
  }

  #nodeOf(id: string): ListedNode {
    if (!this.#nodes.has(id)) {
      for (const node of this.#options.nodes) this.#nodes.set(node.id, node);
    }
    return this.#nodes.get(id)!;
  }

  /** An offer with its digests; `undefined` if its node does not send them. */
  async #describe(
    name: string,
    offer: Offer,
    answers: Answers,
  ): Promise<Offer | undefined> {
    const described = await this.#askFor(name, offer, answers);
    if (described === undefined) answers.failed(offer);
    else answers.given(described);
    return described;
  }

  async #askFor(
    name: string,
    offer: Offer,
    answers: Answers,
  ): Promise<Offer | undefined> {
    try {
      const node = this.#nodeOf(offer.node);
      const of = offer.content ?? offer.version;
      const answer = await this.#inTime(
        () =>
          this.#asides.ask(
            node,
            (session) =>
              this.#peers.hashWaits.describe(node, session, {
                ...{ of, name, bytes: offer.size },
                others: () => answers.othersThan(offer),
              }),
          ),
      );
      if (answer.kind === "refused") return undefined;
      const { manifest, sha256 } = answer;
      if (manifest.size !== offer.size) return undefined;
      return { ...offer, content: manifest.contentId, sha256 };
    } catch (error) {
      this.#options.signal.throwIfAborted();
      if (isBug(error)) throw error;
      return undefined; // the node's error shows again when it is asked for the file
    }
  }

  /**
   * Waits for `work` for as long as it takes if the user asked for a certain
   * content. If only votes depend on it, all waits together are limited.
   */
  async #inTime<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isPinned) return await work();
    const { signal } = this.#deadline;
    signal.throwIfAborted();
    this.#timer ??= setTimeout(
      () => this.#deadline.abort(new Error("not hashed in time")),
      this.#peers.limits.settleMs,
    );
    return await orAborted(work(), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort(new Error("chosen"));
    await this.#asides[Symbol.asyncDispose]();
  }
}

/** A choice that needs more digests. */
interface Unsettled {
  readonly name: string;
  readonly offers: readonly Offer[];
  /** Offers that could be chosen if their digest were known. */
  readonly unknown: readonly Offer[];
  readonly criteria: ContentCriteria;
}

/** The answers of nodes about one name. */
class Answers {
  readonly #criteria: ContentCriteria;
  readonly #byNode: Map<string, Offer>;
  readonly #failed = new Set<string>();

  constructor(offers: readonly Offer[], criteria: ContentCriteria) {
    this.#criteria = criteria;
    this.#byNode = new Map(offers.map((offer) => [offer.node, offer]));
  }

  /** The offers, with the digests that nodes have sent. */
  get offers(): readonly Offer[] {
    return [...this.#byNode.values()];
  }

  given(described: Offer): void {
    this.#byNode.set(described.node, described);
  }

  failed({ node }: Offer): void {
    this.#failed.add(node);
  }

  /** Whether nodes other than that of an offer have answered about the name. */
  othersThan({ node: one }: Offer): Others {
    const others = this.offers.filter(({ node }) =>
      node !== one && !this.#failed.has(node)
    );
    if (others.length === 0) return "none";
    return others.some((other) => isKnown(other, this.#criteria))
      ? "answered"
      : "pending";
  }
}

/** Whether an offer has the needed digests. */
function isKnown(
  { content, sha256 }: Offer,
  { sha256: wanted }: ContentCriteria,
): boolean {
  return content !== undefined &&
    (wanted === undefined || sha256 !== undefined);
}
