/**
 * Interprets a name on the command line: one file, a pattern, or a folder.
 *
 * @module
 */

import { folderSelection, type Selection } from "../../client/selections.ts";
import { checkedName } from "../../client/transfer_options.ts";
import { Failure } from "../../base/errors.ts";
import { globPrefix, isGlob, isHidden, parseGlob } from "../../content/glob.ts";
import { show } from "../../base/text.ts";

/** Options of {@linkcode parseSelection}. */
export interface SelectionOptions {
  /** Whether to ignore the case of letters. */
  readonly ignoreCase?: boolean;
}

/**
 * `photos/` means everything below it. `*.jpg` and the like are patterns, with
 * `**` across folders. Everything else is a name. A pattern without a leading
 * dot skips components with one.
 *
 * @throws {Failure} of kind `usage` for a name that no file can have.
 */
export function parseSelection(
  text: string,
  options: SelectionOptions = {},
): Selection {
  const pattern = relative(text.normalize("NFC"));
  if (isGlob(pattern)) return parsePattern(pattern, options);
  return pattern.endsWith("/")
    ? folderSelection(checkedName(pattern.slice(0, -1)), options)
    : { kind: "name", name: checkedName(pattern) };
}

/** All names except hidden ones. */
export const EVERYTHING = parseSelection("**") as Selection & {
  kind: "matching";
};

/**
 * The text as a name in a shared folder, without `./` at its start.
 *
 * @throws {Failure} of kind `usage` for a path of this machine.
 */
function relative(text: string): string {
  const name = text.replace(/^(\.\/+)+(?=[^/])/, "");
  if (!name.startsWith("/") && !/^\.{0,2}\/?$/.test(name)) return name;
  throw new Failure("usage", {
    what: "Cannot ask for file",
    where: show(text),
    why: "a name is relative to the shared folders, not a path on this machine",
    remedy: /^[./]*$/.test(name)
      ? "to select every file, use '**'"
      : `omit the leading /: ${show(name.replace(/^\/+/, ""))}`,
  });
}

function parsePattern(
  pattern: string,
  options: SelectionOptions,
): Selection {
  try {
    const matchesGlob = parseGlob(pattern, options);
    const matchesDots = parseGlob(pattern, { ...options, dots: true });
    return {
      kind: "matching",
      pattern,
      prefix: globPrefix(pattern, options),
      // A file may have a name that looks like the pattern.
      matches: (name) => name === pattern || matchesGlob(name),
      leavesOut: (name) =>
        isHidden(name) && matchesDots(name) && !matchesGlob(name),
    };
  } catch (cause) {
    throw new Failure("usage", {
      what: "Cannot use pattern",
      where: show(pattern),
      why: "its braces expand to too many patterns",
      cause,
    });
  }
}
