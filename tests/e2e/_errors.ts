import { assertEquals } from "@std/assert";
import { type OutcomeHere, runRoleHere } from "../_here.ts";
import { runRole } from "./_processes.ts";

/** Runs a role that must fail: its code and the one line it says. */
export async function failure(
  script: string,
  args: readonly string[],
  options: Parameters<typeof runRole>[2] = {},
): Promise<{ code: number; line: string }> {
  return failed(await runRole(script, ["--quiet", ...args], options));
}

/** The same without a process of its own. */
export async function failureHere(
  script: string,
  args: readonly string[],
): Promise<{ code: number; line: string }> {
  return failed(await runRoleHere(script, ["--quiet", ...args]));
}

function failed(outcome: OutcomeHere): { code: number; line: string } {
  assertEquals(outcome.text, "", "nothing on stdout");
  assertEquals(outcome.stderr.length, 1, outcome.stderr.join("\n"));
  const line = outcome.stderr[0] ?? "";
  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x1f\x7f-\x9f]/.test(line), false, line);
  return { code: outcome.code, line };
}
