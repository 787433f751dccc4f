/**
 * Parses and formats ports, hosts and relay addresses
 * (`p2p://HOST:PORT/RELAY_ID`). Pure: nothing here resolves a name or opens a
 * socket.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "./conn.ts";
import { Failure } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { show } from "./text.ts";

/** Characters of an id: base32 of SHA-256, lower case, without padding. */
const ID_LENGTH = 52;

// The last character carries one bit of the hash and four bits of padding.
const ID = /^[a-z2-7]{51}[aq]$/;

/** Whether `text` has the form of an id of a relay or node. */
export function isId(text: string): boolean {
  return ID.test(text);
}

/** The address of a relay, with its id if that is known. */
export interface RelayAddress extends Endpoint {
  /**
   * The relay's id. Without it the caller cannot check the relay's identity.
   */
  readonly id?: string;
}

/**
 * Parses a port.
 *
 * @throws {Failure} of kind `usage` if it is not a whole number from 0 to
 * 65535, or if it is 0 and `zero` is false.
 */
export function parsePort(text: string, options: { zero: boolean }): number {
  const lowest = options.zero ? 0 : 1;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(port >= lowest && port <= 65_535)) {
    throw new Failure("usage", {
      what: "Cannot use port",
      where: show(text),
      why: `a port is a whole number from ${lowest} to 65535`,
    });
  }
  return port;
}

/**
 * Checks that `text` can be a host: an IP literal or a DNS name. An IPv6 address
 * gets its shortest form, and one that stands for an IPv4 address becomes that.
 *
 * @throws {Failure} of kind `usage`.
 */
export function parseHost(text: string): string {
  const host = text.startsWith("[") && text.endsWith("]")
    ? text.slice(1, -1)
    : text;
  if (!isHost(host)) {
    throw new Failure("usage", {
      what: "Cannot use host",
      where: show(text),
      // TLS connections of Deno cannot be made to one.
      why: isIpv6(host.split("%")[0]!)
        ? "an address with a zone works only on one network link"
        : "a host is a name such as nas.local or an address such as 192.0.2.7",
      ...(host.includes("%") && {
        remedy: "give a name, an IPv4 address, or an IPv6 address without %",
      }),
    });
  }
  return isIpv6(host) ? withoutMapping(shortestIpv6(host)) : host;
}

/** Whether `host` is an IP literal (without brackets) or a DNS name. */
export function isHost(host: string): boolean {
  return host.length <= LIMITS.hostBytes &&
    (isIpv4(host) || isIpv6(host) || isDnsName(host));
}

function isDnsName(host: string): boolean {
  // A last label of digits would be a mistyped IPv4 address. Systems read one of
  // hexadecimal digits as a part of an IPv4 address, which has many spellings.
  return /^(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?$/i.test(host) &&
    !/(^|\.)(\d+|0x[0-9a-f]*)\.?$/i.test(host);
}

/** Whether `host` is a dotted IPv4 literal. */
export function isIpv4(host: string): boolean {
  const parts = host.split(".");
  return parts.length === 4 &&
    parts.every((part) =>
      /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255
    );
}

/** Whether `host` is an IPv6 literal without brackets and without a zone. */
export function isIpv6(host: string): boolean {
  // Only characters of an address: URL.canParse would accept more than a host.
  return /^[0-9a-f:.]{2,45}$/i.test(host) && host.includes(":") &&
    URL.canParse(`http://[${host}]/`);
}

/** The shortest form of an IPv6 literal, in lower case. */
function shortestIpv6(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

/** The host to bind by default: all addresses, of IPv4 and IPv6. */
export const ANY_HOST = "::";

/** Whether `host` stands for all addresses of a machine. */
export function isUnspecified(host: string): boolean {
  return host === "0.0.0.0" || host === ANY_HOST;
}

/**
 * Whether `host` is an address of this machine that no other machine can dial.
 */
export function isLoopback(host: string): boolean {
  const address = withoutMapping(host);
  return address === "::1" || address === "localhost" ||
    (isIpv4(address) && address.startsWith("127."));
}

/**
 * Whether `host` is an address of a local network, which means another machine
 * in each: private, link-local, shared behind a provider, or unique local.
 */
export function isLan(host: string): boolean {
  if (isIpv6(host)) return /^f[cd]/.test(shortestIpv6(host));
  if (!isIpv4(host)) return false;
  const [first = 0, second = 0] = host.split(".").map(Number);
  return first === 10 || (first === 172 && (second & 0xf0) === 16) ||
    (first === 192 && second === 168) || (first === 169 && second === 254) ||
    (first === 100 && (second & 0xc0) === 64);
}

/**
 * The IPv4 address inside an IPv4-mapped IPv6 one; any other host unchanged. A
 * socket of both families shows IPv4 peers like that.
 */
export function withoutMapping(host: string): string {
  const [, dotted, high, low] =
    /^::ffff:(?:(\d+(?:\.\d+){3})|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i
      .exec(host) ?? [];
  if (dotted !== undefined) return isIpv4(dotted) ? dotted : host;
  if (high === undefined || low === undefined) return host;
  return [high, low].map((group) => parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 0xff]).join(".");
}

/**
 * Why a node must not be listed at `endpoint`, or `undefined` if it may be. A
 * client must be able to dial the host, and the host must stand for one
 * machine.
 */
export function unlistableReason(endpoint: Endpoint): string | undefined {
  const { host, port } = endpoint;
  if (!isHost(host)) return "not an address or a host name";
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    return "port must be from 1 to 65535";
  }
  if (isIpv4(host)) {
    const first = Number(host.split(".")[0]);
    if (first === 0) return "unspecified address";
    if (first >= 224) return "multicast, reserved or broadcast address";
  } else if (isIpv6(host)) {
    const address = shortestIpv6(host);
    if (address === "::") return "unspecified address";
    if (address.startsWith("ff")) return "multicast address";
    if (/^fe[89ab]/.test(address)) return "address that works on one link only";
    if (address.startsWith("::ffff:")) return "IPv4 written as IPv6";
  }
  return undefined;
}

/**
 * Parses `HOST:PORT`, with brackets around IPv6.
 *
 * @throws {Failure} of kind `usage`.
 */
export function parseEndpoint(
  text: string,
  options: { zero: boolean },
): Endpoint {
  const colon = text.lastIndexOf(":");
  if (colon < 0) {
    throw new Failure("usage", {
      what: "Cannot use address",
      where: show(text),
      why: "wanted HOST:PORT",
    });
  }
  return {
    host: parseHost(text.slice(0, colon)),
    port: parsePort(text.slice(colon + 1), options),
  };
}

/** The address in `text`, like {@linkcode parseEndpoint}, if it is one. */
export function endpointIn(text: string): Endpoint | undefined {
  try {
    return parseEndpoint(text, { zero: false });
  } catch {
    return undefined;
  }
}

/**
 * Parses the address that a node tells others to dial: HOST or HOST:PORT, with
 * brackets around IPv6 if a port follows.
 *
 * @throws {Failure} of kind `usage`, also for a host that does not mean one
 * machine.
 */
export function parseAdvertise(
  text: string,
): { host: string; port?: number } {
  const hasPort = /^(\[.*\]|[^:]*):[^:]*$/.test(text);
  const endpoint = hasPort
    ? parseEndpoint(text, { zero: false })
    : { host: parseHost(text) };
  const reason = unlistableReason({ port: 1, ...endpoint });
  if (reason !== undefined) {
    throw new Failure("usage", {
      what: "Cannot advertise",
      where: show(text),
      why: reason,
    });
  }
  return endpoint;
}

const SCHEME = "p2p://";

/** Whether `text` is meant as a relay address, correct or not. */
export function looksLikeRelayAddress(text: string): boolean {
  return text.trimStart().toLowerCase().startsWith(SCHEME);
}

/**
 * Parses `p2p://HOST:PORT/RELAY_ID`. Accepts capitals, whitespace around it,
 * and a slash at its end.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatRelayAddress, parseRelayAddress } from "./address.ts";
 *
 * const text = `p2p://[2001:db8::1]:1700/${"a".repeat(52)}`;
 * assertEquals(parseRelayAddress(text).host, "2001:db8::1");
 * assertEquals(formatRelayAddress(parseRelayAddress(text)), text);
 * ```
 *
 * @throws {Failure} of kind `usage` that names the wrong part.
 */
export function parseRelayAddress(text: string): Required<RelayAddress> {
  const match = text.length <= 512
    ? /^[ \t]*p2p:\/\/([^/?#]+)\/([^/?#\s]*)\/?[ \t]*$/i.exec(text)
    : null;
  const [, endpoint] = match ?? [];
  const id = match?.[2]?.toLowerCase();
  if (endpoint === undefined || id === undefined) {
    throw badRelayAddress(text, "wanted p2p://HOST:PORT/RELAY_ID");
  }
  if (!isId(id)) {
    const why = id.length === ID_LENGTH
      ? "the relay id has an invalid character"
      : `the relay id must be ${ID_LENGTH} characters, found ${id.length}`;
    throw badRelayAddress(text, why);
  }
  return { ...parseEndpoint(endpoint, { zero: false }), id };
}

function badRelayAddress(text: string, why: string): Failure {
  return new Failure("usage", {
    what: "Cannot use relay address",
    where: show(text),
    why,
    remedy:
      "copy it again from the line `relay address …` that the relay printed",
  });
}

/** Text of a relay address that pins the relay's identity. */
export function formatRelayAddress(address: Required<RelayAddress>): string {
  return `${SCHEME}${formatEndpoint(address)}/${address.id}`;
}

/**
 * The group in which limits count an address: the address itself for IPv4, its
 * /56 for IPv6, because one home usually gets a whole /56. An IPv6 address that
 * stands for an IPv4 one counts like that: a translator between the two (NAT64)
 * shows all IPv4 peers in one /96, and 6to4 gives each IPv4 address a /48.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { addressGroup } from "./address.ts";
 *
 * assertEquals(addressGroup("::ffff:192.0.2.7"), "192.0.2.7");
 * assertEquals(addressGroup("2001:db8:1:2ff::1"), "2001:db8:1:200::/56");
 * assertEquals(addressGroup("64:ff9b::192.0.2.7"), "64:ff9b::c000:207");
 * ```
 */
export function addressGroup(host: string): string {
  const address = withoutMapping(host.split("%")[0] ?? "");
  if (isIpv4(address) || !isIpv6(address) || isLoopback(address)) {
    return address;
  }
  const all = expandIpv6(address);
  if (TRANSLATED.test(all.join(":"))) return shortestIpv6(address);
  if (all[0] === "2002") return `${all.slice(0, 3).join(":")}::/48`;
  const groups = all.slice(0, 4);
  const last = parseInt(groups[3] ?? "0", 16) & 0xff00;
  return `${[...groups.slice(0, 3), last.toString(16)].join(":")}::/56`;
}

/** The prefixes of translators: RFC 6052, and RFC 8215 for local use. */
const TRANSLATED = /^64:ff9b:(0:0:0:0:|1:)/;

/** The eight groups of a valid IPv6 literal, each without leading zeros. */
function expandIpv6(address: string): string[] {
  const [head = "", tail] = shortestIpv6(address).split("::");
  const before = head === "" ? [] : head.split(":");
  if (tail === undefined) return before;
  const after = tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(8 - before.length - after.length).fill("0");
  return [...before, ...zeros, ...after];
}

/**
 * Parses a relay in one word: an address with its id, or `HOST:PORT`.
 *
 * @throws {Failure} of kind `usage`.
 */
export function parseRelay(word: string): RelayAddress {
  return looksLikeRelayAddress(word)
    ? parseRelayAddress(word)
    : parseEndpoint(word, { zero: false });
}
