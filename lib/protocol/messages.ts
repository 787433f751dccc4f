/**
 * Typed messages and their frames. One table holds, for each kind of message,
 * its permanent number and the schema from which both the type and the run-time
 * check come. `docs/PROTOCOL.md` is the same table in words.
 *
 * Bodies are JSON, but for the hashes of pieces. File bytes are no messages;
 * `bulk.ts` has both.
 *
 * @module
 */

import { type Static, type TObject, Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { ProtocolError } from "../base/errors.ts";
import { decodePieces, encodePieces, PIECES_FRAME_TYPE } from "./bulk.ts";
import { encodeFrame } from "./frame.ts";
import { LIMITS } from "../base/limits.ts";

/** The version this program speaks. Peers must have the same. */
export const PROTOCOL_VERSION = 1;

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Milliseconds since 1970, or before. */
const Time = Type.Integer({
  minimum: -Number.MAX_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
});
const RequestId = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });
const Seconds = Type.Integer({ minimum: 1, maximum: 86_400 });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const Id = Type.String({ minLength: 52, maxLength: 52 });
const Name = Type.String({ maxLength: LIMITS.nameBytes });
const Token = Type.String({ maxLength: 128 });
const Text = Type.String({ maxLength: 300 });
/** 128 random bits, base64url: valid for one end of one tunnel, once. */
const TunnelKey = Type.String({ pattern: "^[A-Za-z0-9_-]{22}$" });

const Version = Type.String({ minLength: 32, maxLength: 32 });
const Digest = Type.String({ pattern: "^[0-9a-f]{64}$" });
const ContentOrVersion = Type.String({ minLength: 32, maxLength: 64 });
const PieceIndex = Type.Integer({
  minimum: 0,
  maximum: LIMITS.pieceCount - 1,
});

// A grant, or a key that checks grants; see `access/`.
const Grant = Type.String({ maxLength: 3_400 });
const GrantKey = Type.String({ minLength: 44, maxLength: 44 });

const ListedFile = Type.Object({
  name: Name,
  size: Count,
  modifiedMs: Time,
  version: Version,
  content: Type.Optional(Digest),
  executable: Type.Optional(Type.Boolean()),
});

const SignedRecordSchema = Type.Object({
  record: Type.String({ maxLength: 2048 }),
  certificate: Type.String({ maxLength: 1400 }),
  signature: Type.String({ minLength: 88, maxLength: 88 }),
});

/** A record as the relay lists it, with the relay's additions. */
const ListedRecordSchema = Type.Object({
  ...SignedRecordSchema.properties,
  observed: Type.Optional(
    Type.Array(
      Type.Integer({ minimum: 0, maximum: LIMITS.addressCount - 1 }),
      { maxItems: LIMITS.addressCount },
    ),
  ),
  tunnel: Type.Optional(Type.Boolean()),
});

/**
 * All messages. Numbers are permanent: never reuse one, even after its message
 * is gone. 0x14 to 0x17 stay free, because TLS records begin with them.
 */
const CODEC = {
  hello: {
    type: 0x01,
    schema: Type.Object({
      protocol: Count,
      role: Token,
      id: Type.Optional(Id),
      nonce: Type.Optional(Token),
      greeting: Type.Optional(Text),
      tunnelPort: Type.Optional(Port),
      motd: Type.Optional(Text),
      minVersion: Type.Optional(Token),
      private: Type.Optional(Type.Boolean()),
      grant: Type.Optional(Grant),
      version: Type.Optional(Token),
      time: Type.Optional(Time),
      uptime: Type.Optional(Count),
    }),
  },
  refused: {
    type: 0x02,
    schema: Type.Object({
      code: Token,
      text: Text,
      request: Type.Optional(RequestId),
    }),
  },
  join: { type: 0x03, schema: Type.Object({ key: TunnelKey }) },
  joined: { type: 0x04, schema: Type.Object({}) },
  ping: { type: 0x05, schema: Type.Object({}) },
  pong: { type: 0x06, schema: Type.Object({}) },
  authenticate: {
    type: 0x07,
    schema: Type.Object({ proof: Type.String({ maxLength: 64 }) }),
  },
  redeem: {
    type: 0x08,
    schema: Type.Object({
      pass: Token,
      name: Name,
      fetch: Type.String({ pattern: "^[A-Za-z0-9_-]{16,64}$" }),
    }),
  },
  register: { type: 0x20, schema: SignedRecordSchema },
  registered: {
    type: 0x21,
    schema: Type.Object({
      leaseSeconds: Seconds,
      renewSeconds: Seconds,
      stay: Type.Optional(Type.Boolean()),
      grantKeys: Type.Optional(Type.Array(GrantKey, { maxItems: 4 })),
      proof: Type.Optional(Type.String({ maxLength: 64 })),
    }),
  },
  withdraw: { type: 0x22, schema: SignedRecordSchema },
  withdrawn: { type: 0x23, schema: Type.Object({}) },
  list: {
    type: 0x24,
    schema: Type.Object({ cursor: Type.Optional(Token) }),
  },
  nodes: {
    type: 0x25,
    schema: Type.Object({
      count: Count,
      nodes: Type.Array(ListedRecordSchema, {
        maxItems: LIMITS.listingPageCount,
      }),
      cursor: Type.Optional(Token),
      grants: Type.Optional(
        Type.Array(Grant, { maxItems: LIMITS.listingPageCount }),
      ),
    }),
  },
  report: {
    type: 0x26,
    schema: Type.Object({
      ids: Type.Array(Id, { minItems: 1, maxItems: LIMITS.reportCount }),
    }),
  },
  reported: {
    type: 0x27,
    schema: Type.Object({
      outcomes: Type.Array(Token, { maxItems: LIMITS.reportCount }),
    }),
  },
  attach: { type: 0x28, schema: Type.Object({}) },
  attached: { type: 0x29, schema: Type.Object({}) },
  reach: { type: 0x2a, schema: Type.Object({}) },
  reached: { type: 0x2b, schema: Type.Object({ outcome: Token }) },
  tunnel: { type: 0x2c, schema: Type.Object({ id: Id }) },
  rendezvous: { type: 0x2d, schema: Type.Object({ key: TunnelKey }) },
  invite: {
    type: 0x2e,
    schema: Type.Object({ key: TunnelKey, from: Token }),
  },
  decline: {
    type: 0x2f,
    schema: Type.Object({ key: TunnelKey, code: Token }),
  },
  mint: {
    type: 0x30,
    schema: Type.Object({
      name: Name,
      content: Digest,
      expiresSeconds: Type.Integer({ minimum: 1, maximum: 0xffff_ffff }),
      uses: Type.Integer({ minimum: 1, maximum: 0xffff }),
    }),
  },
  minted: { type: 0x31, schema: Type.Object({ pass: Token }) },
  find: {
    type: 0x40,
    schema: Type.Object({ request: RequestId, name: Name }),
  },
  found: {
    type: 0x41,
    schema: Type.Object({
      request: RequestId,
      size: Count,
      modifiedMs: Time,
      version: Version,
      content: Type.Optional(Digest),
      sha256: Type.Optional(Digest),
      executable: Type.Optional(Type.Boolean()),
    }),
  },
  read: {
    type: 0x42,
    schema: Type.Object({
      request: RequestId,
      of: ContentOrVersion,
      first: PieceIndex,
      count: Type.Integer({ minimum: 1, maximum: LIMITS.pieceCount }),
    }),
  },
  describe: {
    type: 0x44,
    schema: Type.Object({ request: RequestId, of: ContentOrVersion }),
  },
  manifest: {
    type: 0x45,
    schema: Type.Object({
      request: RequestId,
      size: Count,
      content: Digest,
      sha256: Digest,
    }),
  },
  browse: {
    type: 0x46,
    schema: Type.Object({ request: RequestId, prefix: Name }),
  },
  files: {
    type: 0x47,
    schema: Type.Object({
      request: RequestId,
      files: Type.Array(ListedFile, { maxItems: LIMITS.listingPageCount }),
      more: Type.Boolean(),
    }),
  },
  working: { type: 0x48, schema: Type.Object({ request: RequestId }) },
  // Not JSON; see `bulk.ts`.
  pieces: {
    type: PIECES_FRAME_TYPE,
    schema: Type.Object({ request: RequestId, hashes: Type.Uint8Array() }),
  },
} as const satisfies Record<string, { type: number; schema: TObject }>;

/** The name of a message. */
export type MessageKind = keyof typeof CODEC;

/** All messages, told apart by `kind`. */
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
}
/** A file as its node lists it. */
export type ListedFile = Static<typeof ListedFile>;

/**
 * The messages that each role may send to each other role after both hellos.
 */
export const DIRECTION = {
  nodeToRelay: ["register", "withdraw", "reach", "attach", "decline", "pong"],
  toPrivateRelay: ["authenticate", "redeem"],
  clientToRelay: ["list", "report", "tunnel", "mint"],
  relayToNode: [
    "registered",
    "withdrawn",
    "reached",
    "attached",
    "invite",
    "ping",
    "refused",
  ],
  relayToClient: ["nodes", "reported", "rendezvous", "minted", "refused"],
  toTunnel: ["join"],
  fromTunnel: ["joined", "refused"],
  clientToNode: ["find", "browse", "describe", "read"],
  nodeToClient: ["found", "files", "manifest", "pieces", "working", "refused"],
} as const satisfies Record<string, readonly MessageKind[]>;

/** A message that may travel in one direction. */
export type Travelling<Way extends keyof typeof DIRECTION> = MessageOf<
  (typeof DIRECTION)[Way][number]
>;
/** Messages of a node to its relay. */
export type NodeToRelay = Travelling<"nodeToRelay">;
/**
 * Messages that show the credentials of a node or a client to a private relay.
 */
export type ToPrivateRelay = Travelling<"toPrivateRelay">;
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
export const JOIN_TYPE = CODEC.join.type;
/** A control frame of a kind that this version does not know; it is skipped. */
export interface UnknownMessage {
  /** Distinguishes this from the messages. */
  readonly kind: "unknown";
  /** The frame's number. */
  readonly type: number;
}

const KIND_OF_TYPE: ReadonlyMap<number, MessageKind> = new Map(
  (Object.keys(CODEC) as MessageKind[]).map((kind) => [CODEC[kind].type, kind]),
);

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The frame of `message`. */
export function encodeMessage(message: Message): Uint8Array {
  if (message.kind === "pieces") return encodePieces(message);
  const { kind, ...body } = message;
  return encodeFrame(CODEC[kind].type, encoder.encode(jsonOf(body)));
}

/** JSON text. Half of a character, where a text was cut, is replaced. */
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
}): Uint8Array {
  const cursor = page.cursor === undefined
    ? ""
    : `,"cursor":${JSON.stringify(page.cursor)}`;
  const grants = page.grants === undefined
    ? ""
    : `,"grants":${JSON.stringify(page.grants)}`;
  const body = `{"count":${page.count},"nodes":[${
    page.entries.join(",")
  }]${cursor}${grants}}`;
  return encodeFrame(CODEC.nodes.type, encoder.encode(body));
}

/** Bytes of a `nodes` frame apart from its entries, to reserve on a page. */
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
  const check = checkOf(kind);
  if (!check.Check(body)) {
    const error = check.Errors(body).First();
    const field = error?.path.slice(1).replaceAll("/", ".") || "body";
    throw badMessage(kind, `${field}: ${error?.message ?? "not as declared"}`);
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

const CHECKS = new Map<MessageKind, TypeCheck<TObject>>();

/** The compiled check of a message, compiled on first use. */
function checkOf(kind: MessageKind): TypeCheck<TObject> {
  let check = CHECKS.get(kind);
  if (check === undefined) {
    check = TypeCompiler.Compile(CODEC[kind].schema as TObject);
    CHECKS.set(kind, check);
  }
  return check;
}
