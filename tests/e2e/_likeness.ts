/**
 * Whether what is printed is what a document shows. All of it must be the same,
 * line by line, but for what differs from run to run; and that must have the
 * same form, and where it names something stand for the same everywhere.
 */

/** What differs from run to run, and names the same all through one. */
const NAMES = [
  /\b[a-z2-7]{52}\b/, // an id
  /\bp2p-(?:node|client)-[a-z2-7]{40}\b/, // a token
  /\b[0-9a-f]{64}\b/, // a SHA-256
  /(?<=\/)[\w-]{50,}(?=\/)/, // a file and its grant in a link
];

/** What differs from run to run, and from line to line. */
const AMOUNTS = [
  /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/, // a time
  /\b\d{4}-\d\d-\d\dT\d\d:\d\d(?= )/, // a minute
  /(?<=^ok +clock .*)\d\.\d s (?:ahead of|behind)/, // a tick of the clock
  /(?<= )\d+\.\d\d? s\b/, // seconds
  /(?<= (?:after|in) )\d+ ms$/, // milliseconds
  /(?<= )\d+(?:\.\d)? [KMGT]iB(?= free )/, // room on a disk
  /(?<=\()\d+(?:\.\d)? (?:[KMG]?B|bytes)\/s(?=\))/, // a rate
  // A port that the system picked.
  /(?<=use port )\d{4,5}(?=,)/,
  /(?<= tunnel_port .*:)\d{4,5}(?= )/,
];

const VARIABLE = new RegExp(
  [...NAMES, ...AMOUNTS].map(({ source }) => `(${source})`).join("|"),
  "g",
);

/** Stands for one line or more. */
export const ELISION = "…";

/** What the names of a document stand for. */
export type Meanings = ReadonlyMap<string, string>;

/** The text, with each name replaced by what it stands for. */
export function withMeanings(text: string, meanings: Meanings): string {
  return text.replaceAll(VARIABLE, (shown, ...groups) => {
    if (!isName(groups)) return shown;
    const meaning = meanings.get(shown);
    if (meaning === undefined) {
      throw new Error(`${shown} is used before anything has shown it`);
    }
    return meaning;
  });
}

function isName(groups: readonly unknown[]): boolean {
  return NAMES.some((_, index) => groups[index] !== undefined);
}

/**
 * Holds lines to those that are shown, to the last one. Gives the meanings that
 * were known and those that are new, or nothing where the lines differ.
 */
export function compare(
  shown: readonly string[],
  lines: readonly string[],
  meanings: Meanings,
): Meanings | undefined {
  const [first, ...rest] = shown;
  if (first === undefined) return lines.length === 0 ? meanings : undefined;
  if (first === ELISION) {
    for (let at = 1; at <= lines.length; at++) {
      const found = compare(rest, lines.slice(at), meanings);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  const [line, ...others] = lines;
  if (line === undefined) return undefined;
  const found = compareLine(first, line, meanings);
  return found && compare(rest, others, found);
}

function compareLine(
  shown: string,
  line: string,
  meanings: Meanings,
): Meanings | undefined {
  const found = patternOf(inOrder(shown)).exec(inOrder(line));
  if (found === null) return undefined;
  const all = new Map(meanings);
  for (const [index, match] of [...shown.matchAll(VARIABLE)].entries()) {
    if (!isName(match.slice(1))) continue;
    const [name] = match;
    const meaning = found[index + 1]!;
    // A name means one thing, and a thing has one name.
    const known = all.get(name);
    if (known === undefined && [...all.values()].includes(meaning)) {
      return undefined;
    }
    if (known !== undefined && known !== meaning) return undefined;
    all.set(name, meaning);
  }
  return all;
}

/** A line with the nodes that a file came from, whose order is chance, sorted. */
function inOrder(line: string): string {
  return line.replace(
    /(?<=^saved .*, from )\w+(, \w+)+$/,
    (names) => names.split(", ").toSorted().join(", "),
  );
}

/** What a line must match, a group for each of its variable parts. */
export function patternOf(shown: string): RegExp {
  let source = "";
  let end = 0;
  for (const match of shown.matchAll(VARIABLE)) {
    const kind = match.slice(1).findIndex((group) => group !== undefined);
    source += RegExp.escape(shown.slice(end, match.index)) +
      `(${[...NAMES, ...AMOUNTS][kind]!.source})`;
    end = match.index + match[0].length;
  }
  return new RegExp(`^${source}${RegExp.escape(shown.slice(end))}$`);
}
