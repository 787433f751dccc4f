/**
 * `--index-key-file`, by each way to give an option.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { runRoleHere } from "../_here.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { registerMany } from "../client/_indexed.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, n) => (n * 37) % 256);

function linesOf(stdout: Uint8Array): string[] {
  return new TextDecoder().decode(stdout).trim().split("\n");
}

/** Nodes in the list that a client got. */
function listedIn(stdout: readonly string[]): number[] {
  return stdout.map((line) => JSON.parse(line))
    .filter(({ event }) => event === "nodes_listed")
    .map(({ nodes }) => nodes.length);
}

Deno.test("A client with --index-key-file, given in any way, asks only nodes that have the name under that key", async () => {
  await using share = await tempShare({ "f.txt": "text" });
  await using keys = await tempShare({ "index.key": KEY.toBase64() });
  const path = join(keys.path, "index.key");
  await Deno.chmod(path, 0o600);
  await using relay = await relayHere();
  await using node = await nodeHere(relay, share.path, { indexKey: KEY });
  await node.log.until("indexed");
  // A relay with few nodes lists all of them.
  const others = Array.from({ length: 33 }, (_, n) => [`other-${n}`]);
  await registerMany(relay, others, { indexKey: KEY });
  const ways = [
    { words: ["--index-key-file", path], listed: 1 },
    { env: { RELAY_P2P_INDEX_KEY_FILE: path }, listed: 1 },
    { config: `index-key-file = "${path}"\n`, listed: 1 },
    { listed: 34 },
  ];
  for (const { words = [], env = {}, config, listed } of ways) {
    await using folder = await tempShare(
      config === undefined ? {} : { "p2p.toml": config },
    );
    const { code, stdout, stderr } = await runRoleHere("peer_client.ts", [
      ...["--json", relay.address, "get", "f.txt", "-o", `${folder.path}/f`],
      ...(config === undefined
        ? []
        : ["--config", join(folder.path, "p2p.toml")]),
      ...words,
    ], { env });
    assertEquals(
      [code, listedIn(linesOf(stdout))],
      [0, [listed]],
      stderr.join("\n"),
    );
    assertEquals(await Deno.readTextFile(`${folder.path}/f`), "text");
  }
});

Deno.test("An index key file that others can read, or that holds no key, is refused by a node and a client, and the key is not shown", async () => {
  await using files = await tempShare({
    "share/f.txt": "text",
    "open.key": KEY.toBase64(),
    "short.key": KEY.slice(1).toBase64(),
  });
  const [open, short] = ["open.key", "short.key"].map((name) =>
    join(files.path, name)
  );
  await Deno.chmod(open!, 0o644);
  await Deno.chmod(short!, 0o600);
  const share = join(files.path, "share");
  for (
    const [script, words] of [
      ["peer_node.ts", ["127.0.0.1", "9", "0", share]],
      ["peer_client.ts", ["127.0.0.1", "9", "get", "f.txt"]],
    ] as const
  ) {
    const run = (path: string) =>
      runRoleHere(script, ["--index-key-file", path, ...words]);
    const weak = await run(open!);
    assertEquals(weak.code, 8);
    assertMatch(
      weak.stderr.join("\n"),
      /Cannot use index key file \(.*\): users other than its owner .*chmod 600/,
    );
    const bad = await run(short!);
    assertEquals(bad.code, 2);
    const reported = bad.stderr.join("\n");
    assertStringIncludes(
      reported,
      "Cannot use index key: wanted 32 bytes, found 31",
    );
    assertEquals(reported.includes(KEY.slice(1).toBase64()), false);
  }
});
