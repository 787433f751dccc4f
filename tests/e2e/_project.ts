/** A copy of the project, to try in what its documents say. */

import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { ROOT } from "./_processes.ts";

/** Copies what would be in a fresh clone, as it stands here now. */
export async function copyProject(folder: string): Promise<void> {
  const { code, stdout } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
  }).output();
  assertEquals(code, 0, "not a clone");
  for (const name of new TextDecoder().decode(stdout).split("\0")) {
    if (name === "") continue;
    await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
    await Deno.copyFile(join(ROOT, name), join(folder, name));
  }
}
