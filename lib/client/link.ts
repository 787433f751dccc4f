/**
 * Makes links: finds a file as a fetch does, and gets a pass for it from the
 * relay.
 *
 * @module
 */

import { accessFailure } from "../access/credentials.ts";
import { formatLink } from "../access/link.ts";
import type { ContentGroup } from "../content/choice.ts";
import { formatEndpoint } from "../base/conn.ts";
import { describeCause, Failure, isBug } from "../base/errors.ts";
import { DIRECTION, type RelayToClient } from "../protocol/messages.ts";
import { show } from "../base/text.ts";
import { Asking, type FoundNode } from "./ask_node.ts";
import { Choosing } from "./choosing.ts";
import { exhausted } from "./failures.ts";
import { explained, lacking } from "./folders.ts";
import { Peers } from "./peers.ts";
import {
  checkedName,
  chosenNodes,
  type TransferOptions,
} from "./transfer_options.ts";

/** Options of {@linkcode makeLink}. */
export interface LinkOptions extends TransferOptions {
  /** Name of the file, as its node shares it. */
  name: string;
  /** How long the link stays valid, in seconds; by default an hour. */
  expiresSeconds?: number;
  /** How many fetches it allows; by default one. */
  uses?: number;
}

/** A link, with what it allows. */
export interface MadeLink {
  /** The link. It is a secret if the relay is private. */
  readonly text: string;
  /** Whether the relay enforces its time and number of fetches. */
  readonly isHeld: boolean;
  /** Bytes of the file. */
  readonly size: number;
}

/**
 * Makes a link to one file with its current content. The link names the relay
 * by the address given in `options`.
 *
 * @throws {Failure} of kind `usage` for an impossible name or one too long for
 * a link, `relay` if the relay cannot be asked, `not_allowed` if it makes no
 * links for this client, `not_found` if no node has the file.
 */
export async function makeLink(options: LinkOptions): Promise<MadeLink> {
  const name = checkedName(options.name);
  const tell = options.onEvent ?? (() => {});
  await using peers = new Peers(options, tell);
  const { nodes } = await peers.list();
  const asking = new Asking(peers, { name, tell });
  await using sessions = new AsyncDisposableStack();
  const found = new Map<string, FoundNode>();
  const chosen = chosenNodes(nodes, options);
  await peers.turns.each(chosen, async (node) => {
    const one = await asking.ask(node);
    if (one === undefined) return;
    sessions.use(one.session);
    found.set(node.id, one);
  });
  const { sha256, prefer, signal = new AbortController().signal } = options;
  if (found.size === 0) {
    const failure = exhausted(name, asking.answers, asking.found);
    const nodes = lacking(chosen, asking.answers);
    throw await explained(failure, { peers, nodes, name, signal });
  }
  await using choosing = new Choosing(peers, {
    wish: { sha256, prefer },
    nodes: chosen,
    tell,
    signal,
  });
  const offers = [...found.values()].map(({ offer }) => offer);
  const { group } = await choosing.choose(name, offers);
  const content = group.content ??
    await contentOf(group, { found, asking, name });
  const { size } = group;
  return { ...await sealed(peers, { ...options, name, content }), size };
}

/**
 * The content id of a file that has not been hashed yet: its node hashes it.
 */
async function contentOf(
  group: ContentGroup,
  { found, asking, name }: {
    found: ReadonlyMap<string, FoundNode>;
    asking: Asking;
    name: string;
  },
): Promise<string> {
  for (const { node: id, version } of group.offers) {
    const { node, session } = found.get(id)!;
    try {
      const answer = await session.describe(version);
      if (answer.kind === "described") return answer.manifest.contentId;
      const cause = `it refused: ${show(answer.text)}`;
      asking.answered(node, { kind: "failed", cause });
    } catch (error) {
      if (isBug(error)) throw error;
      asking.failed(node, error);
    }
  }
  throw exhausted(name, asking.answers, asking.found);
}

/** The link, with the relay's pass. */
async function sealed(
  peers: Peers,
  options: LinkOptions & { content: string },
): Promise<{ text: string; isHeld: boolean }> {
  const { name, content, expiresSeconds = 3_600, uses = 1, signal } = options;
  const session = await peers.askRelay();
  await using channel = session.channel;
  using _end = channel.endOn(signal);
  const { host, port } = options.relay;
  const relay = { host, port, id: session.id };
  if (!session.isPrivate) {
    return { text: formatLink({ relay, name, content }), isHeld: false };
  }
  let answer: RelayToClient | null;
  try {
    await channel.send({ kind: "mint", name, content, expiresSeconds, uses });
    answer = await channel.receive(DIRECTION.relayToClient);
  } catch (error) {
    signal?.throwIfAborted();
    if (isBug(error)) throw error;
    throw noLink(relay, describeCause(error));
  }
  if (answer?.kind === "minted") {
    const { pass } = answer;
    return { text: formatLink({ relay, name, content, pass }), isHeld: true };
  }
  if (answer?.kind !== "refused") throw noLink(relay, "the relay hung up");
  const where = formatEndpoint(relay);
  throw accessFailure(answer, { where, access: options.access ?? {} }) ??
    noLink(relay, `the relay refused: ${show(answer.text)}`);
}

function noLink(
  relay: { host: string; port: number },
  why: string,
): Failure {
  return new Failure("relay", {
    what: "Cannot make link",
    where: formatEndpoint(relay),
    why,
  });
}
