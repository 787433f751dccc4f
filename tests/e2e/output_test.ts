/**
 * Output that is read by a program: whole, and however early its reader leaves.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { within } from "../_event_log.ts";
import { runRoleHere } from "../_here.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { commandLine, ROOT } from "./_processes.ts";

/** Runs the client for a reader that leaves after so many bytes. */
async function withReader(args: readonly string[], mostBytes: number) {
  const [command = "", ...rest] = commandLine("peer_client.ts", args);
  const child = new Deno.Command(command, {
    args: rest,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  for (let read = 0; read < mostBytes;) {
    const { value, done } = await reader.read();
    assert(!done, "it goes on");
    read += value.length;
  }
  await reader.cancel();
  const { code } = await within(child.status, "the client");
  return { code, stderr: await stderr };
}

// More than any pipe holds.
const BIG = new Uint8Array(8 << 20).fill(0x61);

const LEFT_EARLY = [
  [["ls"], 0],
  [["--json", "ls"], 0],
  [["nodes"], 0],
  [["cat", "big.txt"], 10],
  [["--json", "cat", "big.txt"], 10],
  [["get", "big.txt", "-o", "-"], 10],
] as const;

Deno.test("A reader that closes early is no failure, and causes no message", async (t) => {
  await using share = await tempShare({ "big.txt": BIG });
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  for (const [command, mostBytes] of LEFT_EARLY) {
    await t.step(command.join(" "), async () => {
      const args = ["--quiet", relay.address, ...command];
      assertEquals(await withReader(args, mostBytes), { code: 0, stderr: "" });
    });
  }
});

Deno.test("A failure decides the exit code, even if the reader closed early", async () => {
  await using relay = await relayHere();
  const args = ["--json", relay.address, "cat", "nothing.txt"];
  const { code } = await withReader(args, 0);
  assertEquals(code, 4);
});

Deno.test("ls prints a name of 250 characters in full", async () => {
  const name = `${"n".repeat(246)}.txt`;
  await using share = await tempShare({ [name]: "1" });
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  const { text } = await runRoleHere("peer_client.ts", [relay.address, "ls"]);
  assertEquals(text.split(/ only +/)[1], `${name}\n`);
});

Deno.test("get reports how many files it does not name, and the total, even if all exist", async () => {
  const files = Array.from({ length: 25 }, (_, at) => [`f${at}.txt`, "12345"]);
  await using share = await tempShare(Object.fromEntries(files));
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  const get = async () => {
    const args = [relay.address, "get", "*", "-o", `${folder.path}/`];
    const { code, stderr } = await runRoleHere("peer_client.ts", args);
    assertEquals(code, 0);
    return stderr;
  };
  const saved = await get();
  assertEquals(saved.filter((line) => line.startsWith("saved ")).length, 20);
  assertEquals(saved[20], "and 5 files more");
  assertMatch(
    saved[21]!,
    /^25 files, 125 bytes in \d+\.\d\d? s \(.*\/s\), from 1 node$/,
  );
  const present = await get();
  assertEquals(present.length, 22);
  assertMatch(present[19]!, / is here already, verified$/);
  assertEquals(present[20], "and 5 files more");
  assertMatch(
    present[21]!,
    /^25 files, 125 bytes here already, verified in \d+\.\d\d? s$/,
  );
});
