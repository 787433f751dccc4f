/**
 * Events of relays and nodes at their work.
 *
 * @module
 */

import { Type } from "@sinclair/typebox";
import { SKIP_KINDS } from "../../../lib/share/skipped.ts";
import {
  count,
  FailureObject,
  flag,
  from,
  id,
  leaseSeconds,
  listOf,
  NODES,
  object,
  oneOf,
  RELAY,
  relayAt,
  SERVERS,
  type SomeEvents,
  text,
} from "./_parts.ts";

export const SERVING = {
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
    says: "this instance's knowledge of the other instances has changed",
    roles: RELAY,
    fields: {
      phase: oneOf(["away", "stale", "whole"], "how much it knows"),
      why: Type.Optional(
        text("why the store does not answer, or refuses writes"),
      ),
    },
  },
  "node_registered": {
    says: "the relay now lists a node",
    roles: RELAY,
    fields: {
      id: id("the node's id"),
      name: text("its display name: text from a stranger"),
      addresses: listOf(Type.String(), "its addresses"),
      from,
    },
  },
  "node_left": {
    says: "the relay no longer lists a node",
    roles: RELAY,
    fields: {
      id: id("the node's id"),
      name: text("its display name: text from a stranger"),
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
    says: "the folder is missing or was replaced; its files are not shared",
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
      "the relay now knows the fingerprints of all names, and names this node only to clients that ask for one of these",
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
        "`--tunnel` was given, the relay cannot dial the node, or could not check",
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
    says: "the node needs tunnels, and the relay offers none",
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
} satisfies SomeEvents;
