/**
 * A document as steps that can be taken: its blocks of commands, in order, with
 * what is said of them in comments that a reader does not see:
 *
 * - `<!-- not run: REASON -->`: cannot run offline, or by a test.
 * - `<!-- walk: type WORDS -->`: on a terminal, where WORDS are typed.
 * - `<!-- walk: kill NAME -->`: the node of that name is killed before.
 * - `<!-- walk: after SECTION -->`: taken at the end of another section.
 *
 * A line `…` in what a command prints stands for one line or more.
 */

import { join } from "@std/path";
import { ROOT } from "./_processes.ts";

/**
 * The documents that a reader follows from the first command to the last, each
 * from a fresh copy of the project.
 */
export const STORIES: readonly string[] = ["README.md", "docs/GUIDE.md"];

/** The paths of README and of all documents in `docs/`. */
export async function documentNames(): Promise<string[]> {
  const names = ["README.md"];
  for await (const { name } of Deno.readDir(join(ROOT, "docs"))) {
    if (name.endsWith(".md")) names.push(`docs/${name}`);
  }
  return names.toSorted();
}

/** A command, and what the document shows that it prints. */
export interface Step {
  /** The line of the document. */
  readonly line: number;
  readonly command: string;
  /** Not there where the document shows commands alone. */
  readonly shown?: readonly string[];
}

/** A block of commands. */
export interface Block {
  /** The path of the document. */
  readonly document: string;
  /** The heading that it stands below; empty before the first. */
  readonly section: string;
  /** The line of the document that opens it. */
  readonly line: number;
  readonly steps: readonly Step[];
  /** Why it is not run. */
  readonly notRun?: string;
  /** What is typed. */
  readonly typed?: string;
  /** The node that is killed before. */
  readonly killed?: string;
}

const COMMENT = /^<!-- (not run|walk): (.+) -->$/;
const WALK = /^(type|kill|after) (.+)$/;
const FENCE = /^```(\w*)/;

/** The blocks of a document in the order in which they are to be taken. */
export function blocksOf(markdown: string, document = "README.md"): Block[] {
  const lines = markdown.split("\n");
  const bySection = new Map<string, Block[]>([["", []]]);
  const later = new Map<string, Block[]>();
  let section = "";
  let said = new Map<string, string>();
  for (let at = 0; at < lines.length; at++) {
    const text = lines[at]!;
    const [, kind, words = ""] = COMMENT.exec(text) ?? [];
    if (kind !== undefined) {
      const [, verb, rest] = kind === "walk" ? WALK.exec(words) ?? [] : [];
      if (kind === "walk" && verb === undefined) {
        throw new Error(`${document}:${at + 1}: no such comment: ${text}`);
      }
      said.set(verb ?? kind, rest ?? words);
    } else if (text.startsWith("## ")) {
      section = text.slice(3);
      bySection.set(section, []);
    }
    const [, language] = FENCE.exec(text) ?? [];
    if (language === undefined) continue;
    const end = lines.indexOf("```", at + 1);
    const content = lines.slice(at + 1, end);
    if (language === "console" || language === "sh") {
      const steps = language === "console"
        ? shownSteps(content, at + 2, document)
        : bareSteps(content, at + 2);
      const block = {
        ...{ document, section, line: at + 1, steps },
        ...wordsOf(said),
      };
      const after = said.get("after");
      if (after === undefined) bySection.get(section)!.push(block);
      else later.set(after, [...later.get(after) ?? [], block]);
    } else if (said.size > 0) {
      throw new Error(
        `${document}:${at + 1}: a comment on no block of commands`,
      );
    }
    said = new Map();
    at = end;
  }
  for (const name of later.keys()) {
    if (!bySection.has(name)) {
      throw new Error(`${document}: no section ${name}`);
    }
  }
  return [...bySection].flatMap(([name, blocks]) => [
    ...blocks,
    ...later.get(name) ?? [],
  ]);
}

function wordsOf(said: ReadonlyMap<string, string>): Partial<Block> {
  const notRun = said.get("not run");
  const typed = said.get("type");
  const killed = said.get("kill");
  return {
    ...notRun === undefined ? {} : { notRun },
    ...typed === undefined ? {} : { typed },
    ...killed === undefined ? {} : { killed },
  };
}

/** Commands behind `$`, each with what it prints. */
function shownSteps(
  lines: readonly string[],
  first: number,
  document: string,
): Step[] {
  const steps: { line: number; command: string; shown: string[] }[] = [];
  for (const [index, text] of lines.entries()) {
    const line = first + index;
    const last = steps.at(-1);
    if (text.startsWith("$ ")) {
      steps.push({ line, command: text.slice(2), shown: [] });
    } else if (last === undefined) {
      throw new Error(`${document}:${line}: output of no command`);
    } else last.shown.push(text);
  }
  return steps;
}

/** Commands alone, one a line; a loop of the shell is one. */
function bareSteps(lines: readonly string[], first: number): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < lines.length; at++) {
    const start = at;
    if (/; do$/.test(lines[at]!)) at = lines.indexOf("done", at);
    const command = lines.slice(start, at + 1).join("\n");
    if (!/^\s*(#|$)/.test(command)) {
      steps.push({ line: first + start, command });
    }
  }
  return steps;
}
