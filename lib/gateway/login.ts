/**
 * Decides whether a request may use a gateway that has a token: a browser uses
 * a form and a cookie, other clients `Authorization`. Wrong tokens are limited.
 *
 * @module
 */

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { addressGroup } from "../base/address.ts";
import type { WebRequest } from "../http/web_types.ts";
import { RecentCounts } from "./recent.ts";

/** Options of {@linkcode Login}. */
export interface LoginOptions {
  /** The token; `undefined` admits everybody. */
  readonly token: string | undefined;
  /** Whether the gateway can be reached only over TLS. */
  readonly isSecure: boolean;
  /** Wrong tokens of one address in a minute. */
  readonly failureCount: number;
}

/** The result of checking the token of a request. */
export type Proof =
  | "right"
  /** The request has no token. */
  | "none"
  | "wrong"
  /** Too many tokens were wrong: it is not checked. */
  | "blocked";

/** A request, as far as it matters. */
type HeadersOnly = Pick<WebRequest, "headers">;

/** The token of a gateway. */
export class Login {
  readonly #options: LoginOptions;
  readonly #digest: Uint8Array | undefined;
  /** The value of the cookie, from which nobody can learn the token. */
  readonly #session = randomBytes(32).toString("hex");
  /** Wrong tokens, by group of addresses. */
  readonly #failures = new RecentCounts();

  constructor(options: LoginOptions) {
    this.#options = options;
    const { token } = options;
    this.#digest = token === undefined ? undefined : digestOf(token);
  }

  /** Whether everybody may use it. */
  get isOpen(): boolean {
    return this.#digest === undefined;
  }

  /** Checks the cookie or the token of a request. */
  proofOf(request: WebRequest): Proof {
    if (this.isOpen) return "right";
    const session = digestOf(this.#session);
    const cookies = cookiesIn(request, this.#cookieNameFor(request));
    if (cookies.some((cookie) => isSame(session, cookie))) return "right";
    const token = tokenIn(request.headers.get("authorization"));
    return token === undefined ? "none" : this.check(token, request);
  }

  /** Whether a token is right; counts it if not. */
  check(token: string, { remote }: Pick<WebRequest, "remote">): Proof {
    const now = performance.now();
    const source = addressGroup(remote.host);
    const count = this.#failures.countOf(source, now);
    if (count >= this.#options.failureCount) return "blocked";
    if (this.#digest === undefined || isSame(this.#digest, token)) {
      return "right";
    }
    this.#failures.note(source, now);
    return "wrong";
  }

  /** The cookie for somebody whose token was right. */
  cookieFor(request: HeadersOnly): string {
    const secure = this.#options.isSecure ? "; Secure" : "";
    return `${this.#cookieNameFor(request)}=${this.#session}; Path=/; ` +
      `HttpOnly; SameSite=Strict${secure}`;
  }

  /**
   * With the prefix, a browser sends it only over TLS and only to this host. All
   * ports of a host share cookies, so gateways at different ports have different
   * names for theirs.
   */
  #cookieNameFor({ headers }: HeadersOnly): string {
    const [port = ""] = /:\d+$/.exec(headers.get("host") ?? "") ?? [];
    const prefix = this.#options.isSecure ? "__Host-" : "";
    return `${prefix}relay-p2p${port.replace(":", "-")}`;
  }
}

function digestOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/** Compares in a time that does not depend on the text. */
function isSame(digest: Uint8Array, text: string): boolean {
  return timingSafeEqual(digest, digestOf(text));
}

/**
 * The values of all cookies of a name: a program at another port may have set
 * one too, and a browser may send that first.
 */
function cookiesIn({ headers }: HeadersOnly, name: string): string[] {
  return (headers.get("cookie") ?? "").split(/; */)
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
}

/** The token of a `Bearer`, or the password of a `Basic`; both are UTF-8. */
function tokenIn(text = ""): string | undefined {
  const [, scheme, value] = /^(Bearer|Basic) +([^ ].*)$/i.exec(text) ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  const decoder = new TextDecoder();
  if (scheme.toLowerCase() === "bearer") {
    return decoder.decode(Uint8Array.from(value, (c) => c.charCodeAt(0)));
  }
  try {
    const pair = decoder.decode(Uint8Array.fromBase64(value));
    return pair.slice(pair.indexOf(":") + 1);
  } catch {
    return ""; // no token is empty
  }
}
