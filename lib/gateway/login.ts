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
    const cookie = cookieIn(request.headers.get("cookie"), this.#cookieName);
    if (cookie !== undefined && isSame(digestOf(this.#session), cookie)) {
      return "right";
    }
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
  get cookie(): string {
    const secure = this.#options.isSecure ? "; Secure" : "";
    return `${this.#cookieName}=${this.#session}; Path=/; HttpOnly; ` +
      `SameSite=Strict${secure}`;
  }

  /**
   * With the prefix, a browser sends it only over TLS and only to this host.
   */
  get #cookieName(): string {
    return this.#options.isSecure ? "__Host-relay-p2p" : "relay-p2p";
  }
}

function digestOf(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/** Compares in a time that does not depend on the text. */
function isSame(digest: Uint8Array, text: string): boolean {
  return timingSafeEqual(digest, digestOf(text));
}

function cookieIn(text = "", name: string): string | undefined {
  return text.split(/; */).find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}

/** The token of a `Bearer`, or the password of a `Basic`. */
function tokenIn(text: string | undefined): string | undefined {
  const [, scheme, value] = /^(Bearer|Basic) +([A-Za-z0-9._~+/=-]+)$/i
    .exec(text ?? "") ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  if (scheme.toLowerCase() === "bearer") return value;
  try {
    const pair = new TextDecoder().decode(Uint8Array.fromBase64(value));
    return pair.slice(pair.indexOf(":") + 1);
  } catch {
    return ""; // no token is empty
  }
}
