/**
 * Patterns for file names, as shells have them: `*`, `?`, `[a-z]`, `{a,b}`, and
 * `**` for any number of folders. As there, nothing but a dot matches a dot that a
 * part of a name begins with. Pure. Names come from strangers, so that no
 * name may take long to be matched: the time is that of pattern times name,
 * where regular expressions would need a power of it.
 *
 * @module
 */

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

/** Patterns that braces may stand for. */
const MOST_ALTERNATIVES = 256;

/** Whether `text` is a pattern, and not a plain name. */
export function isGlob(text: string): boolean {
  return SPECIAL.test(text);
}

/** What every name begins with that matches `glob`. */
export function globPrefix(glob: string): string {
  const end = glob.search(SPECIAL);
  return end < 0 ? glob : glob.slice(0, end);
}

const SPECIAL = /[*?[{]/;

/** Options of {@linkcode parseGlob}. */
export interface GlobOptions {
  /** Whether stars and the like match a leading dot too; they do not. */
  readonly dots?: boolean;
}

/** Whether a part of `name` begins with a dot: shells and people hide those. */
export function isHidden(name: string): boolean {
  return name.startsWith(".") || name.includes("/.");
}

/**
 * A test for names.
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
 * @throws {RangeError} when its braces stand for more than 256 patterns.
 */
export function parseGlob(
  glob: string,
  { dots = false }: GlobOptions = {},
): (name: string) => boolean {
  const patterns = expandBraces(glob).map(parsePattern);
  return (name) => {
    const parts = name.split("/").map((part) => Array.from(part));
    return patterns.some((pattern) =>
      matchesInOrder(pattern, parts, {
        isStar: (part) => part === "folders",
        starMatches: (characters) => dots || characters[0] !== ".",
        matchesOne: (part, characters) =>
          (dots || begins(part as PatternToken[], characters)) &&
          matchesPart(part as PatternToken[], characters),
      })
    );
  };
}

/** Whether a leading dot, if there is one, is asked for. */
function begins(
  [first]: readonly PatternToken[],
  characters: readonly string[],
): boolean {
  return characters[0] !== "." ||
    (first?.kind === "literal" && first.character === ".");
}

function matchesPart(
  tokens: readonly PatternToken[],
  characters: readonly string[],
): boolean {
  return matchesInOrder(tokens, characters, {
    isStar: ({ kind }) => kind === "star",
    starMatches: () => true,
    matchesOne: matchesCharacter,
  });
}

/**
 * Whether `items` match `pattern`, in which stars stand for any number of items.
 * Only the last star is ever tried again, which is enough: what an earlier one
 * could take besides, the last one can as well. That holds for stars that take
 * no dotted part, because a part of a pattern takes dotted ones only, or none.
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
  // Folders alone are no file: what is in them is.
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

/** Where the class ends that begins at `start`; -1 where it does not end. */
function classEnd(characters: readonly string[], start: number): number {
  const first = start + 1 + Number(isNegation(characters[start + 1]));
  // A bracket right at the start is one of the class.
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

/** The patterns without braces that `glob` stands for. */
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

/** A pair of braces with none inside; those without a comma are plain text. */
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
