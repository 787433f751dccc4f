/**
 * Links: `p2p://HOST:PORT/RELAY_ID/PAYLOAD/NAME`, one file with one content,
 * for sending to another person. The payload may name further relays. No
 * character of a link is special to a shell. A checksum over the whole link
 * detects a cut or altered one before anything is dialled. Pure.
 *
 * @module
 */

import {
  formatRelayAddress,
  parseRelayAddress,
  type RelayAddress,
} from "../base/address.ts";
import { Failure } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { LIMITS } from "../base/limits.ts";
import { safeName } from "../base/names.ts";
import { show } from "../base/text.ts";
import { fromBase64Url, toBase64Url } from "./keys.ts";
import {
  decodePayload,
  encodePayload,
  type LinkRelay,
} from "./link_payload.ts";

export { type LinkRelay, SENDER_LENGTH } from "./link_payload.ts";

/** One file, by name and content, at the nodes of one relay or of several. */
export interface Link {
  /** The relay to ask. */
  readonly relay: Required<RelayAddress>;
  /** The file's name. */
  readonly name: string;
  /** Its content id. */
  readonly content: string;
  /** The pass of a private relay; a secret. */
  readonly pass?: string;
  /**
   * The node that waits until all of the file was fetched from it: the first
   * {@linkcode SENDER_LENGTH} characters of its id.
   */
  readonly sender?: string;
  /** Further relays that list a node with the file, with their passes. */
  readonly others?: readonly LinkRelay[];
}

const CHECK_BYTES = 4;
const CONTEXT = "relay-p2p link 1\n";
const SCHEME = "p2p://";
// No file can have such a name.
const WITHOUT_SCHEME = /^[^/]+:\d+\/[a-z2-7]{52}\//;

const LINK =
  /^[ \t]*[pP]2[pP]:\/\/([\w.:%-]+\/(?:[a-z2-7]+|[A-Z2-7]+))\/([\w-]+)\/([\w.%\/-]+)[ \t]*$/;
// A relay address with a slash at its end.
const ADDRESS = /^\s*p2p:\/\/[^/]+\/[a-z2-7]{52}\/\s*$/i;

/** Whether `text` is meant as a link, correct or not, and not as an address. */
export function looksLikeLink(text: string): boolean {
  if (ADDRESS.test(text)) return false;
  return /^\s*p2p:\/\/[^/]*\/[^/]*\//i.test(text) || WITHOUT_SCHEME.test(text);
}

/**
 * Text of a link. It is a secret if it has a pass.
 *
 * @throws {Failure} of kind `usage` if the name is too long for a link.
 */
export function formatLink(link: Link): string {
  const { relay, name } = link;
  const body = encodePayload(link);
  const head = encodePart(formatRelayAddress(relay).slice(SCHEME.length));
  const tail = encodePart(name);
  const check = checkOf(head, body, tail);
  const payload = toBase64Url(new Uint8Array([...body, ...check]));
  const text = `${SCHEME}${head}/${payload}/${tail}`;
  if (text.length > LIMITS.linkLength) {
    throw new Failure("usage", {
      what: "Cannot make link",
      where: show(name),
      why:
        `it would have ${text.length} characters, and the limit is ${LIMITS.linkLength}`,
      remedy: "give the file a shorter name",
    });
  }
  return text;
}

/**
 * Reads a link.
 *
 * @throws {Failure} of kind `usage`, without the link's text, if it is not a
 * link, or was cut or altered.
 */
export function parseLink(text: string): Link {
  const match = text.length <= LIMITS.linkLength ? LINK.exec(text) : null;
  const [, given = "", payload = "", tail = ""] = match ?? [];
  // An id in capitals is valid too.
  const head = given.replace(/[^/]+$/, (id) => id.toLowerCase());
  const bytes = fromBase64Url(payload) ?? new Uint8Array();
  const body = bytes.slice(0, -CHECK_BYTES);
  const decoded = decodePayload(body);
  const check = bytes.slice(-CHECK_BYTES).toHex();
  if (match === null || check !== checkOf(head, body, tail).toHex()) {
    throw badLink("it is incomplete or was altered");
  }
  const isKnown = decoded !== undefined &&
    relayCountOf(decoded) <= LIMITS.relaysCount;
  if (!isKnown) {
    throw badLink("this version does not know its kind");
  }
  const address = decodePart(head);
  const name = decodePart(tail);
  const verdict = safeName(name ?? "");
  if (address === undefined || verdict.kind === "refused") {
    throw badLink("no file can have its name");
  }
  const link = {
    relay: parseRelayAddress(SCHEME + address),
    name: verdict.name,
    ...decoded,
  };
  // Otherwise a link could hide the name of its file from its reader.
  if (formatLink(link) !== `${SCHEME}${head}/${payload}/${tail}`) {
    throw badLink("it is written in another way than links are");
  }
  return link;
}

/** The relays of a link, that of its beginning first. */
export function relaysOfLink(link: Link): LinkRelay[] {
  const { relay: address, pass, others = [] } = link;
  return [{ address, ...pass === undefined ? {} : { pass } }, ...others];
}

function relayCountOf({ others = [] }: Pick<Link, "others">): number {
  return 1 + others.length;
}

function badLink(why: string): Failure {
  return new Failure("usage", {
    what: "Cannot use link",
    why,
    remedy: "copy it again completely, or ask for a new one",
  });
}

function checkOf(head: string, body: Uint8Array, tail: string): Uint8Array {
  const encoder = new TextEncoder();
  return sha256(
    new Uint8Array([
      ...encoder.encode(`${CONTEXT}${head}\n${tail}\n`),
      ...body,
    ]),
  ).slice(0, CHECK_BYTES);
}

/** Text in characters that are special neither to a shell nor in an address. */
function encodePart(text: string): string {
  return text.replaceAll(/[^\w.\/:-]/gu, (character) =>
    Array.from(
      new TextEncoder().encode(character),
      (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    ).join(""));
}

function decodePart(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // not UTF-8
  }
}
