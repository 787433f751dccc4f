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
import { TooSlow } from "./hash_waits.ts";
import type { ListedNode } from "./nodes.ts";
import type { PeersEvent } from "./peers.ts";
import type { SwarmEvent } from "./swarm_events.ts";
import { TunnelRefused } from "../transport/join.ts";
import { NoPath, Unreachable } from "./reach.ts";
import { RelayedEnough, TunnelsUnwanted } from "./tunnel_path.ts";

/** The answer of one node about a file. */
export type NodeAnswer =
  /** The node has the file. */
  | { readonly kind: "found"; readonly size: number }
  /** The node does not have the file. */
  | { readonly kind: "not_found" }
  /** The node could not be dialled, or is not the one that was listed. */
  | {
    readonly kind: "unreachable";
    /** Whether a peer answered at its address. */
    readonly stage: "connect" | "handshake";
    readonly cause: string;
  }
  /** The connection to the node failed, or the node refused. */
  | { readonly kind: "failed"; readonly cause: string }
  /** The node does not send the file to this client, or has another content. */
  | { readonly kind: "denied"; readonly code: string; readonly cause: string }
  /** The node sent data that does not match its own hashes. */
  | { readonly kind: "corrupt"; readonly cause: string };

/** What a get would do with a file. */
export type PlannedAction =
  /** Fetch all of it. */
  | "fetch"
  /** Fetch the rest of it: an earlier run was interrupted. */
  | "continue"
  /** Replace another file by it. */
  | "replace"
  /** Nothing: it exists. */
  | "keep";

/** The progress of a fetch. */
export interface Progress {
  /** Verified bytes so far. */
  readonly received: number;
  /** Bytes of all wanted files, without those that failed. */
  readonly total: number;
  /** Whether all wanted files are known; otherwise `total` will grow. */
  readonly isWhole: boolean;
  /** The file that was started last; empty before the first. */
  readonly name: string;
  /** Bytes a second, over the last few seconds. */
  readonly bytesPerSecond: number;
  /** Seconds until the end; absent while unknown. */
  readonly secondsLeft?: number;
  /** Bytes received in this run, by path. */
  readonly paths: BytesByPath;
  /** Complete files. */
  readonly files: number;
  /** Started files, including complete ones. */
  readonly filesStarted: number;
  /** Wanted files. */
  readonly fileCount: number;
  /** Nodes that take part. */
  readonly nodes: number;
  /** Other clients that send pieces, once there are any. */
  readonly swarm?: {
    /** Holders that take part now. */
    readonly holders: number;
    /** Bytes received from holders in this run. */
    readonly bytes: number;
  };
}

/** A file that a search found. */
export interface FoundFile {
  /** Its whole name. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Content id, if it is known. */
  readonly content?: string;
  /** Ids of the nodes that have it. */
  readonly nodes: readonly string[];
}

/** Events of a client. */
export type ClientEvent =
  | PeersEvent
  | SwarmEvent
  /** A node was asked for a file. */
  | {
    event: "node_answered";
    node: ListedNode;
    address: string;
    /** The path by which it was reached, if it was. */
    path?: Path;
    name: string;
    answer: NodeAnswer;
    /** Milliseconds since the first request to it. */
    ms: number;
  }
  /** Nodes have different contents under one name. */
  | {
    event: "contents_differ";
    name: string;
    groups: readonly ContentGroup[];
    /** Whether the client takes the first content; `false` in a tie. */
    taken: boolean;
  }
  /**
   * No node has the name itself; the client takes a file with a longer name.
   */
  | {
    event: "found_as";
    name: string;
    found: FoundFile;
    /** Number of names with this content. */
    paths: number;
  }
  /** The name may mean different files, and none is taken. */
  | {
    event: "found_several";
    name: string;
    /** The first of them. */
    files: readonly FoundFile[];
    count: number;
    /** Whether a node has a folder of that name. */
    isFolder: boolean;
  }
  /** Nodes are listing their files; once a second. */
  | {
    event: "listing";
    /** Files listed so far, including repetitions. */
    files: number;
    /** Nodes that have finished. */
    nodes: number;
    nodeCount: number;
    /** Names of the nodes that are still listing. */
    waitingFor: readonly string[];
  }
  /**
   * Names that were left out because they, or a folder in them, begin with a
   * dot.
   */
  | { event: "names_left_out"; names: number }
  /** No node has some files; they are asked for again. */
  | {
    event: "waiting_for_files";
    /** Their names, or patterns that nothing matched. */
    names: readonly string[];
    /** Milliseconds until the next request. */
    againMs: number;
    /** Milliseconds until they are given up. */
    leftMs: number;
  }
  /** All wanted files are known. */
  | { event: "files_wanted"; files: number; bytes: number }
  /** What would be done with a file, with `dryRun`. */
  | {
    event: "file_planned";
    name: string;
    path: string;
    bytes: number;
    action: PlannedAction;
    /** The nodes that have this content. */
    nodes: readonly Pick<ListedNode, "number" | "id" | "name">[];
  }
  /** The progress has changed; at most ten times a second. */
  | ({ event: "progress" } & Progress)
  /** A whole file has been delivered, or the wanted part of it. */
  | {
    event: "file_received";
    name: string;
    bytes: number;
    /** Where they begin, if a part of it was wanted. */
    start?: number;
    /** Content id. */
    content: string;
    /** Bytes by node and path. */
    from: readonly Delivery<ListedNode>[];
    /** Nodes that offered this content. */
    holders: number;
    /** The path of the saved file; absent if it was streamed. */
    path?: string;
  }
  /** A file with the wanted content already exists. */
  | {
    event: "file_present";
    name: string;
    path: string;
    bytes: number;
    /** Content id, if the file was compared with it. */
    content?: string;
    /** The required SHA-256, which the file has. */
    sha256?: string;
  }
  /** Part of a file existed from an earlier run, and was verified again. */
  | { event: "file_resumed"; name: string; path: string; bytes: number }
  /** Part of a file is zeros, which no node has to send. */
  | { event: "zeros_skipped"; name: string; path?: string; bytes: number }
  /** Part of an older file, `base`, is right, and is not fetched. */
  | {
    event: "file_kept";
    name: string;
    path: string;
    base: string;
    bytes: number;
  }
  /** A file could not be fetched; the others continue. */
  | {
    event: "file_failed";
    name: string;
    error: Error;
    /** The bytes that each node had delivered by then. */
    from: readonly Delivery<ListedNode>[];
  };

/** The answer that stands for an error from a node. */
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

/** The words for an error from a node. */
export function causeOf(error: unknown): string {
  if (error instanceof Unreachable) return causeOf(error.cause);
  if (error instanceof NoPath) {
    return `directly: ${causeOf(error.direct)}; ` +
      `through the relay: ${causeOf(error.tunnel)}`;
  }
  const isOurs = error instanceof RelayedEnough ||
    error instanceof TunnelsUnwanted || error instanceof TooSlow;
  if (isOurs) return error.message;
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
