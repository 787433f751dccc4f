/**
 * Words for a POSIX shell. Pure.
 *
 * @module
 */

/** `word` so that a shell takes it as one word, unchanged. */
export function quoted(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line that a shell splits into just these words. */
export function commandLine(words: readonly string[]): string {
  return words.map(quoted).join(" ");
}
