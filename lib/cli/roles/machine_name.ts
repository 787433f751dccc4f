/** The name of this machine, as a display name.
 *
 * @module
 */

import { LIMITS } from "../../base/limits.ts";
import { isGranted } from "../../base/permission.ts";

/**
 * The first part of this machine's host name; `undefined` if it has none, or if
 * Deno does not allow asking for it.
 */
export function machineName(): string | undefined {
  if (!isGranted({ name: "sys", kind: "hostname" })) return undefined;
  const [name = ""] = Deno.hostname().split(".");
  return Array.from(name).slice(0, LIMITS.displayNameCount).join("").trim() ||
    undefined;
}
