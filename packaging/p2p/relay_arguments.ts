/**
 * The relays, their tokens and the index key as arguments of the scripts.
 *
 * @module
 */

import { Failure } from "../../lib/base/errors.ts";
import type { CommandLine } from "../../lib/cli/options/command_line.ts";
import type { OptionTable } from "../../lib/cli/options/option_spec.ts";
import type { UsedPath } from "./permissions.ts";
import { knownNodesPaths, knownRelaysPath } from "./remembered.ts";
import { cannotStart, type Surroundings } from "./surroundings.ts";

/** A relay as the arguments of a script. */
export interface RelayArguments {
  readonly words: readonly string[];
  readonly options: readonly string[];
  readonly paths: readonly UsedPath[];
}

/**
 * The relay that was typed, or the remembered ones with their tokens and the
 * index key, if the command has `options` for them.
 *
 * @throws {Failure} of kind `usage` if neither is there.
 */
export async function relayFor(
  relayWords: readonly string[],
  { line, options: taken, role, around, keepsNodes = false }: {
    line: CommandLine;
    options: OptionTable;
    role: "node" | "client";
    around: Surroundings;
    /** Whether to keep the nodes that the remembered relays list. */
    keepsNodes?: boolean;
  },
): Promise<RelayArguments> {
  const isListed = ["relay", "relays"].some((name) => line.isSet(name));
  if (relayWords.length > 0 || isListed) {
    const tokens = relayWords.length > 0 ? [] : await tokensOf(line, around);
    return { words: relayWords, options: [], paths: tokens.map(toRead) };
  }
  const remembered = around.remembered();
  const [first, ...others] = remembered;
  if (first === undefined) {
    throw cannotStart(
      "no relay is remembered",
      "name one with p2p use RELAY, or before the command",
    );
  }
  const isGiven = line.isSet("token") || line.isSet("token-file");
  const tokens = remembered.map(({ tokenFiles }) =>
    isGiven ? undefined : tokenFiles[role]
  );
  const isKeyGiven = line.isSet("index-key-file") ||
    taken["index-key-file"] === undefined;
  // Nodes and clients have one key, whatever their relays.
  const key = isKeyGiven
    ? undefined
    : remembered.find(({ indexKeyFile }) => indexKeyFile)?.indexKeyFile;
  const known = keepsNodes
    ? knownRelaysFor(line, around)
    : { options: [], paths: [] };
  const common = [
    ...known.options,
    ...key === undefined ? [] : ["--index-key-file", key],
  ];
  const paths = [
    ...[...tokens, key].filter((path) => path !== undefined).map(toRead),
    ...known.paths,
  ];
  if (others.length === 0) {
    const [token] = tokens;
    const options = token === undefined ? [] : ["--token-file", token];
    return { words: [first.relay], options: [...options, ...common], paths };
  }
  const options = remembered.flatMap(({ relay }, n) => {
    const token = tokens[n];
    return ["--relay", token === undefined ? relay : `${relay} ${token}`];
  });
  return { words: [], options: [...options, ...common], paths };
}

/**
 * Where a client keeps the nodes of the remembered relays, so that it finds them
 * while no relay answers.
 */
function knownRelaysFor(
  line: CommandLine,
  { places }: Surroundings,
): Pick<RelayArguments, "options" | "paths"> {
  const isKept = !line.isSet("known-relays") &&
    !line.isOn("plaintext") && !line.isOn("dry-run");
  if (!isKept) return { options: [], paths: [] };
  const path = knownRelaysPath(places.config);
  return {
    options: ["--known-relays", path],
    paths: [path, ...knownNodesPaths(path)].map(toKeep),
  };
}

/** The files with tokens that go with `--relay` and `--relays`. */
async function tokensOf(
  line: CommandLine,
  { tokensIn }: Surroundings,
): Promise<readonly string[]> {
  const list = line.value("relays");
  return [
    ...tokenFilesOf(line),
    ...list === undefined ? [] : await tokensIn(list),
  ];
}

function tokenFilesOf(line: CommandLine): readonly string[] {
  try {
    return (line.get("relay") ?? []).flatMap(({ tokenFile }) =>
      tokenFile ?? []
    );
  } catch (error) {
    if (error instanceof Failure) return []; // the role reports it
    throw error;
  }
}

function toRead(path: string): UsedPath {
  return { path, use: "read" };
}

function toKeep(path: string): UsedPath {
  return { path, use: "keep" };
}

/** The remembered node token, for a client that shares files itself. */
export function nodeTokenFor(
  line: CommandLine,
  { remembered }: Surroundings,
): readonly string[] {
  const path = remembered()[0]?.tokenFiles.node;
  return path === undefined || line.isSet("node-token-file") ? [] : [path];
}
