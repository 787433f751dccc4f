/**
 * Typed messages and their frames: types from the table in
 * `message_schemas.ts`, checks from the code made of it, the directions in which each message may travel, and
 * the codec.
 *
 * @module
 */

import type { Static } from "@sinclair/typebox";
import { wrongField } from "../base/checks.ts";
import { describeMismatch } from "../base/mismatch.ts";
import { ProtocolError } from "../base/errors.ts";
import { decodePieces, encodePieces } from "./bulk.ts";
import { encodeFrame } from "./frame.ts";
import { MESSAGE_CHECKS } from "./message_checks.ts";
import type { CODEC } from "./message_schemas.ts";
import { LIMITS } from "../base/limits.ts";

export type { ListedFile } from "./message_schemas.ts";

/** The name of a message. */
export type MessageKind = keyof typeof CODEC;

/** All messages, distinguished by `kind`. */
export type Message = {
  [Kind in MessageKind]:
    & { readonly kind: Kind }
    & Readonly<Static<(typeof CODEC)[Kind]["schema"]>>;
}[MessageKind];

/** The message of one kind. */
export type MessageOf<Kind extends MessageKind> = Extract<
  Message,
  { kind: Kind }
>;

/** The first message of each side. */
export type Hello = MessageOf<"hello">;
/**
 * A node's record of itself with its signature: the relay stores it and clients
 * get it.
 */
export interface SignedRecord {
  /** JSON text. The signature covers exactly this text. */
  record: string;
  /** Base64 of the DER certificate with the key that signed it. */
  certificate: string;
  /** Base64 of the 64 bytes of the ECDSA signature. */
  signature: string;
}
/** A signed record as a relay lists it, with the relay's additions. */
export interface ListedRecord extends SignedRecord {
  /**
   * Indexes of the addresses whose host is the one that the relay saw the node
   * come from.
   */
  observed?: number[];
  /** Whether the node can be reached through the relay. */
  tunnel?: boolean;
  /** The other instance of the relay that it is attached to, as `HOST:PORT`. */
  at?: string;
}
/** A signed record of a holder, as a relay lists it to one client. */
export interface ListedHolderRecord extends ListedRecord {
  /** Whether holder and client are of the same address group. */
  near?: boolean;
}

/**
 * The messages that each role may send to each other role after both hellos.
 */
export const DIRECTION = {
  nodeToRelay: [
    "register",
    "withdraw",
    "renew",
    "index",
    "lookup",
    "reach",
    "attach",
    "decline",
    "pong",
  ],
  toPrivateRelay: ["authenticate", "redeem"],
  clientToRelay: [
    "list",
    "lookup",
    "report",
    "tunnel",
    "mint",
    "enter",
    "hold",
    "holders",
  ],
  relayToNode: [
    "registered",
    "withdrawn",
    "indexed",
    "looked",
    "reached",
    "attached",
    "invite",
    "ping",
    "refused",
  ],
  relayToClient: [
    "nodes",
    "looked",
    "reported",
    "rendezvous",
    "minted",
    "entered",
    "held",
    "holderList",
    "refused",
  ],
  instanceToRelay: ["open"],
  relayToInstance: ["rendezvous", "refused"],
  toTunnel: ["join"],
  fromTunnel: ["joined", "refused"],
  clientToNode: [
    "find",
    "browse",
    "describe",
    "read",
    "readMany",
    "holding",
    "offer",
  ],
  nodeToClient: [
    "found",
    "files",
    "manifest",
    "pieces",
    "skipped",
    "working",
    "has",
    "gained",
    "taken",
    "refused",
  ],
} as const satisfies Record<string, readonly MessageKind[]>;

/** A message that may travel in one direction. */
export type Travelling<FolderPath extends keyof typeof DIRECTION> = MessageOf<
  (typeof DIRECTION)[FolderPath][number]
>;
/** Messages of a node to its relay. */
export type NodeToRelay = Travelling<"nodeToRelay">;
/** Messages of a client to a relay. */
export type ClientToRelay = Travelling<"clientToRelay">;
/** Messages of a relay to a node. */
export type RelayToNode = Travelling<"relayToNode">;
/** Messages of a relay to a client. */
export type RelayToClient = Travelling<"relayToClient">;
/** Messages of a client to a node. */
export type ClientToNode = Travelling<"clientToNode">;
/** Messages of a node to a client. */
export type NodeToClient = Travelling<"nodeToClient">;

/** The number of the frame that opens an end of a tunnel. */
export const JOIN_TYPE = MESSAGE_CHECKS.join.type;
/** A control frame of a kind that this version does not know; it is skipped. */
export interface UnknownMessage {
  /** Distinguishes this from the messages. */
  readonly kind: "unknown";
  /** The frame's number. */
  readonly type: number;
}

const KIND_OF_TYPE: ReadonlyMap<number, MessageKind> = new Map(
  (Object.keys(MESSAGE_CHECKS) as MessageKind[]).map((
    kind,
  ) => [MESSAGE_CHECKS[kind].type, kind]),
);

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The frame of `message`. */
export function encodeMessage(message: Message): Uint8Array {
  if (message.kind === "pieces") return encodePieces(message);
  const { kind, ...body } = message;
  return encodeFrame(MESSAGE_CHECKS[kind].type, encoder.encode(jsonOf(body)));
}

/**
 * JSON text. Replaces half of a character at the place where a text was cut.
 */
function jsonOf(body: object): string {
  const json = JSON.stringify(body);
  if (!SURROGATE_ESCAPE.test(json)) return json;
  return JSON.stringify(
    body,
    (_, value) => typeof value === "string" ? value.toWellFormed() : value,
  );
}

/**
 * The frame of a `nodes` message whose entries are JSON text already. A relay
 * stores them in this form, so that a listing needs no encoding.
 */
export function encodeNodes(page: {
  count: number;
  entries: readonly string[];
  cursor?: string;
  /** A grant for each entry if the relay is private. */
  grants?: readonly string[];
  /**
   * Present if the page holds only the nodes that may have the requested names.
   */
  index?: MessageOf<"nodes">["index"];
}): Uint8Array {
  const cursor = page.cursor === undefined
    ? ""
    : `,"cursor":${JSON.stringify(page.cursor)}`;
  const grants = page.grants === undefined
    ? ""
    : `,"grants":${JSON.stringify(page.grants)}`;
  const index = page.index === undefined
    ? ""
    : `,"index":${JSON.stringify(page.index)}`;
  const body = `{"count":${page.count},"nodes":[${
    page.entries.join(",")
  }]${cursor}${grants}${index}}`;
  return encodeFrame(MESSAGE_CHECKS.nodes.type, encoder.encode(body));
}

/** The frame of a `holderList` message whose entries are JSON text already. */
export function encodeHolderList({ count, entries, grants }: {
  count: number;
  entries: readonly string[];
  /** A grant for each entry if the relay is private. */
  grants?: readonly string[];
}): Uint8Array {
  const granted = grants === undefined
    ? ""
    : `,"grants":${JSON.stringify(grants)}`;
  const body = `{"count":${count},"holders":[${entries.join(",")}]${granted}}`;
  return encodeFrame(MESSAGE_CHECKS.holderList.type, encoder.encode(body));
}

/** Bytes of such a frame apart from its entries, to reserve on a page. */
export const NODES_OVERHEAD_BYTES = 256;

/**
 * The message in a frame's body, or {@linkcode UnknownMessage} for a number
 * that this version does not know.
 *
 * @throws {ProtocolError} `wrong_phase` for a message that must not travel in
 * this direction, `bad_message` for a body that does not fit its number.
 */
export function decodeMessage<Kind extends MessageKind>(
  frame: { type: number; body: Uint8Array },
  allowed: readonly Kind[],
): MessageOf<Kind> | UnknownMessage {
  const kind = KIND_OF_TYPE.get(frame.type);
  if (kind === undefined) return { kind: "unknown", type: frame.type };
  if (!(allowed as readonly MessageKind[]).includes(kind)) {
    throw new ProtocolError(
      "wrong_phase",
      `Cannot accept ${kind}: wanted one of ${allowed.join(", ")}`,
    );
  }
  if (kind === "pieces") {
    return { ...decodePieces(frame.body), kind } as MessageOf<Kind>;
  }
  const body = parseJson(kind, frame.body);
  const { fields, schema } = MESSAGE_CHECKS[kind];
  if (wrongField(body, fields) !== undefined) {
    throw badMessage(kind, describeMismatch(body, schema, "body"));
  }
  // The kind comes last: a peer's own `kind` field must not win.
  return { ...(body as object), kind } as MessageOf<Kind>;
}

function parseJson(kind: MessageKind, body: Uint8Array): unknown {
  if (depthOf(body) > LIMITS.jsonDepth) {
    throw badMessage(kind, `nested deeper than ${LIMITS.jsonDepth}`);
  }
  let text: string;
  let value: unknown;
  try {
    text = decoder.decode(body);
    value = JSON.parse(text);
  } catch {
    throw badMessage(kind, "not JSON in UTF-8");
  }
  if (SURROGATE_ESCAPE.test(text) && !isWellFormed(value)) {
    throw badMessage(kind, "half a character");
  }
  return value;
}

// UTF-8 has no surrogates, but a JSON escape can stand for one without its
// other half.
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;

/** Whether every text in a value of JSON can be written as UTF-8. */
function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, part]) =>
    key.isWellFormed() && isWellFormed(part)
  );
}

const QUOTE = 0x22, BACKSLASH = 0x5c, OPEN_LIST = 0x5b, OPEN_OBJECT = 0x7b;
const CLOSE_LIST = 0x5d, CLOSE_OBJECT = 0x7d;

/** How deep the brackets of JSON text nest, not counting those in strings. */
function depthOf(json: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      deepest = Math.max(deepest, ++depth);
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--;
  }
  return deepest;
}

function badMessage(kind: MessageKind, why: string): ProtocolError {
  return new ProtocolError("bad_message", `Cannot decode ${kind}: ${why}`);
}
