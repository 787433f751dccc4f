/**
 * Describes the entries of a folder that a node does not share: how many of
 * each kind, and each name if the owner asks.
 *
 * @module
 */

import { LIMITS } from "../../base/limits.ts";
import {
  SKIP_KINDS,
  type SkipCounts,
  type SkipKind,
  skippedCount,
  type SkippedName,
} from "../../share/skipped.ts";
import { showWhole } from "../../base/text.ts";

/** The words for one entry of a kind, and for several. */
const WORDS: Readonly<Record<SkipKind, readonly [one: string, many: string]>> =
  {
    link: ["link", "links"],
    special: ["pipe, socket or device", "pipes, sockets or devices"],
    name: ["name that is not portable", "names that are not portable"],
    deep: [
      `tree deeper than ${LIMITS.nameDepthCount}`,
      `trees deeper than ${LIMITS.nameDepthCount}`,
    ],
    clash: ["name equal to another", "names equal to others"],
    unreadable: ["entry that cannot be read", "entries that cannot be read"],
    secret: ["key or token of relay-p2p", "keys and tokens of relay-p2p"],
    large: ["file over 1 TiB", "files over 1 TiB"],
    excess: [
      "file beyond what one share may hold",
      "files beyond what one share may hold",
    ],
  };

/** How many entries are not shared, by kind; `undefined` if there are none. */
export function formatSkipCounts(counts: SkipCounts): string | undefined {
  const parts = SKIP_KINDS
    .filter((kind) => counts[kind] > 0)
    .map((kind) =>
      `${counts[kind]} ${WORDS[kind][counts[kind] === 1 ? 0 : 1]}`
    );
  return parts.length === 0
    ? undefined
    : `${skippedCount(counts)} skipped: ${parts.join(", ")}`;
}

/** One entry, with the rule that it breaks. */
export function formatSkipped({ name, rule }: SkippedName): string {
  return `skipped ${showWhole(name)}: ${rule}`;
}
