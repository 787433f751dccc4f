/**
 * The file of `--relays`: on each line the address of a relay, and behind it, if
 * the relay is private, the path of the file with its token. Lines that begin
 * with `#` are comments.
 *
 * ```
 * # at home
 * p2p://nas:1700/RELAY_ID nas.token
 * example.net:1700
 * ```
 *
 * @module
 */

import { parseRelay, type RelayAddress } from "../../base/address.ts";
import { Failure } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { show } from "../../base/text.ts";
import { join } from "@std/path/join";
import { readBounded } from "./text_file.ts";

/** A line of the file. */
export interface RelayLine {
  readonly address: RelayAddress;
  /** The path of its token, if it has one of its own. */
  readonly tokenFile?: string;
}

/**
 * Reads a list of relays.
 *
 * @throws {Failure} of kind `local` or `not_allowed` if the file cannot be read,
 * `usage` for a line that is none, and for a file without relays.
 */
export async function readRelayList(path: string): Promise<RelayLine[]> {
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
export function parseRelayList(text: string, path: string): RelayLine[] {
  const lines = text.split("\n").flatMap((line, index) => {
    const words = line.trim();
    if (words === "" || words.startsWith("#")) return [];
    const [, word = "", file] = /^(\S+)(?:\s+(.+))?$/.exec(words) ?? [];
    const address = addressIn(word, `${show(path)}, line ${index + 1}`);
    return [{
      address,
      ...file === undefined ? {} : {
        tokenFile: isAbsolute(file) ? file : join(path, "..", file),
      },
    }];
  });
  if (lines.length > 0) return lines;
  throw new Failure("usage", {
    what: "Cannot use relays",
    where: show(path),
    why: "it names no relay",
    remedy: "write the address of a relay on each line",
  });
}

function addressIn(word: string, where: string): RelayAddress {
  try {
    return parseRelay(word);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure("usage", {
      what: "Cannot use relays",
      where,
      why: `${show(word)} is no relay address`,
      remedy:
        "write p2p://HOST:PORT/RELAY_ID or HOST:PORT, and behind it the " +
        "file with the token, if there is one",
      cause: error,
    });
  }
}

function isAbsolute(path: string): boolean {
  return /^([/\\]|[a-z]:)/i.test(path);
}
