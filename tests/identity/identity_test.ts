import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { isId } from "../../lib/base/address.ts";
import {
  CERTIFICATE_MAX_BYTES,
  certificateId,
  createIdentity,
  formatIdentity,
  hostnameOf,
  parseIdentity,
  verifySignature,
} from "../../lib/identity/identity.ts";
import { mutate, seededRandom } from "../_random.ts";

const identity = await createIdentity();
const other = await createIdentity();
const words = new TextEncoder().encode("words");

Deno.test("An identity's id is the base32 of the hash of its key", () => {
  assertEquals(isId(identity.id), true);
  assertEquals(certificateId(identity.certificate), identity.id);
  assertEquals(identity.id === other.id, false);
});

Deno.test("A certificate is v3, CA:FALSE, back-dated a day, 20 years, one name", () => {
  const certificate = new X509Certificate(identity.certificate);
  const days = (text: string) => (Date.parse(text) - Date.now()) / 86_400_000;
  assertEquals(certificate.ca, false);
  assertEquals(certificate.subjectAltName, `DNS:${hostnameOf(identity.id)}`);
  assertEquals(
    certificate.checkHost(hostnameOf(identity.id)),
    hostnameOf(identity.id),
  );
  assertEquals(certificate.checkHost(hostnameOf(other.id)), undefined);
  assertEquals(Math.round(days(certificate.validFrom)), -1);
  assertEquals(Math.round(days(certificate.validTo) / 365.25), 20);
  assertEquals(identity.certificate.length < 450, true);
});

Deno.test("An identity survives format and parse, and signs as before", async () => {
  const read = await parseIdentity(formatIdentity(identity));
  assertEquals(read.id, identity.id);
  const signature = await read.sign(words);
  assertEquals(
    await verifySignature(identity.certificate, words, signature),
    true,
  );
});

Deno.test("verifySignature refuses another key, other words, another signature", async () => {
  const signature = await identity.sign(words);
  const { certificate } = identity;
  assertEquals(await verifySignature(certificate, words, signature), true);
  assertEquals(
    await verifySignature(other.certificate, words, signature),
    false,
  );
  assertEquals(
    await verifySignature(certificate, words.slice(1), signature),
    false,
  );
  for (let at = 0; at < signature.length; at += 7) {
    const altered = signature.slice();
    altered[at] = altered[at]! ^ 1;
    assertEquals(await verifySignature(certificate, words, altered), false);
  }
  assertEquals(
    await verifySignature(certificate, words, signature.slice(1)),
    false,
  );
  assertEquals(await verifySignature(words, words, signature), false);
});

for (
  const [what, pem] of [
    ["nothing", ""],
    ["a certificate alone", identity.certificatePem],
    ["a key alone", identity.privateKeyPem],
    [
      "a key with another's certificate",
      identity.privateKeyPem + other.certificatePem,
    ],
    [
      "a damaged key",
      formatIdentity(identity).replace(/\n[A-Za-z0-9+/]{8}/, "\nAAAAAAAA"),
    ],
    [
      "no base64",
      formatIdentity(identity).replace(/\n[A-Za-z0-9+/]{8}/, "\n======="),
    ],
  ] as const
) {
  Deno.test(`parseIdentity refuses ${what}`, async () => {
    const error = await assertRejects(() => parseIdentity(pem), TypeError);
    assertMatch(error.message, /^Cannot read identity: /);
    assertEquals(error.message.includes("BEGIN"), false, "contains no secret");
  });
}

// Made with: openssl req -x509 -newkey … -nodes -subj /CN=x -days 1
const OTHER_KEYS = {
  "Ed25519":
    "MIIBLDCB36ADAgECAhREvi86NSwOo63AVKHD2TCXCtpY1DAFBgMrZXAwDDEKMAgG" +
    "A1UEAwwBeDAeFw0yNjExMjIxMzE2MThaFw0yNjExMjMxMzE2MThaMAwxCjAIBgNV" +
    "BAMMAXgwKjAFBgMrZXADIQDdZyaCfx0+gVlz8nP9LZCRnOeVAvNP4PzedROuirlF" +
    "kqNTMFEwHQYDVR0OBBYEFDnxEGb4cyJoGxbEBGLb4vJTqvEtMB8GA1UdIwQYMBaA" +
    "FDnxEGb4cyJoGxbEBGLb4vJTqvEtMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EA" +
    "B9z34cDWpjCaJiOnKp6HAMNlzFmNOhqelCkQcBD2wgLcBiwNk/4V31B5nVUei23P" +
    "natieZhmNLqzNDuPSvtUDQ==",
  "P-384": "MIIBqjCCATCgAwIBAgIUTfTOrhO/Etjl84xbvXFHiMVba0owCgYIKoZIzj0EAwIw" +
    "DDEKMAgGA1UEAwwBeDAeFw0yNjExMjIxMzE4MDZaFw0yNjExMjMxMzE4MDZaMAwx" +
    "CjAIBgNVBAMMAXgwdjAQBgcqhkjOPQIBBgUrgQQAIgNiAAQUXF26HLFEX+9VXHpa" +
    "vQsXHlZpTyOhWnA7x6bg/Y0T/Nk+p8MqnfofDpDOOnH07gv4wCWIOyvwUJh19cfa" +
    "EZAntbQ8OsXa7Jr6PEcZ8VCzF4oBvQ1jU4xt/Y/k2+Pe8hmjUzBRMB0GA1UdDgQW" +
    "BBQF8Akr0nWiX/ElBf/FtuU4E5Fz5TAfBgNVHSMEGDAWgBQF8Akr0nWiX/ElBf/F" +
    "tuU4E5Fz5TAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA2gAMGUCMQCX8dRW" +
    "AEneaeQEPA31sKtb1rXmzYuVILY/eYO9m/+K5teZ4an1Is3dUa7/bu//b4ICMBnt" +
    "fDpUV95mPgRimDS7H3cNW5ibJDhPa25Ademex470wG210FpARulSqde/v+1h4g==",
};

for (const [curve, certificate] of Object.entries(OTHER_KEYS)) {
  Deno.test(`certificateId refuses a certificate of a ${curve} key`, () => {
    const der = Uint8Array.fromBase64(certificate);
    new X509Certificate(der); // it is one
    assertEquals(certificateId(der), undefined);
  });
}

Deno.test("certificateId refuses bytes that are no certificate, or too long for one", () => {
  assertEquals(certificateId(new Uint8Array()), undefined);
  assertEquals(certificateId(words), undefined);
  const padded = new Uint8Array(CERTIFICATE_MAX_BYTES + 1);
  padded.set(identity.certificate);
  assertEquals(certificateId(padded), undefined);
});

Deno.test("certificateId never accepts a mutated certificate as one of another id", () => {
  const random = seededRandom(9);
  for (let round = 0; round < 2_000; round++) {
    const id = certificateId(mutate(identity.certificate, random));
    assertEquals(id === undefined || isId(id), true);
  }
});
