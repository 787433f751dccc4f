/** The input and the output of the doctor. */

import { assertEquals } from "@std/assert";
import {
  type CheckName,
  type CheckResult,
  Findings,
} from "../../lib/doctor/check.ts";
import type { ExaminationOptions } from "../../lib/doctor/relay.ts";
import { LIMITS } from "../../lib/base/limits.ts";

/** Options for a relay. */
export function optionsFor(
  relay: ExaminationOptions["relay"],
  others: Partial<ExaminationOptions> = {},
): ExaminationOptions {
  return {
    relay,
    plaintext: false,
    access: {},
    tunnels: true,
    limits: LIMITS,
    signal: new AbortController().signal,
    onEvent: () => {},
    ...others,
  };
}

/** Verdicts by check, and what was said of one. */
export class Seen {
  readonly checks: CheckResult[] = [];
  readonly findings = new Findings((check) => this.checks.push(check));

  verdicts(): Record<string, string> {
    return Object.fromEntries(
      this.checks.map(({ check, verdict }) => [check, verdict]),
    );
  }

  of(name: CheckName): CheckResult {
    const found = this.checks.find(({ check }) => check === name);
    assertEquals(found?.check, name);
    return found!;
  }
}
