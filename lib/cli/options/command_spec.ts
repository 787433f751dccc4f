/**
 * The form of a script's description, and the commands that every script has.
 *
 * @module
 */

import type { OptionTable, Role } from "./option_spec.ts";

/** An example for the help. */
export interface Example {
  /** Its purpose. */
  readonly what: string;
  /** The whole line, permissions included. */
  readonly line: string;
}

/** What the help says of a script or of a command. */
export interface Described {
  /** What it does: a sentence, or for a command a few words. */
  readonly summary: string;
  /** Further text, in lines of 80 columns. */
  readonly notes: readonly string[];
  /** The options that most users want, at most 5; by default the first. */
  readonly common?: readonly string[];
  /** The most common uses. */
  readonly examples: readonly Example[];
}

/** A command of a script. */
export interface Command extends Described {
  /** The words after the script's name. */
  readonly usage: string;
  /** Other words that users try for it. */
  readonly alsoCalled: readonly string[];
  /** Whether its words are paths of files that it reads, or folders. */
  readonly operands?: "files" | "folders";
  /** Whether it may save files in the current folder. */
  readonly savesHere?: true;
  /** What it asks of the system, beyond files and the network. */
  readonly sys?: readonly ("statfs" | "networkInterfaces")[];
  /** Whether it opens addresses in the user's browser. */
  readonly opensBrowser?: true;
}

/** A script, described. */
export interface CommandSpec extends Described {
  /** The role of the script. */
  readonly role: Role;
  /** The command that starts the script. */
  readonly script: string;
  /** The words after the script's name. */
  readonly usage: readonly string[];
  /** Its options. */
  readonly options: OptionTable;
  /** Its commands by name. */
  readonly commands: Readonly<Record<string, Command>>;
  /** The options of each command, if not by the client's table. */
  readonly optionsOf?: (command: string) => OptionTable;
  /** What differs if it is typed as a command of `p2p`. */
  readonly asP2p?: Pick<CommandSpec, "script" | "usage" | "notes">;
}

/** The shells with completions. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** One of these shells. */
export type Shell = typeof SHELLS[number];

/** A command without these. */
export const NOTHING = { alsoCalled: [], notes: [], examples: [] };

/** The commands that every script has. */
export function commonCommands(script: string) {
  return {
    help: {
      ...NOTHING,
      usage: "help [COMMAND]",
      common: ["all"],
      summary: "show help, also for one command",
      examples: [{
        what: "everything",
        line: `deno run ${script} help`,
      }],
    },
    completions: {
      ...NOTHING,
      usage: "completions SHELL [NAME]",
      common: ["json"],
      summary: "print a script that completes words in your shell",
      notes: [
        `SHELL is one of ${SHELLS.join(", ")}.`,
        `NAME is the command that you type, ${script} by default: an alias,`,
        "a function, or a command made by deno install --global.",
      ],
      examples: ["bash", "zsh", "fish"].map((shell) => ({
        what: `for ${shell}, called p2p`,
        line: COMPLETION_LINES[shell as Shell].replace("SCRIPT", script),
      })),
    },
  } satisfies Record<string, Command>;
}

const COMPLETION_LINES: Readonly<Record<Shell, string>> = {
  bash: 'eval "$(deno run SCRIPT completions bash p2p)"  # in ~/.bashrc',
  zsh: 'eval "$(deno run SCRIPT completions zsh p2p)"  # in ~/.zshrc',
  fish: "deno run SCRIPT completions fish p2p | source  # in config.fish",
};
