/**
 * Holds `docs/RELIABILITY.md` to the program: its limits to `limits.ts`, and the
 * tests that it names to those that there are.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../lib/limits.ts";

const DOCUMENT = await Deno.readTextFile("docs/RELIABILITY.md");

/** The cells of every row of the tables below a heading. */
function rowsBelow(heading: string): string[][] {
  const start = DOCUMENT.indexOf(`\n## ${heading}\n`);
  assert(start >= 0, heading);
  const end = DOCUMENT.indexOf("\n## ", start + 1);
  return DOCUMENT.slice(start, end < 0 ? undefined : end).split("\n")
    .filter((line) => /^\|(?! *(-|what|limit|#))/.test(line))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

Deno.test("RELIABILITY.md names every limit, with its value", () => {
  const told = new Map(
    rowsBelow("Limits").map(([name, value]) => [
      name!.replaceAll("`", ""),
      Number(value!.replaceAll(",", "")),
    ]),
  );
  assertEquals(Object.fromEntries(told), { ...LIMITS });
});

/** The text of all tests, to look names up in. */
async function allTests(folder: string): Promise<string> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) texts.push(await allTests(path));
    else if (name.endsWith(".ts")) texts.push(await Deno.readTextFile(path));
  }
  return texts.join("\n");
}

/** The texts in the tests, in their fixed parts, between what is computed. */
function textsIn(source: string): string[][] {
  const quoted = /"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)(?:`|$)/g;
  // Line by line: a quotation mark in a comment must not shift the rest.
  return source.split("\n").flatMap((line) =>
    [...line.matchAll(quoted)].map(([, plain, template]) =>
      plain !== undefined
        ? [plain.replaceAll('\\"', '"')]
        : template!.split(/\$\{(?:[^{}]|\{[^{}]*\})*(?:\}|$)/)
    )
  );
}

/** Whether a test is called `name`, or has a name that begins so. */
function isNamed(name: string, parts: readonly string[]): boolean {
  if (parts[0]!.startsWith(name)) return true;
  const escaped = parts.map((part) =>
    part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
  );
  return parts.length > 1 && parts.some((part) => part.trim().length > 5) &&
    new RegExp(`^${escaped.join(".*")}`).test(name);
}

Deno.test("RELIABILITY.md names tests that there are, or says why there is none", async () => {
  const texts = textsIn(await allTests("tests"));
  const rows = rowsBelow("Faults");
  const missing: string[] = [];
  let covered = 0;
  for (const [number, fault, how] of rows) {
    assert(fault !== undefined && fault !== "", number);
    if (how!.startsWith("none: ")) continue;
    for (const name of how!.split(" · ")) {
      const isThere = texts.some((parts) => isNamed(name, parts));
      if (!isThere) missing.push(`row ${number}: no test "${name}"`);
    }
    covered++;
  }
  assertEquals(missing, []);
  const numbers = rows.map(([number]) => Number(number));
  assertEquals(numbers, numbers.toSorted((a, b) => a - b));
  assertEquals(new Set(numbers).size, numbers.length);
  assert(covered > 80, `${covered} rows`);
  await Deno.stdout.write(
    new TextEncoder().encode(`faults covered: ${covered} of ${rows.length}\n`),
  );
});
