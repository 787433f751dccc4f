/**
 * The events that a client emits.
 *
 * @module
 */

import type { ContentGroup } from "../content/choice.ts";
import type { Path } from "../base/conn.ts";
import { describeCause, ProtocolError } from "../base/errors.ts";
import { show } from "../base/text.ts";
import { Denied } from "../transfer/session.ts";
import type { BytesByPath, Delivery } from "./deliveries.ts";
import type { ListedNode } from "./nodes.ts";
import type { PeersEvent } from "./peers.ts";
import { TunnelRefused } from "../transport/join.ts";
import { NoPath, Unreachable } from "./reach.ts";
import { RelayedEnough, TunnelsUnwanted } from "./tunnel_way.ts";

/** What one node had to say about a file. */
export type NodeAnswer =
  /** It has the file. */
  | { readonly kind: "found"; readonly size: number }
  /** It does not. */
  | { readonly kind: "not_found" }
  /** It could not be dialled, or is not the node that was listed. */
  | {
    readonly kind: "unreachable";
    /** Whether anybody answered there. */
    readonly stage: "connect" | "handshake";
    readonly cause: string;
  }
  /** It broke off, or refused. */
  | { readonly kind: "failed"; readonly cause: string }
  /** It will not give the file to this client, or has another content of it. */
  | { readonly kind: "denied"; readonly code: string; readonly cause: string }
  /** It sent something else than it vouched for. */
  | { readonly kind: "corrupt"; readonly cause: string };

/** How much of a fetch is there. */
export interface Progress {
  /** Bytes that are there, verified. */
  readonly received: number;
  /** Bytes of all files that are wanted, less those that will not come. */
  readonly total: number;
  /** The file that was started last; empty before any was. */
  readonly name: string;
  /** Bytes a second, in the last few seconds. */
  readonly bytesPerSecond: number;
  /** Seconds that the rest will take; absent while that is not known. */
  readonly secondsLeft?: number;
  /** Bytes that this run has received, by the path they came by. */
  readonly paths: BytesByPath;
  /** Files that are complete. */
  readonly files: number;
  /** Files that were started, those that are complete included. */
  readonly filesStarted: number;
  /** Files that are wanted. */
  readonly fileCount: number;
  /** Nodes that take part. */
  readonly nodes: number;
}

/** What a client tells on the way. */
export type ClientEvent =
  | PeersEvent
  /** A node was asked for a file. */
  | {
    event: "node_answered";
    node: ListedNode;
    address: string;
    /** The path by which it was reached, where it was. */
    path?: Path;
    name: string;
    answer: NodeAnswer;
    /** Milliseconds since it was asked first. */
    ms: number;
  }
  /** Nodes have different contents under one name. */
  | {
    event: "contents_differ";
    name: string;
    groups: readonly ContentGroup[];
    /** Whether the first is taken; none is where that is not decided. */
    taken: boolean;
  }
  /** A node gave trouble in the middle; `out` when it takes part no more. */
  | {
    event: "node_trouble";
    node: ListedNode;
    kind: "broke_off" | "lied" | "slow" | "lost_file";
    /** How far it got, where it was not yet sending files. */
    stage?: "connect" | "handshake" | "ask";
    cause: string;
    out: boolean;
  }
  /** Nodes are listing their files; once a second. */
  | {
    event: "listing";
    /** Files listed so far, as often as they were. */
    files: number;
    /** Nodes that have ended. */
    nodes: number;
    nodeCount: number;
    /** Names of the nodes that are listing. */
    waitingFor: readonly string[];
  }
  /** Names with a part that begins with a dot, which no pattern asked for. */
  | { event: "names_left_out"; names: number }
  /** More is there than a moment ago; at most ten times a second. */
  | ({ event: "progress" } & Progress)
  /** A whole file has been delivered. */
  | {
    event: "file_received";
    name: string;
    bytes: number;
    /** Content id. */
    content: string;
    /** Bytes by the node they came from, and the path they came by. */
    from: readonly Delivery<ListedNode>[];
    /** Nodes that said they have this content. */
    holders: number;
    /** Where it was saved; absent for what was streamed. */
    path?: string;
  }
  /** A file was there already, with the content that was asked for. */
  | { event: "file_present"; name: string; path: string; bytes: number }
  /** Part of a file was there from an earlier run, verified again. */
  | { event: "file_resumed"; name: string; path: string; bytes: number }
  /** Part of a file is zeros, which no node has to send. */
  | { event: "zeros_skipped"; name: string; path?: string; bytes: number }
  /** A file could not be had; the others go on. */
  | {
    event: "file_failed";
    name: string;
    error: Error;
    /** What each node had delivered of it by then. */
    from: readonly Delivery<ListedNode>[];
  };

/** What an error says of the node it came from. */
export function answerOf(
  error: unknown,
): Exclude<NodeAnswer, { kind: "found" | "not_found" }> {
  if (error instanceof Unreachable) {
    const { cause } = error;
    const direct = cause instanceof NoPath ? cause.direct : cause;
    const isAnswered = direct instanceof ProtocolError &&
      direct.code !== "timed_out";
    const stage = isAnswered ? "handshake" : "connect";
    return { kind: "unreachable", stage, cause: causeOf(error) };
  }
  if (error instanceof Denied) {
    return { kind: "denied", code: error.code, cause: causeOf(error) };
  }
  const isLie = error instanceof ProtocolError &&
    error.code === "corrupt_piece";
  return { kind: isLie ? "corrupt" : "failed", cause: causeOf(error) };
}

/** The words for what went wrong with a node. */
export function causeOf(error: unknown): string {
  if (error instanceof Unreachable) return causeOf(error.cause);
  if (error instanceof NoPath) {
    return `directly: ${causeOf(error.direct)}; ` +
      `through the relay: ${causeOf(error.tunnel)}`;
  }
  if (error instanceof RelayedEnough || error instanceof TunnelsUnwanted) {
    return error.message;
  }
  if (error instanceof TunnelRefused) {
    return `it has no tunnel: ${show(error.text)} (${show(error.code)})`;
  }
  if (error instanceof Denied) return `it refused: ${show(error.message)}`;
  if (!(error instanceof ProtocolError)) return describeCause(error);
  switch (error.code) {
    case "identity_mismatch":
      return "the program that answers there is not the listed node";
    case "timed_out":
    case "idle":
      return "no answer in time";
    default:
      return show(error.message);
  }
}
