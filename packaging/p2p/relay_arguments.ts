/**
 * The relay, its tokens and its index key as arguments of the scripts.
 *
 * @module
 */

import type { CommandLine } from "../../lib/cli/options/command_line.ts";
import type { OptionTable } from "../../lib/cli/options/option_spec.ts";
import type { UsedPath } from "./permissions.ts";
import { cannotStart, type Surroundings } from "./surroundings.ts";

/** A relay as the arguments of a script. */
export interface RelayArguments {
  readonly words: readonly string[];
  readonly options: readonly string[];
  readonly paths: readonly UsedPath[];
}

/**
 * The relay that was typed, or the remembered one with its token and its index
 * key, if the command has `options` for them.
 *
 * @throws {Failure} of kind `usage` if neither is there.
 */
export async function relayFor(
  relayWords: readonly string[],
  { line, options, role, around }: {
    line: CommandLine;
    options: OptionTable;
    role: "node" | "client";
    around: Surroundings;
  },
): Promise<RelayArguments> {
  const isListed = ["relay", "relays"].some((name) => line.isSet(name));
  if (relayWords.length > 0 || isListed) {
    const list = line.value("relays");
    const tokens = list === undefined || relayWords.length > 0
      ? []
      : await around.tokensIn(list);
    const paths = tokens.map((path) => ({ path, use: "read" as const }));
    return { words: relayWords, options: [], paths };
  }
  const remembered = around.remembered();
  if (remembered === undefined) {
    throw cannotStart(
      "no relay is remembered",
      "name one with p2p use RELAY, or before the command",
    );
  }
  const { relay, tokenFiles, indexKeyFile } = remembered;
  const isGiven = line.isSet("token") || line.isSet("token-file");
  const isKeyGiven = line.isSet("index-key-file") ||
    options["index-key-file"] === undefined;
  const files = [
    { option: "--token-file", path: isGiven ? undefined : tokenFiles[role] },
    {
      option: "--index-key-file",
      path: isKeyGiven ? undefined : indexKeyFile,
    },
  ].flatMap(({ option, path }) => path === undefined ? [] : [{ option, path }]);
  return {
    words: [relay],
    options: files.flatMap(({ option, path }) => [option, path]),
    paths: files.map(({ path }) => ({ path, use: "read" })),
  };
}

/** The remembered node token, for a client that shares files itself. */
export function nodeTokenFor(
  line: CommandLine,
  { remembered }: Surroundings,
): readonly string[] {
  const path = remembered()?.tokenFiles.node;
  return path === undefined || line.isSet("node-token-file") ? [] : [path];
}
