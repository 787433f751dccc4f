/**
 * Names that people rarely mean to share: keys, passwords, the insides of a
 * version control, installed packages. Pure.
 *
 * @module
 */

const FOLDERS = /^(\.git|node_modules)$/;
// The name of an SSH key; a name with an ending is something else.
const FILES = /^(id_[^.]+|.+\.pem|\.env(\..+)?)$/i;
const MOST_NAMES = 10;
/** Later ones are not reported. */
const MOST_SEEN = 1_000;

/** Whether a file of this name looks like a key or a password. */
function looksSecret(base: string): boolean {
  return FILES.test(base);
}

/** Names that were found since the last report. */
export interface RiskyFinds {
  /** The first of them; folders end with `/`. Escape them before display. */
  readonly names: readonly string[];
  /** All of them. */
  readonly count: number;
}

/** Collects such names while a folder is scanned. */
export class RiskyNames {
  #names: string[] = [];
  #count = 0;
  /** Each scan finds the same names. */
  readonly #seen = new Set<string>();

  /** Notes a folder that is shared, if it is one of these. */
  noteFolder(name: string): void {
    const parts = name.split("/");
    // If one is inside another, only the outer one counts.
    if (parts.slice(0, -1).some((part) => FOLDERS.test(part))) return;
    if (FOLDERS.test(parts.at(-1)!)) this.#note(`${name}/`);
  }

  /** Notes a file that is shared, if it is one of these. */
  noteFile(name: string): void {
    const base = name.slice(name.lastIndexOf("/") + 1);
    if (!looksSecret(base)) return;
    const folders = name.split("/").slice(0, -1);
    if (!folders.some((part) => FOLDERS.test(part))) this.#note(name);
  }

  #note(name: string): void {
    if (this.#seen.has(name) || this.#seen.size >= MOST_SEEN) return;
    this.#seen.add(name);
    this.#count++;
    if (this.#names.length < MOST_NAMES) this.#names.push(name);
  }

  /** What was found since the last call, if anything. */
  take(): RiskyFinds | undefined {
    if (this.#count === 0) return undefined;
    const finds = { names: this.#names.toSorted(), count: this.#count };
    this.#names = [];
    this.#count = 0;
    return finds;
  }
}
