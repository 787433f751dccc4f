/**
 * The relay's side of a conversation with one client: it lists the nodes,
 * checks reported ones, and opens tunnels.
 *
 * @module
 */

import { withoutMapping } from "../base/address.ts";
import type { Channel } from "../protocol/channel.ts";
import type { Admittance } from "../access/gate.ts";
import { refusal } from "../protocol/hello.ts";
import {
  type ClientToRelay,
  DIRECTION,
  type MessageOf,
  type RelayToClient,
} from "../protocol/messages.ts";
import { lookUp } from "./index_lookup.ts";
import type { DialBackOutcome } from "./dial_backs.ts";
import type { ListingPage } from "./listings.ts";
import { type RelayContext, tellLeft } from "./context.ts";
import { Question, questionIn } from "./question.ts";
import {
  type HolderRequest,
  HolderTalk,
  type HolderTalkOptions,
} from "./with_holder.ts";

/** Talks with the client on `channel` until it ends. */
export async function talkWithClient(
  channel: Channel,
  options: HolderTalkOptions,
): Promise<void> {
  const { relay, admittance } = options;
  const question = new Question(channel, relay);
  using holder = new HolderTalk(channel, options);
  for (;;) {
    const message = await channel.receive(DIRECTION.clientToRelay);
    if (message === null || !await admittance.holds(channel)) return;
    await relay.turns.next(channel.conn.remote);
    if (message.kind === "list") {
      if (message.cursor === undefined) relay.requests.add("lookup");
      const page = await pageFor(message, { relay, admittance, question });
      if (page.hasMore) channel.offer();
      else question.end();
      await channel.sendFrames(page.frame);
      continue;
    }
    if (isHolderRequest(message)) {
      await channel.sendFrames(await holder.answer(message));
      continue;
    }
    const answered = message.kind === "mint"
      ? admittance.mint(message)
      : await answer(message, channel, { relay, admittance });
    await channel.send(answered);
  }
}

/**
 * The page of a listing: of the nodes that may have what is asked for, if the
 * client can do with those and the relay knows them.
 */
async function pageFor(
  message: MessageOf<"list">,
  { relay, admittance, question }: {
    relay: RelayContext;
    admittance: Admittance;
    question: Question;
  },
): Promise<ListingPage> {
  const { listings, names, registry } = relay;
  const { cursor, most, fingerprints = "", sender } = message;
  const isFirst = cursor === undefined;
  const { granter, mayUseIndex } = admittance;
  if (sender !== undefined) {
    await question.charge(registry.count(performance.now()));
    const now = performance.now(); // after the wait for a turn
    const id = registry.startingWith(sender, now);
    return listings.alone(id, { granter }, now);
  }
  const isLarge = most !== undefined &&
    registry.count(performance.now()) > most;
  if (isLarge && mayUseIndex && names !== null) {
    if (fingerprints === "") return listings.keyAlone(performance.now());
    // All grants differ, so a private relay makes a new answer for each client.
    const isShared = isFirst && granter === undefined;
    const hot = isShared
      ? listings.hot(questionIn(message), performance.now())
      : undefined;
    if (hot !== undefined) {
      relay.requests.add("index_some");
      await question.charge(hot.workCount);
      return { frame: hot.frame, hasMore: false };
    }
    const changes = listings.answerChanges(performance.now());
    const { ids, workCount } = await question.answer(message);
    if (isFirst) {
      relay.requests.add(ids === undefined ? "index_all" : "index_some");
    }
    const now = performance.now(); // after the wait for a turn
    if (ids !== undefined) {
      const askedKey = message.key;
      const page = listings.narrowed({ cursor, granter, ids, askedKey }, now);
      if (isShared && !page.hasMore) {
        const { frame, trueUntil } = page;
        const answer = { frame, workCount, trueUntil };
        listings.keep(questionIn(message), answer, { changes, now });
      }
      return page;
    }
  }
  return listings.page({ cursor, granter }, performance.now());
}

function isHolderRequest(message: ClientToRelay): message is HolderRequest {
  return message.kind === "enter" || message.kind === "hold" ||
    message.kind === "holders";
}

function answer(
  message: MessageOf<"lookup" | "report" | "tunnel">,
  channel: Channel,
  { relay, admittance }: { relay: RelayContext; admittance: Admittance },
): RelayToClient | Promise<RelayToClient> {
  switch (message.kind) {
    case "lookup": {
      const names = admittance.mayUseIndex ? relay.names : null;
      return lookUp(message, { ...relay, names });
    }
    case "report":
      return answerReport(message, relay);
    case "tunnel":
      return openTunnel(message, channel, relay);
  }
  message satisfies never;
}

/**
 * Answers a client's report of dead nodes, in the same order. Counts the nodes
 * that the index named in vain: that is a stranger's word, so nothing but the
 * count depends on it.
 */
async function answerReport(
  { ids, wrong = [] }: MessageOf<"report">,
  relay: RelayContext,
): Promise<RelayToClient> {
  for (const id of new Set(wrong)) {
    if (relay.names?.toldBy(id)) relay.requests.add("index_wrong");
  }
  const outcomes = await Promise.all(ids.map((id) => findOut(id, relay)));
  for (const outcome of outcomes) relay.reports.add(outcome);
  return { kind: "reported", outcomes };
}

/**
 * Checks whether a node is dead by dialling the host that it registered from.
 * The relay does this only if the node also asked to be dialled there;
 * otherwise a failure proves nothing. An attached node is alive.
 */
async function findOut(
  id: string,
  relay: RelayContext,
): Promise<DialBackOutcome | "unknown"> {
  const { registry, entries, dialBacks, plaintext, tunnels, cluster } = relay;
  const now = performance.now();
  const lease = registry.find(id, now);
  if (lease === undefined) return "unknown";
  if (tunnels?.isAttached(id) || cluster?.tunnelAt(lease)) return "alive";
  const { sequence, renewedAt, observedHost } = lease;
  // Checked first, because reading an entry means reading a certificate.
  if (!dialBacks.may({ id, host: observedHost }, now)) return "unchecked";
  const registration = entries.registrationIn(lease.entry);
  const endpoint = registration.addresses
    .find((address) => withoutMapping(address.host) === observedHost);
  if (endpoint === undefined) return "unchecked";
  const peer = plaintext ? null : registration;
  const outcome = await dialBacks.check({ id, endpoint, peer }, now);
  if (outcome === "gone") {
    const seen = { id, sequence, renewedAt };
    const entry = registry.drop(seen, performance.now());
    if (entry !== undefined) {
      cluster?.left(id, sequence);
      tellLeft(relay, { id, entry }, "found_dead");
    }
  }
  return outcome;
}

function openTunnel(
  { id }: MessageOf<"tunnel">,
  channel: Channel,
  { registry, tunnels, cluster }: RelayContext,
): RelayToClient | Promise<RelayToClient> {
  if (tunnels === null) {
    return refusal("no_tunnels", "this relay carries no tunnels");
  }
  const lease = registry.find(id, performance.now());
  if (lease === undefined) {
    return refusal("unknown_node", "no such node is registered");
  }
  const at = tunnels.isAttached(id) ? undefined : cluster?.tunnelAt(lease);
  const { remote } = channel.conn;
  return at === undefined
    ? tunnels.open(id, remote)
    : cluster!.tunnels.openThere({ id, at }, remote);
}
