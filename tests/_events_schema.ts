/**
 * The events of `--json`, one schema each: the only description there is of what
 * the scripts tell. `docs/EVENTS.md` and `docs/events.schema.json` are written
 * from here, and a test holds what the scripts print to it.
 *
 * @module
 */

import {
  type TObject,
  type TProperties,
  type TSchema,
  Type,
} from "@sinclair/typebox";
import type { ClientEvent } from "../lib/client/events.ts";
import { CHECKS, VERDICTS } from "../lib/doctor/check.ts";
import { EXIT_CODE } from "../lib/base/errors.ts";
import type { NodeEvent } from "../lib/node/server.ts";
import type { RelayEvent } from "../lib/relay/server.ts";
import { SKIP_KINDS } from "../lib/share/skipped.ts";
import type { CliEvent } from "../lib/cli/output/cli_events.ts";
import { SHELLS } from "../lib/cli/options/command_table.ts";
import type { Role } from "../lib/cli/options/option_table.ts";

/** Names of all events. */
export type EventName = (ClientEvent | NodeEvent | RelayEvent | CliEvent)[
  "event"
];

/** One event. */
export interface EventSpec {
  /** What it says, one sentence. */
  readonly says: string;
  /** The scripts that tell it. */
  readonly roles: readonly Role[];
  /** Its fields, beside `v` and `event`. */
  readonly fields: TProperties;
}

const text = (description: string) => Type.String({ description });
const flag = (description: string) => Type.Boolean({ description });
const count = (description: string) =>
  Type.Integer({ minimum: 0, description });
const oneOf = (values: readonly string[], description: string) =>
  Type.Union(values.map((value) => Type.Literal(value)), { description });
const id = (description: string) =>
  Type.String({ pattern: "^[a-z2-7]{52}$", description });
const digest = (description: string) =>
  Type.String({ pattern: "^[0-9a-f]{64}$", description });
const listOf = <Item extends TSchema>(item: Item, description: string) =>
  Type.Array(item, { description });
const object = (fields: TProperties, description?: string) =>
  Type.Object(fields, {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  });

const Path = oneOf(["direct", "tunnel"], "the path by which it was reached");
const Stage = oneOf(
  ["connect", "handshake", "ask", "transfer", "verify"],
  "how far the node got",
);
const Paths = object({
  direct: count("bytes that came straight from the node"),
  tunnel: count("bytes that came through the relay"),
}, "the same bytes, by path");

const NODE = {
  number: count("its place in the listing, from 1"),
  id: id("its id"),
  name: text("what people call it: a stranger's words"),
};
const Node = object({
  ...NODE,
  addresses: listOf(Type.String(), "where to dial it, `HOST:PORT`"),
  isAttached: flag("whether it can be reached through the relay"),
}, "the node");
const From = listOf(
  object({ node: Node, bytes: count("bytes from it"), paths: Paths }),
  "what each node has delivered",
);
const FailureFields = {
  kind: oneOf(Object.keys(EXIT_CODE), "its kind"),
  what: text("what failed"),
  where: Type.Optional(text("at which relay, node, file or option")),
  why: text("why"),
  remedy: Type.Optional(text("what to do about it")),
};
const FailureObject = object(FailureFields, "the failure");
const Offer = object({
  node: id("the node"),
  votesAs: text("what its vote is counted by: the address, or the node itself"),
  size: count("bytes"),
  modifiedMs: Type.Number({ description: "when it was written there" }),
  isExecutable: Type.Optional(flag("whether it can be run there")),
  version: text("stands for the file's state at that node"),
  content: Type.Optional(digest("content id, once it is known")),
  sha256: Type.Optional(digest("SHA-256 of the file, once it is known")),
});
const Group = object({
  content: Type.Optional(digest("content id, once it is known")),
  size: count("bytes"),
  modifiedMs: Type.Number({ description: "the latest time of writing" }),
  isExecutable: Type.Optional(
    flag("whether it can be run at more than half of the addresses"),
  ),
  votes: count("addresses that have it"),
  offers: listOf(Offer, "the nodes that have it"),
});
const Answer = Type.Union([
  object({
    kind: Type.Literal("found"),
    size: count("bytes of the file"),
  }),
  object({ kind: Type.Literal("not_found") }),
  object({
    kind: Type.Literal("unreachable"),
    stage: oneOf(["connect", "handshake"], "whether anybody answered there"),
    cause: text("why"),
  }),
  object({
    kind: Type.Literal("denied"),
    code: text("its code, as `unauthorized` or `other_content`"),
    cause: text("why it does not give the file to this client"),
  }),
  object({
    kind: oneOf(["failed", "corrupt"], "it broke off, or sent wrong bytes"),
    cause: text("why"),
  }),
], { description: "what the node had to say" });

const SERVERS = ["relay", "node"] as const;
const PEERS = ["node", "client"] as const;
const ALL = ["relay", "node", "client"] as const;
const RELAY = ["relay"] as const;
const NODES = ["node"] as const;
const CLIENT = ["client"] as const;

const relayAt = text("the relay, `HOST:PORT`");
const name = text("the file's name");
const path = text("where it was saved");
const from = text("the address it came from");
const leaseSeconds = count("seconds until the lease ends");

/** All events, by name, in the order in which they are told of. */
export const EVENTS: Readonly<Record<EventName, EventSpec>> = {
  "relay_listening": {
    says: "the relay takes connections",
    roles: RELAY,
    fields: {
      host: text("the address it is bound to"),
      port: count("its port"),
      id: id("the relay's id"),
      address: text("its relay address, `p2p://…`"),
      encrypted: flag("whether connections are encrypted"),
      private: flag("whether it serves only those with a token or a link"),
      tunnelPort: Type.Optional(
        count("the second port by which tunnels enter, where there are any"),
      ),
    },
  },
  "node_registered": {
    says: "a node is listed from now on",
    roles: RELAY,
    fields: {
      id: id("the node's id"),
      name: text("what people call it: a stranger's words"),
      addresses: listOf(Type.String(), "where it is to be dialled"),
      from,
    },
  },
  "node_left": {
    says: "a node is listed no more",
    roles: RELAY,
    fields: {
      id: id("the node's id"),
      name: text("what people call it: a stranger's words"),
      how: oneOf(["withdrawn", "expired", "found_dead"], "why"),
    },
  },
  "node_attached": {
    says: "a node can be reached through the relay",
    roles: RELAY,
    fields: { id: id("the node's id") },
  },
  "node_detached": {
    says: "a node can be reached through the relay no more",
    roles: RELAY,
    fields: { id: id("the node's id") },
  },
  "tunnel_ended": {
    says: "a client's way to a node through the relay has ended",
    roles: RELAY,
    fields: {
      how: oneOf(
        ["completed", "abandoned", "refused", "expired", "failed"],
        "how it ended",
      ),
      id: id("the node's id"),
      from: text("the group of the client's address"),
      toClientBytes: count("bytes that went to the client"),
      toNodeBytes: count("bytes that went to the node"),
    },
  },
  "node_listening": {
    says: "the node takes connections",
    roles: NODES,
    fields: {
      host: text("the address it is bound to"),
      port: count("its port"),
      id: id("the node's id"),
      name: text("what people call it"),
      encrypted: flag("whether connections are encrypted"),
    },
  },
  sharing: {
    says: "the folder has been looked through",
    roles: NODES,
    fields: {
      directory: text("the folder"),
      files: count("files that are shared"),
      skipped: object({
        link: count("symbolic links"),
        special: count("pipes, sockets and devices"),
        name: count("names that are not portable"),
        deep: count("folders nested deeper than a name may have parts"),
        clash: count("names equal to another's"),
        unreadable: count("entries that cannot be read"),
        secret: count("keys and tokens of relay-p2p"),
        large: count("files larger than the largest that can be sent"),
        excess: count("files beyond what one share may hold"),
      }, "what is not shared, and why"),
    },
  },
  skipped: {
    says:
      "an entry of the folder is not shared; told at start with --list-skipped",
    roles: NODES,
    fields: {
      name: text("its name below the folder, as the disk has it"),
      kind: oneOf(SKIP_KINDS, "its kind, as in `sharing`"),
      rule: text("the rule that it breaks"),
    },
  },
  "skipped_unnamed": {
    says: "more entries are not shared than a node keeps names of",
    roles: NODES,
    fields: { entries: count("those that are counted, and not named") },
  },
  "share_gone": {
    says:
      "the folder is gone, or another has taken its place; its files are not shared",
    roles: NODES,
    fields: {
      directory: text("the folder"),
      files: count("files that were shared"),
      why: text("what is wrong with it"),
    },
  },
  "share_back": {
    says: "the folder is there again and has been looked through",
    roles: NODES,
    fields: {
      directory: text("the folder"),
      files: count("files that are shared"),
    },
  },
  "share_unwatched": {
    says:
      "the system does not tell what changes in the folder: it is looked through every few seconds instead",
    roles: NODES,
    fields: { directory: text("the folder"), why: text("the cause") },
  },
  hashed: {
    says: "all files that are shared have been hashed",
    roles: NODES,
    fields: { files: count("files hashed since this was last told") },
  },
  registered: {
    says: "the relay lists the node",
    roles: NODES,
    fields: { relay: relayAt, leaseSeconds },
  },
  renewed: {
    says: "the relay goes on to list the node",
    roles: NODES,
    fields: { relay: relayAt, leaseSeconds },
  },
  "registration_failed": {
    says: "the relay could not be asked, or refused; it is tried again",
    roles: NODES,
    fields: { relay: relayAt, error: FailureObject },
  },
  "turned_away": {
    says: "the relay will not have the node, which ends",
    roles: NODES,
    fields: { relay: relayAt, error: FailureObject },
  },
  attached: {
    says: "clients can reach the node through the relay",
    roles: NODES,
    fields: {
      relay: relayAt,
      why: oneOf(
        ["forced", "unreachable", "unchecked"],
        "`--tunnel`, that the relay cannot dial it, or that it could not find out",
      ),
    },
  },
  detached: {
    says: "clients can reach the node through the relay no more",
    roles: NODES,
    fields: {
      relay: relayAt,
      why: oneOf(["reachable", "lost"], "it can be dialled, or the relay left"),
    },
  },
  "no_tunnels": {
    says: "tunnels are wanted, and the relay carries none",
    roles: NODES,
    fields: { relay: relayAt },
  },
  outdated: {
    says: "the relay wants a later version; the node ends, with exit code 3",
    roles: NODES,
    fields: { relay: relayAt, error: FailureObject },
  },
  withdrawn: {
    says: "the relay lists the node no more, as it wished",
    roles: NODES,
    fields: { relay: relayAt },
  },
  "withdraw_failed": {
    says: "the relay could not be told; the lease ends by itself",
    roles: NODES,
    fields: { relay: relayAt, error: FailureObject },
  },
  served: {
    says: "a client has left, and what it was sent",
    roles: NODES,
    fields: {
      to: text("the client's address"),
      bytes: count("bytes of files"),
      files: count("files, counted whenever it went on to another"),
      name: Type.Optional(text("the file, where it was one")),
    },
  },
  refused: {
    says: "connections were refused, in the last seconds",
    roles: SERVERS,
    fields: {
      reason: text("why"),
      from,
      count: count("how many"),
    },
  },
  "connection_failed": {
    says: "a connection failed in a way that nobody foresaw",
    roles: SERVERS,
    fields: { from, error: text("what happened") },
  },
  "accept_stalled": {
    says: "the system refused to take connections, in the last seconds",
    roles: SERVERS,
    fields: { why: text("why"), count: count("how many times") },
  },
  "metrics_listening": {
    says: "metrics and health can be read over HTTP",
    roles: SERVERS,
    fields: {
      host: text("the address they are bound to"),
      port: count("their port"),
    },
  },
  "relay_unverified": {
    says: "a relay was met whose id nobody gave",
    roles: PEERS,
    fields: { relay: relayAt, id: id("what it proved to be") },
  },
  "relay_remembered": {
    says: "a relay was met for the first time, and will be known again",
    roles: PEERS,
    fields: {
      relay: relayAt,
      id: id("what it proved to be"),
      path: text("the file of `--known-relays`"),
    },
  },
  "relay_changed": {
    says: "the relay at an address is another one than before",
    roles: PEERS,
    fields: {
      relay: relayAt,
      id: id("what it proved to be"),
      previousId: id("what it was before"),
    },
  },
  "relay_motd": {
    says: "the relay has a message for people: a stranger's words",
    roles: PEERS,
    fields: { relay: relayAt, text: text("the message") },
  },
  "nodes_listed": {
    says: "the relay has told which nodes are active",
    roles: CLIENT,
    fields: {
      greeting: text("what the relay says to people: a stranger's words"),
      nodes: listOf(Node, "the nodes"),
      uptime: Type.Optional(
        count(
          "seconds since the relay came back, while nodes may still be coming back",
        ),
      ),
    },
  },
  "node_answered": {
    says: "a node was asked for a file, or had one and has it no more",
    roles: CLIENT,
    fields: {
      node: Node,
      address: text("where it was dialled, `HOST:PORT`"),
      path: Type.Optional(Path),
      name,
      answer: Answer,
      ms: Type.Number({ minimum: 0, description: "time since it was asked" }),
    },
  },
  "contents_differ": {
    says: "nodes have different contents under one name",
    roles: CLIENT,
    fields: {
      name,
      groups: listOf(Group, "the contents"),
      taken: flag("whether the first is taken; none is where votes are even"),
    },
  },
  "node_trouble": {
    says: "a node gave trouble in the middle",
    roles: CLIENT,
    fields: {
      node: Node,
      kind: oneOf(["broke_off", "lied", "slow", "lost_file"], "what it did"),
      stage: Type.Optional(Stage),
      cause: text("why"),
      out: flag("whether it takes part no more"),
    },
  },
  "listing": {
    says: "nodes are listing their files; once a second",
    roles: CLIENT,
    fields: {
      files: count("files listed so far, as often as they were"),
      nodes: count("nodes that have ended"),
      nodeCount: count("nodes in all"),
      waitingFor: listOf(text("a node's name"), "nodes that are listing"),
    },
  },
  "names_left_out": {
    says:
      "names with a part that begins with a dot, which no pattern asked for",
    roles: CLIENT,
    fields: { names: count("how many; no more than 10,000 are counted") },
  },
  progress: {
    says: "how much is there; at most ten times a second",
    roles: CLIENT,
    fields: {
      received: count("bytes that are there, verified"),
      total: count("bytes of all files that are wanted and can be had"),
      name: text("the file that was started last; empty before any was"),
      bytesPerSecond: Type.Number({
        minimum: 0,
        description: "in the last few seconds",
      }),
      secondsLeft: Type.Optional(Type.Number({
        minimum: 0,
        description: "for the rest; absent while that is not known",
      })),
      paths: Paths,
      files: count("files that are complete"),
      filesStarted: count("files that were started, complete ones included"),
      fileCount: count("files that are wanted"),
      nodes: count("nodes that take part"),
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
    says: "part of a file was there from an earlier run, verified again",
    roles: CLIENT,
    fields: { name, path, bytes: count("bytes that were there") },
  },
  "zeros_skipped": {
    says: "part of a file is zeros, which no node has to send",
    roles: CLIENT,
    fields: {
      name,
      path: Type.Optional(path),
      bytes: count("bytes that are zeros"),
    },
  },
  "file_present": {
    says: "a file was there already, with the content asked for",
    roles: CLIENT,
    fields: { name, path, bytes: count("bytes of the file") },
  },
  "file_received": {
    says: "a whole file has been delivered",
    roles: CLIENT,
    fields: {
      name,
      bytes: count("bytes of the file"),
      content: digest("content id"),
      from: From,
      holders: count("nodes that said they have this content"),
      path: Type.Optional(path),
    },
  },
  "file_failed": {
    says: "a file could not be had; others go on",
    roles: CLIENT,
    fields: { name, error: FailureObject, from: From },
  },
  "node_tried": {
    says: "after a failure: what one node was worth for the file",
    roles: CLIENT,
    fields: {
      name,
      node: object(NODE, "the node"),
      address: text("where it was dialled, `HOST:PORT`"),
      path: Type.Optional(Path),
      stage: Stage,
      cause: text("why it got no further"),
      bytes: count("bytes of the file that came from it, verified"),
      ms: count("milliseconds from the first thing asked to its last word"),
    },
  },
  checked: {
    says: "`doctor` has looked at something",
    roles: PEERS,
    fields: {
      check: oneOf(CHECKS, "at what"),
      verdict: oneOf(VERDICTS, "how it came out"),
      says: text("what was found"),
      remedy: Type.Optional(text("what to do about it")),
      kind: Type.Optional(
        oneOf(Object.keys(EXIT_CODE), "what kind of failure it is"),
      ),
    },
  },
  "receipt_written": {
    says: "the receipt is there",
    roles: CLIENT,
    fields: { path: text("where"), files: count("files that it tells of") },
  },
  file: {
    says: "a name that `ls` found",
    roles: CLIENT,
    fields: {
      name,
      size: count("bytes of the content that would be fetched"),
      modifiedMs: Type.Number({
        description: "when that was written, in milliseconds since 1970",
      }),
      nodeCount: count("nodes that have a file of this name"),
      differs: flag("whether nodes seem to have different contents"),
    },
  },
  "link_made": {
    says: "the link that was asked for",
    roles: CLIENT,
    fields: {
      link: text("the link: a secret, where `isHeld`"),
      name,
      bytes: count("bytes of the file"),
      isHeld: flag("whether the relay holds it to a time and a number of uses"),
    },
  },
  tokens: {
    says: "the tokens that `--show-tokens` asked for",
    roles: RELAY,
    fields: {
      node: text("what nodes are given: a secret"),
      client: text("what clients are given: a secret"),
    },
  },
  "file_verified": {
    says: "a file is what its receipt says",
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
    fields: { text: text("what would be on the terminal") },
  },
  completions: {
    says: "the answer to `completions`",
    roles: ALL,
    fields: {
      shell: oneOf(SHELLS, "the shell"),
      name: text("what the script is called there"),
      script: text("a program for the shell"),
    },
  },
  error: {
    says: "what failed; the last event, or one for each file",
    roles: ALL,
    fields: {
      ...FailureFields,
      kind: oneOf([...Object.keys(EXIT_CODE), "bug"], "its kind"),
      what: Type.Optional(text("what failed")),
      exitCode: Type.Integer({ description: "the exit code it stands for" }),
      stack: Type.Optional(text("where, with `--log` and `--debug`")),
    },
  },
};

/** The schema of one event, nothing but its fields allowed. */
export function schemaOf(event: EventName): TObject {
  const { says, fields } = EVENTS[event];
  return object(
    { v: Type.Literal(1), event: Type.Literal(event), ...fields },
    says,
  );
}
