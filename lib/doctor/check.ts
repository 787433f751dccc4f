/**
 * The results of an examination: a list of checks, each with a verdict and, if
 * possible, a remedy.
 *
 * @module
 */

import {
  Failure,
  type FailureKind,
  type FailureParts,
} from "../base/errors.ts";
import type { RemedyCode } from "../base/remedy_code.ts";

/** The subjects of the checks. */
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
  "index",
  "registration",
  "reach",
  "tunnels",
  "tunnel_port",
  "tunnel",
  "swarm",
  "folder",
  "disk",
  "permissions",
  "network",
] as const;

/** The name of a check. */
export type CheckName = typeof CHECKS[number];

/** The possible results of a check, best first. */
export const VERDICTS = ["ok", "warning", "failed"] as const;

/** The result of one check. */
export interface CheckResult {
  /** The subject. */
  readonly check: CheckName;
  /** The relay that was examined, if there are several. */
  readonly relay?: string;
  /** The result. */
  readonly verdict: typeof VERDICTS[number];
  /** The finding, for people. Text from strangers is escaped. */
  readonly says: string;
  /** What to do about it. */
  readonly remedy?: string;
  /** The same, if the words depend on how the program is used. */
  readonly remedyCode?: RemedyCode;
  /** The kind of failure, if the check failed. */
  readonly kind?: FailureKind;
}

/** What to do about a finding. */
export type Remedy = Pick<FailureParts, "remedy" | "remedyCode">;

/** Collects checks, and reports each one as soon as it is known. */
export class Findings {
  readonly #report: (check: CheckResult) => void;
  readonly #checks: CheckResult[] = [];
  #relay: { readonly relay?: string } = {};

  constructor(report: (check: CheckResult) => void) {
    this.#report = report;
  }

  get checks(): readonly CheckResult[] {
    return this.#checks;
  }

  /**
   * Sets the relay that the following checks are about, if there are several.
   */
  about(relay?: string): void {
    this.#relay = relay === undefined ? {} : { relay };
  }

  /** Adds a check that passed. */
  ok(check: CheckName, says: string): void {
    this.#add({ check, verdict: "ok", says });
  }

  /** Adds a check that passed but points to a possible problem. */
  warn(check: CheckName, says: string, remedy: string | Remedy): void {
    const stated = typeof remedy === "string" ? { remedy } : remedy;
    this.#add({ check, verdict: "warning", says, ...stated });
  }

  /** Adds a check that failed. */
  failed(check: CheckName, { kind, parts }: Failure): void {
    const { remedy, remedyCode, ...rest } = parts;
    const { message: says } = new Failure(kind, rest);
    const stated = {
      ...(remedy === undefined ? {} : { remedy }),
      ...(remedyCode === undefined ? {} : { remedyCode }),
    };
    this.#add({ check, verdict: "failed", says, ...stated, kind });
  }

  #add(found: CheckResult): void {
    const check = { ...found, ...this.#relay };
    this.#checks.push(check);
    this.#report(check);
  }
}
