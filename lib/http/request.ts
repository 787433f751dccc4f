/**
 * Reads the head of an HTTP/1 request. Strict where two programs could
 * understand a request in two ways. Pure.
 *
 * @module
 */

/** A request, without its body. */
export interface RequestHead {
  /** The method, such as `GET`. */
  readonly method: string;
  /** The path as it was sent, percent-encoded; begins with `/`. */
  readonly path: string;
  /** The part after the first `?`. */
  readonly query: string;
  /** Header fields by their names in lower case; repeated ones are joined. */
  readonly headers: ReadonlyMap<string, string>;
  /** Whether it is HTTP/1.0, where a connection ends after one answer. */
  readonly isOld: boolean;
}

const REQUEST_LINE = /^([A-Z]{1,20}) ([!-~]+) HTTP\/1\.([01])$/;
// A field name is a token; a value holds no control character except the tab.
// No two parts match the same character, so a field takes time by its length.
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/;
const BLANKS_BEFORE = /^[ \t]+/;
// Two of these could mean two things.
const ONCE = new Set(["host", "content-length", "authorization", "range"]);

/**
 * The head in `text`, which is Latin-1 and does not contain the empty line at
 * its end; `undefined` if it is not one.
 */
export function parseRequestHead(text: string): RequestHead | undefined {
  const [line = "", ...fields] = text.split("\r\n");
  const [, method, target, minor] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || target === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const field of fields) {
    const [, written, padded] = FIELD.exec(field) ?? [];
    if (written === undefined || padded === undefined) return undefined;
    const value = padded.replace(BLANKS_BEFORE, "");
    const name = written.toLowerCase();
    const before = headers.get(name);
    if (before !== undefined && ONCE.has(name)) return undefined;
    const joined = before === undefined ? value : `${before}, ${value}`;
    headers.set(name, joined.trimEnd());
  }
  const isOld = minor === "0";
  if (!isOld && !headers.has("host")) return undefined;
  const asked = pathIn(target, headers);
  return asked && { method, ...asked, headers, isOld };
}

/** The path and query of a target; one in absolute form also names the host. */
function pathIn(
  target: string,
  headers: Map<string, string>,
): { path: string; query: string } | undefined {
  const [, host, rest] = /^https?:\/\/([^/?#]+)(.*)$/i.exec(target) ?? [];
  if (host !== undefined) headers.set("host", host);
  const text = host === undefined ? target : rest || "/";
  if (text === "*") return { path: "*", query: "" };
  if (!text.startsWith("/") || text.includes("#")) return undefined;
  const at = text.indexOf("?");
  return at < 0
    ? { path: text, query: "" }
    : { path: text.slice(0, at), query: text.slice(at + 1) };
}

/**
 * The text that a percent-encoded path means; `undefined` if it is not UTF-8.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodePath } from "./request.ts";
 *
 * assertEquals(decodePath("gr%C3%BCn%20100%25"), "grün 100%");
 * assertEquals(decodePath("%ff"), undefined);
 * ```
 */
export function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/**
 * The bytes of the body that a head announces: 0 if none, `undefined` if the
 * length is not a number or is not given before the body.
 */
export function bodyLengthOf({ headers }: RequestHead): number | undefined {
  if (headers.has("transfer-encoding")) return undefined;
  const text = headers.get("content-length");
  if (text === undefined) return 0;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Whether the connection stays open after the answer. */
export function keepsAlive({ headers, isOld }: RequestHead): boolean {
  const words = (headers.get("connection") ?? "").toLowerCase().split(/[ ,]+/);
  return isOld ? words.includes("keep-alive") : !words.includes("close");
}
