/**
 * Commands whose stdout takes nothing: a full disk, or closed by the shell.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { eachOf } from "../_each_of.ts";
import { p2pHome } from "../packaging/_p2p.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { ROOT } from "./_processes.ts";

/** What a shell script prints with these words as "$@". */
async function sh(
  script: string,
  words: readonly string[],
  options: Deno.CommandOptions = {},
) {
  const { stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", ...words],
    cwd: ROOT,
    ...options,
  }).output();
  const decoder = new TextDecoder();
  return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const SECRET = crypto.getRandomValues(new Uint8Array(32)).toBase64();
const FULL = '"$@" > /dev/full; echo "code $?"';
const CLOSED = '"$@" >&-; echo "code $?"';
const COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ["peer_client.ts", "RELAY", "nodes", "--json"],
  ["peer_client.ts", "RELAY", "ls"],
  ["peer_client.ts", "RELAY", "ls", "--tree"],
  ["peer_client.ts", "RELAY", "ls", "--sort", "none"],
  ["peer_client.ts", "RELAY", "search", "1"],
  ["peer_client.ts", "RELAY", "sums"],
  ["peer_client.ts", "RELAY", "cat", "one/1.txt"],
  ["peer_client.ts", "RELAY", "cat", "one/1.txt", "--json"],
  ["peer_client.ts", "RELAY", "get", "one/1.txt", "-o", "OUT/", "--json"],
  ["peer_client.ts", "RELAY", "get", "**", "-o", "OUT/", "--dry-run"],
  ["peer_client.ts", "RELAY", "doctor"],
  ["peer_client.ts", "--help"],
  ["relay.ts", "--show-tokens", "--secret-file", "OUT/secret"],
  ["peer_node.ts", "doctor", "RELAY", "0", "files"],
];

Deno.test("A full stdout is reported with exit code 8 by each command that prints", async () => {
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, "files");
  await using out = await tempShare({ "secret": SECRET });
  await Deno.chmod(join(out.path, "secret"), 0o600);
  const outcomes = new Map<string, unknown>();
  // A few at a time: many that start together would test something else.
  await eachOf(COMMANDS, 3, async ([script, ...words]) => {
    const typed = words.map((word) =>
      word.replace("RELAY", relay.address).replace("OUT", out.path)
    );
    const { stdout, stderr } = await sh(FULL, [
      ...[Deno.execPath(), "run", "--allow-net", "--no-prompt"],
      `--allow-read=${out.path},files`,
      `--allow-write=${out.path}`,
      ...[script, ...typed],
    ]);
    const errors = stderr.split("\n").filter((line) => /^error:/.test(line));
    outcomes.set(`${script} ${words.join(" ")}`, { stdout, errors });
  });
  const reported = {
    stdout: "code 8\n",
    errors: ["error: Cannot write to stdout: no space left on the disk"],
  };
  assertEquals(
    outcomes,
    new Map(COMMANDS.map((words) => [words.join(" "), reported])),
  );
});

Deno.test("p2p reports a closed stdout with exit code 8, and what goes to stderr alone succeeds", async () => {
  await using home = await p2pHome();
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, "files");
  const { env, home: cwd } = home;
  const run = (...words: string[]) =>
    sh(CLOSED, [home.command, ...words], { env, cwd });
  for (
    const words of [
      [relay.address, "ls"],
      [relay.address, "nodes", "--json"],
      [relay.address, "cat", "one/1.txt"],
      ["use", relay.address],
      ["--version"],
    ]
  ) {
    const { stdout, stderr } = await run(...words);
    assertEquals(stdout, "code 8\n", stderr);
    assertMatch(stderr, /error: Cannot write to stdout: /);
  }
  const { stdout, stderr } = await run(
    ...[relay.address, "get", "one/1.txt", "-o", "./"],
  );
  assertEquals(stdout, "code 0\n", stderr);
});
