/**
 * Keeps secrets out of all output: secrets that it knows, and anything that
 * looks like a token or a link.
 *
 * @module
 */

const TOKEN = /\b(p2p-(?:node|client)-)[a-z2-7]{6,}/gi;
const LINK = /(p2p:\/\/[^\s/]+\/[a-z2-7]+)\/[\w.%\/-]{8,}/gi;

/** Replaces secrets in text. */
export class Redaction {
  readonly #values = new Set<string>();

  /** Conceals a value from now on. */
  add(value: string): void {
    // Shorter values are not secrets, and would blank out common words.
    if (value.length >= 16) this.#values.add(value);
  }

  /** The text without secrets. */
  apply(text: string): string {
    let kept = text;
    for (const value of this.#values) kept = kept.replaceAll(value, "…");
    return kept.replace(TOKEN, "$1…").replace(LINK, "$1/…");
  }
}
