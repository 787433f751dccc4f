import { assert, assertEquals, assertMatch } from "@std/assert";
import { EXIT_CODE } from "../../../lib/base/errors.ts";
import {
  commandNames,
  type CommandSpec,
  EXIT_WORDS,
  SCRIPTS,
} from "../../../lib/cli/options/command_table.ts";
import {
  formatCommandHelp,
  formatHelp,
  formatShortCommandHelp,
  formatShortHelp,
} from "../../../lib/cli/options/help.ts";
import type {
  ClientCommand,
  OptionTable,
} from "../../../lib/cli/options/option_spec.ts";
import {
  OPTIONS,
  optionsOfCommand,
  variableOf,
} from "../../../lib/cli/options/option_table.ts";
import { runRoleHere } from "../../_here.ts";
import { runRole } from "../../e2e/_processes.ts";

/** What every help must have. */
function assertTeaches(
  text: string,
  { script, options, examples }: {
    script: string;
    options: OptionTable;
    examples: number;
  },
): void {
  assertMatch(text, new RegExp(`\n\nUsage:\n {2}${script} `));
  const lines = text.split("\n");
  const optionsAt = lines.indexOf("Options:");
  for (const [name, option] of Object.entries(OPTIONS)) {
    const at = lines.findIndex((line, index) =>
      index > optionsAt && line.slice(0, 27).includes(`--${name} `)
    );
    const isThere = at >= 0;
    assertEquals(isThere, Object.hasOwn(options, name), `--${name}`);
    if (!isThere) continue;
    const next = lines.findIndex((line, index) =>
      index > at && !line.startsWith(" ".repeat(27))
    );
    const rows = lines.slice(at, next);
    const shown = rows.join("\n");
    assert(
      rows.some((row) =>
        row[26] === " " && row.slice(27).endsWith(option.help)
      ),
      shown,
    );
    if (!option.isTyped) assert(shown.includes(variableOf(name)), shown);
    if (option.default !== undefined) {
      assert(shown.includes(`default ${option.default}`), shown);
    }
  }
  for (const code of [0, 1, ...Object.values(EXIT_CODE)]) {
    assert(lines.includes(`  ${`${code}`.padEnd(5)}${EXIT_WORDS[code]}`));
  }
  const shown = lines.filter((line) => line.startsWith("  # ")).length;
  assertEquals(shown, examples, "examples");
  for (const [index, line] of lines.entries()) {
    const isExample = index < optionsAt &&
      / deno run |^ {2}deno run /.test(line);
    assert(line.length <= 80 || isExample, `${line.length} columns: ${line}`);
  }
}

for (const spec of SCRIPTS) {
  Deno.test(`All help of ${spec.script} has usage, three examples, every option and exit code`, () => {
    const { script, options } = spec;
    assertTeaches(formatHelp(spec), { script, options, examples: 3 });
    for (const name of commandNames(spec)) {
      assert(
        formatHelp(spec).includes(
          `\n  ${spec.commands[name]!.usage.replace(/^RELAY /, "")} `,
        ),
      );
    }
  });

  for (const name of commandNames(spec)) {
    Deno.test(`All help of ${spec.script} ${name} has usage, examples, its options and exit codes`, () => {
      const options = spec.role === "client"
        ? optionsOfCommand(name as ClientCommand)
        : spec.options;
      const { script, commands } = spec;
      const examples = commands[name]!.examples.length;
      assert(examples === 3 || name === "help", `${examples} examples`);
      assertTeaches(formatCommandHelp(spec, name), {
        script,
        options,
        examples,
      });
    });
  }
}

/** What a help of one screen must have. */
function assertFits(text: string, all: string): void {
  const lines = text.trimEnd().split("\n");
  assert(lines.length <= 24, `${lines.length} lines:\n${text}`);
  for (const line of lines) {
    assert(line.length <= 80, `${line.length} columns: ${line}`);
  }
  assert(lines.some((line) => line.startsWith("Usage: ")), text);
  assert(lines.at(-1)!.includes(" --all for all options"), text);
  const optionsAt = lines.indexOf("Options:");
  const examplesAt = lines.indexOf("Examples:");
  const options = lines.slice(optionsAt + 1, examplesAt - 1);
  assert(options.length >= 1 && options.length <= 5, text);
  for (const line of options) {
    const [, name] = /--([a-z0-9-]+)/.exec(line)!;
    assert(Object.hasOwn(OPTIONS, name!), line);
    assert(all.includes(`--${name} `), `${name} is not in all of it`);
  }
  const examples = lines.slice(examplesAt + 1, -1).join("\n");
  const joined = examples.replaceAll(/ \\\n +/g, " ").split("\n");
  assertEquals(
    joined.slice(1).filter((_, at) => at % 2 === 0)
      .filter((line) => !all.split("\n").includes(line)),
    [],
    "examples as they are in all help",
  );
}

for (const spec of SCRIPTS) {
  Deno.test(`The help of ${spec.script} is one screen, with all commands`, () => {
    const text = formatShortHelp(spec);
    assertFits(text, formatHelp(spec));
    const [, commands = ""] = /^Commands: ([^]*?);/m.exec(text) ?? [];
    assertEquals(commands.split(/,\s+/), commandNames(spec));
  });
  for (const name of Object.keys(spec.commands)) {
    Deno.test(`The help of ${spec.script} ${name} is one screen`, () => {
      assertFits(
        formatShortCommandHelp(spec, name),
        formatCommandHelp(spec, name),
      );
    });
  }
}

for (
  const [args, short] of [
    [["help"], true],
    [["get", "--help"], true],
    [["help", "--all"], false],
    [["help", "get", "--all"], false],
    [["nas", "1700", "get", "--help", "--all"], false],
  ] as const
) {
  Deno.test(`peer_client.ts ${args.join(" ")} shows ${short ? "one screen" : "every option and exit code"}`, async () => {
    const { code, text } = await runRoleHere("peer_client.ts", args);
    assertEquals(code, 0);
    assertEquals(text.split("\n").length <= 25, short);
    assertEquals(text.includes("Exit codes:"), !short);
    assertEquals(text.includes("RELAY_P2P_SHA256"), !short);
  });
}

for (
  const [script, args] of [
    ["relay.ts", ["--all", "1700"]],
    ["peer_client.ts", ["nas", "1700", "get", "a", "--all"]],
  ] as const
) {
  Deno.test(`${script} takes --all with help only`, async () => {
    const { code, stderr } = await runRoleHere(script, args);
    assertEquals([code, stderr], [2, [
      "error: Cannot use option (--all): it only sets how much help is shown; use it with help",
    ]]);
  });
}

/** The words that a line has after its script, as a shell would part them. */
function wordsOf(line: string, { script }: CommandSpec): string[] {
  const after = line.split(script)[1]!.split(/\||>|\)|#/)[0]!.trim();
  return after.split(/\s+/).map((word) => word.replaceAll("'", ""));
}

Deno.test("Every example is a line that its script accepts", async () => {
  for (const spec of SCRIPTS) {
    const examples = [
      ...spec.examples,
      ...Object.values(spec.commands).flatMap(({ examples }) => examples),
    ];
    assert(examples.length >= 3);
    for (const { line } of examples) {
      // As it stands it would go to work: so much of it that it need not.
      const { code, stderr } = await runRoleHere(spec.script, [
        ...wordsOf(line, spec),
        "--help",
      ]);
      assertEquals([code, stderr], [0, []], line);
    }
  }
});

const CALLS: [script: string, args: string[], first: string][] = [
  ["peer_client.ts", ["help"], "The peer client"],
  ["peer_client.ts", ["help", "get"], "Fetch files"],
  ["peer_client.ts", ["get", "--help"], "Fetch files"],
  ["peer_client.ts", ["127.0.0.1", "1", "get", "-h"], "Fetch files"],
  [
    "peer_client.ts",
    ["127.0.0.1:1", "ls", "--help"],
    "List the files on all nodes",
  ],
  ["relay.ts", ["help"], "The relay"],
  ["peer_node.ts", ["help", "completions"], "Print a script that"],
];

for (const [script, args, first] of CALLS) {
  Deno.test(`${script} ${args.join(" ")} gives help without a relay`, async () => {
    const run = args.length === 1 ? runRole : runRoleHere;
    const { code, text, stderr } = await run(script, args);
    assertEquals([code, stderr], [0, []]);
    assertEquals(text.startsWith(first), true, text.split("\n")[0]);
  });
}
