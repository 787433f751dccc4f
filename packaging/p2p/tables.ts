/**
 * The commands and options of `p2p` that the three scripts do not have.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import {
  CLIENT,
  type Command,
  type CommandSpec,
  NODE,
  RELAY,
} from "../../lib/cli/options/command_table.ts";
import type {
  ClientCommand,
  OptionTable,
} from "../../lib/cli/options/option_spec.ts";
import {
  OPTIONS,
  optionsOfCommand,
  optionsOfRole,
} from "../../lib/cli/options/option_table.ts";
import { asP2p } from "../../lib/cli/options/program_name.ts";
import type { CommandLine } from "../../lib/cli/options/command_line.ts";
import type { Disk, Undertaking } from "./permissions.ts";
import {
  commandPath,
  newCommandPath,
  PLACE_VARIABLES,
  type Places,
} from "./places.ts";
import {
  knownNodesPaths,
  knownRelaysPath,
  type Remembered,
  rememberedPath,
} from "./remembered.ts";

/** The port of `p2p relay`. */
export const RELAY_PORT = "1700";

/** Options that only `p2p` has. */
export const OWN_OPTIONS = {
  port: {
    value: "PORT",
    help: "the node's port; by default the system picks one",
  },
  "no-announce": {
    isTyped: true,
    help: "do not let others on this network find the relay",
  },
  add: { isTyped: true, help: "keep the remembered relays too" },
  forget: {
    isTyped: true,
    help: "forget RELAY, or all, with their token paths",
  },
  yes: { isTyped: true, help: "remove without asking" },
  show: {
    isTyped: true,
    help: "print the command of Deno that would run, and end",
  },
  all: { isTyped: true, help: "also remove identities, and forget the relay" },
} as const satisfies OptionTable;

/** What decides which permissions a command of `p2p` itself needs. */
export interface OwnTyped {
  readonly places: Places;
  remembered(): readonly Remembered[];
  readonly isTerminal: boolean;
  readonly disk: Pick<Disk, "targetOf">;
  readonly line: CommandLine;
  /** The words after the command. */
  readonly words: readonly string[];
}

/** What a command needs, apart from its options. */
type Needs = Omit<Undertaking, "line" | "options">;

/** A command that `p2p` runs by itself, with what it needs. */
export interface OwnCommandSpec extends Command {
  /** Its options, beside those of every command. */
  readonly options: OptionTable;
  readonly needs: (typed: OwnTyped) => Needs;
}

const NOTHING = { alsoCalled: [], notes: [], examples: [], options: {} };

/** The commands that `p2p` runs by itself. */
export const OWN_COMMANDS = {
  use: {
    ...NOTHING,
    usage: "use [RELAY...]",
    summary: "remember relays, or show the remembered ones",
    alsoCalled: ["connect", "join", "login", "set"],
    notes: [
      "RELAY is a relay address, HOST PORT, HOST:PORT, HOST alone (port 1700), or - to",
      "read one of these from stdin. Without it, and with none remembered, you choose",
      "from the relays that announce themselves on this network; to choose again, type",
      "p2p use --forget first. p2p contacts the relay and remembers it with its id.",
      "Later it rejects another relay at that address.",
      "With several relays, any of them may fail: see docs/OPERATIONS.md. --token-file",
      "remembers the path of the token file for a private relay, not the token;",
      "--index-key-file does so for the key of fingerprints.",
    ],
    examples: [
      { what: "remember a relay", line: "p2p use nas.local 1700" },
      { what: "which one is it?", line: "p2p use" },
      {
        what: "two relays, either may fail",
        line: "p2p use nas.local pi.local",
      },
      { what: "without one of them", line: "p2p use --forget pi.local" },
      {
        what: "a private relay",
        line: "p2p use nas.local 1700 --token-file client.token",
      },
    ],
    options: {
      "token-file": OPTIONS["token-file"]!,
      "index-key-file": OPTIONS["index-key-file"]!,
      "announce-port": OPTIONS["announce-port"]!,
      add: OWN_OPTIONS.add,
      forget: OWN_OPTIONS.forget,
    },
    needs: needsOfUse,
  },
  clean: {
    ...NOTHING,
    usage: "clean [DIR]",
    summary: "list and remove partial files of get",
    alsoCalled: ["prune", "purge", "gc"],
    operands: "folders",
    notes: [
      "Looks into DIR, by default the current folder, and all folders in it. It keeps",
      "files that a running get writes. Without a terminal, only --yes removes.",
    ],
    examples: [
      { what: "which partial files are here?", line: "p2p clean" },
      { what: "remove it", line: "p2p clean Downloads --yes" },
    ],
    options: { yes: OWN_OPTIONS.yes },
    needs: needsOfClean,
  },
  update: {
    ...NOTHING,
    usage: "update",
    summary: "say how to install another version",
    alsoCalled: ["upgrade"],
    needs: () => ({ net: false, env: ["HOME"] }),
  },
  uninstall: {
    ...NOTHING,
    usage: "uninstall",
    summary: "remove p2p",
    notes: [
      "Identities and the remembered relay stay for the next installation, unless",
      "--all is given.",
    ],
    options: { all: OWN_OPTIONS.all },
    needs: needsOfUninstall,
  },
} as const satisfies Readonly<Record<string, OwnCommandSpec>>;

/** Whether `p2p use` is told more than a relay; a variable tells nothing. */
export function isToldMore({ typed }: CommandLine): boolean {
  return typed.includes("token-file") || typed.includes("index-key-file");
}

/** Only contacting a relay takes the network; showing one, no writing. */
function needsOfUse(typed: OwnTyped): Needs {
  const { places: { config }, line, words } = typed;
  const env = ["HOME", "XDG_CONFIG_HOME"];
  const isAlone = words.length === 0;
  // A link stays, and the file behind it is replaced.
  const target = typed.disk.targetOf(rememberedPath(config));
  const folders = target === undefined ? [config] : [config, dirname(target)];
  if (line.isOn("forget")) {
    const known = knownRelaysPath(config);
    const paths = isAlone
      ? [rememberedPath(config), known, ...knownNodesPaths(known)]
      : folders;
    return {
      net: false,
      paths: paths.map((path) => ({ path, use: "keep" })),
      env,
    };
  }
  const isKnown = isAlone && !line.isOn("add") && typed.remembered().length > 0;
  if (isKnown && !isToldMore(line)) {
    return { net: false, paths: [{ path: config, use: "read" }], env };
  }
  return {
    net: true,
    paths: folders.map((path) => ({ path, use: "keep" })),
    sys: isAlone && !isKnown ? ["networkInterfaces"] : [],
    env,
  };
}

/** Without `--yes` files are removed only if a person can say so. */
function needsOfClean({ words, line, isTerminal }: OwnTyped): Needs {
  const path = words[0] ?? ".";
  const isAsked = isTerminal && !line.isOn("json") && !line.isOn("quiet");
  const use = line.isOn("yes") || isAsked ? "keep" : "read";
  return { net: false, paths: [{ path, use }] };
}

/** Identities and the relay are touched only if they go too. */
function needsOfUninstall({ places, line }: OwnTyped): Needs {
  const paths = [
    ...[commandPath(places), newCommandPath(places), places.data],
    ...(line.isOn("all") ? [places.config, places.state] : []),
  ];
  return {
    net: false,
    paths: paths.map((path) => ({ path, use: "keep" })),
    env: PLACE_VARIABLES,
  };
}

/** A command that `p2p` runs by itself. */
export type OwnCommand = keyof typeof OWN_COMMANDS;

/** Whether `word` is such a command. */
export function isOwnCommand(word: string): word is OwnCommand {
  return Object.hasOwn(OWN_COMMANDS, word);
}

/** The commands that start a server, and the roles that they start. */
export const SERVING: Readonly<Record<string, CommandSpec>> = {
  relay: RELAY,
  share: NODE,
};

const SERVING_COMMANDS: Readonly<Record<string, Command>> = {
  relay: {
    ...NOTHING,
    usage: "relay [PORT]",
    summary: "run a relay, which knows the active nodes",
    alsoCalled: ["serve", "server"],
  },
  share: {
    ...NOTHING,
    usage: "share DIR...",
    summary: "share folders with everybody who uses the relay",
    alsoCalled: ["node", "publish", "offer"],
    operands: "folders",
  },
};

const EVERYWHERE: OptionTable = Object.fromEntries(
  ["json", "quiet", "debug", "help", "version"]
    .map((name) => [name, optionsOfRole("client")[name]!]),
);

/** The options that the launcher takes, whatever it starts. */
const LAUNCHING: OptionTable = { show: OWN_OPTIONS.show };

/** The options of a command of `p2p`. */
function optionsOf(command: string): OptionTable {
  return { ...ownOptionsOf(command), ...LAUNCHING };
}

function ownOptionsOf(command: string): OptionTable {
  if (isOwnCommand(command)) {
    return { ...OWN_COMMANDS[command].options, ...EVERYWHERE };
  }
  if (command === "share") return { port: OWN_OPTIONS.port, ...NODE.options };
  if (command === "relay") {
    return { "no-announce": OWN_OPTIONS["no-announce"], ...RELAY.options };
  }
  return SERVING[command]?.options ??
    optionsOfCommand(command as ClientCommand);
}

const client = asP2p(CLIENT);

/** `p2p` as a program with all of its commands and options. */
export const P2P: CommandSpec = {
  role: "client",
  script: "p2p",
  summary: "Any file, by name, from whichever of your machines has it.",
  usage: ["[options] [RELAY] [command]"],
  notes: client.notes,
  common: ["token-file", "json", "quiet", "help", "version"],
  examples: [
    { what: "a relay, on the machine that is always on", line: "p2p relay" },
    { what: "remember it, on every machine", line: "p2p use nas.local 1700" },
    { what: "share a folder with it", line: "p2p share ~/Documents" },
    { what: "fetch a file", line: "p2p get report.pdf" },
    { what: "which command would run?", line: "p2p --show get report.pdf" },
  ],
  options: { ...OPTIONS, ...OWN_OPTIONS },
  commands: { ...SERVING_COMMANDS, ...OWN_COMMANDS, ...client.commands },
  optionsOf,
};

/** The commands that `p2p` runs by itself, as a program. */
export const OWN: CommandSpec = {
  ...P2P,
  options: {
    ...Object.assign(
      {},
      ...Object.values(OWN_COMMANDS).map(({ options }) => options),
    ),
    ...EVERYWHERE,
  },
};
