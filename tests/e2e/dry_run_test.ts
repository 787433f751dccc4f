/**
 * What `get` prints before it begins, and with `--dry-run` in place of it.
 */

import { assert, assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import { within } from "../_event_log.ts";
import { runRoleHere } from "../_here.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { ROOT } from "./_processes.ts";
import { Pty, QUESTION } from "./_pty.ts";
import { namesIn } from "./_transfer.ts";

const MANY = Object.fromEntries(
  Array.from({ length: 25 }, (_, at) => [`many/f${at}.txt`, "12345"]),
);

Deno.test("get --dry-run prints a line a file and a sum, saves nothing, and ends like get", async () => {
  await using share = await tempShare({
    "new.txt": "new",
    "here.txt": "here",
    "other.txt": "other",
  });
  await using folder = await tempShare({
    "here.txt": "here",
    "other.txt": "different",
  });
  await using relay = await relayHere();
  await using node = await nodeHere(relay, share.path, { name: "laptop" });
  await node.log.until("hashed");
  const into = `${folder.path}/`;
  const get = (...words: string[]) =>
    runRoleHere("peer_client.ts", [
      ...[relay.address, "get", ...words, "-o", into],
      "--dry-run",
    ]);
  const all = await get("*", "--overwrite");
  assertEquals(all.code, 0);
  assertEquals(all.text.split("\n"), [
    `keep              4  ${into}here.txt  from laptop`,
    `fetch             3  ${into}new.txt  from laptop`,
    `replace           5  ${into}other.txt  from laptop`,
    "",
  ]);
  assertEquals(all.stderr, [
    "would fetch 2 files, 8 bytes, 1 file of them replaced, " +
    "and keep 1 file, 4 bytes here already; nothing was fetched",
  ]);
  const exists = await get("*");
  assertEquals(exists.code, 8);
  assertEquals((await get("nowhere.txt")).code, 4);
  const json = await get("here.txt", "--json");
  assertEquals(json.code, 0);
  const events = json.text.trim().split("\n").map((line) => JSON.parse(line));
  const planned = events.filter(({ event }) => event === "file_planned");
  assertEquals(planned, [{
    v: 1,
    event: "file_planned",
    name: "here.txt",
    path: `${into}here.txt`,
    bytes: 4,
    action: "keep",
    nodes: [{ number: 1, id: node.id, name: "laptop" }],
  }]);
  assertEquals(namesIn(folder), ["here.txt", "other.txt"]);
  for (const useless of [["-o", "-"], ["--receipt", "r.json"]]) {
    const args = [relay.address, "get", "here.txt", "--dry-run", ...useless];
    assertEquals((await runRoleHere("peer_client.ts", args)).code, 2);
  }
});

Deno.test("get --verbose names every file, however many", async () => {
  await using share = await tempShare(MANY);
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  const args = [relay.address, "get", "many/", "-v", "-o", `${folder.path}/`];
  const { code, stderr } = await runRoleHere("peer_client.ts", args);
  assertEquals(code, 0);
  assertEquals(stderr.filter((line) => line.startsWith("saved ")).length, 25);
  assertEquals(stderr.some((line) => line.startsWith("and ")), false);
});

testWith(
  ["script"],
  "At a terminal get shows the total of a long list, and --dry-run names some files and needs no permission to write",
  async () => {
    await using share = await tempShare(MANY);
    await using folder = await tempShare();
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, share.path);
    const env = { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` };
    const get = async (access: string, ...words: string[]) => {
      await using pty = Pty.type(
        `deno run --allow-net ${access} ${ROOT}peer_client.ts ` +
          `${relay.address} get many/ ${words.join(" ")}`,
        { cwd: folder.path, env },
      );
      const code = await within(pty.code, "the client");
      assertEquals(QUESTION.test(pty.text), false, pty.text);
      return { code, lines: pty.text.split("\n"), text: pty.text };
    };
    const dry = await get("--allow-read=.", "--dry-run");
    assertEquals(dry.code, 0, dry.text);
    const named = dry.lines.filter((line) => line.startsWith("fetch "));
    assertEquals(named.length, 20);
    assert(dry.lines.includes("and 5 files more; --verbose names all"));
    assert(
      dry.lines.includes(
        "would fetch 25 files, 125 bytes; nothing was fetched",
      ),
      dry.text,
    );
    const denied = await get("", "--dry-run");
    assertEquals(denied.code, 7, denied.text);
    const real = await get("--allow-read=. --allow-write=.");
    assertEquals(real.code, 0, real.text);
    assertEquals(real.lines[0], "25 files, 125 bytes to get");
  },
);
