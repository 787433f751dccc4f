/**
 * Holds `docs/RELIABILITY.md` to the program: its limits to `limits.ts`, and the
 * tests that it names to those that there are.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../lib/base/limits.ts";

const DOCUMENT = await Deno.readTextFile("docs/RELIABILITY.md");

/** The cells of every row of the tables below a heading. */
function rowsBelow(heading: string, document = DOCUMENT): string[][] {
  const start = document.indexOf(`\n## ${heading}\n`);
  assert(start >= 0, heading);
  const end = document.indexOf("\n## ", start + 1);
  return document.slice(start, end < 0 ? undefined : end).split("\n")
    .filter((line) => /^\|(?! *(-|what|limit|#))/.test(line))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

Deno.test("RELIABILITY.md names every limit, with its value", () => {
  const reported = new Map(
    rowsBelow("Limits").map(([name, value]) => [
      name!.replaceAll("`", ""),
      Number(value!.replaceAll(",", "")),
    ]),
  );
  assertEquals(Object.fromEntries(reported), { ...LIMITS });
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

/**
 * Tells whether a text of a test is called `name`, begins with it, or is most of
 * it: some names are put together from several texts.
 */
function namesIn(sources: string): (name: string) => boolean {
  const texts = textsIn(sources);
  const beginnings = `\0${texts.map(([first]) => first).join("\0")}`;
  const computed = texts.map((parts) => {
    const fixed = parts.reduce((sum, part) => sum + part.trim().length, 0);
    const pattern = parts.map(RegExp.escape).join(".*");
    return {
      fixed,
      anywhere: new RegExp(pattern),
      // Shorter parts of a template would match any name.
      atStart: parts.length > 1 && parts[0]!.length > 3 && fixed > 12
        ? new RegExp(`^${pattern}`)
        : undefined,
    };
  });
  return (name) =>
    beginnings.includes(`\0${name}`) ||
    computed.some(({ fixed, anywhere, atStart }) =>
      2 * fixed > name.length ? anywhere.test(name) : atStart?.test(name)
    );
}

let isTest: ((name: string) => boolean) | undefined;

/** Names, in cells of a table, of tests that there are not. */
async function missingTests(
  cells: readonly (readonly [row: string, names: string])[],
): Promise<string[]> {
  const isThere = isTest ??= namesIn(await allTests("tests"));
  return cells.flatMap(([row, names]) =>
    names.split(" · ")
      .filter((name) => !isThere(name))
      .map((name) => `${row}: no test "${name}"`)
  );
}

Deno.test("RELIABILITY.md names a test for every limit, or says why there is none", async () => {
  const rows = rowsBelow("Limits");
  const cells = rows.map(([limit, , names]) => [limit!, names!] as const);
  assertEquals(cells.filter(([, names]) => names === ""), []);
  const covered = cells.filter(([, names]) => !names.startsWith("none: "));
  assertEquals(await missingTests(covered), []);
  assert(covered.length >= 68, `${covered.length} limits`);
  await Deno.stdout.write(
    new TextEncoder().encode(
      `limits covered: ${covered.length} of ${rows.length}\n`,
    ),
  );
});

Deno.test("RELIABILITY.md names only existing tests, or says why there is none", async () => {
  const rows = rowsBelow("Faults");
  for (const [number, fault] of rows) {
    assert(fault !== undefined && fault !== "", number);
  }
  const covered = rows.filter(([, , how]) => !how!.startsWith("none: "));
  const cells = covered.map(([number, , names]) =>
    [`row ${number}`, names!] as const
  );
  assertEquals(await missingTests(cells), []);
  const numbers = rows.map(([number]) => Number(number));
  assertEquals(numbers, numbers.toSorted((a, b) => a - b));
  assertEquals(new Set(numbers).size, numbers.length);
  assert(covered.length > 80, `${covered.length} rows`);
  await Deno.stdout.write(
    new TextEncoder().encode(
      `faults covered: ${covered.length} of ${rows.length}\n`,
    ),
  );
});

Deno.test("GATEWAY.md names existing tests for each of the 14 rules", async () => {
  const document = await Deno.readTextFile("docs/GATEWAY.md");
  const rows = rowsBelow("Rules and their tests", document);
  const cells = rows.map(([number, , , names]) =>
    [`rule ${number}`, names!] as const
  );
  assertEquals(rows.length, 14);
  assertEquals(await missingTests(cells), []);
});
