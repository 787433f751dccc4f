/**
 * The answers to clients that have not shown the token of a gateway yet.
 *
 * @module
 */

import { type HttpAnswer, plainAnswer } from "../http/answer.ts";
import type { WebRequest } from "../http/web_types.ts";
import type { Gateway } from "./gateway.ts";
import type { Proof } from "./login.ts";
import { EMPTY_PAGE, formAnswer } from "./pages.ts";
import { renderPage } from "./page.ts";
import type { PageError } from "./page_model.ts";

const BLOCKED = "too many wrong tokens: try again in a minute";
const WRONG = "that is not the token of this gateway";

/** Takes the token of the form, and gives a cookie. */
export function logIn(request: WebRequest, { login }: Gateway): HttpAnswer {
  const form = new URLSearchParams(new TextDecoder().decode(request.body));
  const proof = login.check((form.get("token") ?? "").trim(), request);
  if (proof !== "right") return unproved(request, proof);
  return {
    status: 303,
    fields: [["Location", "/"], ["Set-Cookie", login.cookieFor(request)]],
  };
}

/**
 * The answer if the token is missing or wrong. A browser gets the form, which
 * also opens links; other programs get a text about how to send the token.
 */
export function unproved(
  request: WebRequest,
  proof: Exclude<Proof, "right">,
): HttpAnswer {
  const status = proof === "blocked" ? 429 : 401;
  const message = proof === "blocked" ? BLOCKED : WRONG;
  const accepts = request.headers.get("accept") ?? "";
  if (!accepts.includes("text/html")) {
    return proof === "blocked"
      ? plainAnswer(429, message, [["Retry-After", "60"]])
      : plainAnswer(401, "this gateway requires its token", [[
        "WWW-Authenticate",
        'Basic realm="relay-p2p", charset="UTF-8"',
      ]]);
  }
  const error: PageError = { status, message, tried: [] };
  const model = {
    ...EMPTY_PAGE,
    kind: "login" as const,
    base: "/",
    ...proof === "none" ? {} : { error },
  };
  return formAnswer(status, renderPage(model));
}
