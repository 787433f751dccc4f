/**
 * Messages of every kind, as docs/PROTOCOL.md allows them. Written beside the
 * schemas and not from them: a schema that allows too little shows here.
 */

import fc from "fast-check";
import {
  DIRECTION,
  type Message,
  type MessageKind,
  type MessageOf,
  type SignedRecord,
} from "../../lib/protocol/messages.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { anyText } from "./_runs.ts";

/** Every kind of message. */
export const KINDS: readonly MessageKind[] = [
  ...new Set<MessageKind>(["hello", ...Object.values(DIRECTION).flat()]),
];

/** Text of at most `length` UTF-16 units, without half characters. */
export function textUpTo(length: number): fc.Arbitrary<string> {
  return anyText.map((text) => text.slice(0, length).toWellFormed());
}

function textOf(length: number): fc.Arbitrary<string> {
  return anyText.map((text) =>
    text.padEnd(length, "q").slice(0, length).toWellFormed()
  );
}

function hexOf(length: number): fc.Arbitrary<string> {
  return fc.string({
    unit: fc.constantFrom(..."0123456789abcdef"),
    minLength: length,
    maxLength: length,
  });
}

const code = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) =>
  bytes.toBase64({ alphabet: "base64url", omitPadding: true })
);

const tunnelKey = fc.oneof(
  code,
  fc.array(code, { minLength: 3, maxLength: 3 }).map((parts) =>
    parts.join(".")
  ),
);

const count = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(0, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const time = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger().map((ms) => ms % (LIMITS.dateLastMs + 1)),
  fc.constantFrom(LIMITS.dateLastMs, -LIMITS.dateLastMs),
);
const request = fc.oneof(fc.nat(), fc.constantFrom(0, 0xffff_ffff));
const seconds = fc.integer({ min: 1, max: 86_400 });
const index = fc.integer({ min: 0, max: 65_535 });
const id = textOf(52);
const name = textUpTo(1_024);
const token = textUpTo(128);
const words = textUpTo(300);
const version = textOf(32);
const digest = hexOf(64);
const of = fc.oneof(version, digest);
const hashes = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), {
  minLength: 1,
  maxLength: 4,
}).map((all) => new Uint8Array(all.flatMap((hash) => [...hash])));

/** Any signed record, signed or not. */
export const signedRecord: fc.Arbitrary<SignedRecord> = fc.record({
  record: textUpTo(2_048),
  certificate: textUpTo(1_400),
  signature: textOf(88),
});

const listedRecord = fc.tuple(
  signedRecord,
  fc.record({
    tunnel: fc.boolean(),
    observed: fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 8 }),
  }, { requiredKeys: [] }),
).map(([signed, marks]) => ({ ...signed, ...marks }));

const listedFile = fc.record(
  {
    name,
    size: count,
    modifiedMs: time,
    version,
    content: digest,
  },
  { requiredKeys: ["name", "size", "modifiedMs", "version"] },
);

const renewal = fc.stringMatching(/^[A-Za-z0-9_-]{30}$/);
const indexKeyId = fc.stringMatching(/^[A-Za-z0-9_-]{11}$/);
const indexKey = fc.stringMatching(/^[A-Za-z0-9+/]{43}=$/);

type Body<Kind extends MessageKind> = Omit<MessageOf<Kind>, "kind">;

const BODY: { readonly [Kind in MessageKind]: fc.Arbitrary<Body<Kind>> } = {
  hello: fc.record(
    {
      protocol: count,
      role: token,
      id,
      nonce: token,
      greeting: words,
      tunnelPort: fc.integer({ min: 1, max: 65_535 }),
      private: fc.boolean(),
      uptime: count,
      grant: textUpTo(3_400),
    },
    { requiredKeys: ["protocol", "role"] },
  ),
  authenticate: fc.record({ proof: textUpTo(64) }),
  redeem: fc.record({
    pass: token,
    name,
    fetch: fc.stringMatching(/^[A-Za-z0-9_-]{16,64}$/),
  }),
  refused: fc.record(
    { code: token, text: words, request },
    { requiredKeys: ["code", "text"] },
  ),
  join: fc.record(
    { key: tunnelKey, passed: fc.boolean() },
    { requiredKeys: ["key"] },
  ),
  joined: fc.constant({}),
  ping: fc.constant({}),
  pong: fc.constant({}),
  register: signedRecord,
  registered: fc.record(
    {
      leaseSeconds: seconds,
      renewSeconds: seconds,
      stay: fc.boolean(),
      grantKeys: fc.array(textOf(44), { maxLength: 4 }),
      time,
      proof: textUpTo(64),
      renewal,
      index: fc.record({ key: indexKey, epoch: token, version: count }),
    },
    { requiredKeys: ["leaseSeconds", "renewSeconds"] },
  ),
  withdraw: signedRecord,
  withdrawn: fc.constant({}),
  list: fc.record(
    {
      cursor: token,
      most: count,
      fingerprints: textUpTo(428),
      key: indexKeyId,
      sender: fc.stringMatching(/^[a-z2-7]{16}$/),
    },
    { requiredKeys: [] },
  ),
  nodes: fc.record(
    {
      count,
      nodes: fc.array(listedRecord, { maxLength: 4 }),
      cursor: token,
      grants: fc.array(textUpTo(3_400), { maxLength: 4 }),
      index: fc.record({ key: indexKey, unindexed: count }),
    },
    { requiredKeys: ["count", "nodes"] },
  ),
  report: fc.record({
    ids: fc.array(id, { minLength: 1, maxLength: 64 }),
  }),
  reported: fc.record({ outcomes: fc.array(token, { maxLength: 64 }) }),
  attach: fc.constant({}),
  attached: fc.constant({}),
  reach: fc.constant({}),
  reached: fc.record({ outcome: token }),
  tunnel: fc.record({ id }),
  rendezvous: fc.record({ key: tunnelKey }),
  open: fc.record({ id, from: token, proof: code }),
  invite: fc.record({ key: tunnelKey, from: token }),
  decline: fc.record({ key: tunnelKey, code: token }),
  mint: fc.record({
    name,
    content: digest,
    expiresSeconds: fc.integer({ min: 1, max: 0xffff_ffff }),
    uses: fc.integer({ min: 1, max: 65_535 }),
  }),
  minted: fc.record({ pass: token }),
  index: fc.record(
    {
      epoch: token,
      version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      add: textUpTo(30_000),
      remove: textUpTo(30_000),
      begin: fc.boolean(),
      more: fc.boolean(),
      key: indexKeyId,
    },
    { requiredKeys: ["epoch", "version", "add", "remove"] },
  ),
  indexed: fc.record({ outcome: token }),
  enter: signedRecord,
  entered: fc.record({ leaseSeconds: seconds, renewSeconds: seconds }),
  hold: fc.record({ contents: fc.array(code, { maxLength: 64 }) }),
  held: fc.record(
    {
      outcome: token,
      grantKeys: fc.array(textOf(44), { maxLength: 4 }),
      time,
      proof: textUpTo(64),
    },
    { requiredKeys: ["outcome"] },
  ),
  renew: fc.record({ id, renewal }),
  lookup: fc.record({ ids: fc.array(id, { minLength: 1, maxLength: 64 }) }),
  looked: fc.record({
    nodes: fc.array(
      fc.record(
        { listed: fc.boolean(), fingerprints: count, seconds: count },
        { requiredKeys: ["listed"] },
      ),
      { maxLength: 4 },
    ),
  }),
  holders: fc.record(
    { content: code, most: fc.integer({ min: 1, max: 50 }) },
    { requiredKeys: ["content"] },
  ),
  holderList: fc.record(
    {
      count,
      holders: fc.array(
        fc.tuple(listedRecord, fc.boolean())
          .map(([listed, near]) => ({ ...listed, near })),
        { maxLength: 4 },
      ),
      grants: fc.array(textUpTo(3_400), { maxLength: 4 }),
    },
    { requiredKeys: ["count", "holders"] },
  ),
  find: fc.record({ request, name }),
  found: fc.record(
    {
      request,
      size: count,
      modifiedMs: time,
      version,
      content: digest,
      sha256: digest,
    },
    { requiredKeys: ["request", "size", "modifiedMs", "version"] },
  ),
  read: fc.record({
    request,
    of,
    first: index,
    count: fc.integer({ min: 1, max: 65_536 }),
  }),
  readMany: fc.record({
    request,
    of: fc.array(of, { minLength: 1, maxLength: 48 }),
  }),
  skipped: fc.record({ request, code: token, text: words }),
  pieces: fc.record({ request, hashes }),
  describe: fc.record({ request, of }),
  manifest: fc.record({
    request,
    size: count,
    content: digest,
    sha256: digest,
  }),
  browse: fc.record({ request, prefix: name }),
  files: fc.record({
    request,
    files: fc.array(listedFile, { maxLength: 4 }),
    more: fc.boolean(),
  }),
  working: fc.record({ request }),
  holding: fc.record({ request, of: digest }),
  has: fc.record(
    { request, bitmap: textUpTo(10_924), complete: fc.boolean() },
    {
      requiredKeys: ["request"],
    },
  ),
  offer: fc.record({ request, of: digest, id }),
  taken: fc.record({ request }),
  gained: fc.record({
    request,
    runs: fc.array(fc.tuple(index, fc.integer({ min: 1, max: 65_536 })), {
      maxLength: 64,
    }),
  }),
};

/** A message of one kind. */
export function messageOf(kind: MessageKind): fc.Arbitrary<Message> {
  return (BODY[kind] as fc.Arbitrary<object>).map((body) =>
    ({ kind, ...body }) as Message
  );
}

/** A message of any kind whose body is JSON. */
export const anyJsonMessage: fc.Arbitrary<Message> = fc.oneof(
  ...KINDS.filter((kind) => kind !== "pieces").map(messageOf),
);

/** A message of any kind. */
export const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  ...KINDS.map(messageOf),
);
