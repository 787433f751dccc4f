/**
 * From the words after `p2p` to a command line of Deno. Everything outside of
 * them is an argument. Without a relay, the remembered one is used.
 *
 * @module
 */

import {
  type CommandLine,
  parseCommandLine,
} from "../../lib/cli/options/command_line.ts";
import {
  CLIENT,
  commandNames,
  RELAY,
} from "../../lib/cli/options/command_table.ts";
import { OPENERS } from "../../lib/cli/output/openers.ts";
import type { ClientCommand } from "../../lib/cli/options/option_spec.ts";
import { optionsOfCommand } from "../../lib/cli/options/option_table.ts";
import { needsRelay, permissionFlags } from "./permissions.ts";
import { nodeTokenFor, relayFor } from "./relay_arguments.ts";
import { knownNodesPaths } from "./remembered.ts";
import { planRelay, planShare } from "./serving.ts";
import {
  lineOf,
  type Plan,
  type Surroundings,
  VARIABLES,
} from "./surroundings.ts";
import {
  isOwnCommand,
  OWN_COMMANDS,
  type OwnCommandSpec,
  P2P,
  SERVING,
} from "./tables.ts";
import { isLink, readTyped, type Typed } from "./typed.ts";

const OWN_SCRIPT = "packaging/p2p/p2p.ts";

/**
 * Plans what was typed.
 *
 * @throws {Failure} of kind `usage` where a relay is needed and none is known,
 * and for options that cannot be read.
 */
export async function planOf(
  args: readonly string[],
  around: Surroundings,
): Promise<Plan> {
  const typed = readTyped(args);
  const { command, isAsking, rest } = typed;
  const serving = SERVING[command ?? ""];
  if (serving !== undefined) {
    if (isAsking) {
      return { script: serving.script, flags: VARIABLES, args: rest };
    }
    const plan = serving === RELAY ? planRelay : planShare;
    return await plan(typed, around);
  }
  if (command === "help") {
    const script = helpfulScript(typed.words[0]);
    if (script !== undefined) {
      const all = args.includes("--all") ? ["--all"] : [];
      return { ...script, args: [...script.args, ...all], flags: VARIABLES };
    }
  }
  return isOwn(typed)
    ? planOwn(typed, { args, around })
    : await planClient(typed, { args, around });
}

/** The program that knows about a command; none for one of `p2p`'s own. */
function helpfulScript(
  topic: string | undefined,
): Pick<Plan, "script" | "args"> | undefined {
  if (topic === undefined || isOwnCommand(topic)) return undefined;
  const serving = SERVING[topic];
  if (serving !== undefined) return { script: serving.script, args: ["help"] };
  return commandNames(CLIENT).includes(topic) && topic !== "completions" &&
      topic !== "help"
    ? { script: CLIENT.script, args: ["help", topic] }
    : undefined;
}

/** Whether `p2p` itself answers. */
function isOwn({ command, isAsking, relayWords }: Typed): boolean {
  if (command === undefined) return isAsking;
  if (command === "help" || command === "completions") return true;
  return isOwnCommand(command) ||
    relayWords.length === 0 && !isLink(command) &&
      !commandNames(CLIENT).includes(command);
}

function planOwn(
  { command, words, isAsking }: Typed,
  { args, around }: { args: readonly string[]; around: Surroundings },
): Plan {
  if (command === undefined || !isOwnCommand(command) || isAsking) {
    return { script: OWN_SCRIPT, flags: VARIABLES, args };
  }
  const line = parseCommandLine(args, P2P);
  const { needs }: OwnCommandSpec = OWN_COMMANDS[command];
  const options = P2P.optionsOf!(command);
  const { places, isTerminal, disk } = around;
  const remembered = () => around.remembered();
  const needed = needs({
    ...{ places, remembered, isTerminal, disk },
    ...{ words, line },
  });
  const flags = permissionFlags({ line, options, ...needed }, disk);
  return { script: OWN_SCRIPT, flags, args };
}

async function planClient(
  { relayWords, command, rest, words, isAsking }: Typed,
  { args, around }: { args: readonly string[]; around: Surroundings },
): Promise<Plan> {
  const isLinkAlone = command !== undefined && isLink(command);
  const name = (isLinkAlone ? "get" : command ?? "dialogue") as ClientCommand;
  const spec = CLIENT.commands[name];
  if (spec === undefined || isAsking) {
    return { script: CLIENT.script, flags: VARIABLES, args };
  }
  const line = await lineOf(rest, "client", around);
  const needsNet = needsRelay(spec);
  const isByLink = isLinkAlone || name === "get" &&
      (words.some(isLink) || line.isSet("link-file"));
  const options = optionsOfCommand(name);
  const relay = needsNet && !isByLink
    ? await relayFor(relayWords, {
      ...{ line, options, role: "client", around },
      keepsNodes: !ASKS_NO_NODES.includes(name),
    })
    : { words: relayWords, options: [], paths: [] };
  const files = spec.operands === "files" ? words : [];
  const forNode = name === "send" && relayWords.length === 0
    ? nodeTokenFor(line, around)
    : [];
  return {
    script: CLIENT.script,
    flags: permissionFlags({
      ...{ line, options, net: needsNet },
      paths: [
        ...files.map((path) => ({ path, use: "read" as const })),
        ...relay.paths,
        ...(spec.savesHere ? [{ path: ".", use: "save" as const }] : []),
        ...forNode.map((path) => ({ path, use: "read" as const })),
        ...nodesBeside(line).map((path) => ({ path, use: "keep" as const })),
      ],
      ...(spec.sys === undefined ? {} : { sys: spec.sys }),
      // Deno complains about a program that is not there.
      run: spec.opensBrowser === undefined
        ? []
        : OPENERS.filter((path) => around.disk.kindOf(path) === "file"),
    }, around.disk),
    args: [
      ...relay.options,
      ...forNode.flatMap((path) => ["--node-token-file", path]),
      ...relay.words,
      ...(command === undefined ? [] : [command]),
      ...rest,
    ],
  };
}

/** Commands that are of no use while no relay answers, or examine relays. */
const ASKS_NO_NODES: readonly ClientCommand[] = ["doctor", "link", "send"];

/** The nodes that a client keeps beside `--known-relays`. */
function nodesBeside(line: CommandLine): readonly string[] {
  const path = line.value("known-relays");
  return path === undefined || path === "" ? [] : knownNodesPaths(path);
}
