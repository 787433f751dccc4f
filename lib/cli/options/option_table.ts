/**
 * Every option of every role, in one table: parsing, environment variables,
 * keys of a configuration file, help, completions and the table in the README
 * all come from here. To add an option, add a row.
 *
 * @module
 */

/** The scripts. */
export type Role = "relay" | "node" | "client";

/** A command of the client; the dialogue is the one without a name. */
export type ClientCommand =
  | "dialogue"
  | "nodes"
  | "ls"
  | "get"
  | "cat"
  | "link"
  | "verify"
  | "doctor"
  | "help"
  | "completions";

/** One option. */
export interface OptionSpec {
  /** The scripts that take it; all of them where absent. */
  readonly roles?: readonly Role[];
  /** The client's commands that take it; all of them where absent. */
  readonly commands?: readonly ClientCommand[];
  /** What stands for its value in the help; absent for a switch. */
  readonly value?: string;
  /** The values there are, where they are few. */
  readonly choices?: readonly string[];
  /** What of the disk its value names. */
  readonly names?: "file" | "folder";
  /** One letter that stands for it. */
  readonly short?: string;
  /** What holds when it is not given, where that is worth a word. */
  readonly default?: string;
  /** Whether neither a variable nor a configuration file can set it. */
  readonly isTyped?: true;
  /** Whether its value is a secret, which no configuration file may hold. */
  readonly isSecret?: true;
  /** One line for the help, of 53 characters at most with its command. */
  readonly help: string;
}

/** Options by name, without dashes. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

const SERVERS = ["relay", "node"] as const;
const PEERS = ["node", "client"] as const;
const CLIENT = ["client"] as const;
const ASKING = [
  ...["dialogue", "nodes", "ls", "get", "cat", "link", "doctor"] as const,
];
const FETCHING = ["dialogue", "get", "cat"] as const;
const CHOOSING = [...FETCHING, "link"] as const;

/** All options, in the order in which they are told. */
export const OPTIONS: OptionTable = {
  host: {
    roles: SERVERS,
    value: "ADDRESS",
    default: "0.0.0.0",
    help: "address to bind",
  },
  advertise: {
    roles: SERVERS,
    value: "HOST[:PORT]",
    help: "what others are told to dial",
  },
  state: {
    roles: SERVERS,
    value: "DIR",
    names: "folder",
    help: "keep identity and digests here between runs",
  },
  name: {
    roles: ["node"],
    value: "TEXT",
    help: "what people call this node",
  },
  "list-skipped": {
    roles: ["node"],
    help: "name at start what is not shared, and why",
  },
  greeting: {
    roles: ["relay"],
    value: "TEXT",
    help: "what the relay says to clients",
  },
  motd: {
    roles: ["relay"],
    value: "TEXT",
    help: "message of the day to clients and nodes",
  },
  "min-version": {
    roles: ["relay"],
    value: "X.Y.Z",
    help: "earlier clients and nodes leave, and say why",
  },
  output: {
    roles: CLIENT,
    commands: ["get", "doctor"],
    value: "PATH",
    names: "file",
    short: "o",
    default: ".",
    help: "file or folder to save to, or - for stdout",
  },
  overwrite: {
    roles: CLIENT,
    commands: ["get"],
    help: "replace files that exist",
  },
  receipt: {
    roles: CLIENT,
    commands: ["get"],
    value: "FILE",
    names: "file",
    help: "write here what came from whom, for verify",
  },
  sha256: {
    roles: CLIENT,
    commands: CHOOSING,
    value: "HEX",
    help: "fetch only what has this SHA-256",
  },
  node: {
    roles: CLIENT,
    commands: ["dialogue", "ls", "get", "cat", "link"],
    value: "ID|NAME",
    help: "ask this node only",
  },
  prefer: {
    roles: CLIENT,
    commands: CHOOSING,
    value: "RULE",
    choices: ["most-nodes", "newest"],
    default: "most-nodes",
    help: "which content to take: most-nodes or newest",
  },
  connections: {
    roles: CLIENT,
    commands: FETCHING,
    value: "N",
    default: "1",
    help: "connections to each node",
  },
  "limit-rate": {
    roles: PEERS,
    commands: FETCHING,
    value: "RATE",
    help: "bytes a second at most, as 500K or 20M",
  },
  "lowest-speed": {
    roles: CLIENT,
    commands: FETCHING,
    value: "RATE",
    default: "4096",
    help: "leave a node that is slower while there is another",
  },
  tunnel: {
    roles: ["node"],
    help: "let clients come through the relay in any case",
  },
  "no-tunnel": {
    commands: ASKING,
    help: "never go through the relay",
  },
  "tunnel-port": {
    roles: ["relay"],
    value: "PORT",
    help: "second port for tunnels; the system picks one",
  },
  "max-relayed": {
    roles: CLIENT,
    commands: FETCHING,
    value: "SIZE",
    help: "bytes that may come through the relay, as 500M",
  },
  "known-relays": {
    roles: PEERS,
    value: "FILE",
    names: "file",
    commands: ASKING,
    help: "remember relays here, and refuse one that has changed",
  },
  metrics: {
    roles: SERVERS,
    value: "HOST:PORT",
    help: "serve /metrics and /healthz here, over HTTP",
  },
  log: {
    roles: SERVERS,
    value: "FORM",
    choices: ["json", "text"],
    help: "log lines on stderr in place of notes: json or text",
  },
  "log-addresses": {
    roles: SERVERS,
    help: "whole addresses of peers in log lines",
  },
  private: {
    roles: ["relay"],
    help: "serve only those with a token or a link",
  },
  "secret-file": {
    roles: ["relay"],
    value: "FILE",
    names: "file",
    help: "be private, with the secret in this file",
  },
  secret: {
    roles: ["relay"],
    value: "TEXT",
    isSecret: true,
    help: "the same, for the variable: others can read it here",
  },
  "previous-secret-file": {
    roles: ["relay"],
    value: "FILE",
    names: "file",
    help: "take the tokens of the secret before it too",
  },
  overlap: {
    roles: ["relay"],
    value: "TIME",
    default: "24h",
    help: "for so long",
  },
  "show-tokens": {
    roles: ["relay"],
    isTyped: true,
    help: "print the tokens of the secret, and end",
  },
  "token-file": {
    roles: PEERS,
    commands: ASKING,
    value: "FILE",
    names: "file",
    help: "the token for a private relay",
  },
  token: {
    roles: PEERS,
    commands: ASKING,
    value: "TEXT",
    isSecret: true,
    help: "the same, for the variable: others can read it here",
  },
  expires: {
    roles: CLIENT,
    commands: ["link"],
    value: "TIME",
    default: "1h",
    help: "how long it is good for, 30d at most",
  },
  uses: {
    roles: CLIENT,
    commands: ["link"],
    value: "N",
    default: "1",
    help: "how many fetches it is good for",
  },
  qr: {
    roles: CLIENT,
    commands: ["link"],
    help: "draw it as a QR code too",
  },
  "link-file": {
    roles: CLIENT,
    commands: ["get"],
    value: "FILE",
    names: "file",
    help: "fetch by the link in this file",
  },
  plaintext: {
    commands: ASKING,
    help: "no encryption; on both sides, and warned of",
  },
  config: {
    value: "FILE",
    names: "file",
    help: "options from this TOML file",
  },
  json: { help: "events on stdout, one JSON object a line" },
  quiet: { short: "q", help: "nothing on stderr but errors" },
  debug: { help: "stack traces with errors" },
  help: { short: "h", isTyped: true, help: "show help, also for one command" },
  version: { isTyped: true, help: "show the versions of program and protocol" },
};

/** The options of a role. */
export function optionsOfRole(role: Role): OptionTable {
  return Object.fromEntries(
    Object.entries(OPTIONS).filter(([, { roles }]) =>
      roles === undefined || roles.includes(role)
    ),
  );
}

/** The options of one of the client's commands. */
export function optionsOfCommand(command: ClientCommand): OptionTable {
  return Object.fromEntries(
    Object.entries(optionsOfRole("client")).filter(([, { commands }]) =>
      commands === undefined || commands.includes(command)
    ),
  );
}

/** The environment variable of an option. */
export function variableOf(option: string): string {
  return `RELAY_P2P_${option.toUpperCase().replaceAll("-", "_")}`;
}

/** An option as it is typed: `-o, --output PATH`. */
export function formatOption(name: string, option: OptionSpec): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const value = option.value === undefined ? "" : ` ${option.value}`;
  return `${short}--${name}${value}`;
}

/** What an option does, with the command it belongs to where that is one. */
export function describeOption({ commands, help }: OptionSpec): string {
  return commands?.length === 1 ? `${commands[0]}: ${help}` : help;
}
