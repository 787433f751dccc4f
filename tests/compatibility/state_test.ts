/**
 * What version 0.1.0 has kept on the disk, and this one reads. The files were
 * written by that version; their secrets protect nothing.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { tempShare } from "../_temp_share.ts";
import { spawnRole } from "../e2e/_processes.ts";

const KEPT = join(import.meta.dirname!, "state_0.1.0");
const RELAY_ID = "6obiwym5jz7erl76ndzhkf5onsww34w4j3quu4wad5ts3swt3coq";
const NODE_ID = "dpizyb6hsfh4zmw4wr7g623hdmyuckq4oyk7dzjdkqijuwb4gk2a";
const NODE_TOKEN = "p2p-node-doroli5d5flbmfarepjyezupeyfxtmnsjz45ncre";
const CLIENT_TOKEN = "p2p-client-fxooq5ehgzypdqt4ozp57dyf7rz6un7invz4wf22";

/** A folder with what a relay, a node and a client of 0.1.0 have kept. */
async function keptFolder() {
  const folder = await tempShare({
    "share/letter.txt": "Dear reader\n",
    "share/big.txt": "a".repeat(300_000),
    "relay-state/.keep": "",
    "node-state/digests/manifests/.keep": "",
    "node.token": NODE_TOKEN,
    "client.token": CLIENT_TOKEN,
  });
  const at = (name: string) => join(folder.path, name);
  // What was written just now is kept only after it has settled.
  for (const name of ["share/letter.txt", "share/big.txt"]) {
    await Deno.utime(at(name), new Date(), new Date(1_500_000_000_000));
  }
  const places = {
    "relay_identity.pem": "relay-state/identity.pem",
    "node_identity.pem": "node-state/identity.pem",
    "digests_index": "node-state/digests/index",
    "secret": "secret",
    "known_relays": "relays",
  };
  for (const [from, to] of Object.entries(places)) {
    await Deno.copyFile(join(KEPT, from), at(to));
    await Deno.chmod(at(to), 0o600);
  }
  for (const token of ["node.token", "client.token"]) {
    await Deno.chmod(at(token), 0o600);
  }
  return { at, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

Deno.test("State of 0.1.0 is read: identities, secret, tokens and known relays hold, digests are made again", async () => {
  await using kept = await keptFolder();
  const { at } = kept;
  const secret = ["--secret-file", at("secret")];
  const state = [at("relay-state"), at("secret")].join(",");
  await using relay = spawnRole("relay.ts", [
    ...["--host", "127.0.0.1", "--state", at("relay-state"), ...secret, "0"],
  ], {
    permissions: [
      ...["--allow-net", `--allow-read=${state}`, `--allow-write=${state}`],
    ],
  });
  const [, port = "", id = ""] = await relay.stdout.until(
    /^relay address p2p:\/\/127\.0\.0\.1:(\d+)\/(\w+)$/,
  );
  assertEquals(id, RELAY_ID);

  // 0.1.0 has met this relay, at the port that it had then.
  const known = await Deno.readTextFile(at("relays"));
  assertMatch(known, new RegExp(`^127\\.0\\.0\\.1:17631 ${RELAY_ID}$`, "m"));
  await Deno.writeTextFile(at("relays"), known.replace("17631", port));
  const paths = ["node-state", "relays", "node.token", "share"].map(at).join();
  await using node = spawnRole("peer_node.ts", [
    ...["--json", "--host", "127.0.0.1", "--state", at("node-state")],
    ...["--token-file", at("node.token"), "--known-relays", at("relays")],
    ...["127.0.0.1", port, "0", at("share")],
  ], {
    permissions: [
      ...["--allow-net", `--allow-read=${paths}`, `--allow-write=${paths}`],
    ],
  });
  await node.stdout.until(/"event":"registered"/);
  await node.stdout.until(/"event":"hashed","files":2/);
  const events = node.stdout.all.map((line) => JSON.parse(line));
  const listening = events.find(({ event }) => event === "node_listening");
  assertEquals(listening.id, NODE_ID);
  assertEquals(
    events.filter(({ event }) => /^relay_(un|rem|ch)/.test(event)),
    [],
    "the relay was known",
  );

  await using client = spawnRole("peer_client.ts", [
    ...["--token-file", at("client.token")],
    ...["127.0.0.1", port, "cat", "letter.txt"],
  ], { permissions: ["--allow-net", `--allow-read=${at("client.token")}`] });
  assertEquals(await client.exitCode, 0, client.stderr.all.join("\n"));
  assertEquals(client.stdout.all.join("\n"), "Dear reader");

  node.signal("SIGTERM");
  assertEquals(await node.exitCode, 0, node.stderr.all.join("\n"));
  assertEquals(node.stderr.all, []);
  const index = await Deno.readTextFile(at("node-state/digests/index"));
  // A line of this version has a checksum before the name.
  assertEquals(index.match(/ [0-9a-f]{8} "/g)?.length, 2, index);
  relay.signal("SIGTERM");
  assertEquals(await relay.exitCode, 0);
});

Deno.test("The secret of a relay of 0.1.0 gives the same tokens", async () => {
  await using kept = await keptFolder();
  const secret = kept.at("secret");
  await using relay = spawnRole("relay.ts", [
    ...["--secret-file", secret, "--show-tokens"],
  ], { permissions: [`--allow-read=${secret}`] });
  assertEquals(await relay.exitCode, 0, relay.stderr.all.join("\n"));
  assertEquals(relay.stdout.all, [
    `node token ${NODE_TOKEN}`,
    `client token ${CLIENT_TOKEN}`,
  ]);
});
