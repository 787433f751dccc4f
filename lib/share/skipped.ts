/**
 * The entries of a shared folder that are not shared: a count for each kind,
 * and the first ones by path with the reason. Pure.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";

/** How many entries of a folder are not shared, by reason. */
export interface SkipCounts {
  /** Names that begin with a dot, and everything below such a folder. */
  readonly hidden: number;
  /** Names that a pattern excludes, and everything below such a folder. */
  readonly excluded: number;
  /** Folders with a `.p2pignore` that cannot be read. */
  readonly rules: number;
  /** Symbolic links. */
  readonly link: number;
  /** Pipes, sockets, devices. */
  readonly special: number;
  /**
   * Names that are not valid or not portable, and everything below such a
   * folder.
   */
  readonly name: number;
  /** Folders nested deeper than a name may have components. */
  readonly deep: number;
  /** Names equal to another one after normalisation. */
  readonly clash: number;
  /** Entries that cannot be read. */
  readonly unreadable: number;
  /** Identities and tokens of this program. */
  readonly secret: number;
  /** Files larger than the limit. */
  readonly large: number;
  /** Files beyond the most that one share may hold. */
  readonly excess: number;
}

/** The reason why an entry is not shared. */
export type SkipKind = keyof SkipCounts;

/** One entry that is not shared. */
export interface SkippedEntry {
  /** Its path, from the disk. Escape it before display. */
  readonly path: string;
  /** Why it is not shared. */
  readonly kind: SkipKind;
  /** The rule that its name breaks. */
  readonly rule?: string;
}

/** One entry that is not shared, as reported to its owner. */
export interface SkippedName {
  /** Its name below the folder, from the disk. Escape it before display. */
  readonly name: string;
  /** Why it is not shared. */
  readonly kind: SkipKind;
  /** The rule that it breaks, as a sentence. */
  readonly rule: string;
}

/** Events about entries that are not shared. */
export type SkipEvent =
  /** One entry. */
  | ({ event: "skipped" } & SkippedName)
  /**
   * The number of further entries: names beyond `skippedNameCount` are not
   * kept.
   */
  | { event: "skipped_unnamed"; entries: number };

const RULES: Readonly<Record<SkipKind, string>> = {
  hidden: "its name begins with a dot",
  excluded: "a pattern excludes it",
  rules: "its .p2pignore cannot be read, is too large, or would take too long",
  link: "a symbolic link is not followed",
  special: "a pipe, a socket or a device is not a file",
  name: "a name must be portable",
  deep: `a name must have at most ${LIMITS.nameDepthCount} parts`,
  clash: "two names must differ after NFC normalisation",
  unreadable: "the system refuses to read it",
  secret: "a key or token of relay-p2p is never shared",
  large: `a file must be at most ${LIMITS.fileBytes} bytes`,
  excess: `a share must have at most ${LIMITS.shareFileCount} files`,
};

/** The rule that an entry breaks: that of its name, or of its kind. */
export function ruleOf({ kind, rule }: SkippedEntry): string {
  return rule ?? RULES[kind];
}

/** All reasons, in the order in which they are reported. */
export const SKIP_KINDS = [
  "hidden",
  "excluded",
  "rules",
  "link",
  "special",
  "name",
  "deep",
  "clash",
  "unreadable",
  "secret",
  "large",
  "excess",
] as const satisfies readonly SkipKind[];

/** The number of entries for all reasons together. */
export function skippedCount(counts: SkipCounts): number {
  return SKIP_KINDS.reduce((sum, kind) => sum + counts[kind], 0);
}

/** The counts of several folders together. */
export function addSkipCounts(all: readonly SkipCounts[]): SkipCounts {
  const [first, ...others] = all;
  if (first !== undefined && others.length === 0) return first;
  return Object.fromEntries(
    SKIP_KINDS.map((kind) => [
      kind,
      all.reduce((sum, counts) => sum + counts[kind], 0),
    ]),
  ) as Record<SkipKind, number>;
}

/** Counts entries that are not shared. */
export class Skipped {
  readonly #most: number;
  readonly #counts = Object.fromEntries(
    SKIP_KINDS.map((kind) => [kind, 0]),
  ) as Record<SkipKind, number>;
  readonly #entries = new Map<string, SkippedEntry>();
  #isComplete = false;

  /** `most` of them are kept by path; the others are only counted. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The number of entries for each reason. */
  get counts(): SkipCounts {
    return { ...this.#counts };
  }

  entries(): Iterable<SkippedEntry> {
    return this.#entries.values();
  }

  /**
   * Ends the first scan: each entry has been noted once, and from now on only
   * changes are.
   */
  complete(): void {
    this.#isComplete = true;
  }

  /**
   * Notes an entry that is not shared. A path that is noted again counts once.
   */
  note(path: string, kind: SkipKind, rule?: string): void {
    const known = this.#entries.get(path);
    if (known?.kind === kind) return;
    if (known !== undefined) this.forget(path);
    const isKept = this.#entries.size < this.#most;
    // It is unknown whether an entry that is not kept was counted before.
    if (!isKept && this.#isComplete) return;
    this.#counts[kind]++;
    if (!isKept) return;
    const entry = rule === undefined ? { path, kind } : { path, kind, rule };
    this.#entries.set(path, entry);
  }

  /** Notes that the entry at a path no longer exists, or is shared now. */
  forget(path: string): void {
    const known = this.#entries.get(path);
    if (known === undefined) return;
    this.#entries.delete(path);
    this.#counts[known.kind]--;
  }

  /** Notes that everything at a path and below it no longer exists. */
  forgetBelow(path: string): void {
    this.forget(path);
    for (const other of this.#entries.keys()) {
      const isBelow = other.startsWith(`${path}/`) ||
        other.startsWith(`${path}\\`);
      if (isBelow) this.forget(other);
    }
  }
}
