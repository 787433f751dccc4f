/**
 * Private relays, tokens and links, as people use them.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { fromBase64Url } from "../../../lib/access/keys.ts";
import { formatLink, parseLink } from "../../../lib/access/link.ts";
import { decodePass, formatPass, linkKeyOf } from "../../../lib/access/pass.ts";
import { randomBytes, seededRandom } from "../../_random.ts";
import { tempShare } from "../../_temp_share.ts";
import { runRoleHere } from "../../_here.ts";
import { relayHere } from "../../_scenery.ts";
import {
  makeKeys,
  privateNodeHere,
  privateRelayHere,
  runClient,
  spawnPrivateNode,
  spawnPrivateRelay,
  writeSecret,
} from "../../e2e/_private.ts";
import { runRole, spawnRelay, spawnRole } from "../../e2e/_processes.ts";
import { assertSaved, MIB, namesIn } from "../../e2e/_transfer.ts";

const FILES = { "a.txt": "abc", "b.txt": "other" };

Deno.test("relay.ts --private shows two tokens once, with only --allow-net, and accepts them", async () => {
  await using relay = await spawnRelay(["--private", "0"]);
  const [, node = ""] = await relay.stdout.until(
    /^node token (p2p-node-\w{40})$/,
  );
  const [, client = ""] = await relay.stdout.until(
    /^client token (p2p-client-\w{40})$/,
  );
  await relay.stderr.until(
    /^these tokens are shown once, .*--secret-file FILE$/,
  );
  await relay.stderr.until(/^private relay: /);
  await using share = await tempShare(FILES);
  await using _node = spawnRole("peer_node.ts", [
    ...["--host", "127.0.0.1", "127.0.0.1", relay.port, "0", share.path],
  ], {
    permissions: [`--allow-read=${share.path}`, "--allow-env=RELAY_P2P_TOKEN"],
    env: { RELAY_P2P_TOKEN: node },
  });
  await _node.stdout.until(/^registered with /);
  const listed = await runRole("peer_client.ts", [relay.address, "ls"], {
    permissions: ["--allow-env=RELAY_P2P_TOKEN"],
    env: { RELAY_P2P_TOKEN: client },
  });
  assertEquals(listed.code, 0, listed.stderr.join("\n"));
  assertEquals(listed.stderr.length, 1, listed.stderr.join("\n"));
  assertMatch(listed.stderr[0]!, /^\d+ files?, /);
  const all = [...relay.stdout.all, ...relay.stderr.all].join("\n");
  assertEquals(all.split(node).length, 2);
  assertEquals(all.split(client).length, 2);
});

Deno.test("relay.ts --private refuses --json if nobody would see the tokens of a new secret", async () => {
  const { code, text } = await runRoleHere("relay.ts", [
    "--private",
    "--json",
    "0",
  ]);
  assertEquals(code, 2);
  assert(!text.includes("p2p-node-"));
});

Deno.test("A relay that was private does not start without its secret, until its mark is removed", async () => {
  await using keys = await makeKeys();
  const state = join(keys.folder, "state");
  const permissions = [
    `--allow-read=${keys.folder}`,
    `--allow-write=${state}`,
  ];
  const spawn = (...args: string[]) =>
    spawnRelay(["--state", state, ...args, "0"], { permissions });
  let id: string;
  {
    await using open = await spawn();
    await open.stderr.until(/^open relay: /);
    id = open.address.split("/").at(-1)!;
  }
  {
    await using relay = await spawn("--secret-file", keys.secretFile);
    await relay.stderr.until(/^private relay: /);
  }
  const args = ["--state", state, "0"];
  const refused = await runRole("relay.ts", args, { permissions });
  assertEquals([refused.code, refused.text], [2, ""]);
  assertEquals(refused.stderr, [
    `error: Cannot start the relay (${state}): the relay with this state was ` +
    "private, and now it has no secret; give --secret-file FILE; to open the " +
    `relay to everybody, remove ${state}/private`,
  ]);
  await Deno.remove(join(state, "private"));
  await using open = await spawn();
  await open.stderr.until(/^open relay: /);
  assertEquals(open.address.split("/").at(-1), id);
});

Deno.test("relay.ts --secret-file shows no tokens; with --show-tokens it prints them and ends", async () => {
  await using keys = await makeKeys();
  await using relay = await spawnPrivateRelay(keys);
  await relay.stderr.until(/^private relay: /);
  assertEquals(relay.stdout.all.length, 3);
  const args = ["--secret-file", keys.secretFile, "--show-tokens"];
  const shown = await runRoleHere("relay.ts", args);
  assertEquals(shown.code, 0);
  assertEquals(
    shown.text,
    `node token ${keys.tokens.node}\nclient token ${keys.tokens.client}\n`,
  );
  const json = await runRoleHere("relay.ts", ["--json", ...args]);
  assertEquals(JSON.parse(json.text).client, keys.tokens.client);
  const without = await runRoleHere("relay.ts", ["--show-tokens"]);
  assertEquals(without.code, 2);
});

Deno.test("A secret file that others may read, or that may not be read, is refused with a remedy", async () => {
  await using keys = await makeKeys();
  const args = ["--secret-file", keys.secretFile, "0"];
  const denied = await runRole("relay.ts", args);
  assertEquals(denied.code, 7);
  assertMatch(denied.stderr[0]!, /grant it with --allow-read=/);
  await Deno.chmod(keys.secretFile, 0o644);
  const open = await runRoleHere("relay.ts", args);
  assertEquals(open.code, 8);
  assertMatch(open.stderr[0]!, /; run chmod 600 \S+secret$/);
  await Deno.chmod(keys.secretFile, 0o600);
  await Deno.chmod(keys.folder, 0o777);
  const folder = await runRoleHere("relay.ts", args);
  assertEquals(folder.code, 8);
  assertMatch(folder.stderr[0]!, /; run chmod go-w \S+$/);
  assertEquals(open.stderr.length + folder.stderr.length, 2);
});

Deno.test("A token or a secret on the command line works, with a warning", async () => {
  await using keys = await makeKeys();
  await using relay = await spawnRelay(["--secret", keys.secretText, "0"]);
  await relay.stderr.until(
    /^warning: --secret: .* use --secret-file FILE or RELAY_P2P_SECRET$/,
  );
  const args = ["--token", keys.tokens.client, relay.address, "nodes"];
  const { code, stderr } = await runRoleHere("peer_client.ts", args);
  assertEquals(code, 0);
  assertMatch(stderr[0]!, /^warning: --token: .* use --token-file FILE/);
  assertEquals(stderr[1], "peer node count: 0");
});

/** An altered token that is of the right form. */
function altered(token: string): string {
  const at = token.length - 20;
  const other = token[at] === "a" ? "b" : "a";
  return token.slice(0, at) + other + token.slice(at + 1);
}

/** A client ends with `code`, and one line that says why. */
async function refused(code: number, why: RegExp, args: string[]) {
  const outcome = await runRoleHere("peer_client.ts", args);
  assertEquals(outcome.code, code, outcome.stderr.join("\n"));
  const errors = outcome.stderr.filter((line) => line.startsWith("error: "));
  assertEquals(errors.length, 1);
  assertMatch(errors[0]!, why);
  assertEquals(outcome.text, "");
}

/** A link to a file, made with `args`. */
async function linkTo(...args: string[]): Promise<string> {
  const made = await runRoleHere("peer_client.ts", args);
  assertEquals(made.code, 0, made.stderr.join("\n"));
  return made.text.trim();
}

Deno.test("Without a right token: refused in one line, and the documented code", async () => {
  await using keys = await makeKeys();
  await using others = await makeKeys();
  await using relay = await privateRelayHere(keys);
  const tokenFile = join(keys.folder, "a.token");
  const withToken = async (token: string) => {
    await writeSecret(tokenFile, token);
    return ["--token-file", tokenFile, relay.address, "ls"];
  };
  await refused(7, /it is private; give a client token/, [relay.address, "ls"]);
  const { node, client } = keys.tokens;
  await refused(7, /it is a node token/, await withToken(node));
  await refused(7, /it was mistyped or cut/, await withToken(altered(client)));
  const { client: other } = others.tokens;
  await refused(7, /it rejects this token/, await withToken(other));
});

Deno.test("A link that is altered, expired, forged or for another relay: refused in one line, and the documented code", async () => {
  await using keys = await makeKeys();
  await using others = await makeKeys();
  await using relay = await privateRelayHere(keys);
  await using share = await tempShare(FILES);
  await using folder = await tempShare();
  const { port } = relay;
  await using _node = await privateNodeHere(keys, relay, share.path);
  const token = ["--token-file", keys.tokenFiles.client];
  const link = await linkTo(...token, relay.address, "link", "a.txt");
  const to = ["-o", `${folder.path}/`];
  const parsed = parseLink(link);
  const terms = decodePass(fromBase64Url(parsed.pass!)!)!;
  assert("serial" in terms);
  const linkWith = (change: Partial<typeof terms>, { secret } = keys) => {
    const key = { name: "a.txt", key: linkKeyOf(secret) };
    return formatLink({
      ...parsed,
      pass: formatPass({ ...terms, ...change }, key),
    });
  };
  for (const text of [altered(link), link.slice(0, -3)]) {
    await refused(2, /it is incomplete or was altered/, ["get", text, ...to]);
  }
  await refused(2, /it is for another relay/, [
    ...[`p2p://127.0.0.1:${port}/${"a".repeat(52)}`, "get", link, ...to],
  ]);
  await refused(7, /it has expired/, ["get", linkWith({ expires: 1 }), ...to]);
  const forged = linkWith({}, others);
  await refused(7, /the relay rejects it/, ["get", forged, ...to]);
  const renamed = formatLink({ ...parsed, name: "b.txt" });
  await refused(7, /the relay rejects it/, ["get", renamed, ...to]);
});

Deno.test("A link that is used up, or whose file has changed: refused in one line, and the documented code", async () => {
  await using keys = await makeKeys();
  await using relay = await privateRelayHere(keys);
  await using share = await tempShare(FILES);
  await using folder = await tempShare();
  await using _node = await privateNodeHere(keys, relay, share.path);
  const into = folder.path;
  const to = ["-o", `${into}/`];
  const token = ["--token-file", keys.tokenFiles.client];
  const at = ["127.0.0.1", relay.port];
  const made = await runClient(keys, [...token, ...at, "link", "b.txt"]);
  const used = made.text.trim();
  const first = await runClient(keys, [used, ...to], { into });
  assertEquals(first.code, 0, first.stderr.join("\n"));
  assertEquals(await Deno.readTextFile(join(into, "b.txt")), "other");
  await refused(7, /it has no uses left/, [
    ...["get", used, "-o", join(into, "again.txt")],
  ]);
  assertEquals(namesIn(folder), ["b.txt"]);
  const changed = await linkTo(...token, ...at, "link", "a.txt");
  await Deno.writeTextFile(join(share.path, "a.txt"), "something else");
  await refused(4, /different content/, [changed, ...to]);
});

Deno.test("A node without the right token, or at an open relay with one, ends with exit code 7", async () => {
  await using keys = await makeKeys();
  await using others = await makeKeys();
  await using relay = await privateRelayHere(keys);
  await using open = await relayHere();
  await using share = await tempShare();
  const run = async (port: string, ...args: string[]) => {
    const { code, stderr } = await runRoleHere("peer_node.ts", [
      ...[...args, "127.0.0.1", port, "0", share.path],
    ]);
    assertEquals(code, 7, stderr.join("\n"));
    const errors = stderr.filter((line) => line.startsWith("error: "));
    assertEquals(errors.length, 1);
    return errors[0]!;
  };
  assertMatch(await run(relay.port), /it is private; give a node token/);
  const foreign = ["--token-file", others.tokenFiles.node];
  assertMatch(await run(relay.port, ...foreign), /it rejects this token/);
  const client = ["--token-file", keys.tokenFiles.client];
  assertMatch(await run(relay.port, ...client), /it is a client token/);
  const own = ["--token-file", keys.tokenFiles.node];
  assertMatch(await run(open.port, ...own), /this relay is open: anyone could/);
});

Deno.test("A link in a file, in place of the command, after the relay, and to stdout", async () => {
  await using keys = await makeKeys();
  await using relay = await privateRelayHere(keys);
  await using share = await tempShare({ "it's here/ü *.txt": "abc" });
  await using folder = await tempShare();
  const { port } = relay;
  await using _node = await privateNodeHere(keys, relay, share.path);
  const made = await runClient(keys, [
    ...["--token-file", keys.tokenFiles.client, relay.address],
    ...["link", "it's here/ü *.txt", "--uses", "4", "--expires", "2d", "--qr"],
  ]);
  assertEquals(made.code, 0, made.stderr.join("\n"));
  assert(
    made.stderr.includes(
      "valid for 4 fetches in the next 2d, by anyone who has it",
    ),
  );
  assert(made.stderr.some((line) => /^[ ▀▄█]{40,}$/.test(line)), "QR code");
  const link = made.text.trim();
  assert(/^[\w.\/:%-]{1,512}$/.test(link));
  const file = join(keys.folder, "link");
  await writeSecret(file, link);
  const into = folder.path;
  const ways: string[][] = [
    [link, "-o", join(into, "1")],
    ["get", "--link-file", file, "-o", join(into, "2")],
    [relay.address, "get", link, "-o", join(into, "3")],
    ["127.0.0.1", port, "get", link, "-o", "-"],
  ];
  for (const args of ways) {
    const { code, stderr, text } = await runRoleHere("peer_client.ts", args);
    assertEquals(code, 0, stderr.join("\n"));
    assertEquals(text, args.at(-1) === "-" ? "abc" : "");
  }
  assertEquals(namesIn(folder), ["1", "2", "3"]);
});

Deno.test("A fetch by a link that is interrupted continues, and that is the same use", async () => {
  await using keys = await makeKeys();
  await using relay = await privateRelayHere(keys);
  const content = randomBytes(8 * MIB, seededRandom(1));
  await using share = await tempShare({ "f": content });
  await using folder = await tempShare();
  await using _node = await privateNodeHere(keys, relay, share.path, {
    limitRate: 4e6,
  });
  const made = await runRoleHere("peer_client.ts", [
    ...["--token-file", keys.tokenFiles.client, relay.address, "link", "f"],
  ]);
  const link = made.text.trim();
  const args = ["--json", "get", link, "-o", `${folder.path}/`];
  const permissions = [
    `--allow-read=${folder.path}`,
    `--allow-write=${folder.path}`,
  ];
  await using first = spawnRole("peer_client.ts", args, { permissions });
  await first.stdout.until(/"event":"progress","received":\d{7}/);
  first.signal("SIGKILL");
  await first.exitCode;
  const second = await runRoleHere("peer_client.ts", args);
  assertEquals(second.code, 0, second.text);
  assertMatch(second.text, /"event":"file_resumed"/);
  await assertSaved(folder, content);
  const third = await runRoleHere("peer_client.ts", [
    ...["get", link, "-o", join(folder.path, "again")],
  ]);
  assertEquals(third.code, 7);
});

Deno.test("SIGHUP reads the secret again: the old token is refused, and an invalid file changes nothing", async () => {
  await using keys = await makeKeys();
  await using next = await makeKeys();
  await using relay = await spawnPrivateRelay(keys);
  await using share = await tempShare(FILES);
  const { port } = relay;
  await using _node = await spawnPrivateNode(keys, { port, share: share.path });
  const listsWith = async (token: string) => {
    const { code } = await runRoleHere("peer_client.ts", [
      ...["--token-file", token, relay.address, "cat", "a.txt"],
    ]);
    return code;
  };
  assertEquals(await listsWith(keys.tokenFiles.client), 0);
  assertEquals(await listsWith(next.tokenFiles.client), 7);
  await writeSecret(keys.secretFile, next.secretText);
  relay.signal("SIGHUP");
  await relay.stderr.until(/^secrets read again$/);
  assertEquals(await listsWith(keys.tokenFiles.client), 7);
  await writeSecret(keys.secretFile, "not a secret");
  relay.signal("SIGHUP");
  await relay.stderr.until(/; continuing with the previous secrets$/);
});

Deno.test("With --previous-secret-file the tokens of both secrets work, and every node is reached", async () => {
  await using keys = await makeKeys();
  await using next = await makeKeys();
  const previous = join(next.folder, "previous");
  await writeSecret(previous, keys.secretText);
  await using relay = await spawnPrivateRelay(next, [
    ...["--previous-secret-file", previous, "--overlap", "1h"],
  ]);
  await using share = await tempShare(FILES);
  await using _old = await privateNodeHere(keys, relay, share.path);
  await using _new = await privateNodeHere(next, relay, share.path);
  for (const each of [keys, next]) {
    const { code, text } = await runRoleHere("peer_client.ts", [
      ...["--token-file", each.tokenFiles.client, relay.address, "ls"],
    ]);
    assertEquals(code, 0);
    assertMatch(text, / {2}node-\w+,node-\w+ {2}a\.txt$/m);
  }
});
