/**
 * The events of the scripts, in addition to those of the engines.
 *
 * @module
 */

import type { CheckResult } from "../../doctor/check.ts";
import type { Failure, FailureKind } from "../../base/errors.ts";

/** The stage at which a node failed. */
export type Stage = "connect" | "handshake" | "ask" | "transfer" | "verify";

/** How one node failed to deliver a file. */
export interface NodeTried {
  readonly event: "node_tried";
  /** The requested file. */
  readonly name: string;
  readonly node: { number: number; id: string; name: string };
  /** The dialled address, `HOST:PORT`; empty if there is none. */
  readonly address: string;
  /** The path by which it was reached, if it was. */
  readonly path?: string;
  /** The stage at which it failed. */
  readonly stage: Stage;
  /** Why it failed. */
  readonly cause: string;
  /** Bytes of the file that came from it. */
  readonly bytes: number;
  /** Milliseconds from the first request to the last answer. */
  readonly ms: number;
}

/** The events of a script with `--json`. */
export type CliEvent =
  | { event: "version"; program: string; version: string; protocol: number }
  | { event: "help"; text: string }
  | { event: "completions"; shell: string; name: string; script: string }
  /** A relay that `p2p` remembers, and the files of its tokens and index key. */
  | {
    event: "relay_used";
    relay: string;
    tokenFiles: { node?: string; client?: string };
    indexKeyFile?: string;
  }
  /** A partial file of an interrupted fetch. */
  | {
    event: "partial_file";
    path: string;
    bytes: number;
    modifiedMs: number;
    isInUse: boolean;
    isRemoved: boolean;
  }
  /** The relay answers queries on the local network. */
  | { event: "announcing"; name: string; port: number }
  /** The relay cannot answer queries on the local network. */
  | { event: "announce_failed"; port: number; why: string }
  /** Another relay with the same identity answers at this address. */
  | { event: "identity_elsewhere"; address: string }
  /** `p2p use` has found a relay on the local network. */
  | { event: "relay_found"; name: string; relay: string; isPrivate: boolean }
  /** A node has read its settings again, on SIGHUP. */
  | {
    event: "reloaded";
    /** Options that have changed. */
    changed: readonly string[];
    /** Options that change with the next start. */
    waiting: readonly string[];
    files: number;
  }
  /** A node could not use its new settings, and keeps the old ones. */
  | { event: "reload_failed"; error: Failure }
  /** A node was stopped; the totals count from its start. */
  | {
    event: "node_ended";
    files: number;
    bytes: number;
    clients: number;
    seconds: number;
    refused: readonly { reason: string; count: number }[];
  }
  /** The address of `--metrics`. */
  | { event: "metrics_listening"; host: string; port: number }
  /** Verified bytes of a file, in order. */
  | { event: "content"; base64: string }
  /** A name found by `ls`. */
  | {
    event: "file";
    name: string;
    size: number;
    modifiedMs: number;
    content?: string;
    nodeCount: number;
    /** Ids of the nodes. */
    nodes: readonly string[];
    differs: boolean;
  }
  /** The sums of a folder that `ls --tree` or `--depth` shows. */
  | {
    event: "folder";
    name: string;
    files: number;
    bytes: number;
    modifiedMs: number;
  }
  /** The totals of everything that `ls` found. */
  | { event: "files_listed"; files: number; bytes: number }
  /** The SHA-256 of a file, by `sums`. */
  | { event: "file_sum"; name: string; bytes: number; sha256: string }
  /** A link that the user requested: a secret. */
  /** The page of a gateway, and whether a browser was opened for it. */
  | { event: "page_opened"; url: string; isShown: boolean }
  | {
    event: "link_made";
    link: string;
    /** Its address for a browser. */
    url?: string;
    name: string;
    bytes: number;
    isHeld: boolean;
    /** The relays that it names. */
    relays: readonly string[];
  }
  /** Somebody fetches a sent file; at most once a second for each address. */
  | {
    event: "send_progress";
    name: string;
    to: string;
    bytes: number;
    total: number;
  }
  /** Somebody has fetched all of a sent file. */
  | {
    event: "send_completed";
    name: string;
    to: string;
    bytes: number;
    ms: number;
    left: number;
  }
  /** The tokens of a secret, on request. */
  | { event: "tokens"; node: string; client: string }
  | NodeTried
  /** The result of one check of `doctor`. */
  | ({ event: "checked" } & CheckResult)
  /** `--receipt` has been written. */
  | { event: "receipt_written"; path: string; files: number }
  /** A file matches a receipt. */
  | {
    event: "file_verified";
    path: string;
    name: string;
    bytes: number;
    sha256: string;
    content: string;
    receivedAt: string;
  }
  /** The failure; always the last event. */
  | {
    event: "error";
    kind: FailureKind | "bug";
    what?: string;
    where?: string;
    why: string;
    remedy?: string;
    exitCode: number;
    stack?: string;
  };
