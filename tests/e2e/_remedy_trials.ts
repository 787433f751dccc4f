/**
 * What a trial of a remedy is: a command that fails and prints it, and what is
 * done about it as it says, after which the command does what was wanted.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { formatToken, tokenOf } from "../../lib/access/token.ts";
import type { RelayOptions } from "../../lib/relay/server.ts";
import {
  IDENTITIES,
  startNode,
  startRelay,
  type TestRelay,
} from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { within } from "../_event_log.ts";
import { runRole, type SpawnOptions, spawnRole } from "./_processes.ts";
import type { RoleHost } from "./_role_host.ts";

/** Words of remedies as they are written, and how each is tried. */
export type Trials = Readonly<
  Record<string, (here: Here) => Trial | Promise<Trial>>
>;

/** The id of another relay. */
export const OTHER_ID = IDENTITIES[1]!.id;
/** A secret. */
export const SECRET = crypto.getRandomValues(new Uint8Array(32)).toHex();
/** A node's token, of no relay here. */
export const TOKEN = formatToken(tokenOf(new Uint8Array(32).fill(7), "node"));
/** The same of a client. */
export const CLIENT_TOKEN = formatToken(
  tokenOf(new Uint8Array(32).fill(7), "client"),
);

/** A command as somebody types it in a folder of their own. */
export interface Command extends SpawnOptions {
  readonly script: "relay.ts" | "peer_node.ts" | "peer_client.ts";
  readonly words: readonly string[];
  /** What is typed. */
  readonly input?: string;
  /** What runs it where it has just these permissions. */
  readonly hosted?: {
    readonly host: RoleHost;
    readonly permissions: readonly string[];
  };
}

/** A trial: the second command is the first where there is none. */
export interface Trial {
  readonly wrong: Command;
  readonly mend?: () => unknown;
  /** Where the words say which, it takes them from what was said. */
  readonly right?: Command | ((said: string) => Command);
  /** Ends what was started for it. */
  readonly end?: () => Promise<void>;
}

/** Where a trial takes place: a folder, and a relay with nodes. */
export class Here {
  readonly at: string;
  readonly port: string;
  readonly #permissions: readonly string[];

  /** All in `path`, with a relay that runs. */
  constructor(
    readonly path: string,
    readonly relay: TestRelay,
    readonly host: RoleHost,
  ) {
    this.at = relay.server.relayAddress;
    this.port = String(relay.server.address.port);
    this.#permissions = [
      `--allow-read=${path}`,
      `--allow-write=${path}`,
      "--allow-env=RELAY_P2P_TOKEN,RELAY_P2P_RATE",
    ];
  }

  /** A client at the relay. */
  client(...words: string[]): Command {
    return this.bare(this.at, ...words);
  }

  /** A client with the relay in `words`, if any. */
  bare(...words: string[]): Command {
    return this.#command("peer_client.ts", words);
  }

  /** A node at the relay. */
  node(...words: string[]): Command {
    const host = ["--host", "127.0.0.1"];
    return this.#command("peer_node.ts", [...host, ...words]);
  }

  /** Another relay. */
  newRelay(...words: string[]): Command {
    return this.#command("relay.ts", ["--host", "127.0.0.1", ...words]);
  }

  write(name: string, text = "", mode = 0o600): Promise<void> {
    return Deno.writeTextFile(`${this.path}/${name}`, text, { mode });
  }

  #command(script: Command["script"], words: readonly string[]): Command {
    const permissions = this.#permissions;
    const hosted = { host: this.host, permissions };
    return { script, words, permissions, hosted, cwd: this.path };
  }
}

/** A command without any permission but to dial. */
export function ungranted(command: Command): Command {
  return { ...command, permissions: [] };
}

/** A command at a terminal of its own. Its words have no spaces. */
export function atTerminal(command: Command): Command {
  const line = `script --quiet --return --command "$*" /dev/null`;
  return { ...command, prefix: ["sh", "-c", line, "sh"] };
}

/** A command that may dial and listen nowhere. */
export function withoutNet(command: Command): Command {
  const { permissions = [] } = command;
  return { ...command, permissions: [...permissions, "--deny-net"] };
}

interface Outcome {
  readonly code: number;
  readonly said: string;
}

/** Runs a command to its end, or until it has printed what matches. */
async function run(command: Command, until?: string): Promise<Outcome> {
  const { script, words, hosted, ...options } = command;
  const { code, text, stderr } = hosted !== undefined && isHosted(command)
    ? await hosted.host.run({
      ...{ script, words, cwd: command.cwd! },
      ...(command.input === undefined ? {} : { input: command.input }),
      ...(command.env === undefined ? {} : { env: command.env }),
      ...(until === undefined ? {} : { until }),
    })
    : await runRole(script, words, options);
  return { code, said: `${text}\n${stderr.join("\n")}` };
}

/** Whether it needs no process of its own. */
function isHosted({ hosted, permissions, prefix }: Command): boolean {
  return hosted !== undefined && permissions === hosted.permissions &&
    prefix === undefined;
}

const READY = "^registered with |^relay address ";

/** Runs a command to its end; one that serves, until it does. */
async function succeed(command: Command): Promise<Outcome> {
  const { script, words, ...options } = command;
  const isRole = script !== "peer_client.ts" &&
    !words.some((word) => /^(doctor|help|--help)$/.test(word));
  if (!isRole) return await run(command);
  if (isHosted(command)) return await run(command, READY);
  await using role = spawnRole(script, words, options);
  const ready = role.stdout.until(new RegExp(READY))
    .then(() => 0).catch(() => role.exitCode);
  const code = await within(ready, words.join(" "));
  const lines = [...role.stdout.all, ...role.stderr.all];
  return { code, said: lines.join("\n") };
}

/** What a command prints that must succeed. */
export async function ended(command: Command): Promise<string> {
  const { code, said } = await run(command);
  assertEquals(code, 0, said);
  return said;
}

/** Fails, does as the remedy says, and does what was wanted. */
export async function tryRemedy(
  words: string,
  { relay, host }: { relay: TestRelay; host: RoleHost },
  trial: (here: Here) => Trial | Promise<Trial>,
): Promise<void> {
  await using folder = await tempShare({
    "share/a.txt": "whole\n",
    "there/b.txt": "another\n",
  });
  const made = await trial(new Here(folder.path, relay, host));
  try {
    await followed(words, made);
  } finally {
    await made.end?.();
  }
}

async function followed(
  words: string,
  { wrong, mend, right: next = wrong }: Trial,
): Promise<void> {
  const pattern = patternOf(words);
  const failed = await run(wrong);
  assertMatch(failed.said, pattern);
  const warns = /^warning /m.test(failed.said);
  assert(warns || failed.code !== 0, `${words}\n${failed.said}`);
  await mend?.();
  const right = typeof next === "function" ? next(failed.said) : next;
  const flags = [...failed.said.matchAll(/(?<=\s)--allow-(?:read|write)=\S+/g)];
  const done = await succeed(
    right !== wrong || flags.length === 0 ? right : {
      ...right,
      permissions: [
        ...right.permissions ?? [],
        ...flags.map(([flag]) => flag),
      ],
    },
  );
  assertEquals(done.code, 0, `after: ${words}\n${failed.said}\n${done.said}`);
  assertEquals(pattern.test(done.said), false, `${words}\n${done.said}`);
}

const FILLED = /\$\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}/;

/** What is printed of words as they are written. */
function patternOf(words: string): RegExp {
  if (/Remedy$/.test(words)) return /grant it with --allow-/;
  return new RegExp(
    words.split(FILLED).map((part) => RegExp.escape(part)).join(".+"),
  );
}

/** A node that shares a folder at the relay. */
export function shares(
  here: Here,
  folder: string,
  ...options: string[]
): Command {
  return here.node(...options, "127.0.0.1", here.port, "0", folder);
}

/** A secret that others may read. */
export async function tooOpenSecret(here: Here): Promise<Trial> {
  await here.write("secret", SECRET);
  await Deno.chmod(`${here.path}/secret`, 0o644);
  return {
    wrong: here.newRelay("--secret-file=secret", "0"),
    mend: () => Deno.chmod(`${here.path}/secret`, 0o600),
  };
}

/** A folder that is missing. */
export function missingFolder(here: Here): Trial {
  return {
    wrong: here.client("doctor", "-o", "missing/"),
    mend: () => Deno.mkdir(`${here.path}/missing`),
  };
}

/** A relay for one trial, and its address. */
export interface OwnRelay {
  readonly relay: TestRelay;
  readonly address: string;
  readonly port: string;
  /** For a trial: ends the relay. */
  readonly end: () => Promise<void>;
}

/** Starts a relay without nodes for one trial. */
export async function ownRelay(
  options: Partial<RelayOptions> = {},
): Promise<OwnRelay> {
  const relay = await startRelay(options);
  return {
    relay,
    address: relay.server.relayAddress,
    port: String(relay.server.address.port),
    end: async () => await relay[Symbol.asyncDispose](),
  };
}

/** A relay without nodes; the remedy is to start one. */
export async function relayWithoutNodes(): Promise<
  OwnRelay & { startNode: () => Promise<void> }
> {
  const relay = await ownRelay();
  const nodes = new AsyncDisposableStack();
  return {
    ...relay,
    startNode: async () => {
      nodes.use(await startNode(relay.relay, { "a.txt": "whole\n" }));
    },
    end: async () => {
      await nodes.disposeAsync();
      await relay.end();
    },
  };
}

/** A link to a file of the nodes. */
export async function linkOf(here: Here): Promise<string> {
  const said = await ended(here.client("link", "a.txt"));
  return /^p2p:\S+$/m.exec(said)![0];
}
