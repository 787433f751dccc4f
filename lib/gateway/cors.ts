/**
 * Lets scripts of chosen other sites read what the gateway serves (CORS): only
 * origins that were given, letter by letter, and nothing but reading. Pure.
 *
 * @module
 */

import { Failure } from "../base/errors.ts";
import { show } from "../base/text.ts";
import type { Field, HttpAnswer } from "../http/answer.ts";
import type { RequestHead } from "../http/request.ts";

/** The request, as far as it matters. */
export type CorsRequest = Pick<RequestHead, "method" | "headers">;

const READS = "GET, HEAD";
// The fields that a player or a script needs to read parts, and to continue
// later.
const SENT = "Authorization, If-Match, If-None-Match, If-Range, Range";
const EXPOSED =
  "Accept-Ranges, Content-Length, Content-Range, ETag, Repr-Digest";

/**
 * Checks origins that were given.
 *
 * @throws {Failure} of kind `usage` for one that no browser would send.
 */
export function checkOrigins(origins: readonly string[]): void {
  const wrong = origins.find((origin) =>
    !/^https?:\/\/[\w.:[\]-]+$/.test(origin) ||
    URL.parse(origin)?.origin !== origin
  );
  if (wrong === undefined) return;
  throw new Failure("usage", {
    what: "Cannot open gateway",
    where: show(wrong),
    why: "this is not the origin of a site",
    remedy: "give scheme, name and port, such as https://example.org",
  });
}

/** Whether a script of a chosen site asks, and only to read. */
export function isFromChosen(
  { method, headers }: CorsRequest,
  origins: readonly string[],
): boolean {
  const origin = headers.get("origin");
  return origin !== undefined && origins.includes(origin) &&
    ["GET", "HEAD", "OPTIONS"].includes(method);
}

/** The answer to a browser that asks whether a script may ask. */
export function preflightAnswer(
  request: CorsRequest,
  origins: readonly string[],
): HttpAnswer | undefined {
  const isPreflight = request.method === "OPTIONS" &&
    request.headers.has("access-control-request-method");
  if (!isPreflight || !isFromChosen(request, origins)) return undefined;
  return {
    status: 204,
    fields: [
      ["Access-Control-Allow-Methods", READS],
      ["Access-Control-Allow-Headers", SENT],
      ["Access-Control-Max-Age", "600"],
    ],
  };
}

/** An answer with what lets a script of a chosen site read it. */
export function withCors(
  answer: HttpAnswer,
  request: CorsRequest,
  origins: readonly string[],
): HttpAnswer {
  if (origins.length === 0) return answer;
  const fields: Field[] = [...answer.fields ?? [], ["Vary", "Origin"]];
  if (isFromChosen(request, origins)) {
    const origin = request.headers.get("origin")!;
    fields.push(["Access-Control-Allow-Origin", origin]);
    fields.push(["Access-Control-Expose-Headers", EXPOSED]);
  }
  return { ...answer, fields };
}
