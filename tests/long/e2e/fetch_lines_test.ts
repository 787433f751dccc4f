/**
 * What a node says of fetches: at a terminal, in a pipe, and in events.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname } from "@std/path";
import { runRoleHere } from "../../_here.ts";
import { relayHere } from "../../_scenery.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { type Lines, ROOT, spawnRole } from "../../e2e/_processes.ts";
import { Pty, QUESTION } from "../../e2e/_pty.ts";

const SMALL = Object.fromEntries(
  Array.from({ length: 300 }, (_, n) => [`small/${n}`, `${n}`]),
);
const BYTES = 3_000_000;
const FILES = { ...SMALL, "report.pdf": new Uint8Array(BYTES).fill(1) };

/** Gets from the only node of `relay`. */
async function get(relay: { port: string }, what: string): Promise<void> {
  await using folder = await tempShare();
  const words = ["127.0.0.1", relay.port, "get", what, "-o", folder.path];
  const { code, text } = await runRoleHere("peer_client.ts", words);
  assertEquals(code, 0, text);
}

testWith(
  ["script"],
  "At a terminal a node shows each large fetch while it runs, small ones together, and a summary at the end",
  async () => {
    await using share = await tempShare(FILES);
    await using relay = await relayHere();
    const env = { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` };
    await using pty = Pty.type(
      `stty columns 40; exec deno run --allow-net --allow-read=. ${ROOT}peer_node.ts ` +
        `--limit-rate 3M --host 127.0.0.1 127.0.0.1 ${relay.port} 0 .`,
      { cwd: share.path, env },
    );
    await pty.lines.until(/^registered /);
    await get(relay, "report.pdf");
    await pty.lines.until(/sent report\.pdf to 127\.0\.0\.1: 3\.0 MB in /);
    await get(relay, "small/*");
    await pty.lines.until(/sent \d+ files to 127\.0\.0\.1: /);
    assertEquals(await pty.interrupt(), 0);
    assertEquals(QUESTION.test(pty.text), false, pty.text);
    // At 40 columns: drawn in place, so all on one line of what came.
    assertMatch(pty.text, /report\.pdf to 127\.0\.0\.1, .*, \d+ %/);
    const ended = pty.text.match(/sent (?!part)\S+ (files )?to /g) ?? [];
    assert(ended.length < 50, ended.join("\n"));
    assertMatch(pty.text, /sent 301 files, 3\.0 MB, to 1 client, in 0:/);
  },
);

/** Gets a large file and a small one; then stops the node. */
async function twoFetches(
  args: readonly string[],
  until: (node: { stdout: Lines; stderr: Lines }) => Promise<unknown>,
): Promise<{ stdout: string[]; stderr: string[] }> {
  await using share = await tempShare(FILES);
  await using relay = await relayHere();
  await using node = spawnRole("peer_node.ts", [
    ...["--host", "127.0.0.1", "127.0.0.1", relay.port, "0", share.path],
    ...args,
  ], { permissions: [`--allow-read=${share.path}`] });
  await node.stdout.until(/registered/);
  await get(relay, "report.pdf");
  await get(relay, "small/*");
  await until(node);
  node.signal("SIGTERM");
  assertEquals(await node.exitCode, 0);
  await Promise.all([node.stdout.ended, node.stderr.ended]);
  return { stdout: node.stdout.all, stderr: node.stderr.all };
}

Deno.test("In a pipe a node prints one line for each connection, and the summary", async () => {
  const { stderr } = await twoFetches(
    [],
    ({ stderr }) =>
      stderr.until(/^sent 300 files, 790 bytes, to 127\.0\.0\.1$/),
  );
  const reported = stderr.filter((line) => line.startsWith("sent "));
  assertEquals(reported.slice(0, -1), [
    `sent report.pdf, ${BYTES} bytes, to 127.0.0.1`,
    "sent 300 files, 790 bytes, to 127.0.0.1",
  ]);
  assertMatch(
    reported.at(-1)!,
    /^sent 301 files, 3\.0 MB, to 1 client, in 0:\d\d$/,
  );
});

Deno.test("In a pipe with --verbose a node prints the lines that a terminal keeps", async () => {
  const { stderr } = await twoFetches(
    ["--verbose"],
    ({ stderr }) => stderr.until(/^sent \d+ files to /),
  );
  const reported = stderr.filter((line) => line.startsWith("sent "));
  assertMatch(reported[0]!, /^sent report\.pdf to 127\.0\.0\.1: 3\.0 MB in /);
  assert(reported.length < 50, reported.join("\n"));
  assertEquals(stderr.some((line) => line.includes("\r")), false);
});

Deno.test("With --json a node reports the start and the end of a fetch, and a summary at its own end", async () => {
  const { stdout } = await twoFetches(
    ["--json"],
    ({ stdout }) => stdout.until(/"files_sent"/),
  );
  const events = stdout.map((line) => JSON.parse(line));
  const of = { v: 1, name: "report.pdf", to: "127.0.0.1", size: BYTES };
  const [started] = events.filter(({ event }) => event === "fetch_started");
  assertEquals(started, { event: "fetch_started", ...of });
  const [{ ms, ...ended }] = events.filter(({ event }) =>
    event === "fetch_ended"
  );
  assertEquals(ended, {
    ...{ event: "fetch_ended", ...of, bytes: BYTES, isWhole: true },
  });
  assert(ms >= 0);
  const { seconds, ...last } = events.find(({ event }) =>
    event === "node_ended"
  );
  assert(seconds >= 0);
  assertEquals(last, {
    ...{ v: 1, event: "node_ended", files: 301, bytes: BYTES + 790 },
    ...{ clients: 1, refused: [] },
  });
});
