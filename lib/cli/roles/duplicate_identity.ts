/**
 * Warns if another relay with the same identity answers, for example after the
 * state folder was copied: each relay lists only the nodes that register with
 * it. The folder stores the relay's address, and so does a copy.
 *
 * @module
 */

import { join } from "@std/path/join";
import { parseRelayAddress } from "../../base/address.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { LIMITS } from "../../base/limits.ts";
import { isGranted } from "../../base/permission.ts";
import { certificateId } from "../../identity/identity.ts";
import { learnCertificate } from "../../transport/learn.ts";
import type { CliEvent } from "../output/cli_events.ts";
import type { Terminal } from "../output/terminal.ts";

const ADDRESS_FILE = "address";

/**
 * Connects to the address stored in the folder, and warns if a relay with this
 * id answers. Call it before the relay listens, so that it does not find
 * itself.
 *
 * @returns whether such a relay answers.
 */
export async function warnOfCopy(
  state: string,
  { id, terminal, signal }: {
    id: string;
    terminal: Terminal;
    signal: AbortSignal;
  },
): Promise<boolean> {
  const { duplicateAnswerMs: timeoutMs } = LIMITS;
  let at;
  try {
    const text = await Deno.readTextFile(join(state, ADDRESS_FILE));
    at = parseRelayAddress(text.trim());
    const certificate = await learnCertificate(at, { timeoutMs, signal });
    if (certificateId(certificate) !== id) return false;
  } catch (error) {
    if (error instanceof Error) return false; // no stored address, or no answer
    throw error;
  }
  const address = formatEndpoint(at);
  terminal.event<CliEvent>({ event: "identity_elsewhere", address });
  terminal.note(
    `warning: another relay with this identity answers at ${address}, and each ` +
      "lists only the nodes that register with it; start this one with " +
      "another --state folder, or both with --cluster URL",
  );
  return true;
}

/** Stores the relay's address, if the folder can be written to. */
export async function keepAddress(
  state: string,
  address: string,
): Promise<void> {
  const path = join(state, ADDRESS_FILE);
  // Otherwise Deno might ask for the permission at a terminal.
  if (!isGranted({ name: "write", path })) return;
  try {
    await Deno.writeTextFile(path, `${address}\n`, { mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error)) throw error; // only for the warning
  }
}
