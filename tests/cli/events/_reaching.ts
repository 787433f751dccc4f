/**
 * Events of the ways to relays and nodes, and of what these list.
 *
 * @module
 */

import { Type } from "@sinclair/typebox";
import {
  ALL,
  Answer,
  CLIENT,
  count,
  FailureObject,
  flag,
  FoundFile,
  Group,
  id,
  listOf,
  name,
  Node,
  object,
  oneOf,
  Path,
  PEERS,
  relayAt,
  type SomeEvents,
  Stage,
  text,
} from "./_parts.ts";

export const REACHING = {
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
    says: "the first connection to a relay, whose id was stored",
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
        "whether the clock is ahead of the elapsed time, or behind it",
      ),
      seconds: count("by how many seconds"),
    },
  },
  "relay_motd": {
    says: "the relay's message of the day: text from a stranger",
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
      "no relay answers, and the client dials nodes that relays listed before; reported once",
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
      version: text("the relay's version: text from a stranger"),
      ownVersion: text("the version of this program"),
    },
  },
  "nodes_listed": {
    says:
      "the relay has listed the active nodes; after `relays_away`, those known",
    roles: CLIENT,
    fields: {
      greeting: text("the relay's greeting: text from a stranger"),
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
        description: "milliseconds since the first request",
      }),
    },
  },
  "contents_differ": {
    says: "nodes have different contents under one name",
    roles: CLIENT,
    fields: {
      name,
      groups: listOf(Group, "the contents"),
      taken: flag(
        "whether the client takes the first content; `false` in a tie",
      ),
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
    says: "this client is still serving others (once a second)",
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
      given: count("bytes that it has sent"),
      why: Type.Optional(
        text("why it could not serve, or stopped before the end of the fetch"),
      ),
    },
  },
  "node_hashing": {
    says:
      "the client waits for a node that is hashing a file (not reported for each file of a node)",
    roles: CLIENT,
    fields: {
      node: Node,
      name,
      bytes: count("size of the file, as the node claims"),
    },
  },
  "listing": {
    says: "nodes are listing their files (once a second)",
    roles: CLIENT,
    fields: {
      files: count("files listed so far, including repetitions"),
      nodes: count("nodes that have finished"),
      nodeCount: count("nodes in all"),
      waitingFor: listOf(text("a node's name"), "nodes that are still listing"),
    },
  },
  "names_left_out": {
    says:
      "names that were left out because they, or a folder in them, begin with a dot",
    roles: CLIENT,
    fields: { names: count("their number, counted up to 10,000") },
  },
} satisfies SomeEvents;
