/**
 * What a person means by a name on the command line: one file, a pattern, or a
 * folder.
 *
 * @module
 */

import type { Selection } from "../client/get.ts";
import { checkedName } from "../client/transfer_options.ts";
import { Failure } from "../errors.ts";
import { globPrefix, isGlob, parseGlob } from "../glob.ts";
import { show } from "../text.ts";

/**
 * `photos/` is all that is below it; `*.jpg` and the like are patterns, with
 * `**` across folders; everything else is a name.
 *
 * @throws {Failure} of kind `usage` for a name that no file can have.
 */
export function parseSelection(text: string): Selection {
  const pattern = text.normalize("NFC");
  if (isGlob(pattern)) return parsePattern(pattern);
  if (!pattern.endsWith("/")) {
    return { kind: "name", name: checkedName(pattern) };
  }
  const prefix = checkedName(pattern.slice(0, -1)) + "/";
  const matches = (name: string) => name.startsWith(prefix);
  return { kind: "matching", pattern, prefix, matches };
}

function parsePattern(pattern: string): Selection {
  try {
    const matchesGlob = parseGlob(pattern);
    return {
      kind: "matching",
      pattern,
      prefix: globPrefix(pattern),
      // A file may have the very name that looks like a pattern.
      matches: (name) => name === pattern || matchesGlob(name),
    };
  } catch (cause) {
    throw new Failure("usage", {
      what: "Cannot use pattern",
      where: show(pattern),
      why: "its braces stand for too many patterns",
      cause,
    });
  }
}
