/**
 * Finds the plain SHA-256 of files, as their nodes know it. Nodes hash files
 * that they have not hashed yet.
 *
 * @module
 */

import { type ContentGroup, type Offer, votesOf } from "../content/choice.ts";
import {
  HashVotes,
  isPlausible,
  isProven,
  majorityOf,
  type WholeDigest,
  wholeHashOf,
} from "../content/whole_hash.ts";
import { Failure, isBug } from "../base/errors.ts";
import { show } from "../base/text.ts";
import { Turns } from "../base/turns.ts";
import { pieceCountOf } from "../content/manifest.ts";
import type { NodeSession } from "../transfer/session.ts";
import { prefetched } from "./prefetch.ts";
import { QuerySessions } from "./query_sessions.ts";
import { browseAll } from "./browsing.ts";
import { Candidates } from "./candidates.ts";
import type { CatalogueEntry } from "./catalogue.ts";
import { Choosing } from "./choosing.ts";
import { causeOf } from "./events.ts";
import { type Cause, nobodyHasAny, notDescribed } from "./failures.ts";
import { notListedWhole } from "./list_failures.ts";
import type { HashWaits } from "./hash_waits.ts";
import type { ListedNode } from "./nodes.ts";
import { Peers } from "./peers.ts";
import type { TransferOptions, WantedNames } from "./transfer_options.ts";

/** Options of {@linkcode sumFiles}. */
export interface SumsOptions extends TransferOptions, WantedNames {
  /** The only wanted name, if there is one, for the same purpose as `pattern`. */
  name?: string;
}

/** A file with its SHA-256, or why there is none. */
export type FileSum =
  | {
    readonly name: string;
    /** Bytes. */
    readonly size: number;
    /** 64 hexadecimal digits, in lower case. */
    readonly sha256: string;
  }
  | { readonly name: string; readonly failure: Failure };

/**
 * Yields the wanted files on all nodes in the order of their names. If nodes
 * have different contents of one, it takes the one that a fetch would take.
 *
 * @throws {Failure} of kind `relay` if the relay cannot be asked, and at the end
 * of kind `undelivered` if a node has not listed all of its files, or of kind
 * `not_found` if there are none, and the relay's index left out some nodes.
 */
export async function* sumFiles(
  options: SumsOptions,
): AsyncGenerator<FileSum, void> {
  const emit = options.onEvent ?? (() => {});
  await using stack = new AsyncDisposableStack();
  const stop = new AbortController();
  const signal = options.signal === undefined
    ? stop.signal
    : AbortSignal.any([options.signal, stop.signal]);
  const peers = stack.use(new Peers(options, emit));
  const { prefix = "", pattern, name } = options;
  const sought = name === undefined
    ? { kind: "matching", prefix, pattern } as const
    : { kind: "name", name } as const;
  const candidates = await Candidates.of(peers, [sought], options);
  const { nodes, unaskedCount } = candidates;
  const { catalogue, sessions, incomplete } = await browseAll(peers, nodes, {
    prefix,
    matches: options.matches ?? (() => true),
    leavesOut: options.leavesOut,
    emit,
  });
  for (const session of sessions.values()) stack.use(session);
  const { sha256, content, prefer } = options;
  const choosing = stack.use(
    new Choosing(peers, {
      criteria: { sha256, content, prefer },
      nodes,
      emit,
      signal,
    }),
  );
  const asides = stack.use(new QuerySessions(peers, signal));
  stack.defer(() => stop.abort(new Error("ended")));
  const summing = {
    ...{ choosing, asides, sessions, nodes, signal },
    ...newVotes(peers),
  };
  const turns = new Turns(peers.limits.turnMs);
  const { requestedAheadCount } = peers.limits;
  const sums = prefetched(catalogue.places(), requestedAheadCount, (place) => {
    const sum = sumOf(catalogue.entryAt(place), summing);
    sum.catch(() => {}); // thrown when it is its turn
    return sum;
  });
  for (const sum of sums) {
    yield await sum;
    if (turns.isOver) await turns.give();
  }
  if (incomplete.length > 0) {
    throw notListedWhole(incomplete, { pattern: undefined, nodes });
  }
  if (catalogue.count === 0 && unaskedCount > 0) {
    const counts = { nodeCount: sessions.size, unaskedCount };
    throw nobodyHasAny(name ?? pattern ?? prefix, counts);
  }
}

/** How the nodes are asked, before any of them was. */
function newVotes({ hashWaits, limits }: Peers) {
  const { queryPatienceMs: patienceMs, settleMs, sumAddressCount } = limits;
  const [late, slow] = [new Set<string>(), new Set<string>()];
  return { hashWaits, late, slow, patienceMs, settleMs, sumAddressCount };
}

/** What is asked for the sums of files. */
interface Summing {
  readonly choosing: Choosing;
  readonly asides: QuerySessions;
  readonly hashWaits: HashWaits;
  readonly sessions: ReadonlyMap<string, NodeSession>;
  readonly nodes: readonly ListedNode[];
  /** Nodes with a pending answer: they are asked last. */
  readonly late: Set<string>;
  /** Nodes that did not answer in time: they are asked if the others disagree. */
  readonly slow: Set<string>;
  /** Milliseconds of waiting after which the next node is asked as well. */
  readonly patienceMs: number;
  /** Milliseconds after which those that have answered decide. */
  readonly settleMs: number;
  /** The most addresses that are asked for one SHA-256, if they answer. */
  readonly sumAddressCount: number;
  readonly signal: AbortSignal;
}

async function sumOf(
  { name, offers }: CatalogueEntry,
  summing: Summing,
): Promise<FileSum> {
  try {
    const { group } = await summing.choosing.choose(name, offers);
    const sha256 = await sha256Of(name, group, summing);
    return { name, size: group.size, sha256 };
  } catch (error) {
    summing.signal.throwIfAborted();
    if (!(error instanceof Failure)) throw error;
    return { name, failure: error };
  }
}

/**
 * The SHA-256 of a content: the one that the content id proves, or that most of
 * some addresses give. A single node could join the nodes of a content, and give
 * the SHA-256 of another one. If a node only says that it is hashing, the others
 * are asked too.
 *
 * @throws {Failure} of kind `undelivered` if none is given, or a tie.
 */
async function sha256Of(
  name: string,
  group: ContentGroup,
  summing: Summing,
): Promise<string> {
  const known = wholeHashOf(group);
  if (known !== undefined) return known;
  const { slow, sumAddressCount } = summing;
  const { content, size, votes, offers } = group;
  const inTime = offers.filter(({ node }) => !slow.has(node));
  const isProvable = content !== undefined && pieceCountOf(size) <= 1;
  // A quick liar must not decide alone against several nodes that are slow.
  const least = isProvable || votes < 3 ? 1 : Math.min(2, sumAddressCount);
  const most = majorityOf(Math.min(votesOf(inTime), sumAddressCount));
  const causes: Cause[] = [];
  const found = await mostClaimed(inTurns(offers, summing), {
    ...{ ...summing, least },
    needed: isProvable ? 1 : Math.max(least, most),
    ask: async (offer) => {
      const others = () =>
        causes.length < offers.length - 1 ? "pending" : "none";
      const answer = await describedBy(offer, { name, group, others }, summing);
      if ("cause" in answer) {
        causes.push(answer);
        return undefined;
      }
      const digest = { size, ...answer };
      if (isPlausible(digest)) return digest;
      const { node } = answer;
      causes.push({ node, cause: "its SHA-256 contradicts its content" });
      return undefined;
    },
  });
  if (found === "differs") throw differentSums(name);
  if (found === undefined) throw notDescribed(name, causes);
  return found;
}

/** Nodes with the same content give different SHA-256 of it. */
function differentSums(name: string): Failure {
  return new Failure("undelivered", {
    what: "Cannot name the SHA-256",
    where: show(name),
    why: "nodes with the same content give different ones",
    remedyCode: "other_node",
  });
}

/** A node's answer: the digests of a file, or why there are none. */
type Described =
  | { readonly node: string; readonly content: string; readonly sha256: string }
  | Cause;

async function describedBy(
  { node: id, version }: Offer,
  { name, group: { size, content }, others }: {
    name: string;
    group: ContentGroup;
    others: () => "pending" | "none";
  },
  { asides, hashWaits, sessions, nodes, late, signal }: Summing,
): Promise<Described> {
  const listed = nodes.find((one) => one.id === id)!;
  const { name: node } = listed;
  late.add(id);
  try {
    const answer = await asides.ask(
      listed,
      (session) =>
        hashWaits.describe(listed, session, {
          ...{ of: content ?? version, name, bytes: size, others },
        }),
      sessions.get(id),
    );
    late.delete(id);
    if (answer.kind === "refused") {
      const cause = `it refused: ${show(answer.text)}`;
      return { node, cause, code: answer.code };
    }
    const { manifest, sha256 } = answer;
    return manifest.size === size
      ? { node, content: manifest.contentId, sha256 }
      : { node, cause: "it has another content" };
  } catch (error) {
    signal.throwIfAborted();
    if (isBug(error)) throw error;
    return { node, cause: causeOf(error) };
  }
}

/**
 * The order in which to ask: first one node of each address, among these by
 * chance, then those with a pending answer, then those that were slow.
 */
function inTurns(
  offers: readonly Offer[],
  { late, slow }: Pick<Summing, "late" | "slow">,
): readonly Offer[] {
  if (offers.length === 1) return offers;
  const counts = new Map<string, number>();
  const delayOf = ({ node }: Offer) => slow.has(node) ? 2 : +late.has(node);
  return offers.map((offer) => ({ offer, chance: Math.random() }))
    .sort((a, b) => delayOf(a.offer) - delayOf(b.offer) || a.chance - b.chance)
    .map(({ offer }) => {
      const rank = counts.get(offer.votesAs) ?? 0;
      counts.set(offer.votesAs, rank + 1);
      return { offer, rank };
    })
    // Not by delay: many nodes at one address would be asked before the others.
    .sort((a, b) => a.rank - b.rank)
    .map(({ offer }) => offer);
}

/** Options of {@linkcode mostClaimed}. */
interface ClaimOptions
  extends Pick<Summing, "patienceMs" | "settleMs" | "slow"> {
  /** The number of addresses that decides. */
  readonly needed: number;
  /** The same after `settleMs`. */
  readonly least: number;
  /** The digests of a file by one node, if it gives plausible ones. */
  readonly ask: (offer: Offer) => Promise<WholeDigest | undefined>;
}

/**
 * Asks nodes until `needed` addresses have claimed the same SHA-256, or one is
 * proven. After all have answered, the one that most have claimed; `settleMs` after
 * the first that was asked, if these are `least`. Nodes that have not answered
 * by then are `slow`.
 */
async function mostClaimed(
  offers: readonly Offer[],
  { needed, least, patienceMs, settleMs, slow, ask }: ClaimOptions,
): Promise<string | "differs" | undefined> {
  const votes = new HashVotes();
  const decided = Promise.withResolvers<string | "differs" | undefined>();
  const left = [...offers];
  const running = new Map<string, number>();
  let isOver = false;
  const next = () => {
    const offer = left.shift();
    if (offer === undefined) {
      if (running.size === 0) decided.resolve(votes.winner);
      return;
    }
    const { node } = offer;
    running.set(node, performance.now());
    ask(offer).then((digest) => {
      running.delete(node);
      if (digest === undefined) return next();
      if (isProven(digest)) return decided.resolve(digest.sha256);
      votes.add(digest.sha256, offer);
      const won = votes.wonBy(isOver ? least : needed);
      if (won !== undefined) decided.resolve(won);
      else if (running.size === 0) next();
    }, decided.reject);
  };
  for (let n = 0; n < needed; n++) next();
  const patience = setInterval(next, patienceMs);
  const deadline = setTimeout(() => {
    isOver = true;
    const sinceMs = performance.now() - settleMs / 2;
    for (const [node, askedAt] of running) {
      if (askedAt <= sinceMs) slow.add(node);
    }
    const won = votes.wonBy(least);
    if (won !== undefined) decided.resolve(won);
  }, settleMs);
  try {
    return await decided.promise;
  } finally {
    left.splice(0);
    clearInterval(patience);
    clearTimeout(deadline);
  }
}
