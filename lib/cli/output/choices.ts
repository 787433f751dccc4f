/**
 * Describes the contents that nodes have under one name: the chosen one, or the
 * options that choose one.
 *
 * @module
 */

import type { ContentGroup } from "../../content/choice.ts";
import { counted, show } from "../../base/text.ts";

// More contents than this are told as a number.
const MOST_CHOICES = 10;
// Names of more nodes than this are told as a number.
const MOST_NAMES = 4;
// As much of an id as tells nodes apart, and is no node's name by chance.
const ID_START = 16;

/** What is told of a name under which nodes have different contents. */
export interface Differing {
  readonly name: string;
  readonly groups: readonly ContentGroup[];
  /** Whether the first is taken. */
  readonly taken: boolean;
}

/** The lines for a person; `nodeName` knows what people call a node. */
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
    `  ${quoted(name)} ${optionFor(group)}  ${size(group)}, ` +
    `${writtenAt(group)}, on ${namesOf(group, nodeName)}`
  );
  const more = groups.length - MOST_CHOICES;
  return [
    `${intro}, and none is at more addresses than every other; ` +
    "to choose one, give one of these in place of the name:",
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

// As far as a date goes, either way.
const LAST_MS = 8.64e15;

/** When it was written: a stranger's number. */
function writtenAt({ modifiedMs }: ContentGroup): string {
  return Math.abs(modifiedMs) <= LAST_MS
    ? `written ${new Date(modifiedMs).toISOString().slice(0, 16)}Z`
    : "written at no date there is";
}

/** The option that means this content and no other. */
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
  const names = offers.slice(0, MOST_NAMES).map(({ node }) =>
    show(nodeName(node))
  );
  const more = offers.length - MOST_NAMES;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** A name as a shell takes it; it holds no character that acts on a terminal. */
function quoted(name: string): string {
  return /^[\w./][\w./-]*$/.test(name)
    ? name
    : `'${show(name).replaceAll("'", "'\\''")}'`;
}
