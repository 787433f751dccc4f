/**
 * The scripts and their commands: usage, examples and exit codes. The help, the
 * completions and error messages use them.
 *
 * @module
 */

import type { ClientCommand, Role } from "./option_table.ts";
import { optionsOfRole, type OptionTable } from "./option_table.ts";

/** A useful command line, with its purpose. */
export interface Example {
  /** Its purpose. */
  readonly what: string;
  /** The whole line, permissions included. */
  readonly line: string;
}

/** A command of a script. */
export interface Command {
  /** The words after the script's name. */
  readonly usage: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** Other words that users try for it. */
  readonly alsoCalled: readonly string[];
  /** Whether its words are paths of files that it reads, or folders. */
  readonly operands?: "files" | "folders";
  /** Whether it may save files in the current folder. */
  readonly savesHere?: true;
  /** What it asks of the system, beyond files and the network. */
  readonly sys?: readonly ("statfs" | "networkInterfaces")[];
  /** Further text, in lines of 80 columns. */
  readonly notes: readonly string[];
  /** The options that most users want, at most 5; by default the first. */
  readonly common?: readonly string[];
  /** The most common uses. */
  readonly examples: readonly Example[];
}

/** A script, described. */
export interface CommandSpec {
  /** The role of the script. */
  readonly role: Role;
  /** The command that starts the script. */
  readonly script: string;
  /** What the role does, in one sentence. */
  readonly summary: string;
  /** The words after the script's name. */
  readonly usage: readonly string[];
  /** Lines for the help between usage and options. */
  readonly notes: readonly string[];
  /** The options that most users want, at most 5; by default the first. */
  readonly common?: readonly string[];
  /** The most common uses. */
  readonly examples: readonly Example[];
  /** Its options. */
  readonly options: OptionTable;
  /** Its commands by name. */
  readonly commands: Readonly<Record<string, Command>>;
  /** The options of each command, if not by the client's table. */
  readonly optionsOf?: (command: string) => OptionTable;
  /** What differs where it is typed as a command of `p2p`. */
  readonly asP2p?: Pick<CommandSpec, "script" | "usage" | "notes">;
}

/** The shells with completions. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** One of these shells. */
export type Shell = typeof SHELLS[number];

const NOTHING = { alsoCalled: [], notes: [], examples: [] };

/** The commands that every script has. */
function commonCommands(script: string) {
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
    "folder or a file to share, ./files by default. Of several, names begin with the",
    "last part of each path, or with NAME in NAME=DIR.",
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
      what: "leave room on the line for others",
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
        "Stop the node first, then use its own arguments and options. The doctor is",
        "listed for a moment, without files, so that the relay can try to dial it.",
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
      "The relay is the one of p2p use, or stands before the command: p2p RELAY share",
      "DIR. The system picks the node's port unless --port gives one. Identity and",
      "digests are kept, for each list of folders. A folder called doctor is ./doctor.",
    ],
  },
};

const RUN = "deno run --allow-net peer_client.ts";
const SAVE =
  "deno run --allow-net --allow-read=. --allow-write=. peer_client.ts";

const CLIENT_COMMANDS: Readonly<Record<ClientCommand, Command>> = {
  dialogue: {
    ...NOTHING,
    usage: "RELAY",
    summary: "ask for a file name, and show the file",
    savesHere: true,
    examples: [
      { what: "type the name when asked", line: `${RUN} nas 1700` },
      {
        what: "give the name on stdin",
        line: `echo letter.txt | ${RUN} nas 1700`,
      },
      { what: "save the content", line: `${RUN} nas 1700 > letter.txt` },
    ],
  },
  nodes: {
    ...NOTHING,
    usage: "RELAY nodes",
    common: ["token-file", "known-relays", "json", "quiet", "no-tunnel"],
    summary: "list the active nodes",
    alsoCalled: ["peers", "status", "who"],
    examples: [
      {
        what: "number, name, address and id of each",
        line: `${RUN} nas 1700 nodes`,
      },
      { what: "how many there are", line: `${RUN} nas 1700 nodes | wc -l` },
      { what: "for a script", line: `${RUN} nas 1700 nodes --json` },
    ],
  },
  ls: {
    ...NOTHING,
    usage: "RELAY ls [GLOB]",
    common: ["sort", "depth", "tree", "long", "node"],
    summary: "list the files on all nodes",
    alsoCalled: ["list", "dir", "files"],
    notes: [
      "Each row shows size, date, nodes and name. It says differs if the nodes have",
      "different contents, and only if a single node has the file. Names that begin",
      "with a dot, or lie below one, need a GLOB with that dot: '**/.*'.",
      "A word that is neither a GLOB nor a folder is searched for, as by search.",
    ],
    examples: [
      { what: "all files", line: `${RUN} nas 1700 ls` },
      { what: "those of a folder", line: `${RUN} nas 1700 ls photos/` },
      {
        what: "one level, the largest first",
        line: `${RUN} nas 1700 ls --depth 1 --sort size`,
      },
    ],
  },
  search: {
    ...NOTHING,
    usage: "RELAY search TEXT…",
    common: ["sort", "tree", "long", "node", "json"],
    summary: "list the names that have all the words in them",
    alsoCalled: ["find", "locate", "grep"],
    notes: [
      "Capitals and small letters match each other. The best matches come first: at",
      "the start of a name or of a word, and short names. Names that begin with a",
      "dot, or lie below one, need a word with that dot.",
    ],
    examples: [
      { what: "one word", line: `${RUN} nas 1700 search report` },
      {
        what: "several, in any order and folder",
        line: `${RUN} nas 1700 search 2024 summer jpg`,
      },
      { what: "for a script", line: `${RUN} nas 1700 search report --json` },
    ],
  },
  get: {
    ...NOTHING,
    usage: "RELAY get NAME…",
    common: ["output", "overwrite", "dry-run", "node", "sha256"],
    summary: "fetch files; NAME may be a 'GLOB' or a FOLDER",
    alsoCalled: ["fetch", "download", "save", "pull", "copy", "cp"],
    notes: [
      "A NAME that no node has is looked for as the last part of longer ones:",
      "report.pdf finds work/report.pdf. If several different files end in it, they",
      "are listed, and none is taken. A NAME is saved under its last part; files of a",
      "GLOB or a FOLDER keep their folders. Names that begin with a dot need a GLOB",
      "with that dot.",
      "After an interruption, run the same command again: it fetches only the rest.",
      "A link replaces relay and name: peer_client.ts get LINK.",
    ],
    examples: [
      { what: "save it here", line: `${SAVE} nas 1700 get report.pdf` },
      {
        what: "all of a folder, into another",
        line: `${SAVE} nas 1700 get photos/ -o Pictures/`,
      },
      {
        what: "with a receipt, to check it against later",
        line: `${SAVE} nas 1700 get disk.img --receipt disk.json`,
      },
    ],
  },
  link: {
    ...NOTHING,
    usage: "RELAY link NAME",
    common: ["expires", "uses", "qr", "node", "token-file"],
    summary: "make a link to one file, to send to somebody",
    alsoCalled: ["ticket", "invite"],
    notes: [
      "Anyone with the link can fetch that file with that content, and nothing else,",
      "without a token: peer_client.ts get LINK.",
    ],
    examples: [
      {
        what: "valid for one fetch in the next hour",
        line: `${RUN} --token-file=my.token nas 1700 link letter.txt`,
      },
      {
        what: "for ten people, until next week",
        line: `${RUN} nas 1700 link photos.zip --uses 10 --expires 7d`,
      },
      {
        what: "for the phone across the table",
        line: `${RUN} nas 1700 link letter.txt --qr`,
      },
    ],
  },
  send: {
    ...NOTHING,
    usage: "RELAY send FILE…",
    common: ["uses", "expires", "qr", "token-file", "tunnel"],
    summary: "send files from here, by a link to each",
    alsoCalled: ["share", "offer", "push", "upload"],
    operands: "files",
    notes: [
      "It prints a link for each file, and shows who fetches it and how far. It ends",
      "after --uses fetches of each, after --expires, or with Ctrl-C, and nothing is",
      "shared any more. The other side needs the link alone: peer_client.ts get LINK.",
      "A private relay also wants --node-token-file, because the file comes from here.",
    ],
    examples: [
      {
        what: "one file, to one person",
        line:
          "deno run --allow-net --allow-read=letter.txt peer_client.ts nas 1700 send letter.txt",
      },
      {
        what: "to three phones in the room",
        line:
          "deno run --allow-net --allow-read=photos.zip peer_client.ts nas 1700 send photos.zip --uses 3 --qr",
      },
      {
        what: "several files, until tomorrow",
        line:
          "deno run --allow-net --allow-read=. peer_client.ts nas 1700 send a.pdf b.pdf --expires 1d",
      },
    ],
  },
  sums: {
    ...NOTHING,
    usage: "RELAY sums [GLOB]",
    summary: "print the SHA-256 of files, for sha256sum -c",
    alsoCalled: ["sha256sum", "hash", "checksum"],
    notes: [
      "Nodes hash files that they have not hashed yet. If nodes have different",
      "contents, the sum is that of the content that get would take.",
    ],
    examples: [
      { what: "all files", line: `${RUN} nas 1700 sums > SHA256SUMS` },
      { what: "those of a folder", line: `${RUN} nas 1700 sums photos/` },
      {
        what: "are the files here the same?",
        line: `${RUN} nas 1700 sums '*.pdf' | sha256sum -c --ignore-missing`,
      },
    ],
  },
  cat: {
    ...NOTHING,
    usage: "RELAY cat NAME",
    common: ["tail", "range", "node", "sha256", "token-file"],
    summary: "write the content of a file to stdout",
    alsoCalled: ["show", "print", "type", "read"],
    examples: [
      { what: "read it", line: `${RUN} nas 1700 cat letter.txt` },
      {
        what: "into another program",
        line: `${RUN} nas 1700 cat a.tar | tar t`,
      },
      {
        what: "from one node only",
        line: `${RUN} nas 1700 cat letter.txt --node laptop`,
      },
    ],
  },
  verify: {
    ...NOTHING,
    usage: "verify FILE RECEIPT",
    common: ["json", "quiet", "debug"],
    summary: "check a file against the receipt of its get",
    operands: "files",
    alsoCalled: ["check"],
    notes: [
      "It needs no relay and no network.",
      "The exit code is 0 if the file is as it was received, and 6 if it is not.",
    ],
    examples: [
      {
        what: "is it as it was received?",
        line:
          "deno run --allow-read=. peer_client.ts verify disk.img disk.json",
      },
      {
        what: "the same, for a script",
        line:
          "deno run --allow-read=. peer_client.ts verify disk.img disk.json --quiet",
      },
      {
        what: "its digests",
        line:
          "deno run --allow-read=. peer_client.ts verify disk.img disk.json --json",
      },
    ],
  },
  doctor: {
    ...NOTHING,
    usage: "RELAY doctor",
    common: ["output", "token-file", "known-relays", "no-tunnel", "json"],
    sys: ["statfs", "networkInterfaces"],
    summary: "check what works here, and say how to fix the rest",
    alsoCalled: ["diagnose", "test", "ping"],
    notes: [
      "Checks the relay, its identity, version and clock, tunnels, the folder to save",
      "to, the disk, and permissions. The exit code is 0 if no check failed.",
    ],
    examples: [
      { what: "can files be fetched?", line: `${RUN} nas 1700 doctor` },
      { what: "and saved here?", line: `${SAVE} nas 1700 doctor -o .` },
      { what: "for a script", line: `${RUN} nas 1700 doctor --json` },
    ],
  },
  ...commonCommands("peer_client.ts"),
};

/** The client. */
export const CLIENT: CommandSpec = {
  role: "client",
  script: "peer_client.ts",
  summary:
    "The peer client: fetches files by name from whichever peer nodes have them.",
  usage: ["[options] RELAY [command]"],
  notes: [
    "RELAY is HOST PORT, or a relay address p2p://HOST:PORT/RELAY_ID, which pins the",
    "relay's identity. A name that begins with a dash goes after --.",
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
      "RELAY is the one of p2p use, unless another stands before the command. A name",
      "that begins with a dash goes after --.",
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
  0: "success; also a relay or node that was told to stop",
  2: "wrong arguments or options",
  3: "relay unreachable, refused us, or wants a newer version",
  4: "no node has the file",
  5: "nodes have it, but none could deliver",
  6: "content failed verification",
  7: "not allowed",
  8: "local file or disk error",
  130: "interrupted",
  1: "a bug in relay-p2p",
};
