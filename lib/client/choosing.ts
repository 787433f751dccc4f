/**
 * Decides which content of a name to fetch. If the decision needs it, asks
 * nodes to hash their file.
 *
 * @module
 */

import {
  type Choice,
  chooseContent,
  type ContentGroup,
  differ,
  type Offer,
  type Wish,
} from "../content/choice.ts";
import { type Failure, isBug } from "../base/errors.ts";
import { Asides } from "./asides.ts";
import type { ClientEvent } from "./events.ts";
import {
  contentUndecided,
  nobodyHasThatContent,
  nobodyHasThatSha256,
  notKnownWhoHasThat,
} from "./failures.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";

/** Options of {@linkcode Choosing}. */
export interface ChoosingOptions {
  /** What the person says of the content. */
  readonly wish: Wish;
  /** The nodes that may offer it. */
  readonly nodes: readonly ListedNode[];
  /** Told where contents differ. */
  readonly tell: (event: ClientEvent) => void;
  /** Stops asking. */
  readonly signal: AbortSignal;
}

/** A content that was chosen. */
export interface Chosen {
  /** The content to take. */
  readonly group: ContentGroup;
  /** Whether other contents there may be, and votes alone decided. */
  readonly isVoted: boolean;
  /** Whether the offers alone decided, and would again. */
  readonly isByOffers: boolean;
}

/** Chooses between contents. Disposing ends what is still being asked. */
export class Choosing implements AsyncDisposable {
  readonly #peers: Peers;
  readonly #options: ChoosingOptions;
  /** What the person says of the content, and which times count. */
  readonly wish: Wish;
  readonly #nodes: ReadonlyMap<string, ListedNode>;
  /** Sessions of their own: a file that takes long to hash holds no other up. */
  readonly #asides: Asides;
  readonly #stop = new AbortController();
  readonly #deadline = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Nobody is asked yet. */
  constructor(peers: Peers, options: ChoosingOptions) {
    this.#peers = peers;
    this.#options = options;
    const notAfterMs = Date.now() + peers.limits.clockToleranceMs;
    this.wish = { notAfterMs, ...options.wish };
    this.#nodes = new Map(options.nodes.map((node) => [node.id, node]));
    this.#asides = new Asides(
      peers,
      AbortSignal.any([options.signal, this.#stop.signal]),
    );
  }

  /**
   * Chooses between the contents of one name.
   *
   * @throws {Failure} where none is to be taken: of kind `undelivered` when as
   * many addresses have another, `not_found` when no node has what is wished for.
   */
  async choose(name: string, offers: readonly Offer[]): Promise<Chosen> {
    const { wish } = this;
    const { tell } = this.#options;
    let choice = chooseContent(offers, wish, { isFinal: false });
    const isByOffers = choice.kind === "taken";
    if (choice.kind !== "taken" && choice.unknown.length > 0) {
      choice = await this.#settle(offers, choice.unknown);
    }
    const { groups, kind } = choice;
    if (kind === "none") throw this.#nobodyHasIt(name, choice);
    // A link names no other content, and leaves nothing to choose.
    if (wish.content === undefined && differ(groups)) {
      tell({ event: "contents_differ", name, groups, taken: kind === "taken" });
    }
    if (kind !== "taken") throw contentUndecided(name, groups);
    const isVoted = choice.basis === "voted";
    return { group: choice.group, isVoted, isByOffers };
  }

  get #isPinned(): boolean {
    const { sha256, content } = this.#options.wish;
    return sha256 !== undefined || content !== undefined;
  }

  #nobodyHasIt(name: string, choice: Choice & { kind: "none" }): Failure {
    const { content } = this.#options.wish;
    if (choice.unknown.length > 0) {
      return notKnownWhoHasThat(name, choice.unknown.length);
    }
    return content === undefined
      ? nobodyHasThatSha256(name)
      : nobodyHasThatContent(name);
  }

  /** Has nodes hash what is not hashed yet, until that decides, or all have. */
  async #settle(
    offers: readonly Offer[],
    unknown: readonly Offer[],
  ): Promise<Choice> {
    const { wish } = this;
    const known = new Map(offers.map((offer) => [offer.node, offer]));
    const decided = Promise.withResolvers<void>();
    const settled = unknown.map(async (offer) => {
      const described = await this.#describe(offer);
      if (described === undefined) return;
      known.set(offer.node, described);
      const choice = chooseContent([...known.values()], wish, {
        isFinal: false,
      });
      if (choice.kind === "taken") decided.resolve();
    });
    const all = Promise.all(settled);
    all.catch(() => {}); // judged here, or of no interest any more
    await Promise.race([all, decided.promise]);
    return chooseContent([...known.values()], wish, { isFinal: true });
  }

  /** An offer with its digests; nothing where its node does not give them. */
  async #describe(offer: Offer): Promise<Offer | undefined> {
    try {
      const node = this.#nodes.get(offer.node)!;
      const of = offer.content ?? offer.version;
      const answer = await this.#inTime(
        () => this.#asides.ask(node, (session) => session.describe(of)),
      );
      if (answer.kind === "refused") return undefined;
      const { manifest, sha256 } = answer;
      if (manifest.size !== offer.size) return undefined;
      return { ...offer, content: manifest.contentId, sha256 };
    } catch (error) {
      this.#options.signal.throwIfAborted();
      if (isBug(error)) throw error;
      return undefined; // it says what it can say when the file is asked for
    }
  }

  /**
   * Waits as long as the person's wish needs it; where nothing but votes are at
   * stake, for a while in all.
   */
  async #inTime<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isPinned) return await work();
    const { signal } = this.#deadline;
    signal.throwIfAborted();
    this.#timer ??= setTimeout(
      () => this.#deadline.abort(new Error("not hashed in time")),
      this.#peers.limits.settleMs,
    );
    const { promise, reject } = Promise.withResolvers<never>();
    const end = () => reject(signal.reason);
    signal.addEventListener("abort", end);
    try {
      return await Promise.race([work(), promise]);
    } finally {
      signal.removeEventListener("abort", end);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort(new Error("chosen"));
    await this.#asides[Symbol.asyncDispose]();
  }
}
