import { assertEquals } from "@std/assert";
import { X509Certificate } from "node:crypto";
import {
  certificateBody,
  createCertificate,
} from "../../lib/identity/certificate.ts";

const HOSTNAME = `${"a".repeat(52)}.relay-p2p.invalid`;
const P256 = { name: "ECDSA", namedCurve: "P-256" };

// Made by the library `@peculiar/x509` 2.2.0.
const GOLDEN = [
  {
    what: "that ends before 2050",
    now: 1764288000000,
    certificate:
      "MIIBkDCCATegAwIBAgIIeHM9OEVaxmEwCgYIKoZIzj0EAwIwFDESMBAGA1UEAxMJcm" +
      "VsYXktcDJwMB4XDTI1MTEyNzAwMDAwMFoXDTQ1MTEyODAwMDAwMFowFDESMBAGA1UE" +
      "AxMJcmVsYXktcDJwMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBKThZxMYmXvHZp" +
      "4jOIig2mUIodgxCknI1tH961Fhs+/SlbsnWo6w+NJul0VZNNYPu5O8ZpoqyDlZuoZH" +
      "LPmvp6NzMHEwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwUQYDVR0RBEowSI" +
      "JGYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh" +
      "YWFhYS5yZWxheS1wMnAuaW52YWxpZDAKBggqhkjOPQQDAgNHADBEAiAbB3DmfJ3ZEq" +
      "F1VzARGu//b8pNe0+fDNDMrDq41WjvuQIgLhSSgfuvSVVudnWLC5LlK6ISEdFS6jul" +
      "S92JpFB+rz0=",
  },
  {
    what: "that ends in 2051, which takes four digits of the year",
    now: 1924992000000,
    certificate:
      "MIIBkjCCATmgAwIBAgIIU5BBXy94I4owCgYIKoZIzj0EAwIwFDESMBAGA1UEAxMJcm" +
      "VsYXktcDJwMCAXDTMwMTIzMTAwMDAwMFoYDzIwNTEwMTAxMDAwMDAwWjAUMRIwEAYD" +
      "VQQDEwlyZWxheS1wMnAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQEpOFnExiZe8" +
      "dmniM4iKDaZQih2DEKScjW0f3rUWGz79KVuydajrD40m6XRVk01g+7k7xmmirIOVm6" +
      "hkcs+a+no3MwcTAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDBRBgNVHREESj" +
      "BIgkZhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh" +
      "YWFhYWFhLnJlbGF5LXAycC5pbnZhbGlkMAoGCCqGSM49BAMCA0cAMEQCIBHgovkIRe" +
      "DeB7XWsl6+3/wf0W8Z3sGQuL9VRMS0UNxAAiBDGFjf3ED8o+TbsEckcKZKmxK3G0Mn" +
      "mz0lUCDnNwSWWA==",
  },
];

for (const { what, now, certificate } of GOLDEN) {
  Deno.test(`certificateBody writes a certificate ${what} as others do`, () => {
    const der = Uint8Array.fromBase64(certificate);
    const { publicKey, serialNumber } = new X509Certificate(der);
    const body = certificateBody({
      spki: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
      serial: Uint8Array.fromHex(serialNumber),
      hostname: HOSTNAME,
      now,
    });
    assertEquals(der.subarray(4, 4 + body.length).toHex(), body.toHex());
  });
}

Deno.test("createCertificate signs with its own key, for any first bytes of the signature", async () => {
  const keys = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  // Half of the signatures have a number that begins with a 1, and one of 128
  // has one that is shorter.
  for (let count = 0; count < 400; count++) {
    const made = await createCertificate({
      keys,
      hostname: HOSTNAME,
      now: Date.now(),
    });
    const certificate = new X509Certificate(made);
    assertEquals(certificate.verify(certificate.publicKey), true, made.toHex());
  }
});

Deno.test("createCertificate gives each certificate a number of its own, of 8 bytes", async () => {
  const keys = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  const numbers = new Set<string>();
  for (let count = 0; count < 20; count++) {
    const made = await createCertificate({ keys, hostname: HOSTNAME, now: 0 });
    const { serialNumber } = new X509Certificate(made);
    assertEquals(/^[4-7][0-9A-F]{15}$/.test(serialNumber), true, serialNumber);
    numbers.add(serialNumber);
  }
  assertEquals(numbers.size, 20);
});
