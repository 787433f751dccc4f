/**
 * Events of the program itself.
 *
 * @module
 */

import { Type } from "@sinclair/typebox";
import { EXIT_CODE } from "../../../lib/base/errors.ts";
import { SHELLS } from "../../../lib/cli/options/command_table.ts";
import {
  ALL,
  count,
  FailureFields,
  FailureObject,
  flag,
  listOf,
  NODES,
  object,
  oneOf,
  RELAY,
  type SomeEvents,
  text,
} from "./_parts.ts";

export const PROGRAMS = {
  version: {
    says: "the answer to `--version`",
    roles: ALL,
    fields: {
      program: text("`relay-p2p`"),
      version: text("version of the program"),
      protocol: count("version of the protocol"),
    },
  },
  help: {
    says: "the answer to `--help`",
    roles: ALL,
    fields: { text: text("the text for the terminal") },
  },
  completions: {
    says: "the answer to `completions`",
    roles: ALL,
    fields: {
      shell: oneOf(SHELLS, "the shell"),
      name: text("the name that it completes"),
      script: text("the completion script"),
    },
  },
  "relay_used": {
    says: "a relay that `p2p use` remembers",
    roles: ["p2p"],
    fields: {
      relay: text("its address, with its id"),
      tokenFiles: object({
        node: Type.Optional(text("the file with the token of `p2p share`")),
        client: Type.Optional(text("the file with the token of the client")),
      }, "where its tokens are"),
      indexKeyFile: Type.Optional(text("the file with the index key")),
    },
  },
  reloaded: {
    says: "the node has read its settings again, on SIGHUP",
    roles: NODES,
    fields: {
      changed: listOf(Type.String(), "options that have changed"),
      waiting: listOf(Type.String(), "options that change with the next start"),
      files: count("files that it shares now"),
    },
  },
  "reload_failed": {
    says: "the node could not use its new settings, and keeps the old ones",
    roles: NODES,
    fields: { error: FailureObject },
  },
  announcing: {
    says: "the relay answers queries on the local network",
    roles: RELAY,
    fields: {
      name: text("the name under which it is announced"),
      port: count("its UDP port"),
    },
  },
  "announce_failed": {
    says: "the relay cannot answer queries on the local network",
    roles: RELAY,
    fields: { port: count("the UDP port"), why: text("why") },
  },
  "identity_elsewhere": {
    says: "another relay with this identity answers elsewhere",
    roles: RELAY,
    fields: { address: text("where, as HOST:PORT") },
  },
  "relay_found": {
    says: "`p2p use` has found a relay on the local network; nothing is proven",
    roles: ["p2p"],
    fields: {
      name: text("its name: text from a stranger"),
      relay: text("its address, with the id that it claims"),
      isPrivate: flag("whether it says that it is private"),
    },
  },
  "partial_file": {
    says: "`p2p clean` has found a partial file of an interrupted `get`",
    roles: ["p2p"],
    fields: {
      path: text("its path"),
      bytes: count("its size"),
      modifiedMs: Type.Number({ description: "when it was last written" }),
      isInUse: flag("whether a running `get` is writing it"),
      isRemoved: flag("whether it has been removed"),
    },
  },
  error: {
    says: "the failure; the last event, or one for each file",
    roles: ALL,
    fields: {
      ...FailureFields,
      kind: oneOf([...Object.keys(EXIT_CODE), "bug"], "its kind"),
      what: Type.Optional(text("what failed")),
      exitCode: Type.Integer({ description: "the exit code of this failure" }),
      stack: Type.Optional(text("the stack, with `--log` and `--debug`")),
    },
  },
} satisfies SomeEvents;
