/**
 * Every option of every role, in the order of the help. To add an option, add a
 * row.
 *
 * @module
 */

import { parseAdvertise, parseHost } from "../../base/address.ts";
import type { OptionTable } from "./option_spec.ts";
import { relayRows } from "./relay_rows.ts";
import { CLUSTER_ROWS, GATEWAY_ROWS, SWARM_ROWS } from "./together_rows.ts";
import * as values from "./values.ts";

const SERVERS = ["relay", "node"] as const;
const PEERS = ["node", "client"] as const;
const CLIENT = ["client"] as const;
const QUERYING = [
  "dialogue",
  "nodes",
  "ls",
  "search",
  "get",
  "cat",
  "link",
  "send",
  "sums",
  "gateway",
  "web",
  "doctor",
] as const;
const INDEXED = ["get", "cat", "link", "ls", "sums"] as const;
const LISTING = ["ls", "search"] as const;
const FETCHING = ["dialogue", "get", "cat"] as const;
const CHOOSING = [...FETCHING, "link"] as const;
const LINKING = ["link", "send"] as const;

/** The rows, each with its own type. */
export const ROWS = {
  host: {
    commands: ["send"],
    value: "ADDRESS",
    parse: parseHost,
    default: "::",
    help: "address to bind; `::` is every address, IPv4 too",
  },
  advertise: {
    commands: ["send"],
    value: "HOST[:PORT]",
    parse: parseAdvertise,
    help: "address for others to dial",
  },
  state: {
    roles: SERVERS,
    value: "DIR",
    names: "folder",
    use: "keep",
    help: "keep identity and digests in this folder between runs",
  },
  name: {
    commands: ["send"],
    value: "TEXT",
    parse: values.displayName,
    help: "display name in lists and messages",
  },
  hidden: {
    roles: ["node"],
    help: "also share names that begin with a dot",
  },
  exclude: {
    roles: ["node"],
    value: "GLOB",
    isRepeated: true,
    parse: values.lines,
    help: "do not share names that match; repeatable",
  },
  "list-skipped": {
    roles: ["node"],
    help: "at start, list the files that are not shared, and why",
  },
  greeting: {
    roles: ["relay"],
    value: "TEXT",
    parse: values.words,
    help: "greeting that clients see",
  },
  motd: {
    roles: ["relay"],
    value: "TEXT",
    parse: values.words,
    help: "message of the day for clients and nodes",
  },
  "min-version": {
    roles: ["relay"],
    value: "X.Y.Z",
    parse: values.version,
    help: "reject older clients and nodes",
  },
  announce: {
    roles: ["relay"],
    help: "let others on this network find the relay",
  },
  "announce-port": {
    roles: ["relay", "client"],
    commands: ["doctor"],
    value: "PORT",
    parse: values.port,
    default: "1700",
    help: "UDP port for finding relays on this network",
  },
  output: {
    roles: CLIENT,
    commands: ["get", "doctor"],
    value: "PATH",
    names: "file",
    use: "save",
    short: "o",
    default: ".",
    help: "file or folder to save to, or - for stdout",
  },
  overwrite: {
    roles: CLIENT,
    commands: ["get"],
    help: "replace existing files; keep unchanged pieces",
  },
  "no-sync": {
    roles: CLIENT,
    commands: ["get"],
    help: "do not wait for the disk: faster, but less safe",
  },
  "dry-run": {
    roles: CLIENT,
    commands: ["get"],
    help: "list what get would fetch, and from which nodes",
  },
  wait: {
    roles: CLIENT,
    commands: ["get"],
    value: "TIME",
    parse: values.duration,
    help: "keep asking this long for files that no node has",
  },
  verbose: {
    roles: PEERS,
    commands: ["get"],
    short: "v",
    help: "print every file name, also in long lists and pipes",
  },
  base: {
    roles: CLIENT,
    commands: ["get"],
    value: "FILE",
    names: "file",
    help: "reuse the unchanged pieces of this older file",
  },
  receipt: {
    roles: CLIENT,
    commands: ["get"],
    value: "FILE",
    names: "file",
    use: "write",
    help: "write a receipt to this file, for verify",
  },
  sums: {
    roles: CLIENT,
    commands: ["get"],
    value: "FILE",
    names: "file",
    help: "fetch only files whose SHA-256 is in this file",
  },
  range: {
    roles: CLIENT,
    commands: ["cat"],
    value: "A-B",
    parse: values.byteRange,
    help: "only these bytes, both included: 0-99 or 100-",
  },
  tail: {
    roles: CLIENT,
    commands: ["cat"],
    value: "SIZE",
    parse: values.size,
    help: "only the last bytes, such as 500 or 64K",
  },
  sha256: {
    roles: CLIENT,
    commands: CHOOSING,
    value: "HEX",
    parse: values.sha256,
    help: "fetch only content with this SHA-256",
  },
  node: {
    roles: CLIENT,
    commands: ["dialogue", "ls", "search", "get", "cat", "link", "sums"],
    value: "ID|NAME",
    help: "ask this node only",
  },
  sort: {
    roles: CLIENT,
    commands: LISTING,
    value: "FIELD",
    parse: values.oneOf("name", "size", "date", "none"),
    choices: ["name", "size", "date", "none"],
    help: "sort by name, size, date or none (as lists arrive)",
  },
  reverse: {
    roles: CLIENT,
    commands: LISTING,
    short: "r",
    help: "list in the reverse order",
  },
  tree: {
    roles: CLIENT,
    commands: LISTING,
    help: "list as a tree of folders, with their totals",
  },
  depth: {
    roles: CLIENT,
    commands: LISTING,
    value: "N",
    parse: values.depth,
    help: "list N levels, and the totals of deeper folders",
  },
  long: {
    roles: CLIENT,
    commands: [...LISTING, "nodes"],
    short: "l",
    help: "also list full times, content ids, node ids, indexes",
  },
  "ignore-case": {
    roles: CLIENT,
    commands: ["ls", "search", "get", "cat", "link"],
    short: "i",
    help: "ignore the case of letters in names",
  },
  prefer: {
    roles: CLIENT,
    commands: [...CHOOSING, "sums"],
    value: "RULE",
    parse: values.oneOf("most-nodes", "newest"),
    choices: ["most-nodes", "newest"],
    default: "most-nodes",
    help: "which content to take: most-nodes or newest",
  },
  connections: {
    roles: CLIENT,
    commands: FETCHING,
    value: "N",
    parse: values.connections,
    default: "1",
    help: "connections to each node",
  },
  "limit-rate": {
    roles: PEERS,
    commands: [...FETCHING, "send"],
    value: "RATE",
    parse: values.rate,
    help: "limit in bytes per second, such as 500K or 20M",
  },
  ...SWARM_ROWS,
  ...GATEWAY_ROWS,
  "lowest-speed": {
    roles: CLIENT,
    commands: FETCHING,
    value: "RATE",
    parse: values.rate,
    default: "4096",
    help: "drop a slower node if another one has the file",
  },
  tunnel: {
    roles: PEERS,
    commands: ["send"],
    help: "always let clients connect through the relay",
  },
  "no-tunnel": {
    commands: QUERYING,
    help: "never connect through the relay",
  },
  "no-lan-address": {
    roles: ["node"],
    commands: ["send"],
    help: "do not register addresses of local networks",
  },
  "tunnel-port": {
    roles: ["relay"],
    value: "PORT",
    parse: values.port,
    help: "second port for tunnels; the system picks one",
  },
  "index-memory": {
    roles: ["relay"],
    value: "SIZE",
    parse: values.size,
    default: "240M",
    help: "memory for fingerprints of names; 0: ask all nodes",
  },
  "no-index": {
    roles: ["node"],
    help: "send no fingerprints: clients ask for every name",
  },
  "index-key-file": {
    roles: PEERS,
    commands: [...INDEXED, "send"],
    value: "FILE",
    names: "file",
    help: "make fingerprints with the key in this file",
  },
  "ask-all": {
    roles: CLIENT,
    commands: INDEXED,
    help: "also ask nodes whose index lacks the name",
  },
  "max-relayed": {
    roles: CLIENT,
    commands: FETCHING,
    value: "SIZE",
    parse: values.size,
    help: "fetch at most this through the relay, such as 500M",
  },
  ...relayRows(QUERYING),
  "known-relays": {
    roles: PEERS,
    value: "FILE",
    names: "file",
    use: "keep",
    commands: QUERYING,
    help: "remember relays here, and refuse one whose id changed",
  },
  metrics: {
    roles: SERVERS,
    value: "HOST:PORT",
    parse: values.endpoint,
    help: "serve a status page, /metrics and /healthz over HTTP",
  },
  log: {
    roles: SERVERS,
    value: "FORM",
    parse: values.oneOf("json", "text"),
    choices: ["json", "text"],
    help: "log to stderr as json or text, instead of notes",
  },
  "log-addresses": {
    roles: SERVERS,
    help: "write full addresses of peers in log lines",
  },
  ...CLUSTER_ROWS,
  private: {
    roles: ["relay"],
    help: "serve only peers with a token or a link",
  },
  "secret-file": {
    roles: ["relay"],
    value: "FILE",
    names: "file",
    help: "be private, and read the secret from this file",
  },
  secret: {
    roles: ["relay"],
    value: "TEXT",
    isSecret: true,
    help: "the secret itself; safer in RELAY_P2P_SECRET",
  },
  "previous-secret-file": {
    roles: ["relay"],
    value: "FILE",
    names: "file",
    help: "also accept tokens of the secret in this file",
  },
  overlap: {
    roles: ["relay"],
    value: "TIME",
    parse: values.duration,
    default: "24h",
    help: "how long the previous secret stays valid",
  },
  "show-tokens": {
    roles: ["relay"],
    isTyped: true,
    help: "print the tokens of the secret, and exit",
  },
  "token-file": {
    roles: PEERS,
    commands: QUERYING,
    value: "FILE",
    names: "file",
    help: "read the token for a private relay from this file",
  },
  "node-token-file": {
    roles: CLIENT,
    commands: ["send"],
    value: "FILE",
    names: "file",
    help: "file with the node's token for a private relay",
  },
  token: {
    roles: PEERS,
    commands: QUERYING,
    value: "TEXT",
    isSecret: true,
    help: "the token itself; safer in RELAY_P2P_TOKEN",
  },
  expires: {
    roles: CLIENT,
    commands: LINKING,
    value: "TIME",
    parse: values.linkDuration,
    default: "1h",
    help: "how long the link is valid, at most 30d",
  },
  uses: {
    roles: CLIENT,
    commands: LINKING,
    value: "N",
    parse: values.uses,
    default: "1",
    help: "how many fetches the link allows",
  },
  qr: {
    roles: CLIENT,
    commands: LINKING,
    help: "also draw the link as a QR code",
  },
  "link-file": {
    roles: CLIENT,
    commands: ["get"],
    value: "FILE",
    names: "file",
    help: "read the link from this file",
  },
  plaintext: {
    commands: QUERYING,
    help: "no encryption; both sides must use it",
  },
  config: {
    value: "FILE",
    names: "file",
    help: "read options from this TOML file",
  },
  json: { help: "write events to stdout, one JSON object per line" },
  quiet: { short: "q", help: "write only errors to stderr" },
  debug: { help: "show stack traces with errors" },
  all: {
    commands: ["help"],
    isTyped: true,
    help: "with help: every option, its variable, and exit codes",
  },
  help: { short: "h", isTyped: true, help: "show help, also for one command" },
  version: { isTyped: true, help: "show the program and protocol versions" },
} as const satisfies OptionTable;
