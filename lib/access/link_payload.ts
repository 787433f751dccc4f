/**
 * The payload of a link: what it says besides relay and name. Pure.
 *
 * One relay:
 *
 * ```
 * pass sender[10]?
 * ```
 *
 * Several, each with a pass of its own for the same content:
 *
 * ```
 * 2[1] flags[1] content[32] terms[34]? sender[10]? relay*
 * relay: flags[1] port[2] id[32] terms[34]? hostLength[1] host
 * ```
 *
 * Flag 1: has `terms`, the bytes of a pass after its content. Flag 2: has the
 * sender.
 *
 * @module
 */

import { joinBytes } from "../base/bytes.ts";
import { decodeBase32, encodeBase32 } from "@std/encoding/base32";
import { parseRelayAddress, type RelayAddress } from "../base/address.ts";
import { formatEndpoint } from "../base/conn.ts";
import { Failure } from "../base/errors.ts";
import { fromBase64Url, toBase64Url } from "./keys.ts";
import { decodePass, encodeBare } from "./pass.ts";

/** A relay that a link names. */
export interface LinkRelay {
  /** Its address. */
  readonly address: Required<RelayAddress>;
  /** Its pass, if it is private; a secret. */
  readonly pass?: string;
}

/** What a payload says. */
export interface Payload {
  /** The content id of the file. */
  readonly content: string;
  /** The pass of the relay that the link begins with. */
  readonly pass?: string;
  /** The beginning of a node's id. */
  readonly sender?: string;
  /** Relays besides the one that the link begins with. */
  readonly others?: readonly LinkRelay[];
}

/** Characters of a node's id in a link. Nobody can make another id with these. */
export const SENDER_LENGTH = 16;
const SENDER_BYTES = SENDER_LENGTH * 5 / 8;

const SEVERAL = 2;
const HAS_PASS = 1;
const HAS_SENDER = 2;
const CONTENT_BYTES = 32;
const BARE_BYTES = 2 + CONTENT_BYTES;
const TERMS_BYTES = 34;
const ID_BYTES = 32;
/** A relay's id has 52 characters, and base32 fills them up to 56. */
const ID_PADDING = "====";

/** Encodes a payload. */
export function encodePayload(payload: Payload): Uint8Array<ArrayBuffer> {
  const { content, pass, sender = "", others = [] } = payload;
  const from = decodeBase32(sender.toUpperCase());
  if (others.length === 0) {
    const whole = pass === undefined
      ? encodeBare(content)
      : fromBase64Url(pass)!;
    return joinBytes([whole, from]);
  }
  const flags = (pass === undefined ? 0 : HAS_PASS) |
    (from.length === 0 ? 0 : HAS_SENDER);
  return joinBytes([
    [SEVERAL, flags],
    Uint8Array.fromHex(content),
    termsOf(pass),
    from,
    ...others.map(encodeRelay),
  ]);
}

function encodeRelay({ address, pass }: LinkRelay): Uint8Array {
  const { id, port } = address;
  const host = new TextEncoder().encode(address.host);
  return joinBytes([
    [pass === undefined ? 0 : HAS_PASS, port >> 8, port & 0xff],
    decodeBase32(id.toUpperCase() + ID_PADDING),
    termsOf(pass),
    [host.length],
    host,
  ]);
}

function termsOf(pass: string | undefined): Uint8Array {
  return pass === undefined
    ? new Uint8Array()
    : fromBase64Url(pass)!.subarray(BARE_BYTES);
}

/** Decodes a payload; `undefined` if it is of an unknown kind. */
export function decodePayload(bytes: Uint8Array): Payload | undefined {
  if (bytes[0] === SEVERAL) return severalIn(new Reader(bytes));
  for (const length of [bytes.length, bytes.length - SENDER_BYTES]) {
    const whole = bytes.slice(0, Math.max(0, length));
    const terms = decodePass(whole);
    if (terms === undefined) continue;
    return {
      content: terms.content,
      ..."serial" in terms ? { pass: toBase64Url(whole) } : {},
      ...senderIn(bytes.subarray(length)),
    };
  }
  return undefined;
}

function severalIn(reader: Reader): Payload | undefined {
  const [, flags = 0] = reader.take(2);
  const content = reader.take(CONTENT_BYTES).toHex();
  const pass = passIn(reader, { flags, content });
  const sender = senderIn(reader.take(flags & HAS_SENDER ? SENDER_BYTES : 0));
  const others: LinkRelay[] = [];
  while (reader.left > 0) {
    const other = relayIn(reader, content);
    if (other === undefined) return undefined;
    others.push(other);
  }
  const isKnown = (flags & ~(HAS_PASS | HAS_SENDER)) === 0;
  if (!isKnown || reader.isShort || others.length === 0) return undefined;
  return { content, ...pass, ...sender, others };
}

function relayIn(reader: Reader, content: string): LinkRelay | undefined {
  const [flags = 0, high = 0, low = 0] = reader.take(3);
  const id = encodeBase32(reader.take(ID_BYTES)).replace(ID_PADDING, "");
  const pass = passIn(reader, { flags, content });
  const [length = 0] = reader.take(1);
  const host = textIn(reader.take(length));
  if (reader.isShort || host === undefined || (flags & ~HAS_PASS) !== 0) {
    return undefined;
  }
  const endpoint = formatEndpoint({ host, port: high << 8 | low });
  try {
    const address = parseRelayAddress(`p2p://${endpoint}/${id.toLowerCase()}`);
    return { address, ...pass };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return undefined; // no machine has such an address
  }
}

function passIn(
  reader: Reader,
  { flags, content }: { flags: number; content: string },
): { pass?: string } {
  if ((flags & HAS_PASS) === 0) return {};
  const terms = reader.take(TERMS_BYTES);
  if (reader.isShort) return {};
  const head = encodeBare(content);
  head[1] = HAS_PASS;
  return { pass: toBase64Url(joinBytes([head, terms])) };
}

function senderIn(bytes: Uint8Array): { sender?: string } {
  return bytes.length === 0
    ? {}
    : { sender: encodeBase32(bytes).toLowerCase() };
}

function textIn(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined; // not UTF-8
  }
}

/** Takes bytes from the front. */
class Reader {
  #bytes: Uint8Array;
  /** Whether more was wanted than there was. */
  isShort = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length;
  }

  take(count: number): Uint8Array {
    if (count > this.#bytes.length) this.isShort = true;
    const taken = this.#bytes.slice(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }
}
