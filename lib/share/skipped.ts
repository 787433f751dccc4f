/**
 * The entries of a shared folder that are not shared: a count for each kind,
 * and the first ones by path with the reason. Pure.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";

/** Why entries of a folder are not shared, and how many. */
export interface SkipCounts {
  /** Symbolic links. */
  readonly link: number;
  /** Pipes, sockets, devices. */
  readonly special: number;
  /** Names that are not valid or not portable, and all below such a folder. */
  readonly name: number;
  /** Folders nested deeper than a name may have parts. */
  readonly deep: number;
  /** Names equal to another's after normalisation. */
  readonly clash: number;
  /** Entries that could not be looked at. */
  readonly unreadable: number;
  /** Identities and tokens of this program. */
  readonly secret: number;
  /** Files larger than the largest that can be sent. */
  readonly large: number;
  /** Files beyond the number that one share may hold. */
  readonly excess: number;
}

/** A kind of what is not shared. */
export type SkipKind = keyof SkipCounts;

/** One entry that is not shared. */
export interface SkippedEntry {
  /** Where it lies; from the disk, and so to be escaped before it is shown. */
  readonly path: string;
  /** Why it is not shared. */
  readonly kind: SkipKind;
  /** The rule that its name breaks. */
  readonly rule?: string;
}

/** One entry that is not shared, as its owner is told. */
export interface SkippedName {
  /** Its name below the folder; from the disk, and so to be escaped. */
  readonly name: string;
  /** Why it is not shared. */
  readonly kind: SkipKind;
  /** The rule that it breaks, in words. */
  readonly rule: string;
}

/** What is told of entries that are not shared. */
export type SkipEvent =
  /** One of them. */
  | ({ event: "skipped" } & SkippedName)
  /** So many more: names beyond `skippedNameCount` are not kept. */
  | { event: "skipped_unnamed"; entries: number };

const RULES: Readonly<Record<SkipKind, string>> = {
  link: "a symbolic link is not followed",
  special: "a pipe, a socket or a device is not a file",
  name: "a name must be portable",
  deep: `a name must have at most ${LIMITS.nameDepthCount} parts`,
  clash: "two names must differ once they are NFC",
  unreadable: "the system refuses to read it",
  secret: "a key or token of relay-p2p is never shared",
  large: `a file must be at most ${LIMITS.fileBytes} bytes`,
  excess: `a share must have at most ${LIMITS.shareFileCount} files`,
};

/** The rule that an entry breaks: that of its name, or of its kind. */
export function ruleOf({ kind, rule }: SkippedEntry): string {
  return rule ?? RULES[kind];
}

/** All kinds, in the order in which they are told. */
export const SKIP_KINDS = [
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

/** How many entries there are of all kinds together. */
export function skippedCount(counts: SkipCounts): number {
  return SKIP_KINDS.reduce((sum, kind) => sum + counts[kind], 0);
}

/** Keeps count. */
export class Skipped {
  readonly #most: number;
  readonly #counts = Object.fromEntries(
    SKIP_KINDS.map((kind) => [kind, 0]),
  ) as Record<SkipKind, number>;
  readonly #entries = new Map<string, SkippedEntry>();
  #isComplete = false;

  /** `most` of them are kept by path; the others are counted. */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many there are of each kind. */
  get counts(): SkipCounts {
    return { ...this.#counts };
  }

  /** The first of them. */
  entries(): Iterable<SkippedEntry> {
    return this.#entries.values();
  }

  /** All have been noted once: from now on it is told what changes. */
  complete(): void {
    this.#isComplete = true;
  }

  /** An entry is not shared; said of one path again, it counts once. */
  note(path: string, kind: SkipKind, rule?: string): void {
    const known = this.#entries.get(path);
    if (known?.kind === kind) return;
    if (known !== undefined) this.forget(path);
    const isKept = this.#entries.size < this.#most;
    // Of one that is not kept nobody can say whether it was counted before.
    if (!isKept && this.#isComplete) return;
    this.#counts[kind]++;
    if (!isKept) return;
    const entry = rule === undefined ? { path, kind } : { path, kind, rule };
    this.#entries.set(path, entry);
  }

  /** What was at a path is gone, or is shared now. */
  forget(path: string): void {
    const known = this.#entries.get(path);
    if (known === undefined) return;
    this.#entries.delete(path);
    this.#counts[known.kind]--;
  }

  /** What was at a path or below it is gone. */
  forgetBelow(path: string): void {
    this.forget(path);
    for (const other of this.#entries.keys()) {
      const isBelow = other.startsWith(`${path}/`) ||
        other.startsWith(`${path}\\`);
      if (isBelow) this.forget(other);
    }
  }
}
