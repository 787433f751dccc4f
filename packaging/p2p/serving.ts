/**
 * Plans the commands of `p2p` that start a server: `relay` and `share`.
 *
 * @module
 */

import { join } from "@std/path/posix/join";
import { NODE, RELAY } from "../../lib/cli/options/command_table.ts";
import { parseCommandLine } from "../../lib/cli/options/command_line.ts";
import { parseShared } from "../../lib/cli/options/values.ts";
import { show } from "../../lib/base/text.ts";
import type { SharedPath } from "../../lib/share/shared_path.ts";
import { permissionFlags } from "./permissions.ts";
import { relayFor } from "./relay_arguments.ts";
import {
  cannotStart,
  lineOf,
  type Plan,
  type Surroundings,
} from "./surroundings.ts";
import { P2P, RELAY_PORT } from "./tables.ts";
import { type Typed, withoutOption } from "./typed.ts";

/** Plans `p2p relay`. */
export async function planRelay(
  { relayWords, rest, words }: Typed,
  around: Surroundings,
): Promise<Plan> {
  if (relayWords.length > 0) {
    throw cannotStart("a relay takes no relay", "usage: p2p relay [PORT]");
  }
  const given = withoutOption(rest, "no-announce");
  const line = await lineOf(given, "relay", around);
  if (line.isOn("show-tokens")) return planTokens(given, line, around);
  const isAdded = given.length === rest.length &&
    !line.isOn("plaintext") && !line.isSet("announce");
  const isAnnounced = isAdded || line.isOn("announce");
  const isKept = line.isSet("state");
  const state = isKept ? undefined : join(around.places.state, "relay");
  return {
    script: RELAY.script,
    flags: permissionFlags({
      ...{ line, options: RELAY.options, net: true },
      paths: state === undefined ? [] : [{ path: state, use: "keep" }],
      sys: isAnnounced ? [...hostnameFor(line), "networkInterfaces"] : [],
    }, around.disk),
    args: [
      ...(state === undefined ? [] : ["--state", state]),
      ...(isAdded ? ["--announce"] : []),
      ...given,
      ...(words.length === 0 ? [RELAY_PORT] : []),
    ],
  };
}

/** Tokens are worked out from the secret alone, and no relay starts. */
function planTokens(
  args: readonly string[],
  line: Awaited<ReturnType<typeof lineOf>>,
  { disk }: Surroundings,
): Plan {
  const options = Object.fromEntries(
    ["secret-file", "previous-secret-file", "config"]
      .map((name) => [name, RELAY.options[name]!]),
  );
  const flags = permissionFlags({ line, options, net: false }, disk);
  return { script: RELAY.script, flags, args };
}

/** The machine's name is asked for where no other name is given. */
function hostnameFor(line: { isSet(name: string): boolean }): string[] {
  return line.isSet("name") ? [] : ["hostname"];
}

/** Plans `p2p share`. */
export async function planShare(
  { relayWords, isDoctor, words, rest: typed }: Typed,
  around: Surroundings,
): Promise<Plan> {
  const folders = words.map(parseShared);
  if (folders.length === 0) {
    throw cannotStart("the folder is missing", "usage: p2p share DIR...");
  }
  const { port = "0", rest } = takePort(typed);
  const line = await lineOf(rest, "node", around);
  const relay = await relayFor(relayWords, {
    ...{ line, options: NODE.options, role: "node", around },
  });
  const isKept = line.isSet("state");
  if (!isKept) refuseHome(folders, around);
  const state = isKept
    ? undefined
    : join(around.places.state, "share", await around.nameOf(folders));
  return {
    script: NODE.script,
    flags: permissionFlags({
      ...{ line, options: NODE.options, net: true },
      paths: [
        ...folders.map(({ path }) => ({ path, use: "read" as const })),
        ...(state === undefined ? [] : [{ path: state, use: "keep" as const }]),
        ...relay.paths,
      ],
      sys: [...hostnameFor(line), ...(isDoctor ? ["statfs"] : [])],
    }, around.disk),
    args: [
      ...(isDoctor ? ["doctor"] : []),
      ...(state === undefined ? [] : ["--state", state]),
      ...relay.options,
      ...relay.words,
      port,
      ...rest,
    ],
  };
}

/**
 * Nobody means to share a whole home by a word as short as `~`. Identities are
 * kept in it too, so a person who insists keeps them elsewhere.
 */
function refuseHome(
  folders: readonly SharedPath[],
  { disk }: Surroundings,
): void {
  const found = folders.find(({ path }) => disk.holdsHome(path));
  if (found === undefined) return;
  throw cannotStart(
    `${show(found.path)} contains your whole home folder`,
    "name folders in it, such as ~/Documents, or all of them: p2p share ~/*; " +
      "or insist with --state DIR, where DIR lies outside of it",
  );
}

/** The node's port, which the script takes as a word. */
function takePort(
  args: readonly string[],
): { port?: string; rest: readonly string[] } {
  const port = parseCommandLine(args, P2P).value("port");
  if (port === undefined) return { rest: args };
  return { port, rest: withoutOption(args, "port") };
}
