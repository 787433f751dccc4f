/**
 * All remedies in the source: the words that stand where an error says what to
 * do about it.
 */

const ROOT = new URL("..", import.meta.url).pathname;

// Where a remedy begins: a property or constant, a function or table of
// remedies, and calls that take one as a later argument.
const BEGINNINGS: readonly (readonly [RegExp, skipped: number])[] = [
  [/\bremedy(?::| =(?!=))/g, 0],
  [/\b(?:ASK_FOR_ANOTHER|DENIAL_REMEDY|REMEDY_OF)\b[^=;\n]*=/g, 0],
  [
    /\bfunction (?:remedyFor|adviceOn|mendingCommand|suggestCommand|grantRemedy|savingRemedy|savingThereRemedy|didYouMean)\b/g,
    -1,
  ],
  [/\b(?:throw fail|this\.#cannot)\(/g, 1],
  [/\b(?<!function )notItself\(/g, 2],
  [/\bfindings\.warn\(/g, 2],
  [/\b(?<!function )cannotUse\(/g, 2],
];

/** Words of remedies as they are written, by module; those of a call as it is. */
export async function remediesInSource(): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for await (const path of modulesIn("lib")) {
    const words = remediesIn(await Deno.readTextFile(ROOT + path));
    if (words.size > 0) found.set(path, words);
  }
  return found;
}

/** Paths of all modules in a folder and below it. */
export async function* modulesIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(ROOT + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* modulesIn(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

/** The same of one module's text. */
export function remediesIn(source: string): Set<string> {
  const tokens = tokensOf(source);
  const found = new Set<string>();
  for (const [beginning, skipped] of BEGINNINGS) {
    for (const { index, 0: { length } } of source.matchAll(beginning)) {
      const first = tokens.findIndex(({ at }) => at >= index + length);
      const part = skipped < 0
        ? bodyFrom(tokens, first)
        : expressionFrom(tokens, first, skipped);
      for (const words of wordsIn(part)) found.add(words);
    }
  }
  return found;
}

interface Token {
  readonly text: string;
  readonly at: number;
}

const TOKEN =
  /\/\/[^\n]*|\/\*[^]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|(?<=[(,=:?&|] ?)\/(?![/*])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/|[\w$#]+|===|!==|=>|[^\s\w]/g;

function tokensOf(source: string): Token[] {
  return [...source.matchAll(TOKEN)]
    .map(({ 0: text, index }) => ({ text, at: index }))
    .filter(({ text }) => !/^\/[/*]/.test(text));
}

/** Tokens to the end of the expression, or list of them, after some of them. */
function expressionFrom(
  tokens: readonly Token[],
  first: number,
  skipped: number,
): Token[] {
  const part: Token[] = [];
  for (let at = first, depth = 0, commas = 0; at < tokens.length; at++) {
    const { text } = tokens[at]!;
    if (/^[([{]$/.test(text)) depth++;
    if (/^[)\]}]$/.test(text) && --depth < 0) break;
    if (depth === 0 && text === ";") break;
    if (depth === 0 && text === "," && ++commas > skipped) break;
    if (commas >= skipped) part.push(tokens[at]!);
  }
  return part;
}

/** Tokens of the body of a function whose name was just read. */
function bodyFrom(tokens: readonly Token[], first: number): Token[] {
  let at = first;
  for (let depth = 0; at < tokens.length; at++) { // its parameters
    const { text } = tokens[at]!;
    if (text === "(") depth++;
    if (text === ")" && --depth === 0) break;
  }
  while (tokens[at]!.text !== "{") at++;
  return blockFrom(tokens, at + 1);
}

function blockFrom(tokens: readonly Token[], first: number): Token[] {
  let depth = 0;
  const end = tokens.findIndex(({ text }, at) => {
    if (at < first) return false;
    if (/^[([{]$/.test(text)) depth++;
    return /^[)\]}]$/.test(text) && --depth < 0;
  });
  return tokens.slice(first, end);
}

/** What a person may come to read of it. */
function wordsIn(tokens: readonly Token[]): string[] {
  const words: string[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const { text } = tokens[at]!;
    const before = tokens[at - 1]?.text ?? "";
    if (/^(grant|saving|savingThere)Remedy$/.test(text)) {
      words.push(text);
      at += lengthOfCall(tokens, at + 1);
    } else if (/^["'`]/.test(text) && isPrinted(tokens, at)) {
      const said = text.slice(1, -1).replace(/\s+/g, " ");
      if (before === "+" && words.length > 0) {
        words.push(words.pop()! + said);
      } else words.push(said);
    }
  }
  return words.filter((said) => / /.test(said) || /Remedy$/.test(said));
}

function lengthOfCall(tokens: readonly Token[], open: number): number {
  let depth = 0;
  const end = tokens.findIndex(({ text }, at) => {
    if (at < open) return false;
    if (text === "(") depth++;
    return text === ")" && --depth === 0;
  });
  return Math.max(end - open + 1, 0);
}

/** Whether a text is not merely compared with, or a key. */
function isPrinted(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1]?.text ?? "";
  const after = tokens[at + 1]?.text ?? "";
  return !/^[=!]==$/.test(before) && !/^[=!]==$/.test(after) &&
    !(before === "[" && after === "]");
}
