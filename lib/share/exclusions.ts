/**
 * What a folder's owner leaves out of a share: names that begin with a dot,
 * patterns of the node, and the lines of each `.p2pignore`, with the syntax and
 * the precedence of `.gitignore`. A folder whose `.p2pignore` cannot be read is
 * left out as a whole.
 *
 * @module
 */

import { join } from "@std/path/join";
import type { Ignore } from "ignore";
import { isShortage } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import { readShortText } from "./opened_file.ts";

/** The file with patterns for its folder and all folders below. */
export const IGNORE_FILE = ".p2pignore";

/** What a node leaves out of its share. */
export interface ShareFilter {
  /** Shares names that begin with a dot, too. */
  readonly hidden?: boolean;
  /**
   * Leaves out the names that match, each a line of a `.gitignore` for the names
   * of the whole share.
   */
  readonly exclude?: readonly string[];
}

/** Why an entry is left out. */
export type Exclusion =
  | { readonly kind: "hidden" }
  | { readonly kind: "excluded"; readonly rule: string };

/** An entry of a shared folder. */
export interface ExcludableEntry {
  /** Its name in the share. */
  readonly name: string;
  readonly isFolder: boolean;
}

/** A pattern, and its place in the file. */
interface Line {
  /** As it is for the root of the share's part. */
  readonly pattern: string;
  /** As its owner wrote it. */
  readonly written: string;
  /** The `.p2pignore` with it, by its path below the root; empty for none. */
  readonly file: string;
}

/**
 * Steps that matching a name may take: `**` may stand for any of the folders of
 * the name, and several for any combination of them.
 */
function stepsOf({ pattern }: Line): number {
  const stars = pattern.match(/\*{2,}/g)?.length ?? 0;
  let steps = LIMITS.nameDepthCount;
  for (let n = 1; n < stars; n++) {
    steps *= (LIMITS.nameDepthCount - n) / (n + 1);
  }
  return steps;
}

/** The patterns that hold in a folder. */
export class Rules {
  readonly #lines: readonly Line[];
  readonly #ignore: () => Ignore;
  #matcher: Ignore;
  #tested = 0;
  /** Steps that a name may take at most. */
  readonly steps: number;

  private constructor(lines: readonly Line[], ignore: () => Ignore) {
    this.#lines = lines;
    this.#ignore = ignore;
    this.steps = lines.reduce((sum, line) => sum + stepsOf(line), 0);
    this.#matcher = this.#make();
  }

  /** The patterns of `others` and then these; the last one that matches wins. */
  static async of(
    lines: readonly Line[],
    others?: Rules | null,
  ): Promise<Rules | null> {
    if (lines.length === 0) return others ?? null;
    // Most shares have no patterns, and clients never have.
    const { default: ignore } = await import("ignore");
    return new Rules(
      [
        ...others === null || others === undefined ? [] : others.#lines,
        ...lines,
      ],
      () => ignore({ ignorecase: false }),
    );
  }

  /** The line that excludes a path; `undefined` if none does. */
  lineFor(path: string, isFolder: boolean): Line | undefined {
    // The library keeps every answer.
    if (++this.#tested > LIMITS.ignoreAnswerCount) this.#matcher = this.#make();
    const plain = path.normalize("NFC");
    const { rule } = this.#matcher.test(isFolder ? `${plain}/` : plain);
    return rule === undefined ? undefined : this.#lines[Number(rule.mark)];
  }

  #make(): Ignore {
    this.#tested = 0;
    return this.#ignore().add(
      this.#lines.map(({ pattern }, index) => ({ pattern, mark: `${index}` })),
    );
  }
}

/** The exclusions of one part of a share. */
export class Exclusions {
  #filter: ShareFilter;
  #version = 0;
  /** How many characters of a name belong to the part's own. */
  readonly #start: number;
  #root: string;
  /** The node's own patterns; not there before they are ready. */
  #own: Rules | null | undefined;

  /** Of the part called `name`, below the folder at `root`. */
  constructor(
    filter: ShareFilter,
    { name, root }: { name: string; root: string },
  ) {
    this.#filter = filter;
    this.#start = name === "" ? 0 : name.length + 1;
    this.#root = root;
  }

  /** Whether a folder may have patterns of its own: it lists one such file. */
  static mayHaveOwn(entries: readonly Deno.DirEntry[]): boolean {
    return entries.some(({ name }) => name === IGNORE_FILE);
  }

  /** Await this before the first use. */
  async ready(): Promise<void> {
    if (this.#own !== undefined) return;
    const { exclude = [] } = this.#filter;
    const lines = exclude.map((written) => ({
      ...{ pattern: written.normalize("NFC"), written, file: "" },
    }));
    this.#own = await Rules.of(lines);
  }

  /** Whether an entry of a folder with `rules` may be left out: a quick answer. */
  mayExclude(base: string, rules: Rules | null): boolean {
    return rules !== null || this.#own !== null || this.#hides(base);
  }

  #hides(base: string): boolean {
    return base.startsWith(".") && this.#filter.hidden !== true;
  }

  /** Rises when a pattern has changed: rules that were read before are old. */
  get version(): number {
    return this.#version;
  }

  /** Notes that a `.p2pignore` has changed. */
  changed(): void {
    this.#version++;
  }

  /** The folder is at another path now. */
  moveTo(root: string): void {
    this.#root = root;
    this.changed();
  }

  /** Leaves out something else from now on. */
  change(filter: ShareFilter): void {
    this.#filter = filter;
    this.#own = undefined;
    this.changed();
  }

  /** Why an entry is left out of a folder with `rules`, if it is. */
  of(
    { name, isFolder }: ExcludableEntry,
    rules: Rules | null,
  ): Exclusion | undefined {
    const below = name.slice(this.#start);
    const base = below.slice(below.lastIndexOf("/") + 1);
    if (this.#hides(base)) return { kind: "hidden" };
    const line = this.#own?.lineFor(name, isFolder) ??
      rules?.lineFor(below, isFolder);
    if (line === undefined) return undefined;
    const where = line.file === "" ? "" : ` of ${line.file}`;
    const rule = `pattern ${JSON.stringify(line.written)}${where} excludes it`;
    return { kind: "excluded", rule };
  }

  /**
   * The rules in a folder, whose parent has `rules`; `undefined` if its
   * `.p2pignore` cannot be read, or has patterns that would take too long.
   *
   * @throws if no file descriptor is free.
   */
  async inFolder(
    folder: string,
    rules: Rules | null,
  ): Promise<Rules | null | undefined> {
    const path = join(folder, IGNORE_FILE);
    const below = folder.slice(this.#root.length).replaceAll("\\", "/")
      .replace(/^\//, "");
    let text: string;
    try {
      const { isFile, size } = Deno.lstatSync(path);
      if (!isFile || size > LIMITS.ignoreFileBytes) return undefined;
      text = readShortText(path, size);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return rules;
      if (isShortage(error)) throw error;
      return undefined;
    }
    const found = await Rules.of(linesOf(text, below), rules);
    const steps = found?.steps ?? 0;
    return steps > LIMITS.ignoreStepCount ? undefined : found;
  }

  /**
   * The rules in the folder of an entry, or why the entry or a folder around it
   * is left out.
   *
   * @throws if no file descriptor is free.
   */
  async around(name: string): Promise<
    | { readonly kind: "shared"; readonly rules: Rules | null }
    | { readonly kind: "left_out" }
  > {
    await this.ready();
    const parts = name.slice(this.#start).split("/");
    let folder = this.#root;
    let rules: Rules | null = null;
    for (const [index, part] of parts.entries()) {
      const found = await this.inFolder(folder, rules);
      if (found === undefined) return { kind: "left_out" };
      rules = found;
      if (index === parts.length - 1) break;
      const own = parts.slice(0, index + 1).join("/");
      const entry = { name: name.slice(0, this.#start) + own, isFolder: true };
      if (this.of(entry, rules) !== undefined) return { kind: "left_out" };
      folder = join(folder, part);
    }
    return { kind: "shared", rules };
  }
}

/**
 * The lines of a `.p2pignore` in `folder`, as patterns for the root: git does the
 * same for each `.gitignore`.
 */
function linesOf(text: string, folder: string): Line[] {
  const file = folder === "" ? IGNORE_FILE : `${folder}/${IGNORE_FILE}`;
  const base = folder === ""
    ? ""
    : `/${folder.replaceAll(/[\\*?[\]]/g, "\\$&")}/`;
  const lines: Line[] = [];
  // As git does, also where an editor begins the file with a mark.
  for (const written of text.replace(/^\ufeff/, "").split(/\r?\n/)) {
    if (/^(#|\s*$)/.test(written)) continue;
    const plain = written.normalize("NFC");
    const [, not = "", rest = ""] = /^(!?)(.*)$/s.exec(plain)!;
    const isAnchored = /\/(?!\s*$)/.test(rest);
    const pattern = base === ""
      ? plain
      : not + base + (isAnchored ? rest.replace(/^\//, "") : `**/${rest}`);
    lines.push({ pattern, written, file });
  }
  return lines;
}
