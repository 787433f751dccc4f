/**
 * The schemas of all messages: for each kind its permanent number and its
 * fields. `messages.ts` derives the types and the checks from them;
 * `docs/PROTOCOL.md` is the same table in words. Pure.
 *
 * Bodies are JSON, except for the hashes of pieces (`bulk.ts`).
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import {
  boolean,
  bytes,
  integer,
  list,
  matching,
  object,
  type ObjectSchema,
  optional,
  pair,
  type Schema,
  type Static,
  text,
} from "../base/schema.ts";
import { FINGERPRINT_BYTES } from "../content/fingerprints.ts";
import { PIECES_FRAME_TYPE } from "./bulk.ts";

const Count = integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Milliseconds since 1970, or before: any that a `Date` can express. */
const Time = integer({
  minimum: -LIMITS.dateLastMs,
  maximum: LIMITS.dateLastMs,
});
const RequestId = integer({ minimum: 0, maximum: 0xffff_ffff });
const Seconds = integer({ minimum: 1, maximum: 86_400 });
const Port = integer({ minimum: 1, maximum: 65_535 });
const Id = text({ least: 52, most: 52 });
const Name = text({ most: LIMITS.nameBytes });
const Token = text({ most: 128 });
const Text = text({ most: 300 });
/**
 * 128 random bits, base64url: valid for one end of one tunnel, once. If a relay
 * has several instances, the instance that made the key and a code follow.
 */
const TunnelKey = matching(
  /^[A-Za-z0-9_-]{22}(\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{22})?$/,
);

const Version = text({ least: 32, most: 32 });
const Digest = matching(/^[0-9a-f]{64}$/);
const ContentOrVersion = text({ least: 32, most: 64 });
const PieceIndex = integer({ minimum: 0, maximum: LIMITS.pieceCount - 1 });

const PieceCount = integer({ minimum: 1, maximum: LIMITS.pieceCount });
/** Base64 of one bit for each piece. */
const Bitmap = text({ most: 4 * Math.ceil(LIMITS.pieceCount / 8 / 3) });

// A grant, or a key that checks grants; see `access/`.
const Grant = text({ most: 3_400 });
const GrantKey = text({ least: 44, most: 44 });

/** A renewal token: 22 bytes, base64url. */
const Renewal = matching(/^[A-Za-z0-9_-]{30}$/);

/** Bytes of the base64 of `count` fingerprints. */
function base64Length(count: number): number {
  return Math.ceil(count * FINGERPRINT_BYTES / 3) * 4;
}

/** 128 bits that identify a content; see `content/fingerprints.ts`. */
const ContentFingerprint = matching(/^[A-Za-z0-9_-]{22}$/);

/** Base64 of 32 bytes. */
const IndexKey = matching(/^[A-Za-z0-9+\/]{43}=$/);
/** The first 16 characters of an id, as a link has them. */
const Sender = matching(/^[a-z2-7]{16}$/);
/** 64 bits that identify an index key of nodes and clients. */
const IndexKeyId = matching(/^[A-Za-z0-9_-]{11}$/);
const Fingerprints = text({ most: base64Length(LIMITS.indexMessageCount) });

const ListedFileSchema = object({
  name: Name,
  size: Count,
  modifiedMs: Time,
  version: Version,
  content: optional(Digest),
  executable: optional(boolean()),
});

const SignedRecordSchema = object({
  record: text({ most: 2048 }),
  certificate: text({ most: 1400 }),
  signature: text({ least: 88, most: 88 }),
});

/** A record as the relay lists it, with the relay's additions. */
const ListedRecordSchema = object({
  ...SignedRecordSchema.fields,
  observed: optional(
    list(
      integer({ minimum: 0, maximum: LIMITS.addressCount - 1 }),
      { most: LIMITS.addressCount },
    ),
  ),
  tunnel: optional(boolean()),
  at: optional(text({ most: 80 })),
});

/** A record of a holder, as the relay lists it to one client. */
const ListedHolderSchema = object({
  ...ListedRecordSchema.fields,
  near: optional(boolean()),
});

type Rows = Record<
  string,
  { type: number; schema: ObjectSchema<Record<string, Schema<unknown>>> }
>;

/** Messages of any connection: hellos, refusals, tunnels, credentials. */
const COMMON = {
  hello: {
    type: 0x01,
    schema: object({
      protocol: Count,
      role: Token,
      id: optional(Id),
      nonce: optional(Token),
      greeting: optional(Text),
      tunnelPort: optional(Port),
      motd: optional(Text),
      minVersion: optional(Token),
      private: optional(boolean()),
      grant: optional(Grant),
      version: optional(Token),
      time: optional(Time),
      uptime: optional(Count),
      observed: optional(Token),
    }),
  },
  refused: {
    type: 0x02,
    schema: object({ code: Token, text: Text, request: optional(RequestId) }),
  },
  join: {
    type: 0x03,
    schema: object({ key: TunnelKey, passed: optional(boolean()) }),
  },
  joined: { type: 0x04, schema: object({}) },
  ping: { type: 0x05, schema: object({}) },
  pong: { type: 0x06, schema: object({}) },
  authenticate: {
    type: 0x07,
    schema: object({ proof: text({ most: 64 }) }),
  },
  redeem: {
    type: 0x08,
    schema: object({
      pass: Token,
      name: Name,
      fetch: matching(/^[A-Za-z0-9_-]{16,64}$/),
    }),
  },
} as const satisfies Rows;

/** Messages between a relay and its nodes and clients. */
const WITH_RELAY = {
  register: { type: 0x20, schema: SignedRecordSchema },
  registered: {
    type: 0x21,
    schema: object({
      leaseSeconds: Seconds,
      renewSeconds: Seconds,
      stay: optional(boolean()),
      grantKeys: optional(list(GrantKey, { most: 4 })),
      proof: optional(text({ most: 64 })),
      renewal: optional(Renewal),
      index: optional(
        object({ key: IndexKey, epoch: Token, version: Count }),
      ),
    }),
  },
  withdraw: { type: 0x22, schema: SignedRecordSchema },
  withdrawn: { type: 0x23, schema: object({}) },
  list: {
    type: 0x24,
    schema: object({
      cursor: optional(Token),
      most: optional(Count),
      fingerprints: optional(
        text({ most: base64Length(LIMITS.indexAskedCount) }),
      ),
      key: optional(IndexKeyId),
      sender: optional(Sender),
    }),
  },
  nodes: {
    type: 0x25,
    schema: object({
      count: Count,
      nodes: list(ListedRecordSchema, { most: LIMITS.listingPageCount }),
      cursor: optional(Token),
      grants: optional(
        list(Grant, { most: LIMITS.listingPageCount }),
      ),
      index: optional(object({ key: IndexKey, unindexed: Count })),
    }),
  },
  report: {
    type: 0x26,
    schema: object({
      ids: list(Id, { most: LIMITS.reportCount }),
      wrong: optional(
        list(Id, { least: 1, most: LIMITS.wrongHitCount }),
      ),
    }),
  },
  reported: {
    type: 0x27,
    schema: object({
      outcomes: list(Token, { most: LIMITS.reportCount }),
    }),
  },
  attach: { type: 0x28, schema: object({}) },
  attached: { type: 0x29, schema: object({}) },
  reach: { type: 0x2a, schema: object({}) },
  reached: { type: 0x2b, schema: object({ outcome: Token }) },
  tunnel: { type: 0x2c, schema: object({ id: Id }) },
  rendezvous: { type: 0x2d, schema: object({ key: TunnelKey }) },
  invite: {
    type: 0x2e,
    schema: object({ key: TunnelKey, from: Token }),
  },
  decline: {
    type: 0x2f,
    schema: object({ key: TunnelKey, code: Token }),
  },
  mint: {
    type: 0x30,
    schema: object({
      name: Name,
      content: Digest,
      expiresSeconds: integer({ minimum: 1, maximum: 0xffff_ffff }),
      uses: integer({ minimum: 1, maximum: 0xffff }),
    }),
  },
  minted: { type: 0x31, schema: object({ pass: Token }) },
  index: {
    type: 0x32,
    schema: object({
      epoch: Token,
      version: integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
      add: Fingerprints,
      remove: Fingerprints,
      begin: optional(boolean()),
      more: optional(boolean()),
      key: optional(IndexKeyId),
    }),
  },
  indexed: { type: 0x33, schema: object({ outcome: Token }) },
  lookup: {
    type: 0x3b,
    schema: object({
      ids: list(Id, { least: 1, most: LIMITS.indexLookupCount }),
    }),
  },
  looked: {
    type: 0x3c,
    schema: object({
      nodes: list(
        object({
          listed: boolean(),
          fingerprints: optional(Count),
          seconds: optional(Count),
        }),
        { most: LIMITS.indexLookupCount },
      ),
    }),
  },
  open: {
    type: 0x3d,
    schema: object({
      id: Id,
      from: Token,
      proof: matching(/^[A-Za-z0-9_-]{22}$/),
    }),
  },
  enter: { type: 0x34, schema: SignedRecordSchema },
  entered: {
    type: 0x35,
    schema: object({ leaseSeconds: Seconds, renewSeconds: Seconds }),
  },
  hold: {
    type: 0x36,
    schema: object({
      contents: list(ContentFingerprint, {
        most: LIMITS.contentsPerHolderCount,
      }),
    }),
  },
  held: {
    type: 0x37,
    schema: object({
      outcome: Token,
      grantKeys: optional(list(GrantKey, { most: 4 })),
      proof: optional(text({ most: 64 })),
    }),
  },
  renew: { type: 0x38, schema: object({ id: Id, renewal: Renewal }) },
  holders: {
    type: 0x39,
    schema: object({
      content: ContentFingerprint,
      most: optional(
        integer({ minimum: 1, maximum: LIMITS.holdersAnswerCount }),
      ),
    }),
  },
  holderList: {
    type: 0x3a,
    schema: object({
      count: Count,
      holders: list(ListedHolderSchema, { most: LIMITS.holdersAnswerCount }),
      grants: optional(
        list(Grant, { most: LIMITS.holdersAnswerCount }),
      ),
    }),
  },
} as const satisfies Rows;

/** Messages between a client and a node. */
const WITH_NODE = {
  find: {
    type: 0x40,
    schema: object({ request: RequestId, name: Name }),
  },
  found: {
    type: 0x41,
    schema: object({
      request: RequestId,
      size: Count,
      modifiedMs: Time,
      version: Version,
      content: optional(Digest),
      sha256: optional(Digest),
      executable: optional(boolean()),
    }),
  },
  read: {
    type: 0x42,
    schema: object({
      request: RequestId,
      of: ContentOrVersion,
      first: PieceIndex,
      count: PieceCount,
    }),
  },
  readMany: {
    type: 0x43,
    schema: object({
      request: RequestId,
      of: list(ContentOrVersion, { least: 1, most: LIMITS.batchFileCount }),
    }),
  },
  describe: {
    type: 0x44,
    schema: object({ request: RequestId, of: ContentOrVersion }),
  },
  manifest: {
    type: 0x45,
    schema: object({
      request: RequestId,
      size: Count,
      content: Digest,
      sha256: Digest,
    }),
  },
  browse: {
    type: 0x46,
    schema: object({ request: RequestId, prefix: Name }),
  },
  files: {
    type: 0x47,
    schema: object({
      request: RequestId,
      files: list(ListedFileSchema, { most: LIMITS.listingPageCount }),
      more: boolean(),
    }),
  },
  working: { type: 0x48, schema: object({ request: RequestId }) },
  skipped: {
    type: 0x49,
    schema: object({ request: RequestId, code: Token, text: Text }),
  },
  holding: {
    type: 0x4a,
    schema: object({ request: RequestId, of: Digest }),
  },
  has: {
    type: 0x4b,
    schema: object({
      request: RequestId,
      bitmap: optional(Bitmap),
      complete: optional(boolean()),
    }),
  },
  gained: {
    type: 0x4c,
    schema: object({
      request: RequestId,
      runs: list(pair(PieceIndex, PieceCount), {
        most: LIMITS.gainedRunCount,
      }),
    }),
  },
  offer: {
    type: 0x4d,
    schema: object({ request: RequestId, of: Digest, id: Id }),
  },
  taken: { type: 0x4e, schema: object({ request: RequestId }) },
  // Not JSON; see `bulk.ts`.
  pieces: {
    type: PIECES_FRAME_TYPE,
    schema: object({ request: RequestId, hashes: bytes() }),
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
