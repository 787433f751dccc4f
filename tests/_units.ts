/** The units of systemd, and the output of `systemd-analyze`. */

import { join } from "@std/path";
import { ROOT } from "./e2e/_processes.ts";

/** Their names. */
export const UNITS = ["relay", "node"].map((role) =>
  `relay-p2p-${role}.service`
);

/** A file of `packaging/`. */
export function readPackaging(path: string): Promise<string> {
  return Deno.readTextFile(join(ROOT, "packaging", path));
}

/** What `systemd-analyze` answers. */
export async function analyze(
  args: readonly string[],
): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command("systemd-analyze", {
    args: [...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, text: decode(stdout) + decode(stderr) };
}

/** A value of a unit; those of several lines joined. */
export function valueIn(unit: string, key: string): string {
  return [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))]
    .map(([, value]) => value).join(" ");
}
