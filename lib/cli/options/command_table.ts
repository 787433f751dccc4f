/**
 * The scripts and their commands: usage, examples and exit codes. The help, the
 * completions and error messages use them.
 *
 * @module
 */

import { CLIENT_COMMANDS, RUN, SAVE } from "./client_commands.ts";
import { type CommandSpec, commonCommands, NOTHING } from "./command_spec.ts";
import { optionsOfRole } from "./option_table.ts";

export {
  type Command,
  type CommandSpec,
  type Described,
  type Example,
  type Shell,
  SHELLS,
} from "./command_spec.ts";

/** The relay. */
export const RELAY: CommandSpec = {
  role: "relay",
  script: "relay.ts",
  summary:
    "The relay: knows which peer nodes are active, and tells peer clients.",
  usage: ["[options] PORT"],
  notes: [
    "If PORT is 0, the system picks one, and the first line of output shows it.",
  ],
  common: ["state", "private", "secret-file", "host", "advertise"],
  examples: [
    {
      what: "a relay on port 1700",
      line: "deno run --allow-net relay.ts 1700",
    },
    {
      what: "a relay that keeps its id between runs",
      line:
        "deno run --allow-net --allow-read=state --allow-write=state relay.ts --state state 1700",
    },
    {
      what: "for this machine only",
      line: "deno run --allow-net relay.ts --host 127.0.0.1 1700",
    },
  ],
  options: optionsOfRole("relay"),
  commands: commonCommands("relay.ts"),
  asP2p: {
    script: "p2p relay",
    usage: ["[options] [PORT]"],
    notes: [
      "PORT is 1700 by default; 0 lets the system pick one. The relay keeps its",
      "identity, so that its address stays the same.",
    ],
  },
};

/** The node. */
export const NODE: CommandSpec = {
  role: "node",
  script: "peer_node.ts",
  summary: "A peer node: shares a folder, and stays registered with a relay.",
  usage: ["[options] RELAY PORT [DIR…]"],
  notes: [
    "RELAY is HOST PORT, or a relay address p2p://HOST:PORT/RELAY_ID, which pins the",
    "relay's identity. PORT is the node's own; 0 lets the system pick one. DIR is a",
    "folder or a file to share, ./files by default. With several DIRs, names begin",
    "with the last part of each path, or with NAME if you write NAME=DIR.",
  ],
  common: ["name", "state", "limit-rate", "tunnel", "token-file"],
  examples: [
    {
      what: "share ./files",
      line:
        "deno run --allow-net --allow-read=files peer_node.ts nas 1700 1500",
    },
    {
      what: "share two folders, from a node with a name",
      line:
        "deno run --allow-net --allow-read=photos,files peer_node.ts --name laptop nas 1700 1500 photos files",
    },
    {
      what: "send at most 2 MB per second",
      line:
        "deno run --allow-net --allow-read=files peer_node.ts --limit-rate 2M nas 1700 1500",
    },
  ],
  options: optionsOfRole("node"),
  commands: {
    doctor: {
      ...NOTHING,
      usage: "doctor RELAY PORT [DIR…]",
      common: ["advertise", "state", "tunnel", "token-file", "json"],
      summary: "check what works here, and say how to fix the rest",
      alsoCalled: ["diagnose", "test"],
      notes: [
        "Stop the node first, then use its own arguments and options. The doctor",
        "registers for a moment, without files, so that the relay can try to dial it.",
        "The exit code is 0 if no check failed.",
      ],
      examples: [
        {
          what: "can ./files be shared?",
          line:
            "deno run --allow-net --allow-read=files peer_node.ts doctor nas 1700 1500",
        },
        {
          what: "another folder, behind a router",
          line:
            "deno run --allow-net --allow-read=photos peer_node.ts doctor --advertise home.example:1500 nas 1700 1500 photos",
        },
        {
          what: "for a script",
          line:
            "deno run --allow-net --allow-read=files peer_node.ts doctor --json nas 1700 1500",
        },
      ],
    },
    ...commonCommands("peer_node.ts"),
  },
  asP2p: {
    script: "p2p share",
    usage: ["[options] DIR..."],
    notes: [
      "The relay is the one chosen with p2p use, or the one before the command: p2p",
      "RELAY share DIR. The system picks the node's port unless --port gives one.",
      "Identity and digests are kept for each list of folders. To share a folder called",
      "doctor, type ./doctor.",
    ],
  },
};

/** The client. */
export const CLIENT: CommandSpec = {
  role: "client",
  script: "peer_client.ts",
  summary:
    "The peer client: fetches files by name from all peer nodes that have them.",
  usage: ["[options] RELAY [command]"],
  notes: [
    "RELAY is HOST PORT, or a relay address p2p://HOST:PORT/RELAY_ID, which pins the",
    "relay's identity. --relay or --relays can name one or more relays instead. A",
    "name that begins with a dash goes after --.",
  ],
  common: ["token-file", "known-relays", "json", "quiet", "version"],
  examples: [
    { what: "type a name, and read the file", line: `${RUN} nas 1700` },
    { what: "list all files", line: `${RUN} nas 1700 ls` },
    { what: "save a file here", line: `${SAVE} nas 1700 get report.pdf` },
  ],
  options: optionsOfRole("client"),
  commands: CLIENT_COMMANDS,
  asP2p: {
    script: "p2p",
    usage: ["[options] [RELAY] [command]"],
    notes: [
      "RELAY is the one chosen with p2p use, unless you give another one before the",
      "command. A name that begins with a dash goes after --.",
    ],
  },
};

/** The three scripts. */
export const SCRIPTS: readonly CommandSpec[] = [RELAY, NODE, CLIENT];

/** The commands that users type: all but the dialogue. */
export function commandNames({ commands }: CommandSpec): string[] {
  return Object.keys(commands).filter((name) => name !== "dialogue");
}

/** The meaning of each exit code. */
export const EXIT_WORDS: Readonly<Record<number, string>> = {
  0: "success; also a relay or node that you stopped",
  2: "wrong arguments or options",
  3: "relay unreachable, refused us, or requires a newer version",
  4: "no node has the file",
  5: "nodes have it, but none could deliver",
  6: "content failed verification",
  7: "not allowed",
  8: "local file or disk error",
  130: "interrupted",
  1: "a bug in relay-p2p",
};
