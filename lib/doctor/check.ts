/**
 * The results of an examination: a list of checks, each with a verdict and, if
 * possible, a remedy.
 *
 * @module
 */

import { Failure, type FailureKind } from "../base/errors.ts";

/** What is looked at. */
export const CHECKS = [
  "relay",
  "identity",
  "versions",
  "clock",
  "access",
  "nodes",
  "share",
  "state",
  "port",
  "registration",
  "reach",
  "tunnels",
  "tunnel_port",
  "tunnel",
  "folder",
  "disk",
  "permissions",
] as const;

/** The name of a check. */
export type CheckName = typeof CHECKS[number];

/** How a check came out, best first. */
export const VERDICTS = ["ok", "warning", "failed"] as const;

/** One check. */
export interface Check {
  /** What was looked at. */
  readonly check: CheckName;
  /** How it came out. */
  readonly verdict: typeof VERDICTS[number];
  /** What was found, for people; words of strangers are escaped. */
  readonly says: string;
  /** What to do about it. */
  readonly remedy?: string;
  /** Of what has failed: what kind of failure it is. */
  readonly kind?: FailureKind;
}

/** Collects checks, and tells each as it comes. */
export class Findings {
  readonly #tell: (check: Check) => void;
  readonly #checks: Check[] = [];

  /** Nothing is found yet. */
  constructor(tell: (check: Check) => void) {
    this.#tell = tell;
  }

  /** All checks so far. */
  get checks(): readonly Check[] {
    return this.#checks;
  }

  /** It is as it should be. */
  ok(check: CheckName, says: string): void {
    this.#add({ check, verdict: "ok", says });
  }

  /** It works, and might not always. */
  warn(check: CheckName, says: string, remedy: string): void {
    this.#add({ check, verdict: "warning", says, remedy });
  }

  /** It does not work. */
  failed(check: CheckName, { kind, parts }: Failure): void {
    const { remedy, ...rest } = parts;
    const { message: says } = new Failure(kind, rest);
    const told = remedy === undefined ? {} : { remedy };
    this.#add({ check, verdict: "failed", says, ...told, kind });
  }

  #add(check: Check): void {
    this.#checks.push(check);
    this.#tell(check);
  }
}
