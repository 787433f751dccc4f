/**
 * Opens the ports that are examined, and explains why one cannot be opened.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import {
  describeCause,
  Failure,
  isBug,
  localKindOf,
  systemErrorCode,
} from "../base/errors.ts";
import type { CheckName, Findings } from "./check.ts";

/** Options of {@linkcode openPort}. */
export interface OpenPortOptions {
  /** The check that fails if the port cannot be opened. */
  readonly check: CheckName;
  /** The failed action, for the message. */
  readonly what: string;
  readonly at: Endpoint;
  /** The remedy, unless a permission is missing. */
  readonly remedy?: string;
}

/** What `open` returns; `undefined` if the port cannot be opened. */
export async function openPort<Port>(
  open: () => Promise<Port>,
  findings: Findings,
  { check, what, at, ...other }: OpenPortOptions,
): Promise<Port | undefined> {
  try {
    return await open();
  } catch (error) {
    if (isBug(error) && systemErrorCode(error) === undefined) throw error;
    const remedy = error instanceof Deno.errors.NotCapable
      ? "grant it with --allow-net"
      : other.remedy;
    findings.failed(
      check,
      new Failure(localKindOf(error), {
        what,
        where: formatEndpoint(at),
        why: describeCause(error),
        ...remedy === undefined ? {} : { remedy },
      }),
    );
    return undefined;
  }
}
