/**
 * `sums` and `get --sums`, together with `sha256sum`.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import { within } from "../_event_log.ts";
import { runRoleHere } from "../_here.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { ROOT } from "./_processes.ts";
import { Pty, QUESTION } from "./_pty.ts";

const FILES = { "d/a b.txt": "one", "d/ü.txt": "two", "top.txt": "three" };

testWith(
  ["sha256sum"],
  "sums writes what sha256sum -c takes, and get --sums fetches what matches, with exit code 6 for the rest",
  async () => {
    await using share = await tempShare(FILES);
    await using folder = await tempShare();
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, share.path);
    const client = (...args: string[]) =>
      runRoleHere("peer_client.ts", [relay.address, ...args]);
    const all = await client("sums");
    assertEquals([all.code, all.stderr], [0, []]);
    const path = join(folder.path, "SHA256SUMS");
    await Deno.writeTextFile(path, all.text);
    const check = (cwd: string) =>
      new Deno.Command("sha256sum", { args: ["-c", path], cwd }).output();
    assertEquals((await check(share.path)).code, 0);
    assertEquals(
      (await client("sums", "d/")).text.split("\n").length - 1,
      2,
    );
    assertEquals((await client("sums", "no*")).code, 4);
    const got = await client("get", "--sums", path, "-o", `${folder.path}/`);
    assertEquals(got.code, 0, got.stderr.join("\n"));
    assertEquals((await check(folder.path)).code, 0);
    await Deno.writeTextFile(
      path,
      all.text.replace(/^[0-9a-f]{64}(?= {2}top)/m, "0".repeat(64)),
    );
    await using other = await tempShare();
    const into = ["-o", `${other.path}/`];
    const rest = await client("get", "--sums", path, ...into);
    assertEquals(rest.code, 6, rest.stderr.join("\n"));
    assertEquals((await check(other.path)).code, 1);
    assert(
      !(await Array.fromAsync(Deno.readDir(other.path), ({ name }) => name))
        .includes("top.txt"),
    );
    assertEquals(await Deno.readTextFile(join(other.path, "d/a b.txt")), "one");
    await Deno.writeTextFile(path, "not a sum\n");
    assertEquals((await client("get", "--sums", path, ...into)).code, 2);
    assertEquals((await client("get", ...into)).code, 2);
    const json = await client("sums", "top.txt", "--json");
    const events = json.text.trim().split("\n").map((line) => JSON.parse(line));
    const { name, bytes, sha256 } = events.find(({ event }) =>
      event === "file_sum"
    );
    assertEquals([name, bytes], ["top.txt", 5]);
    assertEquals(all.text.includes(`${sha256}  top.txt\n`), true);
  },
);

Deno.test("sums takes a folder and a short name as get does, and suggests names", async () => {
  await using share = await tempShare({
    "d/a.txt": "one",
    "d/e/report-final.pdf": "two",
    ".hidden/a.txt": "three",
    "a.txt.old": "four",
  });
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  const sums = async (...args: string[]) => {
    const { code, text, stderr } = await runRoleHere(
      "peer_client.ts",
      [relay.address, "sums", ...args],
    );
    const names = text.split("\n").filter(Boolean).map((line) =>
      line.slice(66)
    );
    return { code, names, stderr: stderr.join("\n") };
  };
  assertEquals((await sums("d")).names, ["d/a.txt", "d/e/report-final.pdf"]);
  assertEquals((await sums("a.txt")).names, ["d/a.txt"]);
  assertEquals((await sums("e/report-final.pdf")).names, [
    "d/e/report-final.pdf",
  ]);
  const { code, stderr } = await sums("report.pdf");
  assertEquals(code, 4);
  assertMatch(stderr, /did you mean d\/e\/report-final\.pdf\?/);
});

Deno.test("get --sums reads a file of 64 MiB at most", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "S");
  using file = await Deno.open(path, { write: true, createNew: true });
  await file.truncate(LIMITS.sumsFileBytes + 1);
  const args = ["127.0.0.1:1", "get", "--sums", path, "-o", `${folder.path}/`];
  const { code, stderr } = await runRoleHere("peer_client.ts", args);
  assertEquals(code, 8);
  assert(stderr[0]!.includes(`at most ${LIMITS.sumsFileBytes} bytes`));
});

testWith(
  ["script"],
  "At a terminal sums needs only network access, and get --sums asks for no more than its file",
  async () => {
    await using share = await tempShare(FILES);
    await using folder = await tempShare();
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, share.path);
    const env = { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` };
    const run = async (access: string, words: string) => {
      await using pty = Pty.type(
        `deno run --allow-net ${access} ${ROOT}peer_client.ts ` +
          `${relay.address} ${words}`,
        { cwd: folder.path, env },
      );
      const code = await within(pty.code, "the client");
      assertEquals(QUESTION.test(pty.text), false, pty.text);
      return { code, text: pty.text };
    };
    const shown = await run("", "sums");
    assertEquals(shown.code, 0, shown.text);
    assert(/^[0-9a-f]{64} {2}top\.txt$/m.test(shown.text), shown.text);
    await Deno.writeTextFile(join(folder.path, "S"), `${shown.text}\n`);
    const got = await run("--allow-read=. --allow-write=.", "get --sums S");
    assertEquals(got.code, 0, got.text);
    assertEquals(
      await Deno.readTextFile(join(folder.path, "d/ü.txt")),
      "two",
    );
  },
);
