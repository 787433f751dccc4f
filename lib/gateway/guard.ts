/**
 * Refuses requests that a page of another site makes a browser send: by a name
 * that leads here (DNS rebinding), or from another origin. Pure.
 *
 * @module
 */

import { isIpv4, isIpv6 } from "../base/address.ts";
import type { RequestHead } from "../http/request.ts";
import { isFromChosen } from "./cors.ts";

/** Why a request is refused. */
export interface Refusal {
  readonly status: 403 | 421;
  readonly why: string;
}

/** The request, as far as it matters. */
export type Guarded = Pick<RequestHead, "method" | "headers">;

/** The hosts that a gateway accepts. */
export interface Guard {
  /** Its names, in addition to its addresses, in lower case. */
  readonly names: readonly string[];
  /** Origins of other sites whose scripts may read. */
  readonly origins: readonly string[];
}

/** Checks requests of a gateway. */
export function refusalOf(
  request: Guarded,
  { names, origins }: Guard,
): Refusal | undefined {
  const host = request.headers.get("host");
  // HTTP/1.0 needs none, and no browser speaks it.
  if (host !== undefined && !isOwnHost(host, names)) {
    return {
      status: 421,
      why:
        "this gateway does not accept that host name; use its address, or ask its owner to add the name",
    };
  }
  if (!isFromElsewhere(request) || isFromChosen(request, origins)) {
    return undefined;
  }
  return { status: 403, why: "a page of another site sent this request" };
}

/**
 * Whether a `Host` can only mean this gateway: an address, `localhost`, or a
 * name that it was given. A stranger's name may lead here too.
 */
function isOwnHost(text: string, names: readonly string[]): boolean {
  const [, bracketed, plain] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(text) ?? [];
  if (bracketed !== undefined) return isIpv6(bracketed);
  const name = plain?.toLowerCase().replace(/\.$/, "");
  if (name === undefined) return false;
  return isIpv4(name) || name === "localhost" ||
    name.endsWith(".localhost") || names.includes(name);
}

/**
 * Whether a request comes from a page of another origin. Following a link from
 * such a page is allowed.
 */
function isFromElsewhere({ method, headers }: Guarded): boolean {
  const site = headers.get("sec-fetch-site");
  const isFollowed = method === "GET" &&
    headers.get("sec-fetch-mode") === "navigate" &&
    headers.get("sec-fetch-dest") === "document";
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    return !isFollowed;
  }
  // The site that it names is enough: a page can hide its origin.
  if (site !== undefined) return false;
  // A browser that does not send the site sends the origin with a POST.
  const origin = headers.get("origin");
  return origin !== undefined && origin !== `http://${headers.get("host")}` &&
    origin !== `https://${headers.get("host")}`;
}
