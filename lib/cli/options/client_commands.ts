/**
 * The commands of the client: usage, examples, notes.
 *
 * @module
 */

import { type Command, commonCommands, NOTHING } from "./command_spec.ts";
import type { ClientCommand } from "./option_spec.ts";

/** The start of a command line that saves nothing. */
export const RUN = "deno run --allow-net peer_client.ts";
/** The start of one that saves files in the current folder. */
export const SAVE =
  "deno run --allow-net --allow-read=. --allow-write=. peer_client.ts";

/** The commands of the client. To add one, add a row. */
export const CLIENT_COMMANDS: Readonly<Record<ClientCommand, Command>> = {
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
    common: ["long", "token-file", "known-relays", "json", "quiet"],
    summary: "list the active nodes",
    alsoCalled: ["peers", "status", "who"],
    notes: [
      "With --long, each row shows how many fingerprints of names and contents the",
      "relay's index has for the node, and when the node last sent some.",
    ],
    examples: [
      {
        what: "number, name, address and id of each",
        line: `${RUN} nas 1700 nodes`,
      },
      { what: "count them", line: `${RUN} nas 1700 nodes | wc -l` },
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
      "Each row shows size, date, nodes and name. 'differs' marks a name under which",
      "nodes have different contents, and 'only' a file that a single node has.",
      "Names that begin with a dot, or are in such a folder, need a GLOB with that dot:",
      "'**/.*'. A word that is neither a GLOB nor a folder is a search.",
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
    summary: "list the files whose names contain all the words",
    alsoCalled: ["find", "locate", "grep"],
    notes: [
      "Case does not matter. The best matches come first: words at the start of a name",
      "or of a part of it, and short names. Names that begin with a dot, or are in such",
      "a folder, need a word with that dot.",
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
      "If no node has NAME, get looks for longer names that end in it: report.pdf finds",
      "work/report.pdf. If several different files match, get lists them and fetches",
      "none. A single file is saved under the last part of its name; files of a GLOB or",
      "a FOLDER keep their folders. Names that begin with a dot need a GLOB with that",
      "dot.",
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
        what: "with a receipt, to check the file later",
        line: `${SAVE} nas 1700 get disk.img --receipt disk.json`,
      },
    ],
  },
  link: {
    ...NOTHING,
    usage: "RELAY link NAME",
    common: ["expires", "uses", "qr", "web", "gateway-url", "token-file"],
    summary: "make a link to one file, to send to somebody",
    alsoCalled: ["ticket", "invite"],
    notes: [
      "Anyone with the link can fetch that file with that content, and nothing else. It",
      "needs no token: peer_client.ts get LINK. With --web and --gateway-url, the link",
      "opens in a browser. The download starts when the person presses the button.",
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
    summary: "send files from this machine, with a link to each",
    alsoCalled: ["share", "offer", "push", "upload"],
    operands: "files",
    notes: [
      "It prints a link for each file, and shows each fetch and its progress. It ends",
      "after --uses fetches of each file, after --expires, or with Ctrl-C, and shares",
      "nothing after that. The other side needs only the link: peer_client.ts get LINK.",
      "A private relay also needs --node-token-file: send acts as a node.",
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
      "contents, the sum is of the content that get would fetch.",
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
  gateway: {
    ...NOTHING,
    usage: "RELAY gateway [HOST:]PORT",
    common: [
      "cert",
      "key",
      "gateway-host",
      "token-file",
    ],
    summary: "serve all files over HTTP, to browsers and players",
    alsoCalled: ["http", "serve", "mount", "webdav"],
    notes: [
      "A browser finds a list at /, and each file at /files/NAME. The gateway verifies",
      "everything before it sends it. Only this machine can connect, unless HOST is",
      "another address. Then give --cert, --key and --gateway-token-file.",
    ],
    examples: [
      {
        what: "at http://127.0.0.1:8080/",
        line: `${RUN} nas 1700 gateway 8080`,
      },
      {
        what: "at a port that the system picks",
        line: `${RUN} nas 1700 gateway 0`,
      },
      {
        what: "to other machines, with a certificate and a token",
        line:
          "deno run --allow-net --allow-read=. peer_client.ts nas 1700 gateway 0.0.0.0:8443 --cert cert.pem --key key.pem --gateway-token-file web.token",
      },
    ],
  },
  web: {
    ...NOTHING,
    usage: "RELAY web [PORT]",
    common: ["token-file", "known-relays", "relay", "tunnel", "json"],
    opensBrowser: true,
    summary: "show all files in your browser",
    alsoCalled: ["browser", "open", "page", "ui", "gui"],
    notes: [
      "Starts a gateway at http://127.0.0.1:1800/, or at PORT, and opens its page in",
      "your browser. Without a browser, it prints the address. If a gateway already",
      "runs at that port, web opens its page. Otherwise the new one runs until Ctrl-C.",
    ],
    examples: [
      {
        what: "look at all files",
        line:
          "deno run --allow-net --allow-run=/usr/bin/xdg-open peer_client.ts nas 1700 web",
      },
      {
        what: "at a port that the system picks, without opening a browser",
        line: `${RUN} nas 1700 web 0`,
      },
      {
        what: "with the token of a private relay",
        line:
          "deno run --allow-net --allow-read=my.token --allow-run=/usr/bin/xdg-open peer_client.ts --token-file=my.token nas 1700 web",
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
      "The exit code is 0 if the file is unchanged, and 6 if it is not.",
    ],
    examples: [
      {
        what: "is the file unchanged?",
        line:
          "deno run --allow-read=. peer_client.ts verify disk.img disk.json",
      },
      {
        what: "the same, for a script",
        line:
          "deno run --allow-read=. peer_client.ts verify disk.img disk.json --quiet",
      },
      {
        what: "print its digests",
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
