/**
 * The relay's side of a conversation with one client: it lists the nodes,
 * checks reported ones, and opens tunnels.
 *
 * @module
 */

import { withoutMapping } from "../base/address.ts";
import { andThen } from "../base/waiting.ts";
import type { Channel, EncodedAnswer } from "../protocol/channel.ts";
import type { PeerHandler } from "../protocol/conversation.ts";
import type { Admittance } from "../access/gate.ts";
import { refusal } from "../protocol/hello.ts";
import {
  type ClientToRelay,
  DIRECTION,
  encodeMessage,
  type MessageOf,
  type RelayToClient,
} from "../protocol/messages.ts";
import { lookUp } from "./index_lookup.ts";
import type { DialBackOutcome } from "./dial_backs.ts";
import type { ListingPage } from "./listings.ts";
import { type RelayContext, reportNodeRemoved } from "./context.ts";
import { ListRequest, requestKeyOf } from "./list_request.ts";
import { HolderHandler, type HolderHandlerOptions } from "./holder_handler.ts";

/** The relay's answers to one client. */
export class ClientHandler implements PeerHandler<ClientToRelay["kind"]> {
  readonly #channel: Channel;
  readonly #options: HolderHandlerOptions;
  // Made when needed: most clients are silent, or use only one of these.
  #madeRequest: ListRequest | null = null;
  #madeHolder: HolderHandler | null = null;

  constructor(channel: Channel, options: HolderHandlerOptions) {
    this.#channel = channel;
    this.#options = options;
  }

  get allowed(): readonly ClientToRelay["kind"][] {
    return DIRECTION.clientToRelay;
  }

  get #relay(): RelayContext {
    return this.#options.relay;
  }

  get #admittance(): Admittance {
    return this.#options.admittance;
  }

  get #request(): ListRequest {
    return this.#madeRequest ??= new ListRequest(this.#relay);
  }

  get #holder(): HolderHandler {
    return this.#madeHolder ??= new HolderHandler(this.#channel, this.#options);
  }

  /** Answers a message when it is the client's turn. */
  answer(message: ClientToRelay): EncodedAnswer | Promise<EncodedAnswer> {
    const holds = this.#admittance.holds(this.#channel);
    if (holds !== true) return holds.then(() => null);
    const turn = this.#relay.turns.next(this.#channel.conn.remote);
    return andThen(turn, () => this.#answerNow(message));
  }

  #answerNow(message: ClientToRelay): Uint8Array | Promise<Uint8Array> {
    switch (message.kind) {
      case "list":
        return this.#list(message);
      case "enter":
      case "hold":
      case "holders":
        return this.#holder.answer(message);
      case "mint":
        return encodeMessage(this.#admittance.mint(message));
      case "lookup": {
        const { mayUseIndex } = this.#admittance;
        const names = mayUseIndex ? this.#relay.names : null;
        return encodeMessage(lookUp(message, { ...this.#relay, names }));
      }
      case "report":
        return answerReport(message, this.#relay).then(encodeMessage);
      case "tunnel": {
        const opened = openTunnel(message, this.#channel, this.#relay);
        return andThen(opened, encodeMessage);
      }
    }
    message satisfies never;
  }

  #list(message: MessageOf<"list">): Uint8Array | Promise<Uint8Array> {
    if (message.cursor === undefined) this.#relay.requests.add("lookup");
    return andThen(this.#page(message), ({ frame, hasMore }) => {
      if (hasMore) this.#channel.offer();
      else this.#madeRequest = null;
      return frame;
    });
  }

  /**
   * The page of a listing: only nodes that may have the wanted names, if the
   * client accepts that and the relay can find them.
   */
  #page(message: MessageOf<"list">): ListingPage | Promise<ListingPage> {
    const { listings, names, registry } = this.#relay;
    const { cursor, most, fingerprints = "", sender } = message;
    const { granter, mayUseIndex } = this.#admittance;
    const count = registry.count(performance.now());
    if (sender !== undefined) {
      return andThen(this.#charge(count), () => {
        const now = performance.now();
        const id = registry.startingWith(sender, now);
        return listings.alone(id, { granter }, now);
      });
    }
    const isLarge = most !== undefined && count > most;
    if (isLarge && mayUseIndex && names !== null) {
      return fingerprints === ""
        ? listings.keyAlone(performance.now())
        : this.#narrowed(message);
    }
    return listings.page({ cursor, granter }, performance.now());
  }

  /** The page with the nodes that may have the wanted names. */
  #narrowed(message: MessageOf<"list">): ListingPage | Promise<ListingPage> {
    const { listings, requests } = this.#relay;
    const { cursor, key: askedKey } = message;
    const { granter } = this.#admittance;
    const isFirst = cursor === undefined;
    // All grants differ, so a private relay makes each answer separately.
    const isShared = isFirst && granter === undefined;
    const key = requestKeyOf(message);
    const askedAt = performance.now();
    const hot = isShared ? listings.hot(key, askedAt) : undefined;
    if (hot !== undefined) {
      requests.add("index_some");
      const page = { frame: hot.frame, hasMore: false };
      return andThen(this.#charge(hot.workCount), () => page);
    }
    const changes = listings.answerChanges(askedAt);
    const { ids, workCount } = this.#request.answer(message);
    return andThen(this.#charge(workCount), () => {
      if (isFirst) requests.add(ids === undefined ? "index_all" : "index_some");
      const now = performance.now(); // after the wait for a turn
      if (ids === undefined) return listings.page({ cursor, granter }, now);
      const page = listings.narrowed({ cursor, granter, ids, askedKey }, now);
      if (isShared && !page.hasMore) {
        const { frame, trueUntil } = page;
        const answer = { frame, workCount, trueUntil };
        listings.keep(key, answer, { changes, now });
      }
      return page;
    });
  }

  /** Waits for as many turns as the work of an answer costs. */
  #charge(workCount: number): Promise<void> | undefined {
    const { turns, limits } = this.#relay;
    const requestCount = Math.floor(workCount / limits.indexPerRequestCount);
    return turns.next(this.#channel.conn.remote, requestCount);
  }

  [Symbol.dispose](): void {
    this.#madeHolder?.[Symbol.dispose]();
  }
}

/**
 * Answers a client's report of dead nodes, in the same order. Counts the nodes
 * that the index named wrongly. This is the claim of a stranger, so it affects
 * only the count.
 */
async function answerReport(
  { ids, wrong = [] }: MessageOf<"report">,
  relay: RelayContext,
): Promise<RelayToClient> {
  for (const id of new Set(wrong)) {
    if (relay.names?.lastUpdateOf(id)) relay.requests.add("index_wrong");
  }
  const outcomes = await Promise.all(ids.map((id) => findOut(id, relay)));
  for (const outcome of outcomes) relay.reports.add(outcome);
  return { kind: "reported", outcomes };
}

/**
 * Checks whether a node is dead by dialling the host that it registered from.
 * The relay does this only if the node also asked to be dialled there;
 * otherwise a failure proves nothing. An attached node is alive. A node that is
 * attached to another instance is alive if that instance answers.
 */
async function findOut(
  id: string,
  relay: RelayContext,
): Promise<DialBackOutcome | "unknown"> {
  const { registry, entries, dialBacks, plaintext, tunnels, cluster } = relay;
  const lease = registry.find(id, performance.now());
  if (lease === undefined) return "unknown";
  if (tunnels?.isAttached(id)) return "alive";
  const at = cluster?.tunnelAt(lease);
  if (at !== undefined && await cluster!.tunnels.answers(at)) {
    return cluster!.stats().phase === "whole" ? "alive" : "unchecked";
  }
  const { sequence, renewedAt, observedHost } = lease;
  // Checked first, because reading an entry means reading a certificate.
  if (!dialBacks.may({ id, host: observedHost }, performance.now())) {
    return "unchecked";
  }
  const registration = entries.registrationIn(lease.entry);
  const endpoint = registration.addresses
    .find((address) => withoutMapping(address.host) === observedHost);
  if (endpoint === undefined) return "unchecked";
  const peer = plaintext ? null : registration;
  const outcome = await dialBacks.check(
    { id, endpoint, peer },
    performance.now(),
  );
  if (outcome === "gone") {
    const seen = { id, sequence, renewedAt };
    const entry = registry.drop(seen, performance.now());
    if (entry !== undefined) {
      cluster?.left(id, sequence);
      reportNodeRemoved(relay, { id, entry }, "found_dead");
    }
  }
  return outcome;
}

function openTunnel(
  { id }: MessageOf<"tunnel">,
  channel: Channel,
  { registry, tunnels, cluster, turns, limits }: RelayContext,
): RelayToClient | Promise<RelayToClient> {
  if (tunnels === null) {
    return refusal("no_tunnels", "this relay offers no tunnels");
  }
  const lease = registry.find(id, performance.now());
  if (lease === undefined) {
    return refusal("unknown_node", "no such node is registered");
  }
  const at = tunnels.isAttached(id) ? undefined : cluster?.tunnelAt(lease);
  const { remote } = channel.conn;
  if (at === undefined) return tunnels.open(id, remote);
  const turn = turns.next(remote, limits.clusterCallRequestCount);
  return andThen(turn, () => cluster!.tunnels.openThere({ id, at }, remote));
}
