/**
 * Makes links: finds a file as a fetch does, and gets a pass for it from each
 * relay that lists a node with it.
 *
 * @module
 */

import type { ContentGroup } from "../content/choice.ts";
import { formatEndpoint } from "../base/conn.ts";
import { Failure, isBug } from "../base/errors.ts";
import { show } from "../base/text.ts";
import { FileQuery, type FoundNode } from "./file_query.ts";
import { Candidates } from "./candidates.ts";
import { Choosing } from "./choosing.ts";
import type { ClientEvent } from "./events.ts";
import { exhausted } from "./failures.ts";
import { explained, lacking } from "./folders.ts";
import { entriesOf, type ListedNode } from "./nodes.ts";
import { type LinkText, linkText } from "./passes.ts";
import { Peers } from "./peers.ts";
import { checkedName, type TransferOptions } from "./transfer_options.ts";
import { insteadOf } from "./wider_search.ts";

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
export interface MadeLink extends LinkText {
  /** The file's whole name, which may be longer than the one asked for. */
  readonly name: string;
  /** Bytes of the file. */
  readonly size: number;
}

/**
 * Makes a link to one file with its current content. The link names the relays
 * that list a node with it, by the addresses given in `options`.
 *
 * @throws {Failure} of kind `usage` for an impossible name or one too long for
 * a link, `relay` if the relay cannot be asked, `not_allowed` if it makes no
 * links for this client, `not_found` if no node has the file.
 */
export async function makeLink(options: LinkOptions): Promise<MadeLink> {
  const emit = options.onEvent ?? (() => {});
  await using peers = new Peers(options, emit);
  const name = checkedName(options.name);
  const selections = [{ kind: "name", name } as const];
  const candidates = await Candidates.of(peers, selections, options);
  const { nodes } = candidates;
  const { sha256, prefer, signal = new AbortController().signal } = options;
  await using choosing = new Choosing(peers, {
    criteria: { sha256, prefer },
    nodes,
    emit,
    signal,
  });
  await using sessions = new AsyncDisposableStack();
  const { found, query } = await askAll(peers, {
    ...{ name, candidates, emit, sessions },
  }).then((asked) =>
    asked.found.size > 0
      ? asked
      : askInstead(asked, { options, peers, candidates, choosing, sessions })
  );
  const offers = [...found.values()].map(({ offer }) => offer);
  const { group } = await choosing.choose(query.name, offers);
  const content = group.content ?? await contentOf(group, {
    ...{ found, query, peers },
  });
  const { size } = group;
  const relays = new Set(
    group.offers.flatMap(({ node }) =>
      entriesOf(found.get(node)!.node).map(({ relay }) => relay)
    ),
  );
  const [only, ...more] = peers.dialers;
  const dialers = more.length === 0
    ? [only!]
    : peers.dialers.filter(({ relay }) => relays.has(formatEndpoint(relay)));
  const linked = { ...options, name: query.name, content };
  const link = await linkText(dialers, linked);
  return { ...link, name: query.name, size };
}

/** The nodes with a file, and the answers of all. */
interface QueryResult {
  readonly query: FileQuery;
  readonly found: ReadonlyMap<string, FoundNode>;
}

/** Asks all nodes for a file. `sessions` disposes of those that have it. */
async function askAll(
  peers: Peers,
  { name, candidates, emit, sessions }: {
    name: string;
    candidates: Candidates;
    emit: (event: ClientEvent) => void;
    sessions: AsyncDisposableStack;
  },
): Promise<QueryResult> {
  const query = new FileQuery(peers, { name, emit });
  const found = new Map<string, FoundNode>();
  const ask = async (node: ListedNode) => {
    const one = await query.ask(node);
    if (one === undefined) return;
    sessions.use(one.session);
    found.set(node.id, one);
  };
  await peers.turns.each([...candidates.nodes], ask);
  if (found.size === 0) {
    await peers.turns.each(await candidates.widen([name]), ask);
  }
  return { query, found };
}

/**
 * Asks all nodes for the file meant by a name that none of them has.
 *
 * @throws {Failure} if it stands for none.
 */
async function askInstead(
  { query }: QueryResult,
  { options, peers, candidates, choosing, sessions }: {
    options: LinkOptions;
    peers: Peers;
    candidates: Candidates;
    choosing: Choosing;
    sessions: AsyncDisposableStack;
  },
): Promise<QueryResult> {
  const { anywhere = false, ignoreCase } = options;
  const { signal = new AbortController().signal } = options;
  const emit = options.onEvent ?? (() => {});
  const { name } = query;
  const { unaskedCount } = candidates;
  const failure = exhausted(name, query.answers, query.found, unaskedCount);
  const asked = lacking(candidates.nodes, query.answers);
  const unfound = { peers, nodes: asked, name, signal };
  if (!anywhere) throw await explained(failure, unfound);
  const looking = { ...unfound, ignoreCase, choosing, emit };
  const instead = await insteadOf(failure, looking);
  if (instead instanceof Failure) throw instead;
  const again = await askAll(peers, {
    ...{ name: instead, candidates, emit, sessions },
  });
  if (again.found.size > 0) return again;
  throw exhausted(instead, again.query.answers, again.query.found);
}

/** Options of {@linkcode linkTo}. */
export interface LinkToOptions extends LinkOptions {
  /** Content id of the file. */
  content: string;
  /** Id of the node that waits until all of the file was fetched from it. */
  waiting?: string;
}

/**
 * Makes a link to one file whose content is known, and asks no node. It names
 * all relays that answer.
 *
 * @throws {Failure} like {@linkcode makeLink}.
 */
export async function linkTo(
  options: LinkToOptions,
): Promise<LinkText> {
  const name = checkedName(options.name);
  await using peers = new Peers(options, options.onEvent ?? (() => {}));
  return await linkText(peers.dialers, { ...options, name });
}

/**
 * The content id of a file that has not been hashed yet: its node hashes it.
 */
async function contentOf(
  group: ContentGroup,
  { found, query, peers }: QueryResult & { peers: Peers },
): Promise<string> {
  for (const [n, { node: id, version, size }] of group.offers.entries()) {
    const { node, session } = found.get(id)!;
    try {
      const isLast = n === group.offers.length - 1;
      const answer = await peers.hashWaits.describe(node, session, {
        ...{ of: version, name: query.name, bytes: size },
        others: () => isLast ? "none" : "pending",
      });
      if (answer.kind === "described") return answer.manifest.contentId;
      const cause = `it refused: ${show(answer.text)}`;
      query.answered(node, { kind: "failed", cause });
    } catch (error) {
      if (isBug(error)) throw error;
      query.failed(node, error);
    }
  }
  throw exhausted(query.name, query.answers, query.found);
}
