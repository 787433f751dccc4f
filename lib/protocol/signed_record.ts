/**
 * The record that a node signs. The node registers with it at a relay, and the
 * relay passes it on to clients unchanged. Pure except for the signature
 * itself.
 *
 * @module
 */

import { parseEndpoint, unlistableReason } from "../base/address.ts";
import { CLOSED, wrongField } from "../base/checks.ts";
import { describeMismatch } from "../base/mismatch.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import {
  certificateId,
  type Identity,
  verifySignature,
} from "../identity/identity.ts";
import { LIMITS } from "../base/limits.ts";
import { RECORD_FIELDS, RECORD_SCHEMA } from "./message_checks.ts";
import type { WrittenRecord } from "./record_schema.ts";
import type { SignedRecord } from "./messages.ts";

/** The facts that a node signs about itself. */
export interface NodeRecord {
  /** A node registers or withdraws; a client holds contents for a swarm. */
  readonly purpose: "register" | "withdraw" | "hold";
  /**
   * Id of the relay that the record is for, so that no other relay can replay
   * it.
   */
  readonly relay: string;
  /** The relay's nonce for this connection. */
  readonly nonce: string;
  /** Distinguishes processes with the same identity. */
  readonly instance: string;
  /** Rises with every registration; a withdrawal repeats the last one. */
  readonly sequence: number;
  /** Display name of the node. Escape it before display. */
  readonly name: string;
  /** The addresses of the node, most useful first. */
  readonly addresses: readonly Endpoint[];
}

/** A record with the identity of its node. */
export interface OpenedRecord extends NodeRecord {
  /** Id of the node. */
  readonly id: string;
  /** Its certificate, DER. */
  readonly certificate: Uint8Array<ArrayBuffer>;
}

/** The relay and nonce that a record must have been signed for. */
export type SigningTerms = Pick<NodeRecord, "relay" | "nonce">;

/** Why a signed record cannot be accepted. */
export interface RecordRefusal {
  /** A stable code. */
  readonly code: "bad_record" | "bad_address" | "bad_signature" | "replayed";
  /** A text for people. */
  readonly text: string;
}

/** A signed record, read, or why it was refused. */
export type RecordVerdict =
  | { readonly kind: "opened"; readonly registration: OpenedRecord }
  | { readonly kind: "refused"; readonly refusal: RecordRefusal };

const SIGNING_CONTEXT = "relay-p2p registration 1\n";

function signedBytes(record: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(SIGNING_CONTEXT + record);
}

/** Signs a node's record. */
export async function signRegistration(
  registration: NodeRecord,
  identity: Identity,
): Promise<SignedRecord> {
  const record = encodeRecord({
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
 * The only valid text of a record: these fields in this order, without
 * whitespace. Any other form could contain a field twice, or waste space.
 */
function encodeRecord(record: WrittenRecord): string {
  const { purpose, relay, nonce, instance, sequence, name, addresses } = record;
  return JSON.stringify({
    purpose,
    relay,
    nonce,
    instance,
    sequence,
    name,
    addresses,
  });
}

/**
 * Reads a signed record without checking the signature. That is enough to show
 * a listed node and to dial it, because a dialled node must prove its id. Reads
 * the certificate last, because that costs most, and not at all for a record
 * signed for other `terms`.
 */
export function readRegistration(
  signed: SignedRecord,
  terms?: SigningTerms,
): RecordVerdict {
  const parsed = parseJson(signed.record);
  if (wrongField(parsed, RECORD_FIELDS, CLOSED) !== undefined) {
    const why = describeMismatch(parsed, RECORD_SCHEMA, "record");
    return refused("bad_record", why);
  }
  const record = parsed as WrittenRecord;
  if (
    terms !== undefined &&
    (record.relay !== terms.relay || record.nonce !== terms.nonce)
  ) return refused("replayed", "signed for another relay or connection");
  if (encodeRecord(record) !== signed.record || !record.name.isWellFormed()) {
    return refused("bad_record", "record: not in its canonical form");
  }
  if (Array.from(record.name).length > LIMITS.displayNameCount) {
    return refused(
      "bad_record",
      `name: over ${LIMITS.displayNameCount} characters`,
    );
  }
  const addresses = parseAddresses(record.addresses);
  if (!Array.isArray(addresses)) return addresses;
  const certificate = fromBase64(signed.certificate);
  const id = certificate && certificateId(certificate);
  if (certificate === undefined || id === undefined) {
    return refused("bad_record", "certificate: not of a P-256 key");
  }
  return {
    kind: "opened",
    registration: { ...record, addresses, id, certificate },
  };
}

/**
 * The endpoints of a record without duplicates, or why they cannot be listed.
 */
function parseAddresses(
  texts: readonly string[],
): Endpoint[] | RecordVerdict & { kind: "refused" } {
  if (texts.length > LIMITS.addressCount) {
    return refused("bad_address", `addresses: over ${LIMITS.addressCount}`);
  }
  const addresses: Endpoint[] = [];
  const seen = new Set<string>();
  for (const [index, text] of texts.entries()) {
    const address = parseAddress(text);
    const flaw = typeof address === "string"
      ? address
      : seen.has(text.toLowerCase())
      ? "listed twice"
      : undefined;
    if (flaw !== undefined || typeof address === "string") {
      return refused("bad_address", `addresses.${index}: ${flaw}`);
    }
    seen.add(text.toLowerCase());
    addresses.push(address);
  }
  return addresses;
}

/** Reads a signed record and checks the signature with the key in it. */
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

/** The endpoint, or what is wrong with the text. */
function parseAddress(text: string): Endpoint | string {
  try {
    const endpoint = parseEndpoint(text, { zero: true });
    if (formatEndpoint(endpoint) !== text) return "not in its canonical form";
    return unlistableReason(endpoint) ?? endpoint;
  } catch {
    return "not HOST:PORT";
  }
}

function refused(
  code: RecordRefusal["code"],
  text: string,
): RecordVerdict & { kind: "refused" } {
  return { kind: "refused", refusal: { code, text } };
}

/** The bytes; `undefined` if `text` is not the spelling that we would write. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text);
    return bytes.toBase64() === text ? bytes : undefined;
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
