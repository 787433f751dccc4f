/**
 * Real shells that are asked for completions, and what they must offer.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { runRoleHere } from "../../_here.ts";
import { within } from "../../_event_log.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";

const RELAY = `p2p://nas:1700/${"a".repeat(51)}q`;

/** What is typed, and what must be, and must not be, among what is offered. */
export interface Case {
  readonly script: string;
  readonly typed: readonly string[];
  readonly offered: readonly string[];
  readonly not?: readonly string[];
}

/** What must hold in every shell; the first one is tested with every change. */
export const CASES: readonly Case[] = [
  {
    script: "peer_client.ts",
    typed: [RELAY, "c"],
    offered: ["cat"],
    not: ["get"],
  },
  {
    script: "peer_client.ts",
    typed: ["nas", "1700", ""],
    offered: [
      ...["nodes", "ls", "get", "cat", "verify", "doctor"],
      ...["help", "completions"],
    ],
  },
  {
    script: "peer_client.ts",
    typed: ["nas", "1700", "get", "--re"],
    offered: ["--receipt"],
    not: ["--json"],
  },
  {
    script: "peer_client.ts",
    typed: ["nas", "1700", "ls", "--"],
    offered: ["--node", "--json", "--known-relays"],
    not: ["--overwrite", "--receipt", "--host"],
  },
  {
    script: "peer_client.ts",
    typed: ["nas", "1700", "--prefer", ""],
    offered: ["most-nodes", "newest"],
    not: ["get"],
  },
  {
    script: "peer_client.ts",
    typed: ["verify", ""],
    offered: ["disk.img", "my files/"],
  },
  {
    script: "peer_client.ts",
    typed: ["completions", "z"],
    offered: ["zsh"],
    not: ["bash"],
  },
  { script: "relay.ts", typed: ["--gr"], offered: ["--greeting"] },
  {
    script: "relay.ts",
    typed: ["--log", ""],
    offered: ["json", "text"],
    not: ["help"],
  },
  {
    script: "relay.ts",
    typed: ["--state", ""],
    offered: ["my files/"],
    not: ["disk.img", "help"],
  },
  {
    script: "peer_node.ts",
    typed: ["nas", "1700", "0", ""],
    offered: ["my files/", "disk.img"],
  },
  { script: "peer_node.ts", typed: ["--adv"], offered: ["--advertise"] },
  {
    script: "peer_node.ts",
    typed: ["doctor", "nas", "1700", "0", ""],
    offered: ["my files/", "disk.img"],
    not: ["help"],
  },
];

/** A folder with the shell's program for a script and something to complete. */
export async function prepare(shell: string, script: string) {
  const { text, code } = await runRoleHere(script, ["completions", shell]);
  assertEquals(code, 0);
  return await tempShare({
    [`completions.${shell}`]: text,
    "disk.img": "",
    "my files/a": "",
  });
}

async function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<string> {
  const { stdout, stderr } = await within(
    new Deno.Command(command, {
      args: [...args],
      cwd,
      env: {
        HOME: cwd,
        XDG_CONFIG_HOME: cwd,
        XDG_DATA_HOME: cwd,
        TERM: "xterm",
      },
    }).output(),
    command,
  );
  assertEquals(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout);
}

export function assertOffered(offered: readonly string[], wanted: Case): void {
  // A folder is written with its slash by some and without by others.
  const bare = offered.map((word) => word.replace(/\/$/, ""));
  for (const word of wanted.offered) {
    assert(bare.includes(word.replace(/\/$/, "")), `${word} in ${offered}`);
  }
  for (const word of wanted.not ?? []) {
    assert(!bare.includes(word), `no ${word} in ${offered}`);
  }
}

/** What bash offers: its words are cut at colons, as it cuts them. */
async function askBash(folder: string, { script, typed }: Case) {
  const words = [
    script,
    ...typed.flatMap((word) => word.split(/(?<=:)|(?=:)/)),
  ];
  const program = `
    source completions.bash
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    [[ $(complete -p ${script}) =~ -F\\ ([^ ]+) ]] || exit 1
    "\${BASH_REMATCH[1]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const args = ["--norc", "-c", program, "bash", ...words];
  return (await run("bash", args, folder)).split("\n").slice(0, -1);
}

async function askFish(folder: string, { script, typed }: Case) {
  const line = [script, ...typed].join(" ");
  const program = `source completions.fish; complete -C '${line}'`;
  const output = await run("fish", ["--no-config", "-c", program], folder);
  return output.split("\n").map((row) =>
    row.split("\t")[0]!.replaceAll("\\", "")
  );
}

// What zsh is about to offer is written down on its way to the screen.
const ZSH_SETUP = `
compadd() {
  local -a offered
  if [[ \${(j: :)@[1,(i)(-|--)]} != *-[a-zA-Z]#[OAD]* ]]; then
    builtin compadd -A offered "$@"
    (( $#offered )) && print -rl -- $offered >> offered
  fi
  builtin compadd "$@"
}
tell_end() { print -n THE''-END }
comppostfuncs=(tell_end)
print SET''-UP
`;

const ZSH_ASKING = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'source setup.zsh'
zpty -r -m shell output '*SET-UP*'
zpty -w -n shell "$1"$'\\t'
zpty -r -m shell output '*THE-END*'
zpty -d shell
cat offered
`;

export const ZSH_COMPINIT = `
autoload -Uz compinit
compinit -u -D
`;
export const ZSH_SOURCE = "source completions.zsh";

/**
 * The same from a file. `compinit` reads a thousand functions that are the same
 * for each case, which takes a second.
 */
const zshFromDump = once(async () => {
  const folder = await Deno.makeTempDir();
  globalThis.addEventListener("unload", () => {
    Deno.removeSync(folder, { recursive: true });
  });
  const dump = join(folder, "dump");
  const make = `autoload -Uz compinit && compinit -u -d ${dump}`;
  await run("zsh", ["-f", "-c", make], folder);
  return `autoload -Uz compinit\ncompinit -C -d ${dump}\n`;
});

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => made ??= make();
}

/** What zsh offers on a terminal of its own when Tab is typed. */
export async function askZsh(
  folder: string,
  { script, typed }: Case,
  start?: string,
) {
  const begin = start ?? await zshFromDump() + ZSH_SOURCE;
  await Deno.writeTextFile(join(folder, "setup.zsh"), begin + ZSH_SETUP);
  await Deno.writeTextFile(join(folder, "ask.zsh"), ZSH_ASKING);
  const line = [script, ...typed].join(" ");
  const args = ["-k", "1", "60", "zsh", "-f", "ask.zsh", line];
  const output = await run("timeout", args, folder);
  return output.split("\n").map((row) => row.replaceAll("\\", ""));
}

const ASK = { bash: askBash, fish: askFish, zsh: askZsh };
const TOOLS = { bash: ["bash"], fish: ["fish"], zsh: ["zsh", "timeout"] };

type Shell = keyof typeof ASK;

/** Registers the tests of these cases, in each of these shells. */
export function testInShells(
  shells: readonly Shell[],
  cases: readonly Case[],
): void {
  for (const shell of shells) {
    for (const wanted of cases) {
      const line = [wanted.script, ...wanted.typed].join(" ").slice(0, 60);
      testWith(
        TOOLS[shell],
        `In ${shell}, Tab after "${line}" offers what fits`,
        async () => {
          await using folder = await prepare(shell, wanted.script);
          assertOffered(await ASK[shell](folder.path, wanted), wanted);
        },
      );
    }
  }
}
