/**
 * Fields that several events have, and their types.
 *
 * @module
 */

import { type TProperties, type TSchema, Type } from "@sinclair/typebox";
import type { ClientEvent } from "../../../lib/client/events.ts";
import { EXIT_CODE } from "../../../lib/base/errors.ts";
import type { GatewayEvent } from "../../../lib/gateway/server.ts";
import type { NodeEvent } from "../../../lib/node/server.ts";
import type { RelayEvent } from "../../../lib/relay/server.ts";
import type { CliEvent } from "../../../lib/cli/output/cli_events.ts";
import type { Role } from "../../../lib/cli/options/option_spec.ts";

/** Names of all events. */
export type EventName =
  | (ClientEvent | NodeEvent | RelayEvent | CliEvent)["event"]
  | Exclude<GatewayEvent["event"], "gateway_error">; // reported as `error`

/** One event. */
export interface EventSpec {
  /** Its meaning, in one sentence. */
  readonly says: string;
  /** The scripts that print it. */
  readonly roles: readonly (Role | "p2p")[];
  /** Its fields, beside `v` and `event`. */
  readonly fields: TProperties;
}

/** Some of the events, by name. */
export type SomeEvents = Readonly<Partial<Record<EventName, EventSpec>>>;

export const text = (description: string) => Type.String({ description });
export const flag = (description: string) => Type.Boolean({ description });
export const count = (description: string) =>
  Type.Integer({ minimum: 0, description });
export const oneOf = (values: readonly string[], description: string) =>
  Type.Union(values.map((value) => Type.Literal(value)), { description });
export const id = (description: string) =>
  Type.String({ pattern: "^[a-z2-7]{52}$", description });
export const digest = (description: string) =>
  Type.String({ pattern: "^[0-9a-f]{64}$", description });
export const listOf = <Item extends TSchema>(item: Item, description: string) =>
  Type.Array(item, { description });
export const object = (fields: TProperties, description?: string) =>
  Type.Object(fields, {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  });

export const Path = oneOf(
  ["direct", "tunnel"],
  "the path by which it was reached",
);
export const Stage = oneOf(
  ["connect", "handshake", "ask", "transfer", "verify"],
  "how far the node got",
);
export const Paths = object({
  direct: count("bytes that came directly from the node"),
  tunnel: count("bytes that came through the relay"),
}, "the same bytes, by path");

export const NODE = {
  number: count("its number in the listing, from 1"),
  id: id("its id"),
  name: text("its display name: text from a stranger"),
};
export const Node = object({
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
export const From = listOf(
  object({
    node: Node,
    isHolder: flag("whether it is a client that serves while it fetches"),
    bytes: count("bytes from it"),
    paths: Paths,
  }),
  "what each node has delivered",
);
export const FailureFields = {
  kind: oneOf(Object.keys(EXIT_CODE), "its kind"),
  what: text("what failed"),
  where: Type.Optional(text("the relay, node, file or option")),
  why: text("why"),
  remedy: Type.Optional(text("what to do about it")),
};
export const FailureObject = object(FailureFields, "the failure");
export const Offer = object({
  node: id("the node"),
  votesAs: text("the address, or the node, that its vote counts for"),
  size: count("bytes"),
  modifiedMs: Type.Number({ description: "when the file was written there" }),
  isExecutable: Type.Optional(flag("whether the file is executable there")),
  version: text("identifies the state of the file at that node"),
  content: Type.Optional(digest("content id, once it is known")),
  sha256: Type.Optional(digest("SHA-256 of the file, once it is known")),
});
export const Group = object({
  content: Type.Optional(digest("content id, once it is known")),
  size: count("bytes"),
  modifiedMs: Type.Number({ description: "the latest modification time" }),
  isExecutable: Type.Optional(
    flag("whether the file is executable at more than half of the addresses"),
  ),
  votes: count("number of addresses with this content"),
  offers: listOf(Offer, "the offers of nodes with this content"),
});
export const FoundFile = {
  name: text("its whole name"),
  size: count("bytes"),
  modifiedMs: Type.Number({ description: "when it was last written" }),
  content: Type.Optional(digest("content id, once it is known")),
  nodes: listOf(id("a node"), "the nodes that have it"),
};
export const Answer = Type.Union([
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
    code: text("its code, such as `unauthorized` or `other_content`"),
    cause: text("why it does not give the file to this client"),
  }),
  object({
    kind: oneOf(
      ["failed", "corrupt"],
      "the connection broke, or it sent wrong bytes",
    ),
    cause: text("why"),
  }),
], { description: "the answer of the node" });

export const SERVERS = ["relay", "node"] as const;
export const PEERS = ["node", "client"] as const;
export const ALL = ["relay", "node", "client"] as const;
export const RELAY = ["relay"] as const;
export const NODES = ["node"] as const;
export const CLIENT = ["client"] as const;

export const relayAt = text("the relay, `HOST:PORT`");
export const name = text("the file's name");
export const path = text("the path of the saved file");
export const from = text("the address of the peer");
export const leaseSeconds = count("seconds until the lease ends");
