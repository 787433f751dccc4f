/**
 * Translates a failure to HTTP: a status code, and the text of the terminal.
 *
 * @module
 */

import { AccessFailure } from "../access/credentials.ts";
import { describeCause, Failure } from "../base/errors.ts";
import type { Field } from "../http/answer.ts";
import { TriedFailure } from "./tried.ts";

/** The gateway does too much already: the same may work later. */
export class BusyFailure extends Failure {}

/** A failure as an HTTP answer. */
export interface HttpFailure {
  readonly status: number;
  readonly message: string;
  /** The answer of each node, one line each. */
  readonly tried?: readonly string[];
  readonly fields: readonly Field[];
}

/** The words for an error. */
export function errorText(error: unknown): string {
  return error instanceof Failure ? error.message : describeCause(error);
}

/** The status for a failure; `undefined` for an error that is a bug. */
export function httpFailureOf(error: unknown): HttpFailure | undefined {
  if (!(error instanceof Failure)) return undefined;
  const failure = statusOf(error);
  if (!(error instanceof TriedFailure)) return failure;
  const { tried, isUnsure } = error;
  // A node that could not be asked may have the file.
  const status = isUnsure && failure.status === 404 ? 504 : failure.status;
  return { ...failure, status, tried };
}

function statusOf(error: Failure): HttpFailure {
  const { message } = error;
  if (error instanceof BusyFailure) return laterFor(message);
  switch (error.kind) {
    case "not_allowed":
      return { status: statusOfDenial(error), message, fields: [] };
    case "not_found":
      return { status: 404, message, fields: [] };
    case "relay":
      return laterFor(message);
    case "undelivered":
    case "corrupt":
      return { status: 502, message, fields: [] };
    case "usage":
      return { status: 400, message, fields: [] };
    default:
      return { status: 500, message, fields: [] };
  }
}

function laterFor(message: string): HttpFailure {
  return { status: 503, message, fields: [["Retry-After", "5"]] };
}

/** 410 for a link that has expired or is used up; other codes for the rest. */
function statusOfDenial(error: Failure): number {
  if (!(error instanceof AccessFailure)) return 403;
  if (error.code === "expired" || error.code === "used_up") return 410;
  return error.isFinal ? 403 : 429;
}
