/**
 * The record a node signs: what it registers with a relay and what the relay
 * hands on, word for word, to clients. Pure but for the signature itself.
 *
 * @module
 */

import { Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { parseEndpoint, unlistableReason } from "./address.ts";
import { type Endpoint, formatEndpoint } from "./conn.ts";
import { certificateId, type Identity, verifySignature } from "./identity.ts";
import { LIMITS } from "./limits.ts";
import type { SignedRecord } from "./messages.ts";

const RecordSchema = Type.Object({
  purpose: Type.Union([Type.Literal("register"), Type.Literal("withdraw")]),
  relay: Type.String({ minLength: 52, maxLength: 52 }),
  nonce: Type.String({ maxLength: 64 }),
  instance: Type.String({ minLength: 8, maxLength: 32 }),
  sequence: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  name: Type.String({ maxLength: 4 * LIMITS.displayNameCount }),
  addresses: Type.Array(Type.String({ maxLength: LIMITS.hostBytes + 8 })),
  // Nothing beside it: a relay stores this and hands it to everybody.
}, { additionalProperties: false });

/** What a node says of itself. */
export interface Registration {
  /** Whether it comes or goes. */
  readonly purpose: "register" | "withdraw";
  /** Id of the relay this is meant for: another cannot replay it. */
  readonly relay: string;
  /** The relay's nonce for this one connection. */
  readonly nonce: string;
  /** Tells processes with the same identity apart. */
  readonly instance: string;
  /** Rises with every registration; a withdrawal repeats the last. */
  readonly sequence: number;
  /** What people call the node; to be shown escaped. */
  readonly name: string;
  /** Where it can be dialled, most useful first. */
  readonly addresses: readonly Endpoint[];
}

/** A registration and whose it is. */
export interface OpenedRegistration extends Registration {
  /** Id of the node. */
  readonly id: string;
  /** Its certificate, DER. */
  readonly certificate: Uint8Array<ArrayBuffer>;
}

/** Why a signed record cannot be accepted. */
export type RecordRefusal =
  | { readonly code: "bad_record"; readonly text: string }
  | { readonly code: "bad_address"; readonly text: string }
  | { readonly code: "bad_signature"; readonly text: string };

/** A signed record, opened, or why it was refused. */
export type RecordVerdict =
  | { readonly kind: "opened"; readonly registration: OpenedRegistration }
  | { readonly kind: "refused"; readonly refusal: RecordRefusal };

const SIGNING_CONTEXT = "relay-p2p registration 1\n";

function signedBytes(record: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(SIGNING_CONTEXT + record);
}

/** Signs what a node says of itself. */
export async function signRegistration(
  registration: Registration,
  identity: Identity,
): Promise<SignedRecord> {
  const record = JSON.stringify({
    ...registration,
    addresses: registration.addresses.map(formatEndpoint),
  });
  const signature = await identity.sign(signedBytes(record));
  return {
    record,
    certificate: identity.certificate.toBase64(),
    signature: signature.toBase64(),
  };
}

/**
 * Reads a signed record without checking the signature: what a listing says,
 * good enough to show and to try, for whoever is dialled must prove the id.
 */
export function readRegistration(signed: SignedRecord): RecordVerdict {
  const certificate = fromBase64(signed.certificate);
  const id = certificate && certificateId(certificate);
  if (certificate === undefined || id === undefined) {
    return refused("bad_record", "certificate: not of a P-256 key");
  }
  const record = parseJson(signed.record);
  const check = recordCheck();
  if (!check.Check(record)) {
    const field = check.Errors(record).First()?.path.slice(1) || "record";
    return refused("bad_record", `${field}: not as declared`);
  }
  const { name } = record;
  if (Array.from(name).length > LIMITS.displayNameCount) {
    return refused(
      "bad_record",
      `name: over ${LIMITS.displayNameCount} characters`,
    );
  }
  if (record.addresses.length > LIMITS.addressCount) {
    return refused("bad_address", `addresses: over ${LIMITS.addressCount}`);
  }
  const addresses: Endpoint[] = [];
  for (const [index, text] of record.addresses.entries()) {
    const address = parseAddress(text);
    if (typeof address === "string") {
      return refused("bad_address", `addresses.${index}: ${address}`);
    }
    addresses.push(address);
  }
  return {
    kind: "opened",
    registration: { ...record, addresses, id, certificate },
  };
}

/** Reads a signed record and checks that the key in it signed it. */
export async function openRegistration(
  signed: SignedRecord,
): Promise<RecordVerdict> {
  const verdict = readRegistration(signed);
  if (verdict.kind === "refused") return verdict;
  const signature = fromBase64(signed.signature);
  const proven = signature !== undefined && await verifySignature(
    verdict.registration.certificate,
    signedBytes(signed.record),
    signature,
  );
  return proven ? verdict : refused(
    "bad_signature",
    "signature: not made by the key in the certificate",
  );
}

/** The endpoint, or what is wrong with it. */
function parseAddress(text: string): Endpoint | string {
  try {
    const endpoint = parseEndpoint(text, { zero: true });
    return unlistableReason(endpoint) ?? endpoint;
  } catch {
    return "not HOST:PORT";
  }
}

function refused(code: RecordRefusal["code"], text: string): RecordVerdict {
  return { kind: "refused", refusal: { code, text } };
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return undefined; // not base64
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON
  }
}

let compiled: TypeCheck<typeof RecordSchema> | undefined;

function recordCheck(): TypeCheck<typeof RecordSchema> {
  return compiled ??= TypeCompiler.Compile(RecordSchema);
}
