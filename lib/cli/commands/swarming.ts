/**
 * The options of `get --swarm`, and the lines that it prints while it serves
 * others.
 *
 * @module
 */

import { Failure } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { counted } from "../../base/text.ts";
import type { ClientEvent } from "../../client/events.ts";
import type { SwarmOptions } from "../../client/swarming.ts";
import type { CommandLine } from "../options/command_line.ts";
import { given } from "../options/values.ts";
import { formatBytes, formatSeconds } from "../../base/units.ts";
import type { Terminal } from "../output/terminal.ts";

/** Options that mean nothing without `--swarm`. */
const OF_SWARM = ["limit-upload", "linger"] as const;

/**
 * The part in swarms that a command line asks for, if any. At a terminal, where
 * a person sees it and can end it, the client lingers by default.
 *
 * @throws {Failure} of kind `usage` for an option that has no effect.
 */
export function swarmOptions(
  line: CommandLine,
  { showsStatus }: Pick<Terminal, "showsStatus">,
): SwarmOptions | undefined {
  if (!line.isOn("swarm")) {
    const stray = OF_SWARM.find((name) => line.typed.includes(name));
    if (stray === undefined) return undefined;
    throw new Failure("usage", {
      what: "Cannot use option",
      where: `--${stray}`,
      why: "without --swarm nothing is sent to other clients",
      remedy: "add --swarm, or omit this option",
    });
  }
  const linger = line.get("linger");
  const usualMs = showsStatus ? LIMITS.swarmLingerMs : 0;
  return {
    ...given({ limitUpload: line.get("limit-upload") }),
    lingerMs: linger === undefined ? usualMs : 1_000 * linger,
  };
}

/** `serving 3 machines for up to 0:27, Ctrl-C ends it`. */
export function servingInWords(
  { readers, leftMs }: Pick<
    ClientEvent & { event: "swarm_serving" },
    "readers" | "leftMs"
  >,
): string {
  const what = readers === 0
    ? "waiting for other machines"
    : `serving ${counted(readers, "machine")}`;
  return `${what} for up to ${formatSeconds(leftMs / 1_000)}, Ctrl-C ends it`;
}

/** The line about bytes sent to others; empty if there are none. */
export function gaveInWords(
  { given, why }: ClientEvent & { event: "swarm_ended" },
): string[] {
  return [
    ...why === undefined ? [] : [`could not send to other machines: ${why}`],
    ...given === 0 ? [] : [`sent ${formatBytes(given)} to other machines`],
  ];
}
