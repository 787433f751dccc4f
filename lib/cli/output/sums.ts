/**
 * Lines of `sha256sum`: written for `sums`, read for `get --sums`. Pure.
 *
 * @module
 */

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
};
const LETTERS: Readonly<Record<string, string>> = {
  "\\": "\\",
  n: "\n",
  r: "\r",
};

/** `HEX  NAME`; with a backslash before it if the name had to be escaped. */
export function formatSum(sha256: string, name: string): string {
  const escaped = name.replaceAll(/[\\\n\r]/g, (found) => ESCAPES[found]!);
  return `${escaped === name ? "" : "\\"}${sha256}  ${escaped}`;
}

/** A line that is not one of `sha256sum`. */
export interface BadLine {
  /** Its number, from 1. */
  readonly line: number;
}

/**
 * The SHA-256 of each name, in lower case; or the first wrong line: one in
 * another form, or with another sum of a name that occurred before.
 */
export function parseSums(text: string): Map<string, string> | BadLine {
  const sums = new Map<string, string>();
  for (const [at, line] of text.split("\n").entries()) {
    if (line === "") continue;
    const sum = parseSum(line);
    if (sum === undefined) return { line: at + 1 };
    const [name, sha256] = sum;
    const before = sums.get(name);
    if (before !== undefined && before !== sha256) return { line: at + 1 };
    sums.set(name, sha256);
  }
  return sums;
}

function parseSum(line: string): [name: string, sha256: string] | undefined {
  const match = /^(\\?)([0-9a-f]{64}) [ *](.+)$/is.exec(line);
  if (match === null) return undefined;
  const [, escape, sha256 = "", text = ""] = match;
  if (escape === "") return [text, sha256.toLowerCase()];
  if (/\\(?![\\nr])/.test(text.replaceAll("\\\\", ""))) return undefined;
  const name = text.replaceAll(/\\(.)/g, (_, letter) => LETTERS[letter] ?? "");
  return [name, sha256.toLowerCase()];
}
