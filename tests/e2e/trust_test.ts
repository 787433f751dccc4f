/**
 * Who is trusted, and what an eavesdropper sees, with real processes.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { createIdentity } from "../../lib/identity/identity.ts";
import { runRoleHere } from "../_here.ts";
import { IDENTITIES } from "../_network.ts";
import { ownAddress } from "../_own_address.ts";
import { relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import { runRole, spawnNode, spawnRelay } from "./_processes.ts";

Deno.test("A pinned relay address refuses a relay with another id", async () => {
  await using relay = await relayHere();
  const other = await createIdentity();
  const address = relay.address.replace(relay.id, other.id);
  const outcome = await runRoleHere("peer_client.ts", [address, "nodes"]);
  assertEquals([outcome.code, outcome.text], [3, ""]);
  assertMatch(outcome.stderr.join(), /identity does not match/);
});

Deno.test("--known-relays notices another relay behind a known address", async () => {
  await using folder = await tempShare();
  const file = join(folder.path, "relays");
  const permissions = [`--allow-read=${file}`, `--allow-write=${file}`];
  const { host, port } = ownAddress();
  await using before = await relayHere({ host, port });
  const args = ["--known-relays", file, host, `${port}`, "nodes"];
  const list = () => runRoleHere("peer_client.ts", args);
  const first = await runRole("peer_client.ts", args, { permissions });
  assertEquals(first.stderr, [
    `met relay ${before.id} at ${host}:${port} for the first time, not verified; ${file} remembers it`,
    "peer node count: 0",
  ]);
  const second = await list();
  assertEquals([second.code, second.stderr], [0, ["peer node count: 0"]]);
  await before.server.close();
  await using _after = await relayHere({
    ...{ host, port },
    identity: IDENTITIES[1]!,
  });
  const third = await list();
  assertEquals([third.code, third.text], [3, ""]);
  assertMatch(
    third.stderr.join("\n"),
    /identity does not match: .*relays remembers another/,
  );
});

Deno.test("The roles print no secrets and no stack traces", async () => {
  await using folder = await tempShare();
  const state = join(folder.path, "state");
  const permissions = [`--allow-read=${state}`, `--allow-write=${state}`];
  await using relay = await spawnRelay(["--state", state, "--debug", "0"], {
    permissions,
  });
  await using node = await spawnNode(relay.port, "files/one");
  await runRole("peer_client.ts", [relay.address, "cat", "1.txt"]);
  const pem = await Deno.readTextFile(join(state, "identity.pem"));
  const secret = pem.split("\n")[1] ?? "";
  assertEquals(secret.length, 64);
  const printed = [
    ...relay.stdout.all,
    ...relay.stderr.all,
    ...node.stdout.all,
    ...node.stderr.all,
  ].join("\n");
  assertEquals(printed.includes(secret), false);
  assertEquals(/\.ts:\d+/.test(printed), false);
});
