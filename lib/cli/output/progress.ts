/**
 * Formats the progress as one line.
 *
 * @module
 */

import type { Progress } from "../../client/events.ts";
import { counted, show } from "../../base/text.ts";
import { formatBytes, formatSeconds } from "../../base/units.ts";
import { cutStart, widthOf } from "./width.ts";

/**
 * One line of at most `columns`: name, bar, part, bytes, files if there are
 * several, rate, time left, nodes, and bytes from the swarm and through the
 * relay. If there is too little room, the less important parts are left out.
 */
export function formatProgress(progress: Progress, columns: number): string {
  return formatParts(partsOf(progress, columns), columns);
}

/**
 * Joins the parts that fit into the columns, in their order. The parts with the
 * highest ranks are left out first.
 */
function formatParts(
  parts: readonly LinePart[],
  columns: number,
): string {
  const chosen = new Set<LinePart>();
  let left = columns;
  for (const part of parts.toSorted((a, b) => a.rank - b.rank)) {
    const needed = part.columns + (chosen.size === 0 ? 0 : GAP.length);
    if (part.columns === 0 || needed > left) continue;
    chosen.add(part);
    left -= needed;
  }
  return parts.filter((part) => chosen.has(part)).map((part) => {
    const more = Math.min(left, part.most - part.columns);
    left -= more;
    return part.text(part.columns + more);
  }).join(GAP);
}

/** Part of a line. */
export interface LinePart {
  /** Lower ranks are placed first. */
  readonly rank: number;
  /** The least columns that it needs; 0 if it is empty. */
  readonly columns: number;
  /** The most columns that it can use. */
  readonly most: number;
  /** Its text in this many columns. */
  readonly text: (columns: number) => string;
}

const GAP = "  ";
const NAME_COLUMNS = { least: 8, most: 30 };
const BAR_COLUMNS = { least: 10, most: 32 };
// On narrower terminals, times and parts are shown without words.
const WORDS_COLUMNS = 60;
// On narrower terminals, numbers of files are short.
const FILES_COLUMNS = 99;

/** The parts, in the order of the line. */
function partsOf(progress: Progress, columns: number): LinePart[] {
  const { received, total, isWhole, fileCount, paths, swarm } = progress;
  const part = total === 0 ? 0 : received / total;
  const isNarrow = columns < WORDS_COLUMNS;
  const time = isNarrow ? "0:00" : "0:00 left";
  const timeLeft = formatLeft(progress, time);
  // One file was named by the user; of several the name says more than a bar.
  const [nameRank, barRank] = fileCount > 1 ? [5, 7] : [7, 5];
  return [
    namePart(nameRank, show(progress.name)),
    // While the total is unknown, the part could decrease later.
    ...(isWhole ? [barPart(barRank, part), fixed(0, percentOf(part))] : []),
    fixed(3, formatPart(progress, isNarrow ? "/" : " of ")),
    fixed(4, formatFiles(progress, columns)),
    fixed(2, formatRate(progress)),
    // An unknown time keeps its column if there is room.
    fixed(timeLeft === "" ? 8 : 1, timeLeft.padEnd(time.length)),
    fixed(6, sourcesInWords(progress)),
    fixed(9, swarm ? `${formatBytes(swarm.bytes)} from the swarm` : ""),
    fixed(
      10,
      paths.tunnel > 0 ? `${formatBytes(paths.tunnel)} through the relay` : "",
    ),
  ];
}

/** `1 node`, or with a swarm `1 node, 6 machines`. */
function sourcesInWords({ nodes, swarm }: Progress): string {
  const words = counted(nodes, "node");
  return swarm ? `${words}, ${counted(swarm.holders, "machine")}` : words;
}

/** `  5 %`. */
export function percentOf(part: number): string {
  return `${String(Math.floor(100 * part)).padStart(3)} %`;
}

/** A name, which is cut at its start. */
function namePart(rank: number, name: string): LinePart {
  const columns = widthOf(name);
  return {
    rank,
    columns: Math.min(columns, NAME_COLUMNS.least),
    most: Math.min(columns, NAME_COLUMNS.most),
    text: (columns) => cutStart(name, columns),
  };
}

/** A bar of which `part` is full. */
function barPart(rank: number, part: number): LinePart {
  return {
    rank,
    columns: BAR_COLUMNS.least,
    most: BAR_COLUMNS.most,
    text: (columns) => formatBar(part, columns),
  };
}

/** Text that has one width. */
export function fixed(rank: number, text: string): LinePart {
  const columns = widthOf(text);
  return { rank, columns, most: columns, text: () => text };
}

/** `[===>   ]`. ASCII only, because the terminal may not show more. */
function formatBar(part: number, columns: number): string {
  const room = columns - 2;
  const done = Math.min(room, Math.floor(part * room));
  const bar = done === 0 || done === room
    ? "=".repeat(done)
    : "=".repeat(done - 1) + ">";
  return `[${bar.padEnd(room)}]`;
}

/**
 * `25.0 of 100 MB`, `900 KB of 100 MB`, or `25.0 of 100+ MB` if more follow. Of
 * few bytes, only the whole has a unit: `1 of 17 bytes`.
 */
function formatPart(
  { received, total, isWhole }: Pick<
    Progress,
    "received" | "total" | "isWhole"
  >,
  of: string,
): string {
  const [amount = "", unit] = formatBytes(received).split(" ");
  const [whole = "", wholeUnit] = formatBytes(total).split(" ");
  const isSame = unit === wholeUnit || received < 1_000 && total < 1_000;
  const own = isSame ? amount : `${amount} ${unit}`;
  return `${own}${of}${whole}${isWhole ? "" : "+"} ${wholeUnit}`;
}

/** `3 of 60 files`, or `3/60 files`; empty for one file. */
function formatFiles(
  { files, fileCount, isWhole }: Progress,
  columns: number,
): string {
  if (fileCount < 2) return "";
  const all = `${fileCount}${isWhole ? "" : "+"} files`;
  return columns < FILES_COLUMNS ? `${files}/${all}` : `${files} of ${all}`;
}

function formatRate({ bytesPerSecond }: Progress): string {
  return bytesPerSecond > 0 ? `${formatBytes(bytesPerSecond)}/s` : "waiting";
}

/** The time left, formatted by `time`; empty if unknown. */
function formatLeft({ secondsLeft }: Progress, time: string): string {
  if (secondsLeft === undefined) return "";
  return time.replace("0:00", formatSeconds(secondsLeft));
}
