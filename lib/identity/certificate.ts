/**
 * Makes the self-signed certificate of a relay or node: X.509 v3 in DER, with
 * the few fields that TLS needs.
 *
 * @module
 */

import { joinBytes } from "../base/bytes.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const BACK_DATED_DAYS = 1; // for peers whose clock is behind
const LIFE_DAYS = 20 * 365.25;

/** Options of {@linkcode createCertificate}. */
export interface CertificateOptions {
  /** The P-256 key pair. */
  keys: CryptoKeyPair;
  /** The only name the certificate carries. */
  hostname: string;
  /** Present time, in milliseconds since 1970. */
  now: number;
}

/**
 * Makes an X.509 v3 certificate: CA:FALSE, back-dated one day, valid for 20
 * years.
 *
 * @returns its DER, about 310 bytes.
 */
export async function createCertificate(
  { keys, hostname, now }: CertificateOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const serial = crypto.getRandomValues(new Uint8Array(8));
  serial[0] = (serial[0]! & 0x3f) | 0x40; // positive, and of full length
  const spki = await crypto.subtle.exportKey("spki", keys.publicKey);
  const body = certificateBody({
    spki: new Uint8Array(spki),
    serial,
    hostname,
    now,
  });
  const signature = new Uint8Array(
    await crypto.subtle.sign(
      { name: "ECDSA", hash: "SHA-256" },
      keys.privateKey,
      body,
    ),
  );
  const half = signature.length / 2;
  return sequence(
    body,
    sequence(oid(ECDSA_WITH_SHA256)),
    bits(sequence(
      integer(signature.subarray(0, half)),
      integer(signature.subarray(half)),
    )),
  );
}

/** The part of a certificate that its key signs. */
export function certificateBody(
  { spki, serial, hostname, now }: {
    spki: Uint8Array;
    serial: Uint8Array;
    hostname: string;
    now: number;
  },
): Uint8Array<ArrayBuffer> {
  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const name = sequence(
    der(
      SET,
      sequence(oid(COMMON_NAME), der(PRINTABLE_STRING, ascii("relay-p2p"))),
    ),
  );
  return sequence(
    der(EXPLICIT | 0, integer(new Uint8Array([2]))), // version 3
    integer(serial),
    algorithm,
    name,
    sequence(
      time(now - BACK_DATED_DAYS * DAY_MS),
      time(now + LIFE_DAYS * DAY_MS),
    ),
    name,
    spki,
    der(
      EXPLICIT | 3,
      sequence(
        extension(BASIC_CONSTRAINTS, sequence(), { isCritical: true }),
        // The first of 8 bits, so 7 are unused: digitalSignature.
        extension(KEY_USAGE, der(BIT_STRING, new Uint8Array([7, 0x80])), {
          isCritical: true,
        }),
        extension(ALTERNATIVE_NAME, sequence(der(DNS_NAME, ascii(hostname)))),
      ),
    ),
  );
}

// Tags.
const BOOLEAN = 0x01, INTEGER = 0x02, BIT_STRING = 0x03, OCTET_STRING = 0x04;
const OBJECT_ID = 0x06, PRINTABLE_STRING = 0x13, UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18, SEQUENCE = 0x30, SET = 0x31;
const DNS_NAME = 0x82, EXPLICIT = 0xa0;

// Object identifiers, as DER writes them.
const ECDSA_WITH_SHA256 = "2a8648ce3d040302"; // 1.2.840.10045.4.3.2
const COMMON_NAME = "550403"; //                 2.5.4.3
const KEY_USAGE = "551d0f"; //                   2.5.29.15
const ALTERNATIVE_NAME = "551d11"; //            2.5.29.17
const BASIC_CONSTRAINTS = "551d13"; //           2.5.29.19

/** Tag, length and content. */
function der(tag: number, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length];
  const head = [tag, ...length < 0x80 ? [length] : long];
  return joinBytes([head, ...parts]);
}

function sequence(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return der(SEQUENCE, ...parts);
}

/** A number that is not negative, from its bytes. */
function integer(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const least = first < 0 ? bytes.subarray(-1) : bytes.subarray(first);
  // A first bit of 1 would make it negative.
  return least[0]! < 0x80
    ? der(INTEGER, least)
    : der(INTEGER, new Uint8Array(1), least);
}

/** Whole bytes as a string of bits. */
function bits(bytes: Uint8Array): Uint8Array {
  return der(BIT_STRING, new Uint8Array(1), bytes);
}

function oid(hex: string): Uint8Array {
  return der(OBJECT_ID, Uint8Array.fromHex(hex));
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A time in seconds; from 2050 on with four digits of the year (RFC 5280). */
function time(ms: number): Uint8Array {
  const date = new Date(ms);
  const digits = `${date.toISOString().slice(0, 19).replaceAll(/\D/g, "")}Z`;
  return date.getUTCFullYear() < 2050
    ? der(UTC_TIME, ascii(digits.slice(2)))
    : der(GENERALIZED_TIME, ascii(digits));
}

function extension(
  id: string,
  value: Uint8Array,
  { isCritical = false } = {},
): Uint8Array {
  const critical = isCritical ? [der(BOOLEAN, new Uint8Array([0xff]))] : [];
  return sequence(oid(id), ...critical, der(OCTET_STRING, value));
}
