/**
 * Refusals of tokens, links and grants. They say no more than the refused peer
 * needs to know. Pure.
 *
 * @module
 */

/** The codes, as sent, and their words. */
const TEXTS = {
  unauthorized: "not authorized",
  too_many_failures: "too many failures from this address, wait a minute",
  expired: "it has expired",
  used_up: "it has no uses left",
  too_many_uses: "too many links are in use, try again later",
} as const satisfies Record<AccessRefusalCode, string>;

/** The code of a refusal, as sent. */
export type AccessRefusalCode =
  | "unauthorized"
  | "too_many_failures"
  | "expired"
  | "used_up"
  | "too_many_uses";

/** A refusal, with its code and its words. */
export interface AccessRefusal {
  readonly kind: "refused";
  readonly code: AccessRefusalCode;
  readonly text: string;
}

export const REFUSALS = Object.fromEntries(
  Object.entries(TEXTS).map(([code, text]) => [
    code,
    { kind: "refused", code, text },
  ]),
) as Readonly<Record<AccessRefusalCode, AccessRefusal>>;

/** Whether a code from elsewhere is one of these. */
export function isAccessRefusal(code: string): code is AccessRefusalCode {
  return Object.hasOwn(TEXTS, code);
}
