/**
 * The schemas of all messages: for each kind its permanent number and its
 * fields. They give the types, and by `deno task checks` the checks; no program
 * loads this module. `docs/PROTOCOL.md` is the same table in words. Pure.
 *
 * Bodies are JSON, except for the hashes of pieces (`bulk.ts`).
 *
 * @module
 */

import { type Static, type TObject, Type } from "@sinclair/typebox";
import { LIMITS } from "../base/limits.ts";
import { FINGERPRINT_BYTES } from "../content/fingerprints.ts";
import { PIECES_FRAME_TYPE } from "./bulk.ts";

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const { dateLastMs } = LIMITS;
/** Milliseconds since 1970, or before: any that a `Date` can express. */
const Time = Type.Integer({ minimum: -dateLastMs, maximum: dateLastMs });
const RequestId = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });
const Seconds = Type.Integer({ minimum: 1, maximum: 86_400 });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const Id = Type.String({ minLength: 52, maxLength: 52 });
const Name = Type.String({ maxLength: LIMITS.nameBytes });
const Token = Type.String({ maxLength: 128 });
const Text = Type.String({ maxLength: 300 });
/**
 * 128 random bits, base64url: valid for one end of one tunnel, once. If a relay
 * has several instances, the instance that made the key and a MAC follow.
 */
const TunnelKey = Type.String({
  pattern: "^[A-Za-z0-9_-]{22}(\\.[A-Za-z0-9_-]{22}\\.[A-Za-z0-9_-]{22})?$",
});

const Version = Type.String({ minLength: 32, maxLength: 32 });
const Digest = Type.String({ pattern: "^[0-9a-f]{64}$" });
const ContentOrVersion = Type.String({ minLength: 32, maxLength: 64 });
const PieceIndex = Type.Integer({
  minimum: 0,
  maximum: LIMITS.pieceCount - 1,
});
const PieceCount = Type.Integer({ minimum: 1, maximum: LIMITS.pieceCount });
/** Base64 of one bit for each piece. */
const Bitmap = Type.String({
  maxLength: 4 * Math.ceil(LIMITS.pieceCount / 8 / 3),
});

// A grant, or a key that checks grants; see `access/`.
const Grant = Type.String({ maxLength: 3_400 });
const GrantKey = Type.String({ minLength: 44, maxLength: 44 });

/** A renewal token: 22 bytes, base64url. */
const Renewal = Type.String({ pattern: "^[A-Za-z0-9_-]{30}$" });

/** Bytes of the base64 of `count` fingerprints. */
function base64Length(count: number): number {
  return Math.ceil(count * FINGERPRINT_BYTES / 3) * 4;
}

/** 128 bits that identify a content; see `content/fingerprints.ts`. */
const ContentFingerprint = Type.String({ pattern: "^[A-Za-z0-9_-]{22}$" });

/** Base64 of 32 bytes. */
const IndexKey = Type.String({ pattern: "^[A-Za-z0-9+/]{43}=$" });
/** The first 16 characters of an id, as a link has them. */
const Sender = Type.String({ pattern: "^[a-z2-7]{16}$" });
/** 64 bits that identify an index key of nodes and clients. */
const IndexKeyId = Type.String({ pattern: "^[A-Za-z0-9_-]{11}$" });
const Fingerprints = Type.String({
  maxLength: base64Length(LIMITS.indexMessageCount),
});

const ListedFileSchema = Type.Object({
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
  at: Type.Optional(Type.String({ maxLength: 80 })),
});

/** A record of a holder, as the relay lists it to one client. */
const ListedHolderSchema = Type.Object({
  ...ListedRecordSchema.properties,
  near: Type.Optional(Type.Boolean()),
});

type Rows = Record<string, { type: number; schema: TObject }>;

/** Messages of any connection: hellos, refusals, tunnels, credentials. */
const COMMON = {
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
      observed: Type.Optional(Token),
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
  join: {
    type: 0x03,
    schema: Type.Object({
      key: TunnelKey,
      passed: Type.Optional(Type.Boolean()),
      proof: Type.Optional(Type.String({ maxLength: 64 })),
    }),
  },
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
} as const satisfies Rows;

/** Messages between a relay and its nodes and clients. */
const WITH_RELAY = {
  register: { type: 0x20, schema: SignedRecordSchema },
  registered: {
    type: 0x21,
    schema: Type.Object({
      leaseSeconds: Seconds,
      renewSeconds: Seconds,
      stay: Type.Optional(Type.Boolean()),
      grantKeys: Type.Optional(Type.Array(GrantKey, { maxItems: 4 })),
      time: Type.Optional(Time),
      proof: Type.Optional(Type.String({ maxLength: 64 })),
      renewal: Type.Optional(Renewal),
      index: Type.Optional(
        Type.Object({ key: IndexKey, epoch: Token, version: Count }),
      ),
    }),
  },
  withdraw: { type: 0x22, schema: SignedRecordSchema },
  withdrawn: { type: 0x23, schema: Type.Object({}) },
  list: {
    type: 0x24,
    schema: Type.Object({
      cursor: Type.Optional(Token),
      most: Type.Optional(Count),
      fingerprints: Type.Optional(
        Type.String({ maxLength: base64Length(LIMITS.indexAskedCount) }),
      ),
      key: Type.Optional(IndexKeyId),
      sender: Type.Optional(Sender),
    }),
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
      index: Type.Optional(Type.Object({ key: IndexKey, unindexed: Count })),
    }),
  },
  report: {
    type: 0x26,
    schema: Type.Object({
      ids: Type.Array(Id, { maxItems: LIMITS.reportCount }),
      wrong: Type.Optional(
        Type.Array(Id, { minItems: 1, maxItems: LIMITS.wrongHitCount }),
      ),
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
  index: {
    type: 0x32,
    schema: Type.Object({
      epoch: Token,
      version: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
      add: Fingerprints,
      remove: Fingerprints,
      begin: Type.Optional(Type.Boolean()),
      more: Type.Optional(Type.Boolean()),
      key: Type.Optional(IndexKeyId),
    }),
  },
  indexed: { type: 0x33, schema: Type.Object({ outcome: Token }) },
  lookup: {
    type: 0x3b,
    schema: Type.Object({
      ids: Type.Array(Id, { minItems: 1, maxItems: LIMITS.indexLookupCount }),
    }),
  },
  looked: {
    type: 0x3c,
    schema: Type.Object({
      nodes: Type.Array(
        Type.Object({
          listed: Type.Boolean(),
          fingerprints: Type.Optional(Count),
          seconds: Type.Optional(Count),
        }),
        { maxItems: LIMITS.indexLookupCount },
      ),
    }),
  },
  open: {
    type: 0x3d,
    schema: Type.Object({
      id: Id,
      from: Token,
      proof: Type.String({ pattern: "^[A-Za-z0-9_-]{22}$" }),
    }),
  },
  enter: { type: 0x34, schema: SignedRecordSchema },
  entered: {
    type: 0x35,
    schema: Type.Object({
      leaseSeconds: Seconds,
      renewSeconds: Seconds,
    }),
  },
  hold: {
    type: 0x36,
    schema: Type.Object({
      contents: Type.Array(ContentFingerprint, {
        maxItems: LIMITS.contentsPerHolderCount,
      }),
    }),
  },
  held: {
    type: 0x37,
    schema: Type.Object({
      outcome: Token,
      grantKeys: Type.Optional(Type.Array(GrantKey, { maxItems: 4 })),
      time: Type.Optional(Time),
      proof: Type.Optional(Type.String({ maxLength: 64 })),
    }),
  },
  renew: { type: 0x38, schema: Type.Object({ id: Id, renewal: Renewal }) },
  holders: {
    type: 0x39,
    schema: Type.Object({
      content: ContentFingerprint,
      most: Type.Optional(
        Type.Integer({ minimum: 1, maximum: LIMITS.holdersAnswerCount }),
      ),
    }),
  },
  holderList: {
    type: 0x3a,
    schema: Type.Object({
      count: Count,
      holders: Type.Array(ListedHolderSchema, {
        maxItems: LIMITS.holdersAnswerCount,
      }),
      grants: Type.Optional(
        Type.Array(Grant, { maxItems: LIMITS.holdersAnswerCount }),
      ),
    }),
  },
} as const satisfies Rows;

/** Messages between a client and a node. */
const WITH_NODE = {
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
      count: PieceCount,
    }),
  },
  readMany: {
    type: 0x43,
    schema: Type.Object({
      request: RequestId,
      of: Type.Array(ContentOrVersion, {
        minItems: 1,
        maxItems: LIMITS.batchFileCount,
      }),
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
      files: Type.Array(ListedFileSchema, {
        maxItems: LIMITS.listingPageCount,
      }),
      more: Type.Boolean(),
    }),
  },
  working: { type: 0x48, schema: Type.Object({ request: RequestId }) },
  skipped: {
    type: 0x49,
    schema: Type.Object({ request: RequestId, code: Token, text: Text }),
  },
  holding: {
    type: 0x4a,
    schema: Type.Object({ request: RequestId, of: Digest }),
  },
  has: {
    type: 0x4b,
    schema: Type.Object({
      request: RequestId,
      bitmap: Type.Optional(Bitmap),
      complete: Type.Optional(Type.Boolean()),
    }),
  },
  gained: {
    type: 0x4c,
    schema: Type.Object({
      request: RequestId,
      runs: Type.Array(Type.Tuple([PieceIndex, PieceCount]), {
        maxItems: LIMITS.gainedRunCount,
      }),
    }),
  },
  offer: {
    type: 0x4d,
    schema: Type.Object({ request: RequestId, of: Digest, id: Id }),
  },
  taken: { type: 0x4e, schema: Type.Object({ request: RequestId }) },
  // Not JSON; see `bulk.ts`.
  pieces: {
    type: PIECES_FRAME_TYPE,
    schema: Type.Object({ request: RequestId, hashes: Type.Uint8Array() }),
  },
} as const satisfies Rows;

/**
 * All messages. Numbers are permanent: never reuse one, even after its message
 * is gone. 0x14 to 0x17 stay free, because TLS records begin with them.
 */
export const CODEC = {
  ...COMMON,
  ...WITH_RELAY,
  ...WITH_NODE,
} as const satisfies Rows;

/** A file as its node lists it. */
export type ListedFile = Static<typeof ListedFileSchema>;
