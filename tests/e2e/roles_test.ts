/**
 * The assignment, with real processes: register, list, ask, fetch, print.
 * `tests/long/e2e/` has processes that are killed, and events of every role.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { within } from "../_event_log.ts";
import { runRoleHere } from "../_here.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import {
  ROOT,
  runRole,
  spawnNode,
  spawnRelay,
  spawnRole,
} from "./_processes.ts";

Deno.test("The dialogue follows the report's transcript", async () => {
  await using relay = await spawnRelay();
  await using alpha = await spawnNode(relay.port, "files/one", [
    "--name",
    "alpha",
  ]);
  await using beta = await spawnNode(relay.port, "files/two", [
    "--name",
    "beta",
  ]);
  await using gamma = await spawnNode(relay.port, "files/three", [
    "--name",
    "gamma",
  ]);
  const outcome = await runRole("peer_client.ts", ["127.0.0.1", relay.port], {
    input: "2.txt\n",
  });
  assertEquals(outcome.stderr, [
    `warning: relay not verified: p2p://127.0.0.1:${relay.port}/${relay.id} (give this address in place of host and port to pin it)`,
    "relay says: hello, this is the relay",
    "peer node count: 3",
    `1  alpha  127.0.0.1:${alpha.port}`,
    `2  beta   127.0.0.1:${beta.port}`,
    `3  gamma  127.0.0.1:${gamma.port}`,
    "file name: 2.txt",
    `node 1  127.0.0.1:${alpha.port}  connected, file not found`,
    `node 2  127.0.0.1:${beta.port}  connected, file found, 17 bytes`,
    "received 17 bytes, remaining 0 bytes",
    "file transfer successful from node 2 (beta)",
  ]);
  assertEquals(outcome.text, "I am Text file 2\n");
  assertEquals(outcome.code, 0);
});

Deno.test("The relay prints its three lines with only --allow-net, and stops on signals", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using relay = await spawnRelay();
    assertEquals(relay.stdout.all, [
      `relay listening on 127.0.0.1:${relay.port}`,
      `relay id ${relay.id}`,
      `relay address p2p://127.0.0.1:${relay.port}/${relay.id}`,
    ]);
    relay.signal(signal);
    assertEquals(await within(relay.exitCode, "the exit"), 0);
  }
});

Deno.test("The node prints its four lines, and withdraws on signals", async () => {
  await using relay = await relayHere();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using node = await spawnNode(relay.port, "files/one", [
      "--name",
      "alpha",
    ]);
    assertEquals(node.stdout.all, [
      `node listening on 127.0.0.1:${node.port}`,
      `node id ${node.id}`,
      "sharing 2 files from files/one",
      `registered with 127.0.0.1:${relay.port}, lease 60 s`,
    ]);
    const before = await runRoleHere("peer_client.ts", [
      relay.address,
      "nodes",
    ]);
    assertEquals(before.text, `1  alpha  127.0.0.1:${node.port}  ${node.id}\n`);
    assertEquals(before.stderr, ["peer node count: 1"]);
    node.signal(signal);
    assertEquals(await within(node.exitCode, "the exit"), 0);
    const after = await runRoleHere("peer_client.ts", [
      relay.address,
      "nodes",
    ]);
    assertEquals(after.text, "");
  }
});

for (
  const [file, run] of [
    ["three/pictures/relay.png", runRole],
    ["one/letter.txt", runRoleHere],
    ["two/empty.txt", runRoleHere],
  ] as const
) {
  Deno.test(`cat ${file} writes exactly its bytes, and --quiet prints nothing else`, async () => {
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, "files");
    const outcome = await run("peer_client.ts", [
      "--quiet",
      "127.0.0.1",
      relay.port,
      "cat",
      file,
    ]);
    assertEquals(
      outcome.stdout,
      await Deno.readFile(join(ROOT, "files", file)),
    );
    assertEquals([outcome.code, outcome.stderr], [0, []]);
  });
}

Deno.test("ls lists every file once, with size, nodes and whether contents differ", async () => {
  await using relay = await relayHere();
  await using folder = await tempShare({ "1.txt": "other", "sub/x": "x" });
  await using _alpha = await nodeHere(relay, "files/one");
  await using _beta = await nodeHere(relay, folder.path);
  const ls = (...args: string[]) =>
    runRoleHere("peer_client.ts", [relay.address, "ls", ...args]);
  const all = await ls();
  const { size } = await Deno.stat(join(ROOT, "files/one/letter.txt"));
  const wide = String(size).length;
  assertEquals([all.code, all.stderr.length], [0, 1]);
  assertMatch(all.stderr[0]!, /^3 files, /);
  // Which of the two is taken is decided by their times of writing.
  assertMatch(all.text, /^ *(17|5) {2}\S+ {2}\S+,\S+ {2}differs {2}1\.txt\n/);
  const [, letter = "", below = "", end] = all.text.split("\n");
  assertMatch(letter, new RegExp(`^${size}  .* only     letter\\.txt$`));
  assertMatch(below, new RegExp(`^ {${wide - 1}}1  .* only     sub/x$`));
  assertEquals(end, "");
  const some = await ls("s*/");
  assertEquals([some.code, some.text], [4, ""]);
  const inside = await ls("sub/");
  assertEquals(inside.code, 0);
  assertMatch(inside.text, /^1 .* only {2}sub\/x\n$/);
});

Deno.test("get -o DIR/ makes the folder, and nothing if no file comes", async () => {
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, "files", { name: "alpha" });
  await using folder = await tempShare();
  const { path } = folder;
  const permissions = [`--allow-read=${path}`, `--allow-write=${path}`];
  for (
    const [name, run, code, left] of [
      ["none.txt", runRoleHere, 4, []],
      ["one/1.txt", runRole, 0, ["new"]],
    ] as const
  ) {
    const args = [relay.address, "get", name, "-o", `${path}/new/deep/`];
    const result = await run("peer_client.ts", args, { permissions });
    assertEquals(result.code, code, result.stderr.join("\n"));
    assertEquals(
      (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name),
      [...left],
    );
  }
  assertEquals(
    await Deno.readTextFile(`${path}/new/deep/1.txt`),
    await Deno.readTextFile(join(ROOT, "files/one/1.txt")),
  );
});

Deno.test("get saves files, verifies what already exists, and never writes over another", async () => {
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, "files", { name: "alpha" });
  await using folder = await tempShare({ "1.txt": "mine" });
  const permissions = [
    `--allow-read=${folder.path}`,
    `--allow-write=${folder.path}`,
  ];
  const argsOf = (...args: string[]) => [relay.address, "get", ...args];
  const get = (...args: string[]) =>
    runRoleHere("peer_client.ts", argsOf(...args));
  const { path } = folder;
  const picture = "three/pictures/relay.png";
  const original = await Deno.readFile(join(ROOT, "files", picture));

  const first = await runRole("peer_client.ts", argsOf(picture, "-o", path), {
    permissions,
  });
  assertEquals([first.code, first.text], [0, ""]);
  const [saved, summary = ""] = first.stderr;
  assertEquals(
    saved,
    `saved ${path}/relay.png, ${original.length} bytes, from alpha`,
  );
  assertMatch(summary, /^1 file, 901 bytes in .* s \(.*\/s\), from 1 node$/);
  assertEquals(await Deno.readFile(`${path}/relay.png`), original);

  const again = await get(picture, "-o", path);
  assertEquals([again.code, again.stderr], [0, [
    `${path}/relay.png is here already, verified`,
  ]]);

  const taken = await get("one/1.txt", "-o", path);
  assertEquals([taken.code, taken.stderr], [8, [
    `error: Cannot save file (${path}/1.txt): it already exists with different content; use --overwrite to replace it, or -o to save elsewhere`,
  ]]);
  assertEquals(await Deno.readTextFile(`${path}/1.txt`), "mine");

  const over = await get("one/1.txt", "--overwrite", "-o", path);
  assertEquals(over.code, 0);
  assertEquals(await Deno.readTextFile(`${path}/1.txt`), "I am Text file 1\n");

  await Deno.mkdir(`${path}/all`);
  const all = await get("**", "-o", `${path}/all/`);
  assertEquals(all.code, 0);
  const sum = /^6 files, .* in .* s \(.*\/s\), from 1 node$/;
  assertMatch(all.stderr.at(-1) ?? "", sum);
  assertEquals(await Deno.readFile(`${path}/all/${picture}`), original);

  const none = await get("one/1.txt", "none.txt", "-o", `${path}/all`);
  assertEquals(none.code, 4);
  assertEquals(
    await Deno.readTextFile(`${path}/all/1.txt`),
    "I am Text file 1\n",
  );

  const out = await get("one/1.txt", "-o", "-");
  assertEquals([out.code, out.text], [0, "I am Text file 1\n"]);
});

Deno.test("get resumes after Ctrl-C, and says how much existed", async () => {
  const content = randomBytes(4_000_000, seededRandom(1));
  await using share = await tempShare({ "f": content });
  await using folder = await tempShare();
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path, { limitRate: 3e6 });
  const permissions = [
    `--allow-read=${folder.path}`,
    `--allow-write=${folder.path}`,
  ];
  const args = ["--json", relay.address, "get", "f", "-o", folder.path];
  await using client = spawnRole("peer_client.ts", args, { permissions });
  await client.stdout.until(/"event":"progress","received":[1-9]/);
  client.signal("SIGINT");
  assertEquals(await within(client.exitCode, "the exit"), 130);
  assertEquals(client.stderr.all, [
    "error: Stopped: interrupted; the bytes received so far are kept; run the same command again to continue",
  ]);
  const left = await Array.fromAsync(Deno.readDir(folder.path));
  assertEquals(left.map(({ name }) => name), [".f.p2p-part"]);
  const again = await runRoleHere("peer_client.ts", args);
  assertEquals(again.code, 0);
  assertMatch(again.text, /"event":"file_resumed","name":"f",.*"bytes":\d{6,}/);
  assertEquals(
    (await Deno.readFile(join(folder.path, "f"))).toHex(),
    content.toHex(),
  );
});

Deno.test("The node shares ./files when no folder is named", async () => {
  await using relay = await relayHere();
  await using node = spawnRole("peer_node.ts", [relay.address, "0"], {
    permissions: ["--allow-read=files"],
  });
  await node.stdout.until(/^sharing 6 files from \.\/files$/);
});

Deno.test("The identity stays the same with --state, and differs without", async () => {
  await using folder = await tempShare();
  const state = join(folder.path, "state");
  const options = {
    permissions: [`--allow-read=${state}`, `--allow-write=${state}`],
  };
  const ids: string[] = [];
  for (const args of [["--state", state], ["--state", state], []]) {
    await using relay = await spawnRelay([...args, "0"], options);
    ids.push(relay.id);
  }
  assertEquals(ids[0], ids[1]);
  assertEquals(ids[0] === ids[2], false);
});

Deno.test("--help and --version answer without a relay", async () => {
  for (const script of ["relay.ts", "peer_node.ts", "peer_client.ts"]) {
    const help = await runRoleHere(script, ["--help"]);
    assertEquals([help.code, help.stderr], [0, []]);
    assertMatch(help.text, new RegExp(`\\nUsage: ${script} `));
    const version = await runRole(script, ["--version"]);
    assertMatch(version.text, /^relay-p2p \d+\.\d+\.\d+, protocol 1\n$/);
  }
});

Deno.test("Options come from the environment if that is permitted, without a question", async () => {
  await using relay = await relayHere();
  const env = { RELAY_P2P_NAME: "from-env" };
  for (const permitted of [true, false]) {
    await using node = spawnRole(
      "peer_node.ts",
      [relay.address, "0", "files/one"],
      {
        env,
        permissions: [
          "--allow-read=files/one",
          ...(permitted ? ["--allow-env"] : []),
        ],
      },
    );
    await node.stdout.until(/^registered/);
    const { text } = await runRoleHere("peer_client.ts", [
      relay.address,
      "nodes",
    ]);
    assertEquals(text.includes("from-env"), permitted);
    node.signal("SIGTERM");
    await node.exitCode;
  }
});
