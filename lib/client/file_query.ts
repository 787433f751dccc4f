/**
 * Asks nodes for one file, several at a time or one after the other, and
 * collects their offers.
 *
 * @module
 */

import { isAccessRefusal } from "../access/refusal.ts";
import type { Offer } from "../content/choice.ts";
import { formatEndpoint, type Path } from "../base/conn.ts";
import { isBug } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import type { MessageOf } from "../protocol/messages.ts";
import { show } from "../base/text.ts";
import type { Refused } from "../transfer/answers.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { Pipelines } from "./pipelines.ts";
import { answerOf, type ClientEvent, type NodeAnswer } from "./events.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";
import { votesAs } from "./votes.ts";

/** A node that has the file, with the session in which it said so. */
export interface FoundNode {
  readonly node: ListedNode;
  readonly session: NodeSession;
  readonly offer: Offer;
}

/** How to ask a node. */
export interface FileQueryOptions {
  /** Stops asking. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Owns the session with a node that is asked for several files. Otherwise
   * each file has its own session, and the caller disposes of it.
   */
  readonly conversations?: Pipelines | undefined;
}

/** Asks nodes for one file. */
export class FileQuery {
  readonly #peers: Peers;
  readonly #name: string;
  readonly #emit: (event: ClientEvent) => void;
  /** The last answer of each node. */
  readonly answers = new Map<string, NodeAnswer>();
  /** Ids of the nodes that have the file. */
  readonly found = new Set<string>();
  /** The path by which each node was reached. */
  readonly #paths = new Map<string, Path>();
  readonly #askedAt = new Map<string, number>();

  constructor(
    peers: Peers,
    { name, emit }: { name: string; emit: (event: ClientEvent) => void },
  ) {
    this.#peers = peers;
    this.#name = name;
    this.#emit = emit;
  }

  /** Name of the file. */
  get name(): string {
    return this.#name;
  }

  /** Asks one node. Errors are reported as events, and never thrown. */
  async ask(
    node: ListedNode,
    { signal, conversations }: FileQueryOptions = {},
  ): Promise<FoundNode | undefined> {
    const find = this.#name;
    this.#askedAt.set(node.id, performance.now());
    let session: NodeSession;
    let answer: MessageOf<"found"> | Refused | undefined;
    try {
      ({ session, found: answer } = conversations === undefined
        ? await this.#peers.open(node, { find, signal })
        : await conversations.find(node, find));
    } catch (error) {
      this.#peers.options.signal?.throwIfAborted();
      if (isBug(error)) throw error;
      // The node has not sent any of the file yet, so this is not a lie about
      // the content.
      const answer = answerOf(error);
      if (!signal?.aborted) {
        this.answered(
          node,
          answer.kind === "corrupt" ? { ...answer, kind: "failed" } : answer,
        );
      }
      return undefined;
    }
    this.#paths.set(node.id, session.path);
    const offer = answer && offerOf(node.id, answer, session);
    if (offer !== undefined) {
      this.answered(node, { kind: "found", size: offer.size });
      return { node, session, offer };
    }
    if (conversations === undefined) await session[Symbol.asyncDispose]();
    this.answered(node, refusalAnswer(answer));
    return undefined;
  }

  /** Stores and reports a node's answer. */
  answered(node: ListedNode, answer: NodeAnswer): void {
    const [endpoint] = this.#peers.reach.addressesOf(node);
    const address = endpoint === undefined ? "" : formatEndpoint(endpoint);
    this.answers.set(node.id, answer);
    this.#peers.wrongHits.answered(
      node.id,
      this.#name,
      answer.kind === "not_found",
    );
    if (answer.kind === "found") this.found.add(node.id);
    const path = this.#paths.get(node.id);
    this.#emit({
      event: "node_answered",
      node,
      address,
      ...(path === undefined ? {} : { path }),
      name: this.#name,
      answer,
      ms: performance.now() - this.#askedAt.get(node.id)!,
    });
  }

  /** Stores and reports a node's failure. */
  failed(node: ListedNode, error: unknown): void {
    this.answered(node, answerOf(error));
  }
}

/** The offer in a node's answer; `undefined` if no file can be like that. */
export function offerOf(
  node: string,
  answer: MessageOf<"found"> | Refused,
  session: NodeSession,
): Offer | undefined {
  if (answer.kind === "refused" || answer.size > LIMITS.fileBytes) {
    return undefined;
  }
  const { size, modifiedMs, executable, version, content, sha256 } = answer;
  return {
    node,
    votesAs: votesAs(node, session),
    size,
    modifiedMs,
    ...executable && { isExecutable: true as const },
    version,
    content,
    sha256,
  };
}

function refusalAnswer(
  answer: MessageOf<"found"> | Refused | undefined,
): NodeAnswer {
  if (answer?.kind !== "refused") {
    return { kind: "failed", cause: "it claims a size that no file can have" };
  }
  const { code, text } = answer;
  const cause = `it refused: ${show(text)}`;
  if (code === "not_found") return { kind: code };
  return isAccessRefusal(code) || code === "other_content"
    ? { kind: "denied", code, cause }
    : { kind: "failed", cause };
}
