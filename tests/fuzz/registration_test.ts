import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isHost, parseHost, unlistableReason } from "../../lib/base/address.ts";
import { formatEndpoint } from "../../lib/base/conn.ts";
import {
  certificateId,
  certificateTimes,
} from "../../lib/identity/identity.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import type { SignedRecord } from "../../lib/protocol/messages.ts";
import {
  type NodeRecord,
  openRegistration,
  readRegistration,
  type RecordVerdict,
  signRegistration,
} from "../../lib/protocol/signed_record.ts";
import { IDENTITIES } from "../_network.ts";
import { signedRecord } from "./_messages.ts";
import { anyText, holds } from "./_runs.ts";

const [identity, other] = IDENTITIES as [
  (typeof IDENTITIES)[0],
  (typeof IDENTITIES)[0],
];
const certificate = identity.certificate.toBase64();

const address = fc.record({
  host: fc.oneof(
    fc.ipV4().map((host) => host.replace(/^(0|2[2-5][4-9])\b/, "10")),
    fc.ipV6().map(parseHost),
    fc.constantFrom("nas", "nas.local", "node_7.example"),
  ),
  port: fc.integer({ min: 1, max: 65_535 }),
}).filter((endpoint) => unlistableReason(endpoint) === undefined);

/** What JSON writes as it is. */
const plainText = (minLength: number, maxLength: number) =>
  fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e })
      .map((code) => String.fromCharCode(code))
      .filter((unit) => unit !== '"' && unit !== "\\"),
    minLength,
    maxLength,
  });

const registration: fc.Arbitrary<NodeRecord> = fc.record({
  purpose: fc.constantFrom("register", "withdraw", "hold"),
  relay: plainText(52, 52),
  nonce: plainText(0, 64),
  instance: plainText(8, 32),
  sequence: fc.maxSafeNat(),
  name: anyText.map((text) =>
    Array.from(text.toWellFormed()).slice(0, 64).join("")
  ),
  addresses: fc.uniqueArray(address, {
    maxLength: LIMITS.addressCount,
    selector: (endpoint) => formatEndpoint(endpoint).toLowerCase(),
  }),
});

/** What a relay may hand to everybody, from any sender. */
function assertSound(verdict: RecordVerdict): void {
  // The words go back to where the record came from, to be shown escaped there.
  if (verdict.kind === "refused") return;
  const { id, name, addresses, sequence, instance } = verdict.registration;
  assertEquals(id.length, 52);
  assert(Array.from(name).length <= LIMITS.displayNameCount);
  assert(addresses.length <= LIMITS.addressCount);
  for (const endpoint of addresses) {
    assert(isHost(endpoint.host));
    assertEquals(unlistableReason(endpoint), undefined);
  }
  assert(Number.isSafeInteger(sequence) && sequence >= 0);
  assert(instance.length >= 8 && instance.length <= 32);
}

holds(
  "openRegistration gives back what signRegistration was given, and whose it is",
  [registration],
  async (registration) => {
    const signed = await signRegistration(registration, identity);
    const { id } = identity;
    const expected = { ...registration, id, certificate: identity.certificate };
    for (
      const verdict of [
        readRegistration(signed),
        await openRegistration(signed),
      ]
    ) {
      assertSound(verdict);
      assertEquals(verdict, {
        kind: "opened",
        registration: {
          ...expected,
          certificate: new Uint8Array(expected.certificate),
        },
      });
    }
  },
  { runs: 200 },
);

holds(
  "openRegistration takes nothing that has been changed since it was signed",
  [registration, fc.nat(), fc.integer({ min: 0, max: 6 })],
  async (registration, at, bit) => {
    const signed = await signRegistration(registration, identity);
    for (const field of ["record", "signature", "certificate"] as const) {
      const text = signed[field];
      const place = at % text.length;
      const changed = text.slice(0, place) +
        String.fromCharCode(text.charCodeAt(place) ^ (1 << bit)) +
        text.slice(place + 1);
      const verdict = await openRegistration({ ...signed, [field]: changed });
      assertSound(verdict);
      if (verdict.kind === "refused") continue;
      // A certificate has more in it than the key, and a client that dials it
      // finds out.
      assert(field === "certificate", `${place} of ${text}`);
      assertEquals(verdict.registration.id, identity.id);
      assertEquals(verdict.registration.addresses, registration.addresses);
    }
  },
  { runs: 100 },
);

holds(
  "openRegistration takes nothing under another's certificate",
  [registration],
  async (registration) => {
    const signed = await signRegistration(registration, identity);
    const certificate = other.certificate.toBase64();
    const verdict = await openRegistration({ ...signed, certificate });
    assert(verdict.kind === "refused");
    assertEquals(verdict.refusal.code, "bad_signature");
  },
  { runs: 50 },
);

const oddValue = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  anyText,
  fc.array(
    fc.oneof(
      anyText,
      fc.constantFrom("0.0.0.0:1", "[::]:1", "224.0.0.1:1", "nas:0", "nas"),
      address.map(formatEndpoint),
    ),
    { maxLength: 12 },
  ),
  fc.constantFrom<unknown>(-1, 0.5, 2 ** 53, "register", null),
);

const oddRecord = fc.oneof(
  anyText,
  fc.json(),
  fc.tuple(
    registration,
    fc.dictionary(
      fc.oneof(
        anyText,
        fc.constantFrom(
          ...["purpose", "relay", "nonce", "instance", "sequence", "name"],
          ...["addresses", "__proto__", "id", "certificate"],
        ),
      ),
      oddValue,
      { maxKeys: 2 },
    ),
  ).map(([registration, odd]) =>
    JSON.stringify({
      ...registration,
      addresses: registration.addresses.map(formatEndpoint),
      ...odd,
    })
  ),
);

holds(
  "readRegistration refuses any record, or reads one that may be listed",
  [oddRecord],
  (record) => {
    const verdict = readRegistration({ record, certificate, signature: "" });
    assertSound(verdict);
    // Nothing rides along into the relay's memory.
    if (verdict.kind === "refused") return;
    // There is one text of it.
    const { purpose, relay, nonce, instance, sequence, name, addresses } =
      verdict.registration;
    const said = { purpose, relay, nonce, instance, sequence, name };
    assertEquals(
      record,
      JSON.stringify({ ...said, addresses: addresses.map(formatEndpoint) }),
    );
    assertEquals(Object.keys(verdict.registration).toSorted(), [
      ...["addresses", "certificate", "id", "instance", "name", "nonce"],
      ...["purpose", "relay", "sequence"],
    ]);
  },
);

holds(
  "readRegistration and openRegistration refuse any three texts",
  [signedRecord],
  async (signed: SignedRecord) => {
    const verdict = await openRegistration(signed);
    assertSound(verdict);
    assertEquals(verdict.kind, "refused");
    assertSound(readRegistration(signed));
  },
);

holds(
  "certificateId reads any bytes for what they are, and never throws",
  [
    fc.array(
      fc.tuple(fc.nat({ max: 400 }), fc.integer({ min: 0, max: 255 })),
      { maxLength: 4 },
    ),
    fc.nat({ max: 2 * identity.certificate.length }),
    fc.uint8Array({ maxLength: 60 }),
  ],
  (changes, length, tail) => {
    const bytes = identity.certificate.slice(0, length);
    for (const [at, byte] of changes) {
      if (at < bytes.length) bytes[at] = byte;
    }
    for (const der of [bytes, new Uint8Array([...bytes, ...tail]), tail]) {
      const id = certificateId(der);
      if (id === undefined) continue;
      assertEquals(id.length, 52);
      const { from, to } = certificateTimes(der);
      assert(typeof from === "number" && typeof to === "number");
    }
  },
);
