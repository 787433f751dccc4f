/**
 * `get --no-sync`, by each way to give an option.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { runRoleHere } from "../_here.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { syncsOfFiles } from "../_syncs.ts";
import { tempShare } from "../_temp_share.ts";

const WAYS = [
  { how: "without it", isSynced: true },
  { how: "on the command line", words: ["--no-sync"] },
  { how: "in a variable", env: { RELAY_P2P_NO_SYNC: "1" } },
  { how: "in a configuration file", config: "no-sync = true\n" },
];

Deno.test("get waits for the disk, unless --no-sync is given in any way", async () => {
  await using share = await tempShare({ "f.txt": "text", "d/g.txt": "more" });
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  for (const { how, words = [], env = {}, config, isSynced } of WAYS) {
    await using folder = await tempShare(
      config === undefined ? {} : { "p2p.toml": config },
    );
    const file = join(folder.path, "p2p.toml");
    const synced: string[] = [];
    using _syncs = syncsOfFiles(synced);
    const { code, stderr } = await runRoleHere("peer_client.ts", [
      ...[relay.address, "get", "**", "-o", `${folder.path}/into/`],
      ...(config === undefined ? [] : ["--config", file]),
      ...words,
    ], { env });
    assertEquals(code, 0, `${how}: ${stderr.join("\n")}`);
    const ofFiles = synced.filter((path) => path.startsWith(folder.path));
    assertEquals(ofFiles.length > 0, isSynced ?? false, how);
    const text = await Deno.readTextFile(join(folder.path, "into/d/g.txt"));
    assertEquals(text, "more");
  }
  const useless = await runRoleHere("peer_client.ts", [
    ...[relay.address, "get", "f.txt", "-o", "-", "--no-sync"],
  ]);
  assertEquals(useless.code, 2);
});
