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
import type { GatewayEvent } from "../lib/gateway/server.ts";
import { EXIT_CODE } from "../lib/base/errors.ts";
import type { NodeEvent } from "../lib/node/server.ts";
import type { RelayEvent } from "../lib/relay/server.ts";
import { SKIP_KINDS } from "../lib/share/skipped.ts";
import type { CliEvent } from "../lib/cli/output/cli_events.ts";
import { SHELLS } from "../lib/cli/options/command_table.ts";
import type { Role } from "../lib/cli/options/option_spec.ts";

/** Names of all events. */
export type EventName =
  | (ClientEvent | NodeEvent | RelayEvent | CliEvent)["event"]
  | Exclude<GatewayEvent["event"], "gateway_error">; // told as `error`

/** One event. */
export interface EventSpec {
  /** What it says, one sentence. */
  readonly says: string;
  /** The scripts that tell it. */
  readonly roles: readonly (Role | "p2p")[];
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
  direct: count("bytes that came directly from the node"),
  tunnel: count("bytes that came through the relay"),
}, "the same bytes, by path");

const NODE = {
  number: count("its number in the listing, from 1"),
  id: id("its id"),
  name: text("its display name: a stranger's words"),
};
const Node = object({
  ...NODE,
  addresses: listOf(Type.String(), "the addresses to dial, `HOST:PORT`"),
  isAttached: flag("whether it can be reached through the relay"),
  relays: Type.Optional(
    listOf(Type.String(), "the relays that list it, if several are asked"),
  ),
  index: Type.Optional(
    object(
      {
        fingerprints: count("fingerprints of names and contents"),
        seconds: count("seconds since it last sent some"),
      },
      "the state of its index at the relay, in the list of `nodes`",
    ),
  ),
}, "the node");
const From = listOf(
  object({
    node: Node,
    isHolder: flag("whether it is a client that gives while it fetches"),
    bytes: count("bytes from it"),
    paths: Paths,
  }),
  "what each node has delivered",
);
const FailureFields = {
  kind: oneOf(Object.keys(EXIT_CODE), "its kind"),
  what: text("what failed"),
  where: Type.Optional(text("the relay, node, file or option")),
  why: text("why"),
  remedy: Type.Optional(text("what to do about it")),
};
const FailureObject = object(FailureFields, "the failure");
const Offer = object({
  node: id("the node"),
  votesAs: text("the address, or the node, that its vote counts for"),
  size: count("bytes"),
  modifiedMs: Type.Number({ description: "when the file was written there" }),
  isExecutable: Type.Optional(flag("whether the file is executable there")),
  version: text("identifies the state of the file at that node"),
  content: Type.Optional(digest("content id, once it is known")),
  sha256: Type.Optional(digest("SHA-256 of the file, once it is known")),
});
const Group = object({
  content: Type.Optional(digest("content id, once it is known")),
  size: count("bytes"),
  modifiedMs: Type.Number({ description: "the latest time of writing" }),
  isExecutable: Type.Optional(
    flag("whether the file is executable at more than half of the addresses"),
  ),
  votes: count("number of addresses with this content"),
  offers: listOf(Offer, "the offers of nodes with this content"),
});
const FoundFile = {
  name: text("its whole name"),
  size: count("bytes"),
  modifiedMs: Type.Number({ description: "when it was last written" }),
  content: Type.Optional(digest("content id, once it is known")),
  nodes: listOf(id("a node"), "the nodes that have it"),
};
const Answer = Type.Union([
  object({
    kind: Type.Literal("found"),
    size: count("bytes of the file"),
  }),
  object({ kind: Type.Literal("not_found") }),
  object({
    kind: Type.Literal("unreachable"),
    stage: oneOf(
      ["connect", "handshake"],
      "whether a peer answered at its address",
    ),
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
], { description: "the answer of the node" });

const SERVERS = ["relay", "node"] as const;
const PEERS = ["node", "client"] as const;
const ALL = ["relay", "node", "client"] as const;
const RELAY = ["relay"] as const;
const NODES = ["node"] as const;
const CLIENT = ["client"] as const;

const relayAt = text("the relay, `HOST:PORT`");
const name = text("the file's name");
const path = text("the path of the saved file");
const from = text("the address of the peer");
const leaseSeconds = count("seconds until the lease ends");

/** All events, by name, in the order in which they are told of. */
export const EVENTS: Readonly<Record<EventName, EventSpec>> = {
  "relay_listening": {
    says: "the relay accepts connections",
    roles: RELAY,
    fields: {
      host: text("the address that it listens at"),
      port: count("its port"),
      id: id("the relay's id"),
      address: text("its relay address, `p2p://…`"),
      encrypted: flag("whether connections are encrypted"),
      private: flag("whether it serves only peers with a token or a link"),
      tunnelPort: Type.Optional(
        count("the second port for tunnels, if there is one"),
      ),
    },
  },
  "cluster": {
    says:
      "this instance of the relay now knows more or less of the other instances",
    roles: RELAY,
    fields: {
      phase: oneOf(["away", "stale", "whole"], "how much it knows"),
      why: Type.Optional(text("why the store is away, or takes no writes")),
    },
  },
  "node_registered": {
    says: "the relay now lists a node",
    roles: RELAY,
    fields: {
      id: id("the node's id"),
      name: text("its display name: a stranger's words"),
      addresses: listOf(Type.String(), "its addresses"),
      from,
    },
  },
  "node_left": {
    says: "the relay no longer lists a node",
    roles: RELAY,
    fields: {
      id: id("the node's id"),
      name: text("its display name: a stranger's words"),
      how: oneOf(["withdrawn", "expired", "found_dead"], "why"),
    },
  },
  "node_attached": {
    says: "a node can now be reached through the relay",
    roles: RELAY,
    fields: { id: id("the node's id") },
  },
  "node_detached": {
    says: "a node can no longer be reached through the relay",
    roles: RELAY,
    fields: { id: id("the node's id") },
  },
  "tunnel_ended": {
    says: "a tunnel between a client and a node has ended",
    roles: RELAY,
    fields: {
      how: oneOf(
        ["completed", "abandoned", "refused", "expired", "failed"],
        "how it ended",
      ),
      id: id("the node's id"),
      from: text("the group of the client's address"),
      toClientBytes: count("bytes sent to the client"),
      toNodeBytes: count("bytes sent to the node"),
    },
  },
  "node_listening": {
    says: "the node accepts connections",
    roles: NODES,
    fields: {
      host: text("the address that it listens at"),
      port: count("its port"),
      id: id("the node's id"),
      name: text("its display name"),
      encrypted: flag("whether connections are encrypted"),
    },
  },
  "scanning": {
    says:
      "the node is still scanning a large folder; clients can already fetch by name",
    roles: NODES,
    fields: {
      directory: text("the folder"),
      files: count("files found so far"),
    },
  },
  sharing: {
    says: "the folder has been scanned",
    roles: NODES,
    fields: {
      directory: text("the folder"),
      files: count("number of shared files"),
      skipped: object({
        hidden: count("names that begin with a dot"),
        excluded: count("names that a pattern excludes"),
        rules: count("folders with a .p2pignore that cannot be read"),
        link: count("symbolic links"),
        special: count("pipes, sockets and devices"),
        name: count("names that are not portable"),
        deep: count("folders nested deeper than a name may have components"),
        clash: count("names equal to another one after normalisation"),
        unreadable: count("entries that cannot be read"),
        secret: count("keys and tokens of relay-p2p"),
        large: count("files larger than the limit"),
        excess: count("files beyond the most that one share may hold"),
      }, "entries that are not shared, by reason"),
    },
  },
  skipped: {
    says:
      "an entry of the folder is not shared; reported at start with --list-skipped",
    roles: NODES,
    fields: {
      name: text("its name below the folder, as the disk has it"),
      kind: oneOf(SKIP_KINDS, "its kind, as in `sharing`"),
      rule: text("the rule that it breaks"),
    },
  },
  "skipped_unnamed": {
    says: "more entries are not shared than the node reports by name",
    roles: NODES,
    fields: { entries: count("number of entries without a name") },
  },
  "share_risky": {
    says:
      "names are shared that people rarely mean to share, such as keys or `.git`",
    roles: NODES,
    fields: {
      names: Type.Array(Type.String(), {
        description: "the first of them; a folder ends with `/`",
      }),
      count: count("how many there are, also beyond `names`"),
    },
  },
  "share_gone": {
    says: "the folder is gone or was replaced; its files are not shared",
    roles: NODES,
    fields: {
      directory: text("the folder"),
      files: count("number of files that were shared"),
      why: text("what is wrong with it"),
    },
  },
  "share_back": {
    says: "the folder is back and has been scanned",
    roles: NODES,
    fields: {
      directory: text("the folder"),
      files: count("number of shared files"),
    },
  },
  "share_unwatched": {
    says:
      "the system does not report changes in the folder: the node scans it every few seconds instead",
    roles: NODES,
    fields: { directory: text("the folder"), why: text("the cause") },
  },
  hashed: {
    says: "all shared files have been hashed",
    roles: NODES,
    fields: { files: count("files hashed since the last such event") },
  },
  registered: {
    says: "the relay lists the node",
    roles: NODES,
    fields: { relay: relayAt, leaseSeconds },
  },
  renewed: {
    says: "the node renewed its lease",
    roles: NODES,
    fields: { relay: relayAt, leaseSeconds },
  },
  "registration_failed": {
    says: "the relay could not be reached, or refused; the node tries again",
    roles: NODES,
    fields: { relay: relayAt, error: FailureObject },
  },
  "turned_away": {
    says: "the relay refused the node permanently; the node stops",
    roles: NODES,
    fields: { relay: relayAt, error: FailureObject },
  },
  indexed: {
    says:
      "the relay now knows the fingerprints of all names, and sends only clients here that ask for one of these",
    roles: NODES,
    fields: {
      relay: relayAt,
      fingerprints: count("fingerprints of names, last parts and folders"),
    },
  },
  "index_refused": {
    says:
      "the relay does not accept the fingerprints of this node's names: clients ask the node for every name",
    roles: NODES,
    fields: {
      relay: relayAt,
      why: text(
        "`node_full`, `group_full`, `index_full`, or `too_often` if the relay keeps asking for all names",
      ),
    },
  },
  attached: {
    says: "clients can now reach the node through the relay",
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
    says: "clients can no longer reach the node through the relay",
    roles: NODES,
    fields: {
      relay: relayAt,
      why: oneOf(
        ["reachable", "lost"],
        "the relay can dial the node, or the connection to the relay was lost",
      ),
    },
  },
  "no_tunnels": {
    says: "the node needs tunnels, and the relay carries none",
    roles: NODES,
    fields: { relay: relayAt },
  },
  outdated: {
    says: "the relay requires a later version; the node ends with exit code 3",
    roles: NODES,
    fields: { relay: relayAt, error: FailureObject },
  },
  withdrawn: {
    says: "the node withdrew, and the relay no longer lists it",
    roles: NODES,
    fields: { relay: relayAt },
  },
  "withdraw_failed": {
    says: "the node could not withdraw; its lease will expire",
    roles: NODES,
    fields: { relay: relayAt, error: FailureObject },
  },
  served: {
    says: "a client that received bytes has disconnected",
    roles: NODES,
    fields: {
      to: text("the client's address"),
      bytes: count("bytes of files"),
      files: count("files, counted at each change from one to another"),
      name: Type.Optional(text("the file, if it was only one")),
    },
  },
  "fetch_started": {
    says: "a client begins to fetch a file; at most 20 at once and 10 a second",
    roles: NODES,
    fields: {
      name: text("the file"),
      to: text("the client's address"),
      size: count("bytes of the file"),
    },
  },
  "fetch_ended": {
    says:
      "the client has all of that file, disconnected, or asks for no more of it",
    roles: NODES,
    fields: {
      name: text("the file"),
      to: text("the client's address"),
      size: count("bytes of the file"),
      bytes: count("bytes of it that this node sent"),
      ms: count("milliseconds from the first to the last"),
      isWhole: flag("whether that was all of the file"),
    },
  },
  "files_sent": {
    says: "files that were sent without a `fetch_ended` of their own",
    roles: NODES,
    fields: {
      to: Type.Optional(text("the client's address, if it was only one")),
      clients: count("how many clients"),
      files: count("files"),
      bytes: count("bytes of files"),
      ms: count("milliseconds from the first to the last"),
      name: Type.Optional(text("the file, if it was only one")),
    },
  },
  "node_ended": {
    says: "the node was stopped: totals since its start",
    roles: NODES,
    fields: {
      files: count("files, each as often as it was fetched"),
      bytes: count("bytes of files"),
      clients: count("addresses of clients; 10,000 are counted"),
      seconds: count("seconds since its start"),
      refused: listOf(
        object({
          reason: text("why"),
          count: count("how often"),
        }),
        "what was refused",
      ),
    },
  },
  refused: {
    says: "connections were refused in the last seconds",
    roles: SERVERS,
    fields: {
      reason: text("why"),
      from,
      count: count("how many"),
    },
  },
  "connection_failed": {
    says: "a connection failed with an unexpected error",
    roles: SERVERS,
    fields: { from, error: text("what happened") },
  },
  "accept_stalled": {
    says: "the system refused to accept connections in the last seconds",
    roles: SERVERS,
    fields: { why: text("why"), count: count("how many times") },
  },
  "metrics_listening": {
    says: "metrics and health are available over HTTP",
    roles: SERVERS,
    fields: {
      host: text("the address that they are served at"),
      port: count("their port"),
    },
  },
  "gateway_listening": {
    says: "a gateway answers",
    roles: ["client"],
    fields: {
      host: text("the address that it listens at"),
      port: count("its port"),
      url: text("the address to type into a browser"),
    },
  },
  "page_opened": {
    says: "the page of a gateway is ready",
    roles: ["client"],
    fields: {
      url: text("the address to type into a browser"),
      isShown: flag("whether a browser was opened for it"),
    },
  },
  "relay_unverified": {
    says: "the relay's id was not given, so it was not checked",
    roles: PEERS,
    fields: { relay: relayAt, id: id("the id that it proved") },
  },
  "relay_remembered": {
    says: "a relay was met for the first time, and its id was stored",
    roles: PEERS,
    fields: {
      relay: relayAt,
      id: id("the id that it proved"),
      path: text("the file of `--known-relays`"),
    },
  },
  "relay_changed": {
    says: "the relay at an address has another id than before",
    roles: PEERS,
    fields: {
      relay: relayAt,
      id: id("the id that it proved"),
      previousId: id("the id that it had before"),
    },
  },
  "clock_gap": {
    says: "the machine slept, or its clock was set; it reconnects",
    roles: ALL,
    fields: {
      kind: oneOf(
        ["slept", "went_back"],
        "whether the clock is ahead of the time that has run here, or behind",
      ),
      seconds: count("by how many seconds"),
    },
  },
  "relay_motd": {
    says: "the relay's message of the day: a stranger's words",
    roles: PEERS,
    fields: { relay: relayAt, text: text("the message") },
  },
  "relay_failed": {
    says: "one of several relays could not be asked; reported once",
    roles: CLIENT,
    fields: { relay: relayAt, error: FailureObject },
  },
  "relay_late": {
    says: "one of several relays has not answered yet; reported once",
    roles: CLIENT,
    fields: { relay: relayAt },
  },
  "relays_away": {
    says:
      "no relay answers, and the client dials nodes that they listed before; reported once",
    roles: CLIENT,
    fields: {
      error: FailureObject,
      nodes: count("nodes that are dialled"),
      ended: count(
        "nodes that would refuse, because their grants have expired",
      ),
      seconds: count("seconds since a relay last listed one of them"),
    },
  },
  "relay_open": {
    says: "the client has a token, but the relay is open",
    roles: CLIENT,
    fields: { relay: relayAt },
  },
  "relay_version_differs": {
    says: "the relay runs another version of this program",
    roles: PEERS,
    fields: {
      relay: relayAt,
      version: text("the relay's version: a stranger's words"),
      ownVersion: text("the version of this program"),
    },
  },
  "nodes_listed": {
    says:
      "the relay has listed the active nodes; after `relays_away`, those known",
    roles: CLIENT,
    fields: {
      greeting: text("the relay's greeting: a stranger's words"),
      nodes: listOf(Node, "the nodes"),
      uptime: Type.Optional(
        count(
          "seconds since the relay started, while nodes may still be returning",
        ),
      ),
      countOfAll: Type.Optional(
        count(
          "nodes at the relay, if `nodes` are only those that may have what was asked for",
        ),
      ),
    },
  },
  "node_answered": {
    says:
      "a node answered a request for a file, or no longer has one that it had",
    roles: CLIENT,
    fields: {
      node: Node,
      address: text("the dialled address, `HOST:PORT`"),
      path: Type.Optional(Path),
      name,
      answer: Answer,
      ms: Type.Number({
        minimum: 0,
        description: "milliseconds since the first question",
      }),
    },
  },
  "contents_differ": {
    says: "nodes have different contents under one name",
    roles: CLIENT,
    fields: {
      name,
      groups: listOf(Group, "the contents"),
      taken: flag("whether the first is taken; `false` in a tie"),
    },
  },
  "found_as": {
    says:
      "no node has the name itself; the client takes a file whose longer name ends in it",
    roles: CLIENT,
    fields: {
      name: text("the name that was asked for"),
      found: object(FoundFile, "the file that is taken"),
      paths: count("number of names with this content"),
    },
  },
  "found_several": {
    says:
      "no node has the name itself, and several different files could be meant: none is taken",
    roles: CLIENT,
    fields: {
      name: text("the name that was asked for"),
      files: listOf(object(FoundFile), "the first of them"),
      count: count("how many there are"),
      isFolder: flag("whether a node has a folder of that name"),
    },
  },
  "node_trouble": {
    says: "a node failed during the fetch",
    roles: CLIENT,
    fields: {
      node: Node,
      kind: oneOf(["broke_off", "lied", "slow", "lost_file"], "what it did"),
      stage: Type.Optional(Stage),
      cause: text("why"),
      out: flag("whether it takes no further part"),
    },
  },
  "holder_listed": {
    says: "the relay lists this client as a holder, first or again",
    roles: CLIENT,
    fields: {
      relay: text("the relay, `HOST:PORT`"),
      contents: count("contents that it holds"),
    },
  },
  "holder_reached": {
    says: "the relay has tried to dial this client, which holds contents",
    roles: CLIENT,
    fields: {
      relay: text("the relay, `HOST:PORT`"),
      outcome: oneOf(["alive", "gone"], "whether it could"),
    },
  },
  "holder_refused": {
    says:
      "the relay does not help to find holders; reported once for each cause",
    roles: CLIENT,
    fields: { relay: text("the relay, `HOST:PORT`"), why: text("why") },
  },
  "swarm_lingers": {
    says: "all files are saved, and this client continues to serve others",
    roles: CLIENT,
    fields: { ms: count("milliseconds until it stops, at most") },
  },
  "swarm_serving": {
    says: "this client is still serving others; once a second",
    roles: CLIENT,
    fields: {
      readers: count("other clients that are connected"),
      leftMs: count("milliseconds until it stops, at most"),
    },
  },
  "swarm_ended": {
    says: "this client has stopped serving others",
    roles: CLIENT,
    fields: {
      given: count("bytes that it has given"),
      why: Type.Optional(
        text("why it could not give, or stopped before the end of the fetch"),
      ),
    },
  },
  "node_hashing": {
    says:
      "the client waits for a node that hashes a file; not for each file of a node",
    roles: CLIENT,
    fields: {
      node: Node,
      name,
      bytes: count("size of the file, as the node claims"),
    },
  },
  "listing": {
    says: "nodes are listing their files; once a second",
    roles: CLIENT,
    fields: {
      files: count("files listed so far, including repetitions"),
      nodes: count("nodes that have finished"),
      nodeCount: count("nodes in all"),
      waitingFor: listOf(text("a node's name"), "nodes that are still listing"),
    },
  },
  "names_left_out": {
    says: "names with a leading dot in a component, which no pattern matched",
    roles: CLIENT,
    fields: { names: count("their number, counted up to 10,000") },
  },
  progress: {
    says: "the progress; at most ten times a second",
    roles: CLIENT,
    fields: {
      received: count("verified bytes so far"),
      total: count("bytes of all wanted files, without those that failed"),
      isWhole: flag("whether all are known; otherwise `total` will grow"),
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
        holders: count("other clients that give pieces now"),
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
      againMs: count("milliseconds until the next question"),
      leftMs: count("milliseconds until they are given up"),
    },
  },
  "files_wanted": {
    says: "all wanted files are known",
    roles: CLIENT,
    fields: {
      files: count("how many they are"),
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
    fields: { name, path, bytes: count("bytes of the file") },
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
      isHeld: flag("whether the relay enforces its time and number of uses"),
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
      name: text("the name that it gives"),
      port: count("its UDP port"),
    },
  },
  "announce_failed": {
    says: "the relay cannot answer queries on the local network",
    roles: RELAY,
    fields: { port: count("the UDP port"), why: text("why") },
  },
  "relay_found": {
    says: "`p2p use` has found a relay on the local network; nothing is proven",
    roles: ["p2p"],
    fields: {
      name: text("its name: a stranger's words"),
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
};

/** The schema of one event, nothing but its fields allowed. */
export function schemaOf(event: EventName): TObject {
  const { says, fields } = EVENTS[event];
  return object(
    { v: Type.Literal(1), event: Type.Literal(event), ...fields },
    says,
  );
}
