/**
 * The messages for finding a relay on the local network: a query to everybody
 * there, and an answer of each relay, one UDP datagram each. Pure.
 *
 * A query is as long as the longest answer, so nobody can use a relay to send
 * more bytes to a forged address than it gets. Nothing in an answer is proven:
 * the id is checked when the relay is dialled.
 *
 * @module
 */

import { isHost, isId } from "../base/address.ts";
import { LIMITS } from "../base/limits.ts";

/** The multicast group of queries, of the organisation's local scope. */
export const ANNOUNCE_GROUP = "239.255.17.0";
/** The UDP port of queries: the number of the relay's usual TCP port. */
export const ANNOUNCE_PORT = 1_700;

/** A relay's description of itself. */
export interface Announcement {
  /** Its id. */
  readonly id: string;
  /** Its TCP port. */
  readonly port: number;
  /** The host that others should dial, if not the sender of the answer. */
  readonly host?: string;
  /** Its name for people, unchecked text of a stranger. */
  readonly name: string;
  /** Whether it serves only peers with a token or a link. */
  readonly isPrivate: boolean;
}

const VERSION = 1;
const TOKEN_BYTES = 16;
const QUERY = new TextEncoder().encode("relay-p2p?");
const ANSWER = new TextEncoder().encode("relay-p2p!");
const HEAD_BYTES = QUERY.length + 1 + TOKEN_BYTES;

/** A query with a token that its answers repeat. */
export function encodeQuery(token: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(LIMITS.announceBytes);
  bytes.set(headOf(QUERY, token));
  return bytes;
}

/** A new token for a query. */
export function newQueryToken(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
}

/** The token of a query; `undefined` for anything else. */
export function decodeQuery(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length !== LIMITS.announceBytes) return undefined;
  return tokenIn(bytes, QUERY);
}

/**
 * The answer to a query.
 *
 * @throws {RangeError} if it would be longer than the query.
 */
export function encodeAnswer(
  token: Uint8Array,
  { id, port, host, name, isPrivate }: Announcement,
): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(JSON.stringify({
    id,
    port,
    ...(host === undefined ? {} : { host }),
    name,
    private: isPrivate,
  }));
  const length = HEAD_BYTES + body.length;
  if (length > LIMITS.announceBytes) {
    throw new RangeError(
      `Cannot announce: wanted at most ${LIMITS.announceBytes} bytes, found ${length}`,
    );
  }
  const bytes = new Uint8Array(length);
  bytes.set(headOf(ANSWER, token));
  bytes.set(body, HEAD_BYTES);
  return bytes;
}

/** The answer to the query with this token; `undefined` for anything else. */
export function decodeAnswer(
  bytes: Uint8Array,
  token: Uint8Array,
): Announcement | undefined {
  if (bytes.length > LIMITS.announceBytes) return undefined;
  const found = tokenIn(bytes, ANSWER);
  if (found === undefined || !token.every((byte, at) => found[at] === byte)) {
    return undefined;
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true })
      .decode(bytes.subarray(HEAD_BYTES));
    return announcementOf(JSON.parse(text));
  } catch {
    return undefined; // not ours: anybody can send anything to this port
  }
}

function announcementOf(value: unknown): Announcement | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const { id, port, host, name, private: isPrivate } = fields;
  if (typeof id !== "string" || !isId(id)) return undefined;
  if (typeof port !== "number" || !Number.isInteger(port)) return undefined;
  if (port < 1 || port > 65_535) return undefined;
  if (typeof name !== "string" || typeof isPrivate !== "boolean") {
    return undefined;
  }
  if (Array.from(name).length > LIMITS.displayNameCount) return undefined;
  if (host === undefined) return { id, port, name, isPrivate };
  if (typeof host !== "string" || !isHost(host)) return undefined;
  return { id, port, host, name, isPrivate };
}

function headOf(magic: Uint8Array, token: Uint8Array): Uint8Array {
  if (token.length !== TOKEN_BYTES) {
    throw new RangeError(`Cannot encode token: wanted ${TOKEN_BYTES} bytes`);
  }
  return new Uint8Array([...magic, VERSION, ...token]);
}

function tokenIn(
  bytes: Uint8Array,
  magic: Uint8Array,
): Uint8Array | undefined {
  const isOurs = bytes.length >= HEAD_BYTES &&
    magic.every((byte, at) => bytes[at] === byte) &&
    bytes[magic.length] === VERSION;
  return isOurs ? bytes.slice(magic.length + 1, HEAD_BYTES) : undefined;
}
