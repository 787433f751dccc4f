/**
 * Grants: what a client shows a node of a private relay. The relay makes a
 * grant with a key that it has also given to the node, so the node can check it
 * alone. Pure.
 *
 * A grant is text: base64url of JSON, a dot, base64url of the HMAC of that
 * JSON.
 *
 * @module
 */

import { isContentId } from "../content/manifest.ts";
import { safeName } from "../base/names.ts";
import {
  codeOf,
  deriveKey,
  fromBase64Url,
  isSameCode,
  toBase64Url,
} from "./keys.ts";

/** What a client may do at one node. */
export interface Grant {
  /** When it ends, in seconds since 1970. */
  readonly expires: number;
  /**
   * The one name it is for, or, where this ends in `/`, what all names that it
   * is for begin with; all names where it is absent.
   */
  readonly prefix?: string;
  /** The one content it is for. */
  readonly content?: string;
  /** Which link it was made for. */
  readonly serial?: string;
  /** How many fetches that link is good for. */
  readonly uses?: number;
  /** Which fetch it is. */
  readonly fetch?: string;
}

const CONTEXT = "relay-p2p grant 1\n";
const FIELDS: ReadonlySet<string> = new Set([
  "expires",
  "prefix",
  "content",
  "serial",
  "uses",
  "fetch",
]);

/** The key under which a relay makes the grants of one node. */
export function grantKeyOf(
  secret: Uint8Array,
  nodeId: string,
): Uint8Array<ArrayBuffer> {
  return deriveKey(secret, `grant${nodeId}`);
}

/** Text of a grant under a node's key. */
export function formatGrant(grant: Grant, key: Uint8Array): string {
  const json = new TextEncoder().encode(JSON.stringify(grant));
  return `${toBase64Url(json)}.${toBase64Url(codeOf(key, CONTEXT, json))}`;
}

/**
 * The grant in a text that was made under one of `keys`; `undefined` for every
 * other text. Whether it has ended is not looked at.
 */
export function openGrant(
  text: string,
  keys: readonly Uint8Array[],
): Grant | undefined {
  const [body = "", code = "", ...more] = text.split(".");
  const json = fromBase64Url(body);
  const given = fromBase64Url(code);
  if (json === undefined || given === undefined || more.length > 0) {
    return undefined;
  }
  // All of them, whichever it is: the time must not tell.
  const matches = keys
    .filter((key) => isSameCode(given, codeOf(key, CONTEXT, json)));
  return matches.length === 0 ? undefined : readGrant(json);
}

/** The fields; one that is not known may restrict, so it makes no grant. */
function readGrant(json: Uint8Array): Grant | undefined {
  let grant: unknown;
  try {
    grant = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    return undefined; // no JSON
  }
  if (typeof grant !== "object" || grant === null) return undefined;
  if (!Object.keys(grant).every((key) => FIELDS.has(key))) return undefined;
  const { expires, prefix, content, serial, uses, fetch } = grant as {
    [Field in keyof Grant]: unknown;
  };
  const isRight = isCount(expires) &&
    isAbsentOr(prefix, isPrefix) && isAbsentOr(content, isContent) &&
    isAbsentOr(serial, isShort) && isAbsentOr(fetch, isShort) &&
    isAbsentOr(uses, isCount);
  // These mean something together alone.
  const counted = [serial, uses, fetch].filter((field) => field !== undefined);
  return isRight && (counted.length === 0 || counted.length === 3)
    ? grant as Grant
    : undefined;
}

function isAbsentOr(
  value: unknown,
  check: (value: unknown) => boolean,
): boolean {
  return value === undefined || check(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isShort(value: unknown): boolean {
  return typeof value === "string" && /^[\w-]{1,64}$/.test(value);
}

function isContent(value: unknown): boolean {
  return typeof value === "string" && isContentId(value);
}

function isPrefix(value: unknown): boolean {
  if (typeof value !== "string") return false;
  const verdict = safeName(value.replace(/\/$/, ""));
  return verdict.kind === "safe" &&
    verdict.name === value.replace(/\/$/, "");
}

/** Whether a grant is for a name. */
export function isGranted({ prefix }: Grant, name: string): boolean {
  return prefix === undefined || name === prefix ||
    (prefix.endsWith("/") && name.startsWith(prefix));
}

/** The only name that a grant is for, if there is only one. */
export function onlyNameOf({ prefix }: Grant): string | undefined {
  return prefix?.endsWith("/") ? undefined : prefix;
}
