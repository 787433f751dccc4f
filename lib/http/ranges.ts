/**
 * Which bytes of a file a request asks for, by `Range` and `If-Range`, and
 * whether it asks for any, by `If-Match`, `If-None-Match` and their dates: RFC
 * 9110, sections 13 and 14. Pure.
 *
 * @module
 */

import { dateIn } from "./dates.ts";
import type { RequestHead } from "./request.ts";

/** What identifies the state of a file. */
export interface Validators {
  /** The entity tag, with its quotes, and `W/` if it is weak. */
  readonly etag: string;
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** What to send. */
export type Extent =
  /** All of it: 200. */
  | { readonly kind: "whole" }
  /** From `start`, without `end`: 206. */
  | { readonly kind: "part"; readonly start: number; readonly end: number }
  /** No byte of that range exists: 416. */
  | { readonly kind: "none" }
  /** The client has it: 304. */
  | { readonly kind: "unchanged" }
  /** It is not the state that the client wants: 412. */
  | { readonly kind: "changed" };

/** What a request means for a file of `size` bytes. */
export function extentOf(
  { method, headers }: Pick<RequestHead, "method" | "headers">,
  size: number,
  file: Validators,
): Extent {
  const match = headers.get("if-match");
  const unmodified = dateIn(headers.get("if-unmodified-since"));
  if (match !== undefined) {
    if (!isListed(match, file.etag, { strongly: true })) {
      return { kind: "changed" };
    }
  } else if (unmodified !== undefined && isLater(file, unmodified)) {
    return { kind: "changed" };
  }
  const noneMatch = headers.get("if-none-match");
  const modified = dateIn(headers.get("if-modified-since"));
  if (noneMatch !== undefined) {
    if (isListed(noneMatch, file.etag)) return { kind: "unchanged" };
  } else if (modified !== undefined && !isLater(file, modified)) {
    return { kind: "unchanged" };
  }
  const range = headers.get("range");
  if (range === undefined || method !== "GET" && method !== "HEAD") {
    return { kind: "whole" };
  }
  const condition = headers.get("if-range");
  if (condition !== undefined && !holds(condition, file)) {
    return { kind: "whole" };
  }
  return rangeIn(range, size);
}

// No two parts match the same whitespace, so a field takes time by its length.
const ONE_RANGE =
  /^bytes[ \t]*=[ \t]*(?:(\d+)[ \t]*)?-[ \t]*(?:(\d+)[ \t]*)?$/i;

/**
 * One range of bytes. Several ranges, or an invalid one, mean the whole file: a
 * client must be ready for that.
 */
function rangeIn(text: string, size: number): Extent {
  const [, first = "", last = ""] = ONE_RANGE.exec(text) ?? [];
  if (first + last === "") return { kind: "whole" };
  if (first === "") {
    const count = Number(last);
    if (count === 0) return { kind: "none" };
    // The last bytes of an empty file are the whole file.
    if (size === 0) return { kind: "whole" };
    return { kind: "part", start: Math.max(0, size - count), end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return { kind: "whole" };
  if (start >= size) return { kind: "none" };
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  return { kind: "part", start, end };
}

/** Whether `If-Range` allows a part: the file is still what the client has. */
function holds(condition: string, file: Validators): boolean {
  if (!/^(W\/)?"/.test(condition)) {
    const date = dateIn(condition);
    // Compared in whole seconds; a later date does not match either.
    return date !== undefined && seconds(file.modifiedMs) === seconds(date);
  }
  return condition === file.etag && !file.etag.startsWith("W/");
}

/**
 * Whether a list of entity tags contains `etag`, or is `*`; with `strongly`,
 * weak tags never match.
 */
export function isListed(
  list: string,
  etag: string,
  { strongly = false }: { strongly?: boolean } = {},
): boolean {
  if (list.trim() === "*") return true;
  if (strongly && etag.startsWith("W/")) return false;
  const wanted = opaque(etag);
  return Array.from(
    list.matchAll(/(W\/)?"[^"]*"/g),
    ([tag, weak]) => !(strongly && weak) && opaque(tag) === wanted,
  ).includes(true);
}

function opaque(etag: string): string {
  return etag.replace(/^W\//, "");
}

/** The time of an HTTP date. */
function isLater({ modifiedMs }: Validators, date: number): boolean {
  return seconds(modifiedMs) > seconds(date);
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}
