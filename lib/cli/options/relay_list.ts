/**
 * The file of `--relays`. Each line has the address of a relay. If the relay is
 * private, the path of the file with its token follows. Lines that begin with
 * `#` are comments.
 *
 * ```
 * # at home
 * p2p://nas:1700/RELAY_ID nas.token
 * example.net:1700
 * ```
 *
 * @module
 */

import { Failure } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { show } from "../../base/text.ts";
import { join } from "@std/path/join";
import { readBounded } from "./text_file.ts";
import { type RelayEntry, relayLine } from "./values.ts";

/**
 * Reads a list of relays.
 *
 * @throws {Failure} of kind `local` or `not_allowed` if the file cannot be read,
 * `usage` for an invalid line, and for a file without relays.
 */
export async function readRelayList(path: string): Promise<RelayEntry[]> {
  const text = await readBounded(path, {
    what: "Cannot read relays",
    mostBytes: LIMITS.configBytes,
    remedy: "name a file with an address on each line with --relays",
  });
  return parseRelayList(text, path);
}

/**
 * Parses a list of relays. A token's path is relative to the folder of the list.
 *
 * @throws {Failure} of kind `usage`.
 */
export function parseRelayList(text: string, path: string): RelayEntry[] {
  const lines = text.split("\n").flatMap((given, index) => {
    const words = given.trim();
    if (words === "" || words.startsWith("#")) return [];
    const line = lineIn(words, `${show(path)}, line ${index + 1}`);
    const { tokenFile } = line;
    return tokenFile === undefined || isAbsolute(tokenFile)
      ? [line]
      : [{ ...line, tokenFile: join(path, "..", tokenFile) }];
  });
  if (lines.length > 0) return lines;
  throw new Failure("usage", {
    what: "Cannot use relays",
    where: show(path),
    why: "it names no relay",
    remedy: "write the address of a relay on each line",
  });
}

function lineIn(words: string, where: string): RelayEntry {
  try {
    return relayLine(words);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure("usage", {
      what: "Cannot use relays",
      where,
      why: `${show(words.split(/\s/, 1)[0]!)} is not a relay address`,
      remedy:
        "write p2p://HOST:PORT/RELAY_ID or HOST:PORT, and for a private relay " +
        "also the file with its token",
      cause: error,
    });
  }
}

function isAbsolute(path: string): boolean {
  return /^([/\\]|[a-z]:)/i.test(path);
}
