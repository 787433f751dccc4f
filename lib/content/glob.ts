/**
 * Patterns for file names, as in a shell: `*`, `?`, `[a-z]`, `{a,b}`, and `**`
 * for any number of folders. As in a shell, only a dot matches a leading dot.
 * Pure. Names come from strangers, so no name may take long: the time is
 * proportional to pattern times name, where regular expressions can need
 * exponential time.
 *
 * @module
 */

import { foldCase } from "../base/text.ts";

type PatternToken =
  | { readonly kind: "star" }
  | { readonly kind: "any" }
  | { readonly kind: "literal"; readonly character: string }
  | {
    readonly kind: "class";
    readonly negated: boolean;
    readonly ranges: readonly (readonly [string, string])[];
  };

/** One part of a pattern, between slashes. */
type PatternPart = "folders" | readonly PatternToken[];

/** The most patterns that braces may expand to. */
const MOST_ALTERNATIVES = 256;

/** Whether `text` is a pattern and not a plain name. */
export function isGlob(text: string): boolean {
  return SPECIAL.test(text);
}

/**
 * The text at the start of every name that matches `glob`. If case is ignored,
 * it ends before the first letter that has a case.
 */
export function globPrefix(
  glob: string,
  { ignoreCase = false }: Pick<GlobOptions, "ignoreCase"> = {},
): string {
  const end = glob.search(ignoreCase ? SPECIAL_OR_CASED : SPECIAL);
  return end < 0 ? glob : glob.slice(0, end);
}

const SPECIAL = /[*?[{]/;
// Everything else is the same in any case.
const SPECIAL_OR_CASED = /[*?[{a-z]|\P{ASCII}/iu;

/** Options of {@linkcode parseGlob}. */
export interface GlobOptions {
  /** Whether stars match a leading dot too. By default they do not. */
  readonly dots?: boolean;
  /** Whether to ignore the case of letters. */
  readonly ignoreCase?: boolean;
}

/** Whether a component of `name` begins with a dot, which hides it. */
export function isHidden(name: string): boolean {
  return name.startsWith(".") || name.includes("/.");
}

/**
 * Makes a function that tests a name.
 *
 * @example Usage
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseGlob } from "./glob.ts";
 *
 * const matches = parseGlob("photos/**" + "/*.{jpg,png}");
 * assert(matches("photos/a.jpg"));
 * assert(matches("photos/2024/05/b.png"));
 * assert(!matches("photos/a.gif"));
 * assert(!matches("photos/.cache/a.jpg"));
 * ```
 *
 * @throws {RangeError} if its braces expand to more than 256 patterns.
 */
export function parseGlob(
  glob: string,
  { dots = false, ignoreCase = false }: GlobOptions = {},
): (name: string) => boolean {
  const folded = ignoreCase ? foldCase(glob) : glob;
  const patterns = expandBraces(folded).map(parsePattern);
  return (name) => {
    const components = (ignoreCase ? foldCase(name) : name).split("/");
    return patterns.some((pattern) =>
      matchesInOrder(pattern, components, {
        isStar: (part) => part === "folders",
        starMatches: (component) => dots || !component.startsWith("."),
        matchesOne: (part, component) =>
          (dots || begins(part as PatternToken[], component)) &&
          matchesPart(part as PatternToken[], component),
      })
    );
  };
}

/** Whether the pattern allows the leading dot, if there is one. */
function begins(
  [first]: readonly PatternToken[],
  component: string,
): boolean {
  return !component.startsWith(".") ||
    (first?.kind === "literal" && first.character === ".");
}

function matchesPart(
  tokens: readonly PatternToken[],
  component: string,
): boolean {
  // As in "**", which 100,000 names may be compared with.
  if (tokens.length === 1 && tokens[0]!.kind === "star") return true;
  return matchesInOrder(tokens, Array.from(component), {
    isStar: ({ kind }) => kind === "star",
    starMatches: () => true,
    matchesOne: matchesCharacter,
  });
}

/**
 * Whether `items` match `pattern`, in which a star matches any number of items.
 * Only the last star is ever tried again. This is enough, because the last star
 * can also match whatever an earlier one could. It holds for stars that skip
 * hidden components too: all stars of a pattern treat these alike.
 */
function matchesInOrder<Pattern, Item>(
  pattern: readonly Pattern[],
  items: readonly Item[],
  { isStar, starMatches, matchesOne }: {
    isStar: (one: Pattern) => boolean;
    starMatches: (item: Item) => boolean;
    matchesOne: (one: Pattern, item: Item) => boolean;
  },
): boolean {
  let at = 0;
  let star = -1;
  let starItem = 0;
  for (let item = 0; item < items.length;) {
    const one = pattern[at];
    if (one !== undefined && isStar(one)) {
      star = at++;
      starItem = item;
    } else if (one !== undefined && matchesOne(one, items[item]!)) {
      at++;
      item++;
    } else if (star >= 0 && starMatches(items[starItem]!)) {
      at = star + 1;
      item = ++starItem;
    } else return false;
  }
  return pattern.slice(at).every(isStar);
}

function matchesCharacter(token: PatternToken, character: string): boolean {
  switch (token.kind) {
    case "star":
    case "any":
      return true;
    case "literal":
      return token.character === character;
    case "class":
      return token.negated !==
        token.ranges.some(([first, last]) =>
          first <= character && character <= last
        );
  }
}

function parsePattern(text: string): readonly PatternPart[] {
  const parts = text.split("/").map(parsePart);
  // A pattern that ends in folders means the files in them.
  return parts.at(-1) === "folders" ? [...parts, [{ kind: "star" }]] : parts;
}

function parsePart(text: string): PatternPart {
  if (text === "**") return "folders";
  const characters = Array.from(text);
  const tokens: PatternToken[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    const end = character === "[" ? classEnd(characters, at) : -1;
    if (character === "*") tokens.push({ kind: "star" });
    else if (character === "?") tokens.push({ kind: "any" });
    else if (end < 0) tokens.push({ kind: "literal", character });
    else {
      tokens.push(parseClass(characters.slice(at + 1, end)));
      at = end;
    }
  }
  return tokens;
}

/** The index of the bracket that closes the class at `start`, or -1. */
function classEnd(characters: readonly string[], start: number): number {
  const first = start + 1 + Number(isNegation(characters[start + 1]));
  // A closing bracket right at the start belongs to the class.
  return characters.indexOf("]", first + 1);
}

function isNegation(character: string | undefined): boolean {
  return character === "!" || character === "^";
}

function parseClass(inner: readonly string[]): PatternToken {
  const negated = isNegation(inner[0]);
  const ranges: [string, string][] = [];
  for (let at = Number(negated); at < inner.length; at++) {
    const first = inner[at]!;
    const last = inner[at + 2];
    if (inner[at + 1] === "-" && last !== undefined) {
      ranges.push([first, last]);
      at += 2;
    } else ranges.push([first, first]);
  }
  return { kind: "class", negated, ranges };
}

/** The patterns without braces that `glob` expands to. */
function expandBraces(glob: string): string[] {
  const expanded: string[] = [];
  const left = [glob];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const brace = innermostBrace(next);
    if (brace === undefined) expanded.push(next);
    else {
      const { before, inner, after } = brace;
      for (const one of inner.split(",")) left.push(before + one + after);
    }
    if (expanded.length + left.length > MOST_ALTERNATIVES) {
      throw new RangeError(
        `Cannot use pattern: it must stand for at most ${MOST_ALTERNATIVES} others`,
      );
    }
  }
  return expanded;
}

/** An innermost pair of braces. Braces without a comma are plain text. */
function innermostBrace(
  text: string,
): { before: string; inner: string; after: string } | undefined {
  const match = /\{([^{}]*,[^{}]*)\}/.exec(text);
  if (match === null) return undefined;
  return {
    before: text.slice(0, match.index),
    inner: match[1]!,
    after: text.slice(match.index + match[0].length),
  };
}
