import { assertEquals, assertThrows } from "@std/assert";
import type { CommandSpec } from "../../../lib/cli/options/command_table.ts";
import { formatHelp } from "../../../lib/cli/options/help.ts";
import {
  optionsOfRole,
  variableOf,
} from "../../../lib/cli/options/option_table.ts";
import { parseCommandLine } from "../../../lib/cli/options/command_line.ts";
import { Failure } from "../../../lib/base/errors.ts";
import { withVariables } from "../../_here.ts";

const SPEC: CommandSpec = {
  role: "relay",
  script: "test.ts",
  summary: "A test.",
  usage: ["[options] WORD"],
  notes: [],
  examples: [],
  commands: {},
  options: {
    ...optionsOfRole("relay"),
    name: { value: "TEXT", help: "a name" },
    "known-relays": { value: "FILE", help: "a file" },
    output: { value: "PATH", short: "o", help: "a place" },
  },
};

Deno.test("parseCommandLine parts words and options in any order", () => {
  const line = parseCommandLine(
    [
      "007",
      "--name",
      "x",
      "--json",
      "1700",
      "--known-relays=f",
      "--",
      "--json",
    ],
    SPEC,
  );
  assertEquals(line.words, ["007", "1700", "--json"]);
  assertEquals(line.value("name"), "x");
  assertEquals(line.value("known-relays"), "f");
  assertEquals(line.isOn("json"), true);
  assertEquals(line.isOn("quiet"), false);
});

Deno.test("parseCommandLine takes one letter for an option that has one", () => {
  const line = parseCommandLine(["-o", "-", "-q", "word", "-h"], SPEC);
  assertEquals([line.value("output"), line.words], ["-", ["word"]]);
  assertEquals([line.isOn("quiet"), line.isOn("help")], [true, true]);
});

for (
  const [args, words] of [
    [["--no-json"], "there is no such option"],
    [["-x"], "there is no such option"],
    [["--name"], "(--name): it needs a value: --name TEXT"],
    [["--name", "--json"], "it needs a value"],
    [["--name="], "it needs a value"],
    [["--json=loud"], "(--json): it takes no value"],
    [["--\x1b[2J"], "(--\\x1b[2J)"],
  ] as const
) {
  Deno.test(`parseCommandLine refuses ${JSON.stringify(args)}`, () => {
    const error = assertThrows(
      () => parseCommandLine(args, SPEC),
      Failure,
      words,
    );
    assertEquals(error.kind, "usage");
    assertEquals(error.parts.remedy, "see test.ts --help");
  });
}

for (
  const [typed, meant] of [
    ["--nmae", "--name"],
    ["--nmae=x", "--name"],
    ["--ouput", "--output"],
    ["--knownrelays", "--known-relays"],
    ["--out", "--output"],
  ]
) {
  Deno.test(`parseCommandLine asks whether ${typed} is ${meant}`, () => {
    const error = assertThrows(() => parseCommandLine([typed!], SPEC), Failure);
    assertEquals(error.exitCode, 2);
    assertEquals(
      error.message,
      `Cannot use option (${typed}): there is no such option; did you mean ${meant}?`,
    );
  });
}

Deno.test("Options come from the environment, and the command line wins", () => {
  using _variables = withVariables({
    RELAY_P2P_NAME: "env",
    RELAY_P2P_QUIET: "1",
    RELAY_P2P_JSON: "0",
  });
  const line = parseCommandLine([], SPEC);
  assertEquals(line.value("name"), "env");
  assertEquals(line.isOn("quiet"), true);
  assertEquals(line.isOn("json"), false);
  assertEquals(parseCommandLine(["--name", "arg"], SPEC).value("name"), "arg");
});

Deno.test("variableOf names the variable of an option", () => {
  assertEquals(variableOf("known-relays"), "RELAY_P2P_KNOWN_RELAYS");
});

Deno.test("formatHelp names every option, and the exit codes", () => {
  const help = formatHelp(SPEC);
  for (
    const words of ["--name TEXT", "--known-relays FILE", "--plaintext", "130"]
  ) {
    assertEquals(help.includes(words), true, words);
  }
});
