import { assertEquals, assertThrows } from "@std/assert";
import {
  addressGroup,
  formatRelayAddress,
  isHost,
  isId,
  isLoopback,
  isUnspecified,
  looksLikeRelayAddress,
  parseAdvertise,
  parseEndpoint,
  parseHost,
  parsePort,
  parseRelayAddress,
  unlistableReason,
} from "../../lib/base/address.ts";
import { Failure } from "../../lib/base/errors.ts";
import { mutate, seededRandom } from "../_random.ts";

const ID = "a".repeat(51) + "q";

for (const text of ["0", "1", "1700", "65535"]) {
  Deno.test(`parsePort accepts ${text}`, () => {
    assertEquals(parsePort(text, { zero: true }), Number(text));
  });
}

for (
  const text of ["", "65536", "70000", "-1", "1.5", "1e3", "0x10", " 1", "٣"]
) {
  Deno.test(`parsePort refuses ${JSON.stringify(text)}`, () => {
    const error = assertThrows(() => parsePort(text, { zero: true }), Failure);
    assertEquals(error.kind, "usage");
  });
}

Deno.test("parsePort refuses 0 if the system must not pick", () => {
  assertThrows(
    () => parsePort("0", { zero: false }),
    Failure,
    "from 1 to 65535",
  );
});

for (
  const [host, expected] of [
    ["127.0.0.1", true],
    ["nas.local", true],
    ["localhost", true],
    ["my_nas", true],
    ["::1", true],
    ["fe80::1%eth0", false],
    ["2001:db8::7", true],
    ["::1%eth0", false],
    ["::1%", false],
    ["::1%eth0%eth1", false],
    ["fe80::1]x", false],
    ["::1]/x", false],
    ["x@[::1", false],
    ["::\n1", false],
    ["1::2/../", false],
    ["", false],
    ["-nas", false],
    ["a b", false],
    ["300.1.1.1", false],
    ["1.2.3", false],
    ["01.2.3.4", false],
    ["nas..local", false],
    ["\x1b[2J", false],
    [":::", false],
    ["a".repeat(129), false],
  ] as const
) {
  Deno.test(`isHost(${JSON.stringify(host)}) is ${expected}`, () => {
    assertEquals(isHost(host), expected);
  });
}

for (
  const [host, port, reason] of [
    ["192.0.2.7", 1500, undefined],
    ["127.0.0.1", 1500, undefined],
    ["nas.local", 1500, undefined],
    ["2001:db8::7", 65535, undefined],
    ["0.0.0.0", 1500, "unspecified address"],
    ["0.1.2.3", 1500, "unspecified address"],
    ["::", 1500, "unspecified address"],
    ["0:0:0:0:0:0:0:0", 1500, "unspecified address"],
    ["224.0.0.1", 1500, "multicast, reserved or broadcast address"],
    ["255.255.255.255", 1500, "multicast, reserved or broadcast address"],
    ["ff02::1", 1500, "multicast address"],
    ["fe80::1", 1500, "address that works on one link only"],
    ["febf::1", 1500, "address that works on one link only"],
    ["fec0::1", 1500, undefined],
    ["fd00::1", 1500, undefined],
    ["::ffff:127.0.0.1", 1500, "IPv4 written as IPv6"],
    ["192.0.2.7", 0, "port must be from 1 to 65535"],
    ["192.0.2.7", 70_000, "port must be from 1 to 65535"],
    ["a".repeat(300), 1500, "not an address or a host name"],
  ] as const
) {
  Deno.test(`unlistableReason of ${host.slice(0, 40)} port ${port}`, () => {
    assertEquals(unlistableReason({ host, port }), reason);
  });
}

for (
  const [host, group] of [
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::FFFF:C000:207", "192.0.2.7"],
    ["::1", "::1"],
    ["2001:db8:1:200::1", "2001:db8:1:200::/56"],
    ["2001:db8:1:2ff:ffff::", "2001:db8:1:200::/56"],
    ["2001:db8:1:300::1", "2001:db8:1:300::/56"],
    ["fe80::1%eth0", "fe80:0:0:0::/56"],
    // Behind a translator, each IPv4 address by itself.
    ["64:ff9b::192.0.2.7", "64:ff9b::c000:207"],
    ["64:FF9B:0::c000:208", "64:ff9b::c000:208"],
    ["64:ff9b::7f00:1", "64:ff9b::7f00:1"],
    ["64:ff9b:1:fffe::c000:207", "64:ff9b:1:fffe::c000:207"],
    ["64:ff9b:2::1", "64:ff9b:2:0::/56"],
    // One IPv4 address has all of it.
    ["2002:c000:207:1::1", "2002:c000:207::/48"],
    ["2002:c000:207:ffff::1", "2002:c000:207::/48"],
    ["2003:c000:207:ffff::1", "2003:c000:207:ff00::/56"],
  ] as const
) {
  Deno.test(`addressGroup(${host}) is ${group}`, () => {
    assertEquals(addressGroup(host), group);
  });
}

for (
  const [host, expected] of [
    ["127.0.0.1", true],
    ["127.9.9.9", true],
    ["::1", true],
    ["::ffff:127.0.0.1", true],
    ["localhost", true],
    ["128.0.0.1", false],
    ["127.example", false],
  ] as const
) {
  Deno.test(`isLoopback(${host}) is ${expected}`, () => {
    assertEquals(isLoopback(host), expected);
  });
}

for (
  const [text, endpoint] of [
    ["nas:1700", { host: "nas", port: 1700 }],
    ["[::1]:1700", { host: "::1", port: 1700 }],
  ] as const
) {
  Deno.test(`parseEndpoint reads ${text}`, () => {
    assertEquals(parseEndpoint(text, { zero: false }), endpoint);
  });
}

for (
  const [text, advertised] of [
    ["nas", { host: "nas" }],
    ["192.0.2.7", { host: "192.0.2.7" }],
    ["192.0.2.7:1700", { host: "192.0.2.7", port: 1700 }],
    ["2001:db8::1", { host: "2001:db8::1" }],
    ["[2001:db8::1]", { host: "2001:db8::1" }],
    ["[2001:db8::1]:1700", { host: "2001:db8::1", port: 1700 }],
  ] as const
) {
  Deno.test(`parseAdvertise reads ${text}`, () => {
    assertEquals<unknown>(parseAdvertise(text), advertised);
  });
}

for (
  const [text, why] of [
    ["0.0.0.0", "Cannot advertise (0.0.0.0): unspecified address"],
    ["[::]:1700", "Cannot advertise ([::]:1700): unspecified address"],
    ["nas:0", "a port is a whole number from 1 to 65535"],
    ["nas:", "a port is a whole number from 1 to 65535"],
    [":1700", "Cannot use host"],
    ["", "Cannot use host"],
    ["a b", "Cannot use host"],
  ] as const
) {
  Deno.test(`parseAdvertise refuses ${JSON.stringify(text)}`, () => {
    const error = assertThrows(() => parseAdvertise(text), Failure, why);
    assertEquals(error.kind, "usage");
  });
}

for (
  const host of ["127.0.0.1", "nas.local", "2001:db8::1"]
) {
  Deno.test(`A relay address with host ${host} survives format and parse`, () => {
    const address = { host, port: 1700, id: ID };
    assertEquals(parseRelayAddress(formatRelayAddress(address)), address);
  });
}

for (
  const [what, text] of [
    ["in capitals", `P2P://NAS:1700/${ID.toUpperCase()}`],
    ["with a slash behind it", `p2p://NAS:1700/${ID}/`],
    ["with whitespace around it", ` \tp2p://NAS:1700/${ID} `],
  ] as const
) {
  Deno.test(`parseRelayAddress understands one ${what}`, () => {
    assertEquals(looksLikeRelayAddress(text), true);
    assertEquals(parseRelayAddress(text), { host: "NAS", port: 1700, id: ID });
  });
}

for (
  const [what, text] of [
    ["cut", `p2p://nas:1700/${ID.slice(1)}`],
    ["without id", "p2p://nas:1700/"],
    ["without slash", "p2p://nas:1700"],
    ["of another scheme", `http://nas:1700/${ID}`],
    ["with a character no id has", `p2p://nas:1700/${"1" + ID.slice(1)}`],
    ["with a last character no id has", `p2p://nas:1700/${ID.slice(1)}b`],
    ["with port 0", `p2p://nas:0/${ID}`],
    ["with port 70000", `p2p://nas:70000/${ID}`],
    ["without port", `p2p://nas/${ID}`],
    ["with a query", `p2p://nas:1700/${ID}?x`],
    ["with a line break", `p2p://nas:1700/${ID}\n`],
    ["with an escape sequence", `p2p://\x1b[2J:1700/${ID}`],
    ["of 10,000 characters", `p2p://nas:1700/${ID.repeat(200)}`],
    ["that is empty", ""],
  ] as const
) {
  Deno.test(`parseRelayAddress refuses one ${what}, without control characters`, () => {
    const error = assertThrows(() => parseRelayAddress(text), Failure);
    assertEquals(error.kind, "usage");
    // deno-lint-ignore no-control-regex
    assertEquals(/[\x00-\x1f]/.test(error.message), false);
  });
}

Deno.test("isHost takes no name that systems read as an IPv4 address, of which there are many spellings", () => {
  const spellings = [
    "0x7f000001",
    "0x7f.1",
    "1.2.3.0X4",
    "1.0x.",
    "2130706433",
  ];
  assertEquals(spellings.filter(isHost), []);
  const names = ["0xyz", "0x1.local", "x7f"];
  assertEquals(names.filter(isHost), names);
});

Deno.test("isHost takes a name of 128 bytes, and none that is longer", () => {
  const most = `${"a".repeat(63)}.${"b".repeat(62)}.c`;
  assertEquals(most.length, 128);
  assertEquals([isHost(most), isHost(`${most}d`)], [true, false]);
});

Deno.test("parseRelayAddress throws a Failure or nothing on mutated text", () => {
  const random = seededRandom(1);
  const good = new TextEncoder().encode(`p2p://[2001:db8::1]:1700/${ID}`);
  for (let round = 0; round < 5_000; round++) {
    const text = new TextDecoder().decode(mutate(good, random));
    try {
      const address = parseRelayAddress(text);
      assertEquals(isId(address.id) && isHost(address.host), true);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
});

for (
  const [text, host] of [
    ["[::1]", "::1"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:DB8:0:0::7", "2001:db8::7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::ffff:c000:207", "192.0.2.7"],
    ["192.0.2.7", "192.0.2.7"],
    ["NAS.local", "NAS.local"],
  ] as const
) {
  Deno.test(`parseHost reads ${text} as ${host}`, () => {
    assertEquals(parseHost(text), host);
  });
}

Deno.test("parseHost refuses an address with a zone, and says why", () => {
  assertThrows(
    () => parseHost("fe80::1%eth0"),
    Failure,
    "Cannot use host (fe80::1%eth0): an address with a zone works only on one network link; give a name, an IPv4 address, or an IPv6 address without %",
  );
});

Deno.test("isUnspecified is true for hosts that mean all addresses", () => {
  const hosts = ["0.0.0.0", "::", "127.0.0.1", "::1", "nas"];
  assertEquals(hosts.map(isUnspecified), [true, true, false, false, false]);
});
