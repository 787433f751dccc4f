/**
 * The commands and options of `p2p` that the three scripts do not have.
 *
 * @module
 */

import {
  CLIENT,
  type Command,
  type CommandSpec,
} from "../../lib/cli/options/command_table.ts";
import {
  OPTIONS,
  optionsOfRole,
  type OptionTable,
} from "../../lib/cli/options/option_table.ts";

import type { Undertaking } from "./permissions.ts";
import { PLACE_VARIABLES, type Places } from "./places.ts";

const NOTHING = { alsoCalled: [], notes: [], examples: [] };

/** The commands that start a server, and the roles that they start. */
export const SERVING = { relay: "relay", share: "node" } as const;

/** Options that only `p2p` has, with the commands that take them. */
export const OWN_OPTIONS = {
  port: {
    value: "PORT",
    of: ["share"],
    help: "the node's port; by default the system picks one",
  },
  forget: { of: ["use"], help: "forget the relay and its tokens" },
} as const satisfies Readonly<
  Record<string, { value?: string; of: readonly string[]; help: string }>
>;

/** A command of `p2p`, with what it needs. */
export interface OwnCommandSpec extends Command {
  readonly needs: (places: Places) => Omit<Undertaking, "line" | "options">;
}

/** The commands that `p2p` runs by itself. */
export const OWN_COMMANDS = {
  use: {
    ...NOTHING,
    needs: ({ config }) => ({
      net: true,
      paths: [{ path: config, use: "keep" }],
      env: PLACE_VARIABLES,
    }),
    usage: "use [RELAY]",
    summary: "remember a relay, or show the one that is remembered",
    alsoCalled: ["connect", "join", "login", "set"],
    notes: [
      "RELAY is a relay address, HOST PORT or HOST:PORT, or - to read one of these",
      "from stdin. The relay is contacted, and remembered with its id: another relay",
      "at that address is refused later. --token-file remembers the place of the token",
      "for a private relay, not the token.",
    ],
    examples: [
      { what: "remember a relay", line: "p2p use nas.local 1700" },
      { what: "which one is it?", line: "p2p use" },
      {
        what: "a private relay",
        line: "p2p use nas.local 1700 --token-file client.token",
      },
    ],
  },
} as const satisfies Readonly<Record<string, OwnCommandSpec>>;

/** A command that `p2p` runs by itself. */
export type OwnCommand = keyof typeof OWN_COMMANDS;

/** Whether `word` is such a command. */
export function isOwnCommand(word: string): word is OwnCommand {
  return Object.hasOwn(OWN_COMMANDS, word);
}

/** `p2p` as a program with all of its options, for reading a command line. */
export const P2P: CommandSpec = {
  role: "client",
  script: "p2p",
  summary: "Any file, by name, from whichever of your machines has it.",
  usage: ["[options] [RELAY] [command]"],
  notes: [],
  examples: [],
  options: { ...OPTIONS, ...OWN_OPTIONS },
  commands: { ...CLIENT.commands, ...OWN_COMMANDS },
};

/** The options of the commands that `p2p` runs by itself. */
export const OWN_TABLE: OptionTable = {
  ...Object.fromEntries(
    ["token-file", "json", "quiet", "debug", "help", "version"]
      .map((name) => [name, optionsOfRole("client")[name]!]),
  ),
  forget: OWN_OPTIONS.forget,
};

/** The commands that `p2p` runs by itself, as a program. */
export const OWN: CommandSpec = { ...P2P, options: OWN_TABLE };
