/**
 * The words for the command that the user typed: a script, or `p2p`, which says
 * so in a variable. Usage, examples and remedies then name `p2p`.
 *
 * @module
 */

import { isGranted } from "../../base/permission.ts";
import type { Command, CommandSpec, Example } from "./command_table.ts";

/** The variable that names the command; `p2p` is the only value. */
const COMMAND_VARIABLE = "RELAY_P2P_COMMAND";

const SPOKEN = new WeakMap<CommandSpec, CommandSpec>();

/** Whether this process was started by `p2p`. */
function isTypedAsP2p(): boolean {
  return isGranted({ name: "env", variable: COMMAND_VARIABLE }) &&
    Deno.env.get(COMMAND_VARIABLE) === "p2p";
}

/** `spec` in the words of the command that was typed. */
export function asTyped(spec: CommandSpec): CommandSpec {
  if (spec.asP2p === undefined || !isTypedAsP2p()) return spec;
  const known = SPOKEN.get(spec) ?? asP2p(spec);
  SPOKEN.set(spec, known);
  return known;
}

/** A script as a command of `p2p`. Pure. */
export function asP2p(spec: CommandSpec): CommandSpec {
  const { asP2p: words, ...rest } = spec;
  if (words === undefined) return spec;
  return {
    ...rest,
    ...words,
    examples: spec.examples.map(exampleAsP2p),
    commands: Object.fromEntries(
      Object.entries(spec.commands).map(([name, command]) => [
        name,
        commandAsP2p(command),
      ]),
    ),
  };
}

function commandAsP2p(command: Command): Command {
  return {
    ...command,
    usage: usageAsP2p(command.usage),
    notes: command.notes.map(lineAsP2p),
    examples: command.examples.map(exampleAsP2p),
  };
}

function usageAsP2p(usage: string): string {
  return usage.replace(/^RELAY ?/, "").replace(
    /\bRELAY PORT \[DIR[^\]]*\]/,
    "DIR...",
  );
}

/** The usage of a command in the words of the command that was typed. */
export function usageAsTyped(usage: string): string {
  return isTypedAsP2p() ? usageAsP2p(usage) : usage;
}

function exampleAsP2p({ what, line }: Example): Example {
  return { what, line: lineAsP2p(line) };
}

const NAMES: Readonly<Record<string, string>> = {
  "relay": "p2p relay",
  "peer_node": "p2p share",
  "peer_client": "p2p",
};

/** A line with the command line of a script in it, as typed with `p2p`. */
export function lineAsP2p(line: string): string {
  return line
    .replaceAll(
      /(?:\bdeno run (?:--\S+ )*)?\b(relay|peer_node|peer_client)\.ts\b/g,
      (_, script: string) => NAMES[script]!,
    )
    .replace(/\bp2p completions (\w+) p2p\b/, "p2p completions $1")
    .replace(/(\bp2p share .*?)\bnas 1700 1500$/, "$1files")
    .replace(/(\bp2p share .*?)\bnas 1700 1500 /, "$1")
    .replace(/(\bp2p\b.*?) nas 1700\b/, "$1");
}

/** A line with the command line of a script, for the command that was typed. */
export function lineAsTyped(line: string): string {
  return isTypedAsP2p() ? lineAsP2p(line) : line;
}

/** A remedy for the command that was typed. */
export function remedyAsTyped(remedy: string): string {
  return isTypedAsP2p() ? remedyAsP2p(remedy) : remedy;
}

/** A remedy that names a script, or what to do with a relay's address. Pure. */
export function remedyAsP2p(remedy: string): string {
  return remedy
    .replace(
      /\bwith (peer_node|peer_client|relay)\.ts\b/,
      (_, script) => `with ${NAMES[script]}`,
    )
    .replace(
      /\buse its new relay address\b/,
      "type p2p use and its new relay address",
    );
}
