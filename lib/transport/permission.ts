/**
 * Asks for leave to use the network before `node:net` finds out: there a missing
 * permission ends the process from inside a callback.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../conn.ts";

/**
 * Makes sure that this process may use `endpoint`; asks the person where Deno
 * would.
 *
 * @throws {Deno.errors.NotCapable} when it may not.
 */
export function requireNet(endpoint: Endpoint): void {
  const host = formatEndpoint(endpoint);
  const { state } = Deno.permissions.requestSync({ name: "net", host });
  if (state === "granted") return;
  throw new Deno.errors.NotCapable(`Requires net access to ${host}`);
}
