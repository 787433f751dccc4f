/**
 * The identity of a relay or node: a P-256 key, a self-signed certificate, and
 * the id, which is the hash of the key. Makes, reads and checks identities;
 * opens nothing.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { encodeBase32 } from "@std/encoding/base32";
import { sha256 } from "../base/hash.ts";
import { createCertificate } from "./certificate.ts";

/** The most bytes of a certificate; ours are smaller. */
export const CERTIFICATE_MAX_BYTES = 1024;

/** Bytes of a signature: the two integers of ECDSA P-256, 32 bytes each. */
const SIGNATURE_BYTES = 64;

const ECDSA = { name: "ECDSA", namedCurve: "P-256" };
const ECDSA_SHA256 = { name: "ECDSA", hash: "SHA-256" };

/**
 * A key and its certificate, with which a relay or node proves its identity.
 */
export interface Identity {
  /** Lower-case base32 of SHA-256 of the public key (SPKI), 52 characters. */
  readonly id: string;
  /** The certificate, DER. */
  readonly certificate: Uint8Array<ArrayBuffer>;
  /** The certificate, PEM. */
  readonly certificatePem: string;
  /** The private key, PKCS #8 PEM. Never log it. */
  readonly privateKeyPem: string;
  /** Signs with ECDSA P-256 and SHA-256; 64 bytes, r then s. */
  sign(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * The only name in the certificate of `id`. No certificate authority can issue
 * it.
 */
export function hostnameOf(id: string): string {
  return `${id}.relay-p2p.invalid`;
}

/**
 * Makes a new identity, in memory.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { certificateId, createIdentity } from "./identity.ts";
 *
 * const identity = await createIdentity();
 * assertEquals(certificateId(identity.certificate), identity.id);
 * ```
 */
export async function createIdentity(): Promise<Identity> {
  const keys = await crypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
  const spki = await crypto.subtle.exportKey("spki", keys.publicKey);
  const hostname = hostnameOf(idOfKey(new Uint8Array(spki)));
  const certificate = await createCertificate({
    keys,
    hostname,
    now: Date.now(),
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return await parseIdentity(
    encodePem("PRIVATE KEY", new Uint8Array(pkcs8)) +
      encodePem("CERTIFICATE", certificate),
  );
}

/**
 * Reads an identity from the PEM text that {@linkcode formatIdentity} wrote.
 *
 * @throws {TypeError} unless it is a P-256 key with its own certificate.
 */
export async function parseIdentity(pem: string): Promise<Identity> {
  const pkcs8 = decodePem("PRIVATE KEY", pem);
  const certificate = decodePem("CERTIFICATE", pem);
  const id = certificate && certificateId(certificate);
  if (pkcs8 === undefined || certificate === undefined || id === undefined) {
    throw new TypeError(
      "Cannot read identity: wanted a P-256 private key and its certificate, as PEM",
    );
  }
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, ECDSA, false, [
    "sign",
  ])
    .catch((cause) => {
      throw new TypeError("Cannot read identity: the private key is damaged", {
        cause,
      });
    });
  const identity: Identity = {
    id,
    certificate,
    certificatePem: encodePem("CERTIFICATE", certificate),
    privateKeyPem: encodePem("PRIVATE KEY", pkcs8),
    sign: async (bytes) =>
      new Uint8Array(await crypto.subtle.sign(ECDSA_SHA256, key, bytes)),
  };
  const probe = new Uint8Array(32);
  if (!await verifySignature(certificate, probe, await identity.sign(probe))) {
    throw new TypeError(
      "Cannot read identity: the certificate is not that of the private key",
    );
  }
  return identity;
}

/** PEM text of an identity: the private key, then the certificate. Secret. */
export function formatIdentity(identity: Identity): string {
  return identity.privateKeyPem + identity.certificatePem;
}

/**
 * The id of a certificate (DER), or `undefined` if it is not a certificate of a
 * P-256 key. This does not prove that the peer has the key.
 */
export function certificateId(certificate: Uint8Array): string | undefined {
  const spki = publicKeyOf(certificate);
  return spki && idOfKey(spki);
}

/** The period in which a certificate is valid, in milliseconds since 1970. */
export function certificateTimes(
  certificate: Uint8Array,
): { from: number; to: number } {
  const { validFrom, validTo } = new X509Certificate(certificate);
  return { from: Date.parse(validFrom), to: Date.parse(validTo) };
}

/** Whether the holder of the key in `certificate` signed `bytes`. */
export async function verifySignature(
  certificate: Uint8Array,
  bytes: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const spki = publicKeyOf(certificate);
  if (spki === undefined || signature.length !== SIGNATURE_BYTES) return false;
  const key = await crypto.subtle.importKey("spki", spki, ECDSA, false, [
    "verify",
  ]);
  return await crypto.subtle.verify(ECDSA_SHA256, key, signature, bytes);
}

/** PEM text of a certificate, as TLS wants it. */
export function certificatePem(certificate: Uint8Array): string {
  return encodePem("CERTIFICATE", certificate);
}

/** The P-256 public key in a certificate, as SPKI. */
function publicKeyOf(
  certificate: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  if (certificate.length > CERTIFICATE_MAX_BYTES) return undefined;
  try {
    const key = new X509Certificate(certificate).publicKey;
    if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") return undefined;
    return new Uint8Array(key.export({ type: "spki", format: "der" }));
  } catch {
    return undefined; // not a certificate at all
  }
}

function idOfKey(spki: Uint8Array): string {
  return encodeBase32(sha256(spki)).replaceAll("=", "").toLowerCase();
}

function encodePem(label: string, der: Uint8Array): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${
    lines.join("\n")
  }\n-----END ${label}-----\n`;
}

function decodePem(
  label: string,
  text: string,
): Uint8Array<ArrayBuffer> | undefined {
  const block = new RegExp(
    `-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`,
  ).exec(text)?.[1];
  if (block === undefined) return undefined;
  try {
    return Uint8Array.fromBase64(block);
  } catch {
    return undefined; // not base64
  }
}
