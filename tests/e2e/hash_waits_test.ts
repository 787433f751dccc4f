/**
 * What a person reads while a node hashes.
 */

import { assertEquals } from "@std/assert";
import { runRoleHere } from "../_here.ts";
import { startEvilNode, staySilent } from "../_evil_node.ts";
import { honestExcept } from "../_lies.ts";
import { IDENTITIES } from "../_network.ts";
import { relayHere } from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";

Deno.test("get --sha256 says on stderr which node it waits for, and can be stopped", async () => {
  await using relay = await relayHere();
  await using folder = await tempShare();
  await using _node = await startEvilNode(relay, {
    identity: IDENTITIES[1]!,
    name: "nas\u202e",
    lie: honestExcept({ "f": new Uint8Array(3_000) }, {
      unhashed: true,
      describe: async (channel, { request }) => {
        await channel.send({ kind: "working", request });
        await staySilent(channel);
      },
    }),
  });
  const { code, stderr } = await runRoleHere("peer_client.ts", [
    ...[relay.address, "get", "f", "--sha256", "0".repeat(64)],
    ...["-o", `${folder.path}/`],
  ], { untilNote: /^waiting for node/m });
  assertEquals(code, 130);
  const reported = stderr.filter((line) => line.startsWith("waiting for node"));
  assertEquals(reported, [
    "waiting for node 1 (nas\\u{202e}) to hash f, 3.0 KB: Ctrl-C stops",
  ]);
});
