/**
 * Makes the self-signed certificate of a relay or node. It is a module of its
 * own because its library takes longer to load than everything else together;
 * `identity` imports it only to make a new identity.
 *
 * @module
 */

import "reflect-metadata";
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

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
 * @returns its DER, some 310 bytes.
 */
export async function createCertificate(
  { keys, hostname, now }: CertificateOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const serial = crypto.getRandomValues(new Uint8Array(8));
  serial[0] = (serial[0]! & 0x3f) | 0x40; // positive, and of full length
  const certificate = await X509CertificateGenerator.createSelfSigned({
    keys,
    serialNumber: serial.toHex(),
    name: "CN=relay-p2p",
    notBefore: new Date(now - BACK_DATED_DAYS * DAY_MS),
    notAfter: new Date(now + LIFE_DAYS * DAY_MS),
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new SubjectAlternativeNameExtension([{ type: "dns", value: hostname }]),
    ],
  });
  return new Uint8Array(certificate.rawData);
}
