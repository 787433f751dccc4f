/**
 * The events that the scripts emit beside those of the engines.
 *
 * @module
 */

import type { Check } from "../../doctor/check.ts";
import type { FailureKind } from "../../base/errors.ts";

/** How far a node got before it could not deliver. */
export type Stage = "connect" | "handshake" | "ask" | "transfer" | "verify";

/** What one node was worth for a file that could not be had. */
export interface NodeTried {
  readonly event: "node_tried";
  /** The file asked for. */
  readonly name: string;
  readonly node: { number: number; id: string; name: string };
  /** Where it was dialled, `HOST:PORT`; empty where there is no such place. */
  readonly address: string;
  /** The path by which it was reached, where it was. */
  readonly path?: string;
  /** How far it got. */
  readonly stage: Stage;
  /** Why it went no further. */
  readonly cause: string;
  /** Bytes of the file that came from it. */
  readonly bytes: number;
  /** Milliseconds from the first thing asked of it to its last word. */
  readonly ms: number;
}

/** What a script tells with `--json`. */
export type CliEvent =
  | { event: "version"; program: string; version: string; protocol: number }
  | { event: "help"; text: string }
  | { event: "completions"; shell: string; name: string; script: string }
  /** `--metrics` answers there. */
  | { event: "metrics_listening"; host: string; port: number }
  /** Verified bytes of a file, in order. */
  | { event: "content"; base64: string }
  /** A name that `ls` found. */
  | {
    event: "file";
    name: string;
    size: number;
    modifiedMs: number;
    nodeCount: number;
    differs: boolean;
  }
  /** A link, for whoever asked for one: a secret. */
  | {
    event: "link_made";
    link: string;
    name: string;
    bytes: number;
    isHeld: boolean;
  }
  /** The tokens of a secret, for whoever asked for them. */
  | { event: "tokens"; node: string; client: string }
  | NodeTried
  /** `doctor` has looked at something. */
  | ({ event: "checked" } & Check)
  /** `--receipt` has been written. */
  | { event: "receipt_written"; path: string; files: number }
  /** A file is what a receipt says. */
  | {
    event: "file_verified";
    path: string;
    name: string;
    bytes: number;
    sha256: string;
    content: string;
    receivedAt: string;
  }
  /** What failed; always the last. */
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
