/**
 * Grants: a client shows a grant to a node of a private relay. The relay makes
 * it with a key that it has also given to the node, so that the node can check
 * it alone. Pure.
 *
 * A grant is text: base64url of JSON, a dot, base64url of the HMAC of that
 * JSON.
 *
 * @module
 */

import { contentFingerprint } from "../content/fingerprints.ts";
import { isContentId } from "../content/manifest.ts";
import { safeName } from "../base/names.ts";
import {
  deriveKey,
  fromBase64Url,
  isSameMac,
  macOf,
  toBase64Url,
} from "./keys.ts";

/** What a client may fetch from one node. */
export interface Grant {
  /** When it expires, in seconds since 1970. */
  readonly expires: number;
  /**
   * The only name that it allows. If it ends in `/`, all names that begin with
   * it. Without it, all names.
   */
  readonly prefix?: string;
  /** The only content that it allows. */
  readonly content?: string;
  /**
   * The fingerprint of the only content that it allows: that of a holder, whose
   * content the relay does not know.
   */
  readonly fingerprint?: string;
  /** The serial number of the link that it was made for. */
  readonly serial?: string;
  /** How many fetches that link allows. */
  readonly uses?: number;
  /** Identifies the fetch. */
  readonly fetch?: string;
}

const CONTEXT = "relay-p2p grant 1\n";
const FIELDS: ReadonlySet<string> = new Set([
  "expires",
  "prefix",
  "content",
  "fingerprint",
  "serial",
  "uses",
  "fetch",
]);

/** The key with which a relay makes the grants for one node. */
export function grantKeyOf(
  secret: Uint8Array,
  nodeId: string,
): Uint8Array<ArrayBuffer> {
  return deriveKey(secret, `grant${nodeId}`);
}

/** Text of a grant, made with a node's key. */
export function formatGrant(grant: Grant, key: Uint8Array): string {
  const json = new TextEncoder().encode(JSON.stringify(grant));
  return `${toBase64Url(json)}.${toBase64Url(macOf(key, CONTEXT, json))}`;
}

/**
 * Reads a grant that was made with one of `keys`; `undefined` for any other
 * text. Does not check whether the grant has expired.
 */
export function openGrant(
  text: string,
  keys: readonly Uint8Array[],
): Grant | undefined {
  const [body = "", mac = "", ...more] = text.split(".");
  const json = fromBase64Url(body);
  const given = fromBase64Url(mac);
  if (json === undefined || given === undefined || more.length > 0) {
    return undefined;
  }
  // Always tries all keys, so that the time does not reveal which one fits.
  const matches = keys
    .filter((key) => isSameMac(given, macOf(key, CONTEXT, json)));
  return matches.length === 0 ? undefined : readGrant(json);
}

/**
 * Reads the fields. An unknown field may be a restriction, so it invalidates
 * the grant.
 */
function readGrant(json: Uint8Array): Grant | undefined {
  let grant: unknown;
  try {
    grant = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    return undefined; // not JSON
  }
  if (typeof grant !== "object" || grant === null) return undefined;
  if (!Object.keys(grant).every((key) => FIELDS.has(key))) return undefined;
  const { expires, prefix, content, fingerprint, serial, uses, fetch } =
    grant as {
      [Field in keyof Grant]: unknown;
    };
  const isRight = isCount(expires) &&
    isAbsentOr(prefix, isPrefix) && isAbsentOr(content, isContent) &&
    isAbsentOr(fingerprint, isShort) &&
    isAbsentOr(serial, isShort) && isAbsentOr(fetch, isShort) &&
    isAbsentOr(uses, isCount);
  // These three occur only together.
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

/** Whether a grant allows a name. */
export function isGranted({ prefix }: Grant, name: string): boolean {
  return prefix === undefined || name === prefix ||
    (prefix.endsWith("/") && name.startsWith(prefix));
}

/** Whether a grant allows the holder of a content at a relay to serve it. */
export function isContentGranted(
  grant: Grant,
  { content, relayId }: { content: string; relayId: string },
): boolean {
  return grant.fingerprint === contentFingerprint(relayId, content) &&
    (grant.content ?? content) === content;
}

/** The only name that a grant allows, if there is only one. */
export function onlyNameOf({ prefix }: Grant): string | undefined {
  return prefix?.endsWith("/") ? undefined : prefix;
}
