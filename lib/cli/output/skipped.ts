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
import type { RiskyFinds } from "../../share/risky_names.ts";
import { show, showWhole } from "../../base/text.ts";

/** The words for one entry of a kind, and for several. */
const WORDS: Readonly<Record<SkipKind, readonly [one: string, many: string]>> =
  {
    hidden: ["hidden name", "hidden names"],
    excluded: ["excluded name", "excluded names"],
    rules: [
      "folder with a .p2pignore that cannot be read",
      "folders with a .p2pignore that cannot be read",
    ],
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

/** A warning of names that people rarely mean to share. */
export function formatRisks({ names, count }: RiskyFinds): string {
  const listed = names.slice(0, RISKS_SHOWN).map(show).join(", ");
  const others = count - Math.min(names.length, RISKS_SHOWN);
  const more = others > 0 ? ` and ${others} more` : "";
  return `warning: sharing names that look private: ${listed}${more}; ` +
    "exclude them with --exclude or a .p2pignore";
}

const RISKS_SHOWN = 5;

/** One entry, with the rule that it breaks. */
export function formatSkipped({ name, rule }: SkippedName): string {
  return `skipped ${showWhole(name)}: ${rule}`;
}
