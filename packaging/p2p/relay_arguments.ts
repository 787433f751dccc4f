/**
 * The relay and its tokens as arguments of the scripts.
 *
 * @module
 */

import type { CommandLine } from "../../lib/cli/options/command_line.ts";
import type { UsedPath } from "./permissions.ts";
import { cannotStart, type Surroundings } from "./surroundings.ts";

/** A relay as the arguments of a script. */
export interface RelayArguments {
  readonly words: readonly string[];
  readonly options: readonly string[];
  readonly paths: readonly UsedPath[];
}

/**
 * The relay that was typed, or the remembered one with its token.
 *
 * @throws {Failure} of kind `usage` if neither is there.
 */
export async function relayFor(
  relayWords: readonly string[],
  { line, role, around }: {
    line: CommandLine;
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
  const path = remembered.tokenFiles[role];
  const isGiven = ["token", "token-file"].some((name) => line.isSet(name));
  return {
    words: [remembered.relay],
    ...(path === undefined || isGiven
      ? { options: [], paths: [] }
      : { options: ["--token-file", path], paths: [{ path, use: "read" }] }),
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
