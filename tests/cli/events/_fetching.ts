/**
 * Events of files that are fetched, saved, sent and checked.
 *
 * @module
 */

import { Type } from "@sinclair/typebox";
import { CHECKS, VERDICTS } from "../../../lib/doctor/check.ts";
import { EXIT_CODE } from "../../../lib/base/errors.ts";
import {
  CLIENT,
  count,
  digest,
  FailureObject,
  flag,
  From,
  id,
  listOf,
  name,
  NODE,
  object,
  oneOf,
  Path,
  path,
  Paths,
  PEERS,
  RELAY,
  type SomeEvents,
  Stage,
  text,
} from "./_parts.ts";

export const FETCHING = {
  progress: {
    says: "the progress (at most ten times a second)",
    roles: CLIENT,
    fields: {
      received: count("verified bytes so far"),
      total: count("bytes of all wanted files, without those that failed"),
      isWhole: flag(
        "whether all wanted files are known; otherwise `total` will grow",
      ),
      name: text("the file that was started last; empty before the first"),
      bytesPerSecond: Type.Number({
        minimum: 0,
        description: "over the last few seconds",
      }),
      secondsLeft: Type.Optional(Type.Number({
        minimum: 0,
        description: "until the end; absent while unknown",
      })),
      paths: Paths,
      files: count("complete files"),
      filesStarted: count("started files, including complete ones"),
      fileCount: count("wanted files"),
      nodes: count("nodes that take part"),
      swarm: Type.Optional(object({
        holders: count("other clients that send pieces now"),
        bytes: count("bytes from other clients in this run"),
      }, "of `--swarm`, once another client takes part")),
    },
  },
  content: {
    says: "verified bytes of a file, in order",
    roles: CLIENT,
    fields: {
      base64: Type.String({
        contentEncoding: "base64",
        description: "the bytes",
      }),
    },
  },
  "file_resumed": {
    says: "part of a file existed from an earlier run, and was verified again",
    roles: CLIENT,
    fields: { name, path, bytes: count("bytes that existed") },
  },
  "zeros_skipped": {
    says: "part of a file is zeros, which no node needs to send",
    roles: CLIENT,
    fields: {
      name,
      path: Type.Optional(path),
      bytes: count("bytes that are zeros"),
    },
  },
  "file_kept": {
    says: "part of an older file is right, and is not fetched",
    roles: CLIENT,
    fields: {
      name,
      path,
      base: text("the older file; the same as `path` where it is replaced"),
      bytes: count("bytes that were copied, and verified"),
    },
  },
  "waiting_for_files": {
    says:
      "no node has some files; with `--wait`, the client asks for them again",
    roles: CLIENT,
    fields: {
      names: listOf(
        Type.String(),
        "their names, or patterns that nothing matched",
      ),
      againMs: count("milliseconds until the next request"),
      leftMs: count("milliseconds until they are given up"),
    },
  },
  "files_wanted": {
    says: "all wanted files are known",
    roles: CLIENT,
    fields: {
      files: count("the number of files"),
      bytes: count("bytes of all of them"),
    },
  },
  "file_planned": {
    says: "what `get` would do with a file, with `--dry-run`",
    roles: CLIENT,
    fields: {
      name,
      path: text("the path at which it would be saved"),
      bytes: count("bytes of the file"),
      action: oneOf(
        ["fetch", "continue", "replace", "keep"],
        "fetch it, fetch the rest of it, replace another file, or keep it " +
          "because it exists",
      ),
      nodes: listOf(object(NODE), "the nodes that have this content"),
    },
  },
  "file_present": {
    says: "a file with the wanted content already exists",
    roles: CLIENT,
    fields: {
      name,
      path,
      bytes: count("bytes of the file"),
      content: Type.Optional(
        digest("content id, if the file was compared with it"),
      ),
      sha256: Type.Optional(
        digest("the required SHA-256, which the file has"),
      ),
    },
  },
  "file_received": {
    says: "a whole file has been delivered, or the wanted part of it",
    roles: CLIENT,
    fields: {
      name,
      bytes: count("bytes of the file, or of the part"),
      start: Type.Optional(count("where the part begins")),
      content: digest("content id"),
      from: From,
      holders: count("nodes that offered this content"),
      path: Type.Optional(path),
    },
  },
  "file_failed": {
    says: "a file could not be fetched; the others continue",
    roles: CLIENT,
    fields: { name, error: FailureObject, from: From },
  },
  "node_tried": {
    says: "after a failure: how one node failed to deliver the file",
    roles: CLIENT,
    fields: {
      name,
      node: object(NODE, "the node"),
      address: text("the dialled address, `HOST:PORT`"),
      path: Type.Optional(Path),
      stage: Stage,
      cause: text("why it failed"),
      bytes: count("verified bytes of the file from it"),
      ms: count("milliseconds from the first request to its last answer"),
    },
  },
  checked: {
    says: "`doctor` has checked something",
    roles: PEERS,
    fields: {
      relay: Type.Optional(
        text("the relay that was examined, `HOST:PORT`, if there are several"),
      ),
      check: oneOf(CHECKS, "at what"),
      verdict: oneOf(VERDICTS, "the result"),
      says: text("the finding"),
      remedy: Type.Optional(text("what to do about it")),
      kind: Type.Optional(
        oneOf(Object.keys(EXIT_CODE), "the kind of failure"),
      ),
    },
  },
  "receipt_written": {
    says: "the receipt has been written",
    roles: CLIENT,
    fields: { path: text("where"), files: count("number of files in it") },
  },
  file: {
    says: "a name that `ls` or `search` found",
    roles: CLIENT,
    fields: {
      name,
      size: count("bytes of the content that `get` would fetch"),
      modifiedMs: Type.Number({
        description:
          "when that content was written, in milliseconds since 1970",
      }),
      content: Type.Optional(digest("its content id, once it is known")),
      nodeCount: count("nodes with a file of this name"),
      nodes: listOf(id("a node"), "those nodes"),
      differs: flag("whether nodes may have different contents"),
    },
  },
  "file_sum": {
    says: "the SHA-256 of a file, as its nodes know it",
    roles: CLIENT,
    fields: {
      name,
      bytes: count("bytes of the file"),
      sha256: digest("SHA-256 of the file"),
    },
  },
  "send_progress": {
    says:
      "a client fetches a sent file; at most once a second for each address",
    roles: CLIENT,
    fields: {
      name,
      to: text("the address that fetches it, or the group of it"),
      bytes: count("bytes sent of this fetch"),
      total: count("bytes that it takes"),
    },
  },
  "send_completed": {
    says: "a client has fetched all of a sent file",
    roles: CLIENT,
    fields: {
      name,
      to: text("the address that fetched it, or the group of it"),
      bytes: count("bytes that it took"),
      ms: count("milliseconds from the first piece to the last"),
      left: count("fetches until it is sent no more"),
    },
  },
  folder: {
    says: "a folder that `ls --tree` or `ls --depth` shows",
    roles: CLIENT,
    fields: {
      name: text("its name, without a slash at the end"),
      files: count("files below it"),
      bytes: count("their bytes"),
      modifiedMs: Type.Number({
        description: "when the newest of them was written",
      }),
    },
  },
  "files_listed": {
    says: "`ls` or `search` has listed all files",
    roles: CLIENT,
    fields: {
      files: count("how many names"),
      bytes: count("their bytes, each content counted once for each name"),
    },
  },
  "link_made": {
    says: "the requested link",
    roles: CLIENT,
    fields: {
      link: text("the link: a secret if `isHeld`"),
      url: Type.Optional(
        text("the address that opens it in a browser, with `--web`"),
      ),
      name,
      bytes: count("bytes of the file"),
      isHeld: flag(
        "whether all its relays enforce its time and number of uses",
      ),
      relays: Type.Array(Type.String(), {
        description: "the relays that it names",
      }),
    },
  },
  tokens: {
    says: "the tokens that `--show-tokens` asked for",
    roles: RELAY,
    fields: {
      node: text("the token for nodes: a secret"),
      client: text("the token for clients: a secret"),
    },
  },
  "file_verified": {
    says: "a file matches its receipt",
    roles: CLIENT,
    fields: {
      path: text("the file"),
      name: text("its name when it was received"),
      bytes: count("bytes"),
      sha256: digest("SHA-256 of the file"),
      content: digest("content id"),
      receivedAt: text("when it was received, ISO 8601"),
    },
  },
} satisfies SomeEvents;
