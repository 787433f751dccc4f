/**
 * Asks nodes for one file over connections that are kept, chooses the content,
 * and gets its manifest.
 *
 * @module
 */

import type { ContentGroup, Offer } from "../content/choice.ts";
import { Failure, isBug } from "../base/errors.ts";
import { firstGiven, within } from "../base/waiting.ts";
import { offerOf } from "../client/file_query.ts";
import { Candidates } from "../client/candidates.ts";
import { Choosing } from "../client/choosing.ts";
import {
  answerOf,
  type ClientEvent,
  type NodeAnswer,
} from "../client/events.ts";
import { exhausted } from "../client/failures.ts";
import type { ListedNode } from "../client/nodes.ts";
import type { Peers } from "../client/peers.ts";
import type { DescribeAnswer } from "../transfer/answers.ts";
import type { Preference } from "../content/choice.ts";
import { show } from "../base/text.ts";
import { type NodeStatus, TriedFailure } from "./tried.ts";
import type { ContentHolder } from "./verified_read.ts";
import type { NodeSessions, SessionLease } from "./node_sessions.ts";
import type { StalledNodes } from "./stalled_nodes.ts";

/** A content that was chosen for a name. */
export interface ChosenContent {
  readonly group: ContentGroup;
  readonly holders: readonly ContentHolder[];
  /** The answer of each node, with failures of reading. */
  readonly answers: Map<string, NodeAnswer>;
}

/** Options of {@linkcode findFile}. */
export interface FindFileOptions {
  readonly peers: Peers;
  readonly sessions: NodeSessions;
  /** The nodes that list the name; by default those that may have it. */
  readonly nodes: readonly ListedNode[] | undefined;
  /** All nodes, and why some did not list their files. */
  readonly listed: readonly NodeStatus[];
  readonly content: string | undefined;
  readonly prefer: Preference | undefined;
  /** The start of a node's id: while it is listed, only that node is asked. */
  readonly sender?: string | undefined;
  readonly emit: (event: ClientEvent) => void;
  readonly signal: AbortSignal;
}

/**
 * Finds a file by its whole name.
 *
 * @throws {Failure} that says why there is none, like a fetch.
 */
export async function findFile(
  name: string,
  options: FindFileOptions,
): Promise<ChosenContent> {
  const { peers, content, prefer, sender, emit, signal } = options;
  const sought = { kind: "name", name } as const;
  const nodes = options.nodes ??
    (await Candidates.of(peers, [sought], {
      ...sender === undefined ? {} : { sender },
    })).nodes;
  const answers = new Map<string, NodeAnswer>();
  const offers = await offersOf(name, nodes, { ...options, answers });
  if (offers.length === 0) {
    const failure = exhausted(name, answers, new Set());
    const listed = options.listed.filter(({ id }) => !answers.has(id));
    throw new TriedFailure(failure, { answers, nodes: [...nodes, ...listed] });
  }
  await using choosing = new Choosing(peers, {
    criteria: { content, prefer },
    ...{ nodes, emit, signal },
  });
  const { group } = await choosing.choose(name, offers);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const holders = group.offers.map(({ node, content, version }) => ({
    node: byId.get(node)!,
    of: content ?? version,
  }));
  return { group, holders, answers };
}

/** The offers of nodes. After the first offer, slow nodes are not awaited. */
async function offersOf(
  name: string,
  nodes: readonly ListedNode[],
  { peers, sessions, answers }: FindFileOptions & {
    answers: Map<string, NodeAnswer>;
  },
): Promise<readonly Offer[]> {
  const offers: Offer[] = [];
  const first = Promise.withResolvers<void>();
  const answered = peers.turns.each([...nodes], async (node) => {
    let lease: SessionLease | undefined;
    try {
      lease = await sessions.lease(node);
      const answer = await lease.session.find(name);
      const offer = offerOf(node.id, answer, lease.session);
      if (offer !== undefined) offers.push(offer);
      answers.set(node.id, answerIn(answer));
      if (offer !== undefined) first.resolve();
    } catch (error) {
      if (isBug(error)) throw error;
      answers.set(node.id, answerOf(error));
    } finally {
      lease?.release();
    }
  });
  answered.catch(() => {}); // thrown below
  await Promise.race([answered, first.promise]);
  await within(answered, peers.limits.queryGraceMs);
  return [...offers];
}

function answerIn(
  answer: { kind: "found"; size: number } | {
    kind: "refused";
    code: string;
    text: string;
  },
): NodeAnswer {
  if (answer.kind === "found") return { kind: "found", size: answer.size };
  return answer.code === "not_found"
    ? { kind: "not_found" }
    : { kind: "failed", cause: `it refused: ${show(answer.text)}` };
}

/** How to ask for a manifest. */
interface ManifestOptions extends Pick<FindFileOptions, "peers" | "sessions"> {
  /** Nodes that are asked after the others. */
  readonly stalled: StalledNodes;
}

/**
 * The manifest of a content, from the first holder that sends it. One that is
 * silent, or only says that it is hashing, delays nothing: the next is asked too.
 *
 * @throws {Failure} if none does.
 */
export async function manifestOf(
  name: string,
  chosen: ChosenContent,
  options: ManifestOptions,
): Promise<DescribedFile> {
  const { holders, answers } = chosen;
  const { peers: { limits: { queryPatienceMs: patienceMs } }, stalled } =
    options;
  const failed = new Set<ContentHolder>();
  const ask = async (holder: ContentHolder, over: AbortSignal) => {
    const others = () => failed.size < holders.length - 1 ? "pending" : "none";
    const given = await describedBy(
      holder,
      { name, chosen, over, others },
      options,
    );
    if (given === undefined) failed.add(holder);
    return given;
  };
  const inOrder = stalled.lastAmong(holders, performance.now());
  const given = await firstGiven(inOrder, ask, { patienceMs });
  if (given !== undefined) return given;
  throw undelivered(name, { holders, answers });
}

/** A manifest, with the SHA-256 that the node gives. */
type DescribedFile = Extract<DescribeAnswer, { kind: "described" }>;

/** The manifest by one holder; after `over` nothing is noted about its answer. */
async function describedBy(
  { node, of }: ContentHolder,
  { name, chosen: { group, answers }, over, others }: {
    readonly name: string;
    readonly chosen: ChosenContent;
    readonly over: AbortSignal;
    readonly others: () => "pending" | "none";
  },
  { peers, sessions, stalled }: ManifestOptions,
): Promise<DescribedFile | undefined> {
  let lease: SessionLease | undefined;
  // Other requests to it would wait behind an answer that may never arrive.
  const leave = () => {
    stalled.note(node.id, performance.now());
    lease?.leave();
  };
  over.addEventListener("abort", leave);
  try {
    lease = await sessions.lease(node);
    if (over.aborted) return undefined;
    const question = { of, name, bytes: group.size, others };
    const answer = await peers.hashWaits.describe(
      node,
      lease.session,
      question,
    );
    if (over.aborted) return undefined;
    const isIt = answer.kind === "described" &&
      answer.manifest.size === group.size;
    if (isIt) return answer;
    const cause = answer.kind === "refused"
      ? `it refused: ${show(answer.text)}`
      : "it has another content";
    answers.set(node.id, { kind: "failed", cause });
  } catch (error) {
    if (isBug(error)) throw error;
    if (!over.aborted) answers.set(node.id, answerOf(error));
  } finally {
    over.removeEventListener("abort", leave);
    lease?.release();
  }
  return undefined;
}

/** Why a file cannot be read from the nodes that have it. */
export function undelivered(
  name: string,
  { holders, answers }: Pick<ChosenContent, "holders" | "answers">,
): TriedFailure {
  const nodes = holders.map(({ node }) => node);
  const found = new Set(nodes.map(({ id }) => id));
  const reported = exhausted(name, answers, found);
  const failure = reported.kind === "undelivered"
    ? new Failure(reported.kind, {
      ...reported.parts,
      remedy: "try again later",
    })
    : reported; // a remedy for a command does not apply in a browser
  return new TriedFailure(failure, { answers, nodes });
}
