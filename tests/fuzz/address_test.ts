import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  addressGroup,
  formatRelayAddress,
  isHost,
  isId,
  isIpv4,
  isIpv6,
  isLoopback,
  parseAdvertise,
  parseEndpoint,
  parseHost,
  parsePort,
  parseRelayAddress,
  unlistableReason,
} from "../../lib/base/address.ts";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { anyText, holds, parsed } from "./_runs.ts";

const id = fc.tuple(
  fc.string({
    unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz234567"),
    minLength: 51,
    maxLength: 51,
  }),
  fc.constantFrom("a", "q"),
).map(([most, last]) => most + last);

const label = fc.string({
  unit: fc.constantFrom(..."abcXYZ019-_"),
  minLength: 1,
  maxLength: 12,
}).map((text) => `n${text}`);
const dnsName = fc.array(label, { minLength: 1, maxLength: 4 })
  .map((labels) => labels.join("."));
const zone = fc.constantFrom("", "%eth0", "%1", "%wlan0.5");
const ipv6 = fc.tuple(fc.ipV6(), zone).map(([host, zone]) => host + zone);
const host = fc.oneof(fc.ipV4(), ipv6, dnsName);
const port = fc.integer({ min: 1, max: 65_535 });
/** Any endpoint, in its only form. */
const endpoint = fc.record({
  host: fc.oneof(fc.ipV4(), fc.ipV6().map(parseHost), dnsName),
  port,
});

/** Text that is nearly an address. */
const nearly = fc.oneof(
  anyText,
  fc.tuple(
    fc.constantFrom("p2p://", "P2P://", "p2p:/", "http://", ""),
    fc.oneof(host, host.map((host) => `[${host}]`), anyText),
    fc.oneof(
      fc.nat({ max: 70_000 }).map((port) => `:${port}`),
      fc.constantFrom("", ":", ":0", ":01", ":-1", ":1e3", ": 80", ":８０"),
      anyText,
    ),
    fc.oneof(id.map((id) => `/${id}`), fc.constantFrom("", "/", "/x"), anyText),
    fc.constantFrom("", "/", "?", "#", " ", "\n", "\0"),
  ).map((parts) => parts.join("")),
);

holds(
  "parseRelayAddress gives back what formatRelayAddress was given",
  [endpoint, id],
  (endpoint, id) => {
    const address = { ...endpoint, id };
    assertEquals(parseRelayAddress(formatRelayAddress(address)), address);
  },
);

holds(
  "parseRelayAddress refuses any text, or gives what means the same when written",
  [nearly],
  (text) => {
    const address = parsed(() => parseRelayAddress(text), "usage");
    if (address === undefined) return;
    assert(isId(address.id) && isHost(address.host) && address.port > 0);
    assertEquals(parseRelayAddress(formatRelayAddress(address)), address);
  },
);

holds(
  "parseRelayAddress refuses an address with one character changed to none of an id",
  [endpoint, id, fc.nat({ max: 51 }), anyText],
  (endpoint, id, at, character) => {
    const [first = ""] = character;
    if (/[a-z2-7]/i.test(first) || first === "") return;
    // At the end a blank or a slash says nothing.
    if (at === 51 && /[ \t/]/.test(first)) return;
    const changed = id.slice(0, at) + first + id.slice(at + 1);
    const text = formatRelayAddress({ ...endpoint, id: changed });
    const found = parsed(() => parseRelayAddress(text), "usage");
    assertEquals(found, undefined, text);
  },
);

for (const zero of [true, false]) {
  holds(
    `parseEndpoint refuses any text, or gives what means the same when written (zero: ${zero})`,
    [nearly],
    (text) => {
      const found = parsed(() => parseEndpoint(text, { zero }), "usage");
      if (found === undefined) return;
      assert(found.port >= (zero ? 0 : 1) && found.port <= 65_535);
      assertEquals(parseEndpoint(formatEndpoint(found), { zero }), found);
    },
  );
}

holds(
  "parseEndpoint gives back what formatEndpoint was given",
  [endpoint],
  (endpoint) =>
    assertEquals(
      parseEndpoint(formatEndpoint(endpoint), { zero: false }),
      endpoint,
    ),
);

holds(
  "parseHost refuses any text, or gives a host that can stand in an address",
  [fc.oneof(nearly, host, host.map((host) => `[${host}]`))],
  (text) => {
    const found = parsed(() => parseHost(text), "usage");
    if (found === undefined) return;
    assert(isHost(found) && found.length <= LIMITS.hostBytes);
    assert(/^[a-z0-9:._%-]+$/i.test(found), found);
    assertEquals(parseHost(found), found);
    const isAddress = isIpv4(found) || isIpv6(found);
    const url = `http://${found.includes(":") ? "[::1]" : found}/`;
    assert(isAddress || URL.canParse(url), `${url} is no host elsewhere`);
  },
);

const spelled = fc.oneof(fc.ipV4(), fc.ipV6(), dnsName);

holds("parseHost takes every address and DNS name", [spelled], (host) => {
  const found = parseHost(host);
  if (!isIpv6(host)) return assertEquals(found, host);
  assertEquals(addressGroup(found), addressGroup(host));
  if (isIpv6(found)) {
    assertEquals(`[${found}]`, new URL(`http://[${host}]/`).hostname);
  }
});

holds(
  "parseHost refuses every zone",
  [fc.ipV6(), fc.string()],
  (host, zone) => {
    assertEquals(
      parsed(() => parseHost(`${host}%${zone}`), "usage"),
      undefined,
    );
  },
);

holds(
  "parsePort takes whole numbers from 1 to 65535, and no other text",
  [fc.oneof(anyText, fc.integer().map(String), port.map(String))],
  (text) => {
    const found = parsed(() => parsePort(text, { zero: false }), "usage");
    const number = Number(text);
    const isPort = /^[0-9]{1,5}$/.test(text) && number >= 1 && number < 65_536;
    assertEquals(found, isPort ? number : undefined);
  },
);

holds(
  "parseAdvertise gives nothing that may not be listed",
  [nearly],
  (text) => {
    const found = parsed(() => parseAdvertise(text), "usage");
    if (found === undefined) return;
    assertEquals(unlistableReason({ port: 1, ...found }), undefined);
  },
);

holds(
  "unlistableReason refuses every host that none is or that means no one machine",
  [fc.oneof(nearly, host), fc.oneof(fc.double(), fc.integer(), port)],
  (host, port) => {
    const reason = unlistableReason({ host, port });
    if (reason !== undefined) return;
    assert(isHost(host) && Number.isInteger(port) && port > 0 && port < 65_536);
    if (!isIpv4(host)) return;
    const first = Number(host.split(".")[0]);
    assert(first > 0 && first < 224, host);
  },
);

/** The 128 bits of an IPv6 address, and its text in one of many forms. */
const bits = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });

function groupsOf(value: bigint): string[] {
  return Array.from(
    { length: 8 },
    (_, at) => ((value >> BigInt(16 * (7 - at))) & 0xffffn).toString(16),
  );
}

holds(
  "addressGroup puts two IPv6 addresses together just when their first 56 bits are equal",
  [bits, fc.integer({ min: 0, max: 127 })],
  (value, bit) => {
    const other = value ^ (1n << BigInt(bit));
    const [one, two] = [value, other].map((value) => groupsOf(value).join(":"));
    // IPv4 addresses in other clothes, and this machine, are groups of their own.
    if (value >> 72n === 0n || other >> 72n === 0n) return;
    const together = addressGroup(one!) === addressGroup(two!);
    assertEquals(together, bit < 72, `${one} and ${two}`);
  },
);

holds(
  "addressGroup gives a group for every text, the same for every way to write it",
  [fc.oneof(nearly, host)],
  (host) => {
    const group = addressGroup(host);
    if (!isIpv6(host)) return;
    const [address = ""] = host.split("%");
    const normal = new URL(`http://[${address}]/`).hostname.slice(1, -1);
    assertEquals(addressGroup(address.toUpperCase()), addressGroup(address));
    // This machine and IPv4 in other clothes are known as the system writes them.
    if (isLoopback(normal) || group.includes(".")) return;
    assertEquals(addressGroup(normal), group);
  },
);
