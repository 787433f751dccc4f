/**
 * Links: `p2p://HOST:PORT/RELAY_ID/PAYLOAD/NAME`, one file with one content,
 * for sending to another person. No character of a link is special to a shell.
 * A checksum over the whole link detects a cut or altered one before anything
 * is dialled. Pure.
 *
 * @module
 */

import { decodeBase32, encodeBase32 } from "@std/encoding/base32";
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
import { decodePass, encodeBare } from "./pass.ts";

/** One file, by name and content, at the nodes of one relay. */
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
}

/** Characters of a node's id in a link. Nobody can make another id with these. */
export const SENDER_LENGTH = 16;
const SENDER_BYTES = SENDER_LENGTH * 5 / 8;

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
  const { relay, name, content, pass, sender = "" } = link;
  const said = new Uint8Array([
    ...(pass === undefined ? encodeBare(content) : fromBase64Url(pass)!),
    ...decodeBase32(sender.toUpperCase()),
  ]);
  const head = encodePart(formatRelayAddress(relay).slice(SCHEME.length));
  const tail = encodePart(name);
  const check = checkOf(head, said, tail);
  const payload = toBase64Url(new Uint8Array([...said, ...check]));
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
  const said = bytes.slice(0, -CHECK_BYTES);
  const { terms, pass, sender } = partsOf(said);
  const check = bytes.slice(-CHECK_BYTES).toHex();
  if (match === null || check !== checkOf(head, said, tail).toHex()) {
    throw badLink("it is incomplete or was altered");
  }
  if (terms === undefined) {
    throw badLink("this version does not know its kind");
  }
  const address = decodePart(head);
  const name = decodePart(tail);
  const verdict = safeName(name ?? "");
  if (address === undefined || verdict.kind === "refused") {
    throw badLink("no file can have its name");
  }
  return {
    relay: parseRelayAddress(SCHEME + address),
    name: verdict.name,
    content: terms.content,
    ...("serial" in terms ? { pass: toBase64Url(pass) } : {}),
    ...(sender.length > 0
      ? { sender: encodeBase32(sender).toLowerCase() }
      : {}),
  };
}

/** A pass, or a content alone, and the sender after it, if there is one. */
function partsOf(said: Uint8Array) {
  const none = said.subarray(said.length);
  const whole = decodePass(said);
  if (whole !== undefined) return { terms: whole, pass: said, sender: none };
  const pass = said.slice(0, -SENDER_BYTES);
  const sender = said.slice(-SENDER_BYTES);
  return { terms: decodePass(pass), pass, sender };
}

function badLink(why: string): Failure {
  return new Failure("usage", {
    what: "Cannot use link",
    why,
    remedy: "copy it again completely, or ask for a new one",
  });
}

function checkOf(head: string, said: Uint8Array, tail: string): Uint8Array {
  const encoder = new TextEncoder();
  return sha256(
    new Uint8Array([
      ...encoder.encode(`${CONTEXT}${head}\n${tail}\n`),
      ...said,
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
