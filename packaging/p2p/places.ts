/**
 * The folders of `p2p` in the user's home, as the XDG base directory
 * specification names them. Pure.
 *
 * @module
 */

import { join } from "@std/path/join";

/** Where `p2p` keeps what. */
export interface Places {
  /** The program: Deno, the sources and the packages. */
  readonly data: string;
  /** The remembered relay. */
  readonly config: string;
  /** Identities and digests. */
  readonly state: string;
  /** The folder of the command itself. */
  readonly bin: string;
}

/** The variables that {@linkcode placesOf} reads. */
export const PLACE_VARIABLES = [
  "HOME",
  "XDG_DATA_HOME",
  "XDG_CONFIG_HOME",
  "XDG_STATE_HOME",
] as const;

const OWN = "relay-p2p";

/**
 * The places for a user with these variables; `undefined` without a home. A
 * relative path in a variable is ignored, as the specification demands.
 */
export function placesOf(
  variable: (name: typeof PLACE_VARIABLES[number]) => string | undefined,
): Places | undefined {
  const home = variable("HOME");
  if (home === undefined || !home.startsWith("/")) return undefined;
  const base = (
    name: typeof PLACE_VARIABLES[number],
    ...usual: readonly string[]
  ) => {
    const named = variable(name);
    return named?.startsWith("/") ? named : join(home, ...usual);
  };
  return {
    data: join(base("XDG_DATA_HOME", ".local", "share"), OWN),
    config: join(base("XDG_CONFIG_HOME", ".config"), OWN),
    state: join(base("XDG_STATE_HOME", ".local", "state"), OWN),
    bin: join(home, ".local", "bin"),
  };
}

/** The command in the folder of commands. */
export function commandPath({ bin }: Places): string {
  return join(bin, "p2p");
}
