/**
 * What a script loads before it knows its command. Every user, test and shell
 * completion pays for it at each start.
 */

import { assert, assertEquals } from "@std/assert";
import {
  codeOf,
  importsOf,
  loadedAtStart,
  modulesBelow,
  roomOf,
  SCRIPTS,
} from "./_rooms.ts";

// May only get smaller: a command's own modules are imported when it runs.
const MOST_MODULES = 36;
const ROOMS_AT_START = [
  "base/",
  "cli/commands/",
  "cli/options/",
  "cli/output/",
  "cli/roles/",
  "content/",
];
const LIBRARIES_AT_START = [
  "@std/async/abortable",
  "@std/cli/parse-args",
  "@std/path/posix/dirname",
  "@std/path/windows/dirname",
];

for (const script of SCRIPTS) {
  Deno.test(`${script} --version loads options, output and no engine`, () => {
    const loaded = loadedAtStart(script);
    const modules = loaded.filter((path) => path.startsWith("lib/"));
    assert(modules.length <= MOST_MODULES, `${modules.length}: ${modules}`);
    assertEquals(
      modules.filter((path) => !ROOMS_AT_START.includes(roomOf(path))),
      [],
    );
    const libraries = loaded.filter((name) => !name.endsWith(".ts"));
    assertEquals(libraries.toSorted(), LIBRARIES_AT_START);
  });
}

Deno.test("Modules that are imported when they are needed count as imports", () => {
  const path = "lib/cli/commands/client.ts";
  const command = "lib/cli/commands/run_client.ts";
  assertEquals(importsOf(path).includes(command), true);
  assertEquals(loadedAtStart(path).includes(command), false);
});

// Deno reads each module that a program may load, whatever it does.
for (const script of SCRIPTS) {
  Deno.test(`${script} never loads what only its tests and types need`, () => {
    const loaded = loadedAtStart(script, { later: true });
    const packages = loaded.filter((name) => !name.endsWith(".ts"));
    assert(packages.includes("node:crypto"), "what comes later is found");
    const others = packages.filter((name) => name.startsWith("@sinclair/"));
    assertEquals(others, []);
  });
}

// `deno check`, `deno cache` and `deno compile` follow no other.
Deno.test("Each import while the program runs gives its module in quotes", () => {
  const wrong = [...modulesBelow("lib"), ...SCRIPTS].filter((path) =>
    /\bimport\((?!\s*")/.test(codeOf(path))
  );
  assertEquals(wrong, []);
});
