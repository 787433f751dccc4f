/**
 * Finds the plain SHA-256 of files, as their nodes know it. Nodes hash files
 * that they have not hashed yet.
 *
 * @module
 */

import type { ContentGroup, Offer } from "../content/choice.ts";
import { Failure, isBug } from "../base/errors.ts";
import { Turns } from "../base/turns.ts";
import { firstGiven } from "../base/waiting.ts";
import type { NodeSession } from "../transfer/session.ts";
import { prefetched } from "./prefetch.ts";
import { QuerySessions } from "./query_sessions.ts";
import { browseAll } from "./browsing.ts";
import { Candidates } from "./candidates.ts";
import type { CatalogueEntry } from "./catalogue.ts";
import { Choosing } from "./choosing.ts";
import { causeOf } from "./events.ts";
import {
  type Cause,
  nobodyHasAny,
  notDescribed,
  notListedWhole,
} from "./failures.ts";
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
      wish: { sha256, content, prefer },
      nodes,
      emit,
      signal,
    }),
  );
  const asides = stack.use(new QuerySessions(peers, signal));
  stack.defer(() => stop.abort(new Error("ended")));
  const summing = {
    ...{ choosing, asides, sessions, nodes, signal },
    hashWaits: peers.hashWaits,
    late: new Set<string>(),
    patienceMs: peers.limits.askingPatienceMs,
  };
  const turns = new Turns(peers.limits.turnMs);
  const { askedAheadCount } = peers.limits;
  const sums = prefetched(catalogue.places(), askedAheadCount, (place) => {
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

/** What is asked for the sums of files. */
interface Summing {
  readonly choosing: Choosing;
  readonly asides: QuerySessions;
  readonly hashWaits: HashWaits;
  readonly sessions: ReadonlyMap<string, NodeSession>;
  readonly nodes: readonly ListedNode[];
  /** Nodes with a pending answer: they are asked last. */
  readonly late: Set<string>;
  /** Milliseconds of waiting after which the next node is asked as well. */
  readonly patienceMs: number;
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
 * The SHA-256 of a content, from the first node that gives it. If a node only
 * says that it is hashing, the others are asked too.
 *
 * @throws {Failure} of kind `undelivered` if none does.
 */
async function sha256Of(
  name: string,
  group: ContentGroup,
  { asides, hashWaits, sessions, nodes, late, patienceMs, signal }: Summing,
): Promise<string> {
  const { offers, size, content } = group;
  for (const { sha256 } of offers) if (sha256 !== undefined) return sha256;
  const causes: Cause[] = [];
  const others = () => causes.length < offers.length - 1 ? "pending" : "none";
  const ask = async ({ node: id, version }: Offer) => {
    const node = nodes.find((one) => one.id === id)!;
    late.add(id);
    try {
      const answer = await asides.ask(
        node,
        (session) =>
          hashWaits.describe(node, session, {
            ...{ of: content ?? version, name, bytes: size, others },
          }),
        sessions.get(id),
      );
      late.delete(id);
      if (answer.kind === "described") {
        if (answer.manifest.size === size) return answer.sha256;
        causes.push({ node: node.name, cause: "it has another content" });
      } else {
        causes.push({ node: node.name, cause: answer.text, code: answer.code });
      }
    } catch (error) {
      signal.throwIfAborted();
      if (isBug(error)) throw error;
      causes.push({ node: node.name, cause: causeOf(error) });
    }
    return undefined;
  };
  const byReadiness = offers.toSorted((a, b) =>
    Number(late.has(a.node)) - Number(late.has(b.node))
  );
  const sha256 = await firstGiven(byReadiness, ask, { patienceMs });
  if (sha256 === undefined) throw notDescribed(name, causes);
  return sha256;
}
