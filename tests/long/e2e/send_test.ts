/**
 * Files that are sent from the client's own process, by a link to each.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, join } from "@std/path";
import { formatLink, parseLink } from "../../../lib/access/link.ts";
import { within } from "../../_event_log.ts";
import { runRoleHere } from "../../_here.ts";
import { randomBytes, seededRandom } from "../../_random.ts";
import { nodeHere, relayHere } from "../../_scenery.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { makeKeys, privateRelayHere } from "../../e2e/_private.ts";
import {
  type RoleProcess,
  ROOT,
  runRole,
  spawnRole,
} from "../../e2e/_processes.ts";
import { Pty, QUESTION } from "../../e2e/_pty.ts";
import { assertSaved, MIB, namesIn } from "../../e2e/_transfer.ts";

const CONTENT = randomBytes(3 * MIB, seededRandom(1));

/** Sends files of a folder, and reports events. */
function spawnSend(
  folder: { path: string },
  args: readonly string[],
  files: readonly string[],
  others: readonly string[] = [],
): RoleProcess {
  const paths = files.map((name) => join(folder.path, name));
  return spawnRole(
    "peer_client.ts",
    ["--json", ...args, "send", "--host", "127.0.0.1", ...paths],
    { permissions: [`--allow-read=${[...paths, ...others].join()}`] },
  );
}

/** The link to a file, once it is printed. */
async function linkTo(sender: RoleProcess, name: string): Promise<string> {
  const [line] = await sender.stdout.until(
    new RegExp(`^.*"link_made".*"name":"${name}".*$`),
  );
  return JSON.parse(line).link;
}

/** Gets a link into a folder, with nothing but the link. */
function getLink(link: string, folder: { path: string }, ...args: string[]) {
  const words = ["get", link, "-o", `${folder.path}/`, ...args];
  return runRoleHere("peer_client.ts", words);
}

Deno.test("send sends a file to everybody with the link, shares nothing else, and ends", async () => {
  await using source = await tempShare({ "f": CONTENT, "private": "mine" });
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using sender = spawnSend(source, [relay.address], ["f"]);
  const link = await linkTo(sender, "f");
  const listed = await runRoleHere("peer_client.ts", [relay.address, "ls"]);
  assertEquals(listed.text.includes("private"), false);
  assertMatch(listed.text, /\bf\n$/);
  const got = await getLink(link, folder);
  assertEquals(got.code, 0, got.stderr.join("\n"));
  await assertSaved(folder, CONTENT);
  assertEquals(await within(sender.exitCode, "the sender"), 0);
  const events = sender.stdout.all.map((line) => JSON.parse(line));
  const { ms, ...sent } = events.find(({ event }) =>
    event === "send_completed"
  );
  assert(ms >= 0);
  assertEquals(sent, {
    v: 1,
    event: "send_completed",
    name: "f",
    to: "127.0.0.1",
    bytes: CONTENT.length,
    left: 0,
  });
  const nodes = await runRoleHere("peer_client.ts", [relay.address, "nodes"]);
  assertEquals(nodes.text, "", "it has withdrawn");
});

Deno.test("row 871: send of several relays continues without one that is down, and its link names those that list the file and opens when the first has stopped", async () => {
  await using source = await tempShare({ "f": "hello\n" });
  await using one = await relayHere();
  const two = await relayHere();
  const away = await relayHere();
  await away[Symbol.asyncDispose]();
  const relays = [away.address, two.address, one.address];
  const args = relays.flatMap((address) => ["--relay", address]);
  await using sender = spawnSend(source, [...args, "--uses", "2"], ["f"]);
  const link = await linkTo(sender, "f");
  assert(link.startsWith(`${two.address}/`), link);
  for (const { address } of [two, one]) {
    const listed = await runRoleHere("peer_client.ts", [address, "ls"]);
    assertMatch(listed.text, /\bf\n$/);
  }
  for (const isLast of [false, true]) {
    if (isLast) await two[Symbol.asyncDispose]();
    await using folder = await tempShare();
    const got = await getLink(link, folder);
    assertEquals(got.code, 0, got.stderr.join("\n"));
    assertEquals(/other relays/.test(got.stderr.join("\n")), isLast);
  }
  assertEquals(await within(sender.exitCode, "the sender"), 0);
});

Deno.test("send waits linkRelaysMs for relays that do not answer, and its link names the others", async () => {
  await using source = await tempShare({ "f": "hello\n" });
  await using folder = await tempShare();
  await using relay = await relayHere();
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const mute = `p2p://127.0.0.1:${silent.addr.port}/${"a".repeat(52)}`;
  const args = [mute, relay.address].flatMap((address) => ["--relay", address]);
  await using sender = spawnSend(source, args, ["f"]);
  const link = parseLink(await linkTo(sender, "f"));
  assertEquals(link.relay.port, Number(relay.port));
  assertEquals(link.others, undefined);
  const got = await getLink(formatLink(link), folder);
  assertEquals(got.code, 0, got.stderr.join("\n"));
  assertEquals(await within(sender.exitCode, "the sender"), 0);
});

Deno.test("link with several relays warns of the one that the link names, and not of one that is down", async () => {
  await using source = await tempShare({ "f": "hello\n" });
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, source.path);
  const { code, text, stderr } = await runRoleHere("peer_client.ts", [
    ...["--relay", "relay.invalid:1700", "--relay", relay.address],
    ...["link", "f"],
  ]);
  assertEquals(code, 0, stderr.join("\n"));
  assert(text.startsWith(`${relay.address}/`), text);
  assertMatch(
    stderr.join("\n"),
    /^warning: the link names 127\.0\.0\.1, which means another machine/m,
  );
});

Deno.test("send with several relays ends if none of them lists the file, and reports why", async () => {
  await using source = await tempShare({ "f": "hello\n" });
  const away = await relayHere();
  const also = await relayHere();
  for (const relay of [away, also]) await relay[Symbol.asyncDispose]();
  const args = [away, also].flatMap(({ address }) => ["--relay", address]);
  await using sender = spawnSend(source, args, ["f"]);
  assertEquals(await within(sender.exitCode, "the sender"), 3);
  const { where } = JSON.parse(sender.stdout.all.at(-1)!);
  assertEquals(where, `127.0.0.1:${away.port}`);
});

Deno.test("send ends when the file was fetched, although another node shares it too", async () => {
  await using source = await tempShare({ "f": CONTENT });
  await using shared = await tempShare({ "f": CONTENT });
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using _other = await nodeHere(relay, shared.path);
  await using sender = spawnSend(source, [relay.address], ["f"]);
  const link = await linkTo(sender, "f");
  const got = await getLink(link, folder);
  assertEquals(got.code, 0, got.stderr.join("\n"));
  await assertSaved(folder, CONTENT);
  assertEquals(await within(sender.exitCode, "the sender"), 0);
});

Deno.test("If the sender has stopped, its link fetches the file from another node", async () => {
  await using source = await tempShare({ "f": CONTENT });
  await using shared = await tempShare({ "f": CONTENT });
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using _other = await nodeHere(relay, shared.path);
  await using sender = spawnSend(source, [relay.address], ["f"]);
  const link = await linkTo(sender, "f");
  sender.signal("SIGINT");
  assertEquals(await within(sender.exitCode, "the sender"), 130);
  const got = await getLink(link, folder);
  assertEquals(got.code, 0, got.stderr.join("\n"));
  await assertSaved(folder, CONTENT);
});

Deno.test("send sends several files through tunnels, each as often as --uses says", async () => {
  await using source = await tempShare({ "f": CONTENT, "g": "small" });
  await using relay = await relayHere();
  const args = [relay.address, "--uses", "2", "--tunnel"];
  await using sender = spawnSend(
    source,
    // Nobody can dial it there.
    [...args, "--advertise", "127.0.0.1:1"],
    ["f", "g"],
  );
  const links = [await linkTo(sender, "f"), await linkTo(sender, "g")];
  for (let turn = 0; turn < 2; turn++) {
    await using folder = await tempShare();
    for (const link of links) {
      const got = await getLink(link, folder, "--wait", "1m");
      assertEquals(got.code, 0, got.stderr.join("\n"));
    }
    assertEquals(namesIn(folder), ["f", "g"]);
  }
  assertEquals(await within(sender.exitCode, "the sender"), 0);
  const left = sender.stdout.all.map((line) => JSON.parse(line))
    .filter(({ event }) => event === "send_completed")
    .map(({ name, left }) => `${name} ${left}`);
  assertEquals(left, ["f 1", "g 1", "f 0", "g 0"]);
});

Deno.test("send uses a private relay with both tokens, and the other side has none", async () => {
  await using keys = await makeKeys();
  await using relay = await privateRelayHere(keys);
  await using source = await tempShare({ "f": CONTENT });
  await using folder = await tempShare();
  const { client, node } = keys.tokenFiles;
  const asClient = ["--token-file", client, relay.address];
  await using sender = spawnSend(
    source,
    [...asClient, "--node-token-file", node],
    ["f"],
    [client, node],
  );
  const link = await linkTo(sender, "f");
  const got = await getLink(link, folder);
  assertEquals(got.code, 0, got.stderr.join("\n"));
  await assertSaved(folder, CONTENT);
  assertEquals(await within(sender.exitCode, "the sender"), 0);
  const without = await runRole("peer_client.ts", [
    ...[...asClient, "send", join(source.path, "f")],
  ], { permissions: [`--allow-read=${client},${source.path}`] });
  assertEquals(without.code, 2);
  assertMatch(without.stderr.join("\n"), /--node-token-file/);
});

Deno.test("send withdraws at once when it is stopped, and reports if nobody fetched in time", async () => {
  await using source = await tempShare({ "f": "f" });
  await using relay = await relayHere();
  await using stopped = spawnSend(source, [relay.address], ["f"]);
  await linkTo(stopped, "f");
  stopped.signal("SIGINT");
  assertEquals(await within(stopped.exitCode, "the sender"), 130);
  const nodes = await runRoleHere("peer_client.ts", [relay.address, "nodes"]);
  assertEquals(nodes.text, "");
  await using late = spawnSend(
    source,
    [relay.address, "--expires", "1s"],
    ["f"],
  );
  assertEquals(await within(late.exitCode, "the sender"), 5);
});

Deno.test("send reports what was fetched when it is stopped", async () => {
  await using source = await tempShare({ "f": "f", "g": "g" });
  await using folder = await tempShare();
  await using relay = await relayHere();
  const words = ["--host", "127.0.0.1", relay.address, "send", "f", "g"];
  await using sender = spawnRole("peer_client.ts", [...words, "--uses", "2"], {
    cwd: source.path,
    permissions: ["--allow-read=f,g"],
  });
  const [link] = await sender.stdout.until(/p2p:\S+/);
  assertEquals((await getLink(link, folder)).code, 0);
  await sender.stderr.until(/^sent f /);
  sender.signal("SIGINT");
  assertEquals(await within(sender.exitCode, "the sender"), 130);
  await sender.stderr.until(/^one fetch completed; nobody has fetched g$/);
});

Deno.test("send refuses folders, files that are not there, and two of one name", async () => {
  await using source = await tempShare({ "a/f": "1", "b/f": "2" });
  await using relay = await relayHere();
  const at = (name: string) => join(source.path, name);
  for (
    const [code, ...files] of [
      [2, at("a")],
      [2, at("a/f"), at("b/f")],
      [8, at("none")],
      [2],
    ] as const
  ) {
    const args = [relay.address, "send", ...files];
    const outcome = await runRoleHere("peer_client.ts", args);
    assertEquals(outcome.code, code, outcome.stderr.join("\n"));
  }
  const gone = await runRoleHere("peer_client.ts", [
    ...["127.0.0.1:1", "send", at("a/f")],
  ]);
  assertEquals(gone.code, 3, gone.stderr.join("\n"));
});

testWith(
  ["script"],
  "At a terminal send shows who fetches, with permissions only for the network and the file",
  async () => {
    await using source = await tempShare({ "f.bin": CONTENT });
    await using folder = await tempShare();
    await using relay = await relayHere();
    const env = { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` };
    await using pty = Pty.type(
      `exec deno run --allow-net --allow-read=f.bin ${ROOT}peer_client.ts ` +
        `${relay.address} send f.bin --limit-rate 3M`,
      { cwd: source.path, env },
    );
    const [link] = await pty.lines.until(/p2p:\S+/);
    const got = await getLink(link, folder);
    assertEquals(got.code, 0, got.stderr.join("\n"));
    assertEquals(await within(pty.code, "the sender"), 0, pty.text);
    assertEquals(QUESTION.test(pty.text), false, pty.text);
    assertMatch(pty.text, /sent f\.bin to 127\.0\.0\.1: 3\.1 MB in /);
    assertMatch(pty.text, /f\.bin to 127\.0\.0\.1, .*\/s, \d+ %/);
  },
);

for (
  const [what, content] of [
    ["an empty file", new Uint8Array()],
    ["a file of zeros in one piece", new Uint8Array(1_000)],
    ["a file of zeros in several pieces", new Uint8Array(3_000_000)],
  ] as const
) {
  Deno.test(`send counts a fetch of ${what}, and ends`, async () => {
    await using source = await tempShare({ "f.bin": content });
    await using folder = await tempShare();
    await using relay = await relayHere();
    await using sender = spawnRole("peer_client.ts", [
      ...["--host", "127.0.0.1", relay.address, "send", "f.bin"],
    ], { cwd: source.path, permissions: ["--allow-read=f.bin"] });
    const [link] = await sender.stdout.until(/p2p:\S+/);
    const got = await getLink(link, folder);
    assertEquals(got.code, 0, got.stderr.join("\n"));
    assertEquals(await within(sender.exitCode, "the sender"), 0);
    await sender.stderr.until(/^sent f\.bin to 127\.0\.0\.1: 0 bytes in /);
  });
}
