/**
 * Keeps secrets out of all output: those with a known value, and anything that
 * looks like a token or a link.
 *
 * @module
 */

const TOKEN = /\b(p2p-(?:node|client)-)[a-z2-7]{6,}/gi;
const LINK = /(p2p:\/\/[^\s/]+\/[a-z2-7]+)\/[\w.%\/-]{8,}/gi;

/** What must not be written. */
export class Concealment {
  readonly #values = new Set<string>();

  /** Conceals a value from now on. */
  add(value: string): void {
    // Shorter ones are no secrets, and would make holes in common words.
    if (value.length >= 16) this.#values.add(value);
  }

  /** The text without what must not be written. */
  apply(text: string): string {
    let kept = text;
    for (const value of this.#values) kept = kept.replaceAll(value, "…");
    return kept.replace(TOKEN, "$1…").replace(LINK, "$1/…");
  }
}
