/**
 * The folders of `p2p` in the user's home, as the XDG base directory
 * specification names them. Pure.
 *
 * @module
 */

import { join } from "@std/path/posix/join";
import { Failure } from "../../lib/base/errors.ts";

/** Where `p2p` keeps what. */
export interface Places {
  /** The program: Deno, the sources and the packages. */
  readonly data: string;
  /** The remembered relays. */
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
 * The places for a user with these variables. A relative path in a variable is
 * ignored, as the specification demands. A place is worked out when it is read,
 * so that what needs no place needs no home.
 */
export function placesOf(
  variable: (name: typeof PLACE_VARIABLES[number]) => string | undefined,
): Places {
  const inHome = (...below: readonly string[]) => {
    const home = variable("HOME");
    if (home?.startsWith("/")) return join(home, ...below);
    throw new Failure("usage", {
      what: "Cannot start",
      why: "HOME does not name a folder",
      remedy: `set it; ${PLACE_VARIABLES.slice(1).join(", ")} are read too`,
    });
  };
  const own = (
    name: typeof PLACE_VARIABLES[number],
    ...usual: readonly string[]
  ) => {
    const named = variable(name);
    return join(named?.startsWith("/") ? named : inHome(...usual), OWN);
  };
  return {
    get data() {
      return own("XDG_DATA_HOME", ".local", "share");
    },
    get config() {
      return own("XDG_CONFIG_HOME", ".config");
    },
    get state() {
      return own("XDG_STATE_HOME", ".local", "state");
    },
    get bin() {
      return inHome(".local", "bin");
    },
  };
}

/** The command in the folder of commands. */
export function commandPath({ bin }: Places): string {
  return join(bin, "p2p");
}

/** Where an installation prepares the command, before it takes its place. */
export function newCommandPath({ bin }: Places): string {
  return join(bin, ".p2p.new");
}
