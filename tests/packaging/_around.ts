/**
 * The world around a command line of `p2p`, made up: a home, a disk with a few
 * names, and perhaps a remembered relay.
 */

import type { Settings } from "../../lib/cli/options/command_line.ts";
import { placesOf } from "../../packaging/p2p/places.ts";
import type { Remembered } from "../../packaging/p2p/remembered.ts";
import type { Surroundings } from "../../packaging/p2p/surroundings.ts";

export const ID = "a".repeat(52);
/** The address of the remembered relay. */
export const KEPT = `p2p://nas.local:1700/${ID}`;
export const REMEMBERED: Remembered = { relay: KEPT, tokenFiles: {} };
/** A second relay. */
export const SECOND_RELAY = `p2p://pi.local:1700/${"b".repeat(52)}`;

const NAMES: Readonly<Record<string, "folder" | "file">> = {
  "Downloads": "folder",
  "old.txt": "file",
  "/usr/bin/xdg-open": "file",
};

/** The surroundings of a `p2p` command. */
export function around(
  remembered: Remembered | readonly Remembered[] = [],
  { settings = new Map(), isTerminal = true, isConnected = false }: {
    /** The content of every configuration file. */
    settings?: Settings;
    isTerminal?: boolean;
    /** Whether the file with the remembered relays is a link. */
    isConnected?: boolean;
  } = {},
): Surroundings {
  return {
    places: placesOf((name) => name === "HOME" ? "/home/u" : undefined),
    remembered: () => [remembered].flat(),
    disk: {
      kindOf: (path) => NAMES[path],
      targetOf: (path) =>
        /^linked\/?$/.test(path)
          ? "/real/place"
          : isConnected && path.endsWith("/relay.json")
          ? "/home/u/dotfiles/p2p.json"
          : undefined,
      isRoot: (path) => path === "/" || path === "../..",
      holdsHome: (path) => ["/", "/home", "/home/u", "up"].includes(path),
    },
    isTerminal,
    readSettings: () => Promise.resolve(settings),
    tokensIn: (path) => Promise.resolve(path === "list" ? ["nas.token"] : []),
    nameOf: (folders) =>
      Promise.resolve(folders.map(({ path }) => path).join("+")),
  };
}
