/**
 * Programs that some tests need. Where one is missing the test is skipped, and
 * says so in its name; `.ci/run` installs them all and allows no skip.
 */

/** Whether a program can be started. */
export function hasTool(name: string): boolean {
  try {
    return new Deno.Command("which", { args: [name], stdout: "null" })
      .outputSync().success;
  } catch {
    return false; // not even `which`
  }
}

/** A test that needs programs. */
export function testWith(
  tools: readonly string[],
  name: string,
  fn: () => Promise<void>,
): void {
  const missing = tools.filter((tool) => !hasTool(tool));
  Deno.test({
    name: missing.length === 0
      ? name
      : `${name} (skipped: ${missing.join(", ")} not installed)`,
    ignore: missing.length > 0,
    fn,
  });
}
