import { assertEquals } from "@std/assert";
import { createIdentity } from "../../lib/identity/identity.ts";
import type { SignedRecord } from "../../lib/protocol/messages.ts";
import {
  type NodeRecord,
  openRegistration,
  readRegistration,
  signRegistration,
} from "../../lib/protocol/signed_record.ts";
import { mutate, seededRandom } from "../_random.ts";

const identity = await createIdentity();
const other = await createIdentity();

const REGISTRATION: NodeRecord = {
  purpose: "register",
  relay: other.id,
  nonce: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
  instance: "AAECAwQFBgcICQoL",
  sequence: 1,
  name: "alpha",
  addresses: [{ host: "192.0.2.7", port: 1500 }, { host: "::1", port: 1500 }],
};

/** A record signed by `identity`, whatever it says. */
async function sign(record: unknown): Promise<SignedRecord> {
  const text = typeof record === "string" ? record : JSON.stringify(record);
  const bytes = new TextEncoder().encode("relay-p2p registration 1\n" + text);
  return {
    record: text,
    certificate: identity.certificate.toBase64(),
    signature: (await identity.sign(bytes)).toBase64(),
  };
}

async function refusalOf(signed: SignedRecord): Promise<string> {
  const verdict = await openRegistration(signed);
  return verdict.kind === "opened"
    ? "opened"
    : `${verdict.refusal.code}, ${verdict.refusal.text}`;
}

Deno.test("A registration survives signing and opening, and names its node", async () => {
  const verdict = await openRegistration(
    await signRegistration(REGISTRATION, identity),
  );
  assertEquals(verdict, {
    kind: "opened",
    registration: {
      ...REGISTRATION,
      id: identity.id,
      certificate: identity.certificate,
    },
  });
});

Deno.test("openRegistration refuses another's certificate on a record", async () => {
  const signed = await signRegistration(REGISTRATION, identity);
  const stolen = { ...signed, certificate: other.certificate.toBase64() };
  assertEquals(
    await refusalOf(stolen),
    "bad_signature, signature: not made by the key in the certificate",
  );
});

Deno.test("openRegistration refuses a record altered after signing", async () => {
  const signed = await signRegistration(REGISTRATION, identity);
  const record = signed.record.replace("192.0.2.7", "192.0.2.8");
  assertEquals(
    (await refusalOf({ ...signed, record })).split(",")[0],
    "bad_signature",
  );
  // What a listing shows is read without the signature.
  assertEquals(readRegistration({ ...signed, record }).kind, "opened");
});

const WIRE = {
  ...REGISTRATION,
  addresses: ["192.0.2.7:1500"],
};

for (
  const [what, record, refusal] of [
    ["no JSON", "{", "bad_record, record must be an object, found nothing"],
    [
      "a list",
      [],
      "bad_record, record must be an object, found a list of 0 items",
    ],
    [
      "another purpose",
      { ...WIRE, purpose: "x" },
      'bad_record, purpose must be "register" or "withdraw" or "hold", found "x"',
    ],
    [
      "a negative sequence",
      { ...WIRE, sequence: -1 },
      "bad_record, sequence must be a whole number from 0 to 9007199254740991, found -1",
    ],
    [
      "an instance of 7 characters",
      { ...WIRE, instance: "AAECAwQ" },
      String
        .raw`bad_record, instance must be text that matches ^[ !#-\[\]-~]{8,32}$, found text of 7 characters`,
    ],
    [
      "no instance",
      { ...WIRE, instance: undefined },
      String
        .raw`bad_record, instance must be text that matches ^[ !#-\[\]-~]{8,32}$, found nothing`,
    ],
    [
      "something beside it",
      { ...WIRE, more: "x".repeat(1_000) },
      'bad_record, record must have no field "more"',
    ],
    [
      "a short relay id",
      { ...WIRE, relay: "x" },
      String
        .raw`bad_record, relay must be text that matches ^[ !#-\[\]-~]{52,52}$, found text of 1 character`,
    ],
    [
      "a name of 65 characters",
      { ...WIRE, name: "🖥".repeat(65) },
      "bad_record, name: over 64 characters",
    ],
    [
      "9 addresses",
      { ...WIRE, addresses: Array(9).fill("192.0.2.7:1") },
      "bad_address, addresses: over 8",
    ],
    [
      "0.0.0.0",
      { ...WIRE, addresses: ["192.0.2.7:1", "0.0.0.0:1"] },
      "bad_address, addresses.1: unspecified address",
    ],
    [
      "::",
      { ...WIRE, addresses: ["[::]:1"] },
      "bad_address, addresses.0: unspecified address",
    ],
    [
      "multicast",
      { ...WIRE, addresses: ["224.0.0.1:1"] },
      "bad_address, addresses.0: multicast, reserved or broadcast address",
    ],
    [
      "port 0",
      { ...WIRE, addresses: ["192.0.2.7:0"] },
      "bad_address, addresses.0: port must be from 1 to 65535",
    ],
    [
      "port 70000",
      { ...WIRE, addresses: ["192.0.2.7:70000"] },
      "bad_address, addresses.0: not HOST:PORT",
    ],
    [
      "no port",
      { ...WIRE, addresses: ["192.0.2.7"] },
      "bad_address, addresses.0: not HOST:PORT",
    ],
    [
      "a host of 129 bytes",
      { ...WIRE, addresses: ["a".repeat(129) + ":1"] },
      "bad_address, addresses.0: not HOST:PORT",
    ],
    [
      "port 01500",
      { ...WIRE, addresses: ["192.0.2.7:01500"] },
      "bad_address, addresses.0: not in its canonical form",
    ],
    [
      "brackets around a name",
      { ...WIRE, addresses: ["[nas]:1500"] },
      "bad_address, addresses.0: not in its canonical form",
    ],
    [
      "an address twice",
      { ...WIRE, addresses: ["nas:1", "192.0.2.7:1", "NAS:1"] },
      "bad_address, addresses.2: listed twice",
    ],
    [
      "an instance that JSON escapes",
      { ...WIRE, instance: "\x7f".repeat(32) },
      String
        .raw`bad_record, instance must be text that matches ^[ !#-\[\]-~]{8,32}$, found text of 32 characters`,
    ],
    [
      "half a character in its name",
      { ...WIRE, name: "\ud800" },
      "bad_record, record: not in its canonical form",
    ],
    [
      "an address of 300 bytes",
      {
        ...WIRE,
        addresses: ["a".repeat(300) + ":1"],
      },
      "bad_record, addresses[0] must be text of at most 136 characters, found text of 302 characters",
    ],
  ] as const
) {
  Deno.test(`openRegistration refuses a record with ${what}`, async () => {
    assertEquals(await refusalOf(await sign(record)), refusal);
  });
}

const TEXT = JSON.stringify(WIRE);

for (
  const [what, text] of [
    ["said twice", TEXT.replace("{", '{"name":"beta",')],
    ["said twice, alike", TEXT.replace("{", '{"name":"alpha",')],
    [
      "padded with a field said over and over",
      TEXT.replace(
        "{",
        `{"name":"${"\x7f".repeat(1_500)}",`,
      ),
    ],
    ["with spaces", TEXT.replace(":", ": ")],
    ["with a line after it", `${TEXT}\n`],
    [
      "in another order",
      JSON.stringify(Object.fromEntries(Object.entries(WIRE).reverse())),
    ],
    ["with an escape that need not be", TEXT.replace("alpha", "\\u0061lpha")],
    ["with another escape of a slash", TEXT.replace("AAEC", "AAE\\u0043")],
    ["with a number written at length", TEXT.replace('e":1,', 'e":1.0,')],
    ["with a number as a power", TEXT.replace('e":1,', 'e":1e0,')],
  ] as const
) {
  Deno.test(`openRegistration refuses a record that is ${what}, because each has only one form`, async () => {
    assertEquals((await openRegistration(await sign(TEXT))).kind, "opened");
    assertEquals(JSON.parse(text).sequence, 1, "it is JSON");
    assertEquals(
      await refusalOf(await sign(text)),
      "bad_record, record: not in its canonical form",
    );
  });
}

Deno.test("openRegistration takes every name in its canonical form", async () => {
  for (const name of ["\u{1f5a5}\u2028\0é", 'a "quoted" \\ name', "\x7f"]) {
    const verdict = await openRegistration(await sign({ ...WIRE, name }));
    assertEquals(verdict.kind === "opened" && verdict.registration.name, name);
  }
});

Deno.test("readRegistration does not read the certificate of a record that was signed for another connection", async () => {
  const signed = { ...await sign(WIRE), certificate: "MIIB" };
  const { relay, nonce } = WIRE;
  const codeFor = (terms: { relay: string; nonce: string }) => {
    const verdict = readRegistration(signed, terms);
    return verdict.kind === "refused" && verdict.refusal.code;
  };
  assertEquals(codeFor({ relay, nonce: "another" }), "replayed");
  assertEquals(codeFor({ relay: identity.id, nonce }), "replayed");
  assertEquals(codeFor({ relay, nonce }), "bad_record");
});

for (
  const [what, override] of [
    ["certificate", { certificate: "MIIB" }],
    ["certificate", { certificate: "*" }],
    ["certificate", {
      certificate: ` ${identity.certificate.toBase64()}`,
    }],
    ["certificate", {
      // Another padding than it has.
      certificate: identity.certificate.toBase64()
        .replace(/=*$/, (padding) => padding === "==" ? "" : "=="),
    }],
    ["signature", { signature: "*".repeat(88) }],
    ["signature", { signature: "AAAA" }],
  ] as const
) {
  Deno.test(`openRegistration refuses ${JSON.stringify(override).slice(0, 30)}`, async () => {
    const signed = await signRegistration(REGISTRATION, identity);
    const refusal = await refusalOf({ ...signed, ...override });
    assertEquals(refusal.includes(`${what}:`), true, refusal);
  });
}

Deno.test("openRegistration never opens a mutated record", async () => {
  const random = seededRandom(10);
  const signed = await signRegistration(REGISTRATION, identity);
  const bytes = new TextEncoder().encode(signed.record);
  for (let round = 0; round < 300; round++) {
    const record = new TextDecoder().decode(mutate(bytes, random));
    if (record === signed.record) continue;
    assertEquals(
      (await openRegistration({ ...signed, record })).kind,
      "refused",
    );
  }
});

Deno.test("A record with several addresses has these bytes", async () => {
  const signed = await signRegistration({
    purpose: "register",
    relay: "a".repeat(52),
    nonce: "AAAA",
    instance: "AAAAAAAA",
    sequence: 7,
    name: "nas",
    addresses: [
      { host: "203.0.113.7", port: 1500 },
      { host: "192.168.1.7", port: 1500 },
      { host: "2001:db8::7", port: 1500 },
    ],
  }, identity);
  assertEquals(
    signed.record,
    `{"purpose":"register","relay":"${"a".repeat(52)}","nonce":"AAAA",` +
      '"instance":"AAAAAAAA","sequence":7,"name":"nas","addresses":' +
      '["203.0.113.7:1500","192.168.1.7:1500","[2001:db8::7]:1500"]}',
  );
  const verdict = await openRegistration(signed);
  assertEquals(verdict.kind, "opened");
});

for (
  const text of ["[2001:DB8::7]:1", "[2001:db8:0::7]:1", "[::ffff:1.2.3.4]:1"]
) {
  Deno.test(`A record with the address ${text} is refused, because that is another form`, async () => {
    assertEquals(
      await refusalOf(await sign({ ...WIRE, addresses: [text] })),
      "bad_address, addresses.0: not in its canonical form",
    );
  });
}
