/**
 * Opens addresses in the user's browser.
 *
 * @module
 */

import { within } from "../../base/waiting.ts";
import { OPTIONS, variableOf } from "../options/option_table.ts";
import { OPENERS } from "./openers.ts";

// One that finds no browser has ended by then; a browser itself may stay.
const OPENING_MS = 3_000;

/**
 * The variables of options with secrets, emptied: a browser runs for days, and
 * passes its variables to everything that it starts.
 */
const SECRET_VARIABLES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(OPTIONS)
    .filter(([, { isSecret, holdsSecret }]) => isSecret || holdsSecret)
    .map(([name]) => [variableOf(name), ""]),
);

/** Opens an address; resolves to whether some program took it. */
export async function openInBrowser(url: string): Promise<boolean> {
  for (const program of OPENERS) {
    const isOpened = await openWith(program, url);
    if (isOpened !== undefined) return isOpened;
  }
  return false;
}

/** `undefined` if the program is not there, or must not be run. */
async function openWith(
  command: string,
  url: string,
): Promise<boolean | undefined> {
  const { state } = await Deno.permissions.query({ name: "run", command });
  if (state !== "granted") return undefined; // Deno would ask at a terminal
  try {
    const child = new Deno.Command(command, {
      ...{ args: [url], stdin: "null", stdout: "null", stderr: "null" },
      env: SECRET_VARIABLES,
      detached: true, // Ctrl-C here leaves the browser alone
    }).spawn();
    child.unref();
    return (await within(child.status, OPENING_MS))?.success ?? true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
