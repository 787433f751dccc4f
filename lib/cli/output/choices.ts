/**
 * Describes the different contents of one name: the chosen one, or the options
 * that choose one.
 *
 * @module
 */

import type { ContentGroup } from "../../content/choice.ts";
import { counted, quoted, show } from "../../base/text.ts";

// If there are more contents, only their number is printed.
const MOST_CHOICES = 10;
// If there are more nodes, only their number is printed.
const MOST_NAMES = 4;
// Enough of an id to distinguish nodes, and too long to be a node's name by
// chance.
const ID_START = 16;

/** The contents of a name about which nodes differ. */
export interface Differing {
  readonly name: string;
  readonly groups: readonly ContentGroup[];
  /** Whether the first was taken. */
  readonly taken: boolean;
}

/** The lines for the user; `nodeName` gives a node's display name. */
export function contentsInWords(
  { name, groups, taken }: Differing,
  nodeName: (id: string) => string,
): string[] {
  const intro = `${show(name)} has ${groups.length} contents`;
  if (taken) {
    const counts = groups.slice(0, MOST_CHOICES).map(countInWords).join(", ");
    return [
      `${intro}: ${counts}; ` +
      "taking the first (see --sha256, --node, --prefer)",
    ];
  }
  const rows = groups.slice(0, MOST_CHOICES).map((group) =>
    `  ${chosen(name, group)}  ${size(group)}, ` +
    `${writtenAt(group)}, on ${namesOf(group, nodeName)}`
  );
  const more = groups.length - MOST_CHOICES;
  return [
    `${intro}, and none is at more addresses than every other; ` +
    "to choose one, use one of these in place of the name:",
    ...rows,
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

function countInWords(group: ContentGroup): string {
  const { offers: { length }, votes } = group;
  const at = votes === length
    ? ""
    : ` at ${votes === 1 ? "one address" : `${votes} addresses`}`;
  return `${size(group)} on ${length}${at}`;
}

function size({ size }: ContentGroup): string {
  return counted(size, "byte");
}

/** When a file was written. */
export function writtenAt({ modifiedMs }: { modifiedMs: number }): string {
  return `written ${new Date(modifiedMs).toISOString().slice(0, -8)}Z`;
}

/** What selects exactly this content of a name. */
function chosen(name: string, group: ContentGroup): string {
  const option = optionFor(group);
  return name.startsWith("-")
    ? `${option} ${asArgument(name)}`
    : `${quoted(name)} ${option}`;
}

/** A name as the last argument, for a shell. */
export function asArgument(name: string): string {
  return name.startsWith("-") ? `-- ${quoted(name)}` : quoted(name);
}

/** The option that selects exactly this content. */
function optionFor({ offers }: ContentGroup): string {
  const [first] = offers;
  const { sha256 } = first!;
  const isSure = sha256 !== undefined &&
    offers.every((offer) => offer.sha256 === sha256);
  return isSure
    ? `--sha256 ${sha256}`
    : `--node ${first!.node.slice(0, ID_START)}`;
}

function namesOf(
  { offers }: ContentGroup,
  nodeName: (id: string) => string,
): string {
  return nodesInWords(offers.map(({ node }) => node), nodeName);
}

/** The names of nodes, of the first few if there are more. */
export function nodesInWords(
  ids: readonly string[],
  nodeName: (id: string) => string,
): string {
  const names = ids.slice(0, MOST_NAMES).map((id) => show(nodeName(id)));
  const more = ids.length - MOST_NAMES;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
