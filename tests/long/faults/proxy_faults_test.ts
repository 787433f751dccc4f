/**
 * Faults between a client and a node without encryption, and nodes that are
 * stopped as processes.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { within } from "../../_event_log.ts";
import { startRelay, type TestRelay } from "../../_network.ts";
import { tempShare } from "../../_temp_share.ts";
import { ClientLog, get } from "../../client/_outcomes.ts";
import { spawnNode } from "../../e2e/_processes.ts";
import { testFaultsOnTheWay } from "../../faults/_on_the_way.ts";
import { FILE, LIMITS, MIB, startGood } from "../../faults/_proxied.ts";

testFaultsOnTheWay("plaintext");

/** A node in a process of its own, which can be stopped, and takes seconds to send. */
async function spawnSlowNode(relay: TestRelay, directory: string) {
  const { port } = relay.server.address;
  return await spawnNode(String(port), directory, ["--limit-rate", "3M"]);
}

Deno.test("A node that is stopped for a moment in the middle continues, and so does the client", async () => {
  await using relay = await startRelay();
  await using share = await tempShare({ "f": FILE });
  await using node = await spawnSlowNode(relay, share.path);
  await using folder = await tempShare();
  const log = new ClientLog();
  const getting = get(relay, folder.path, ["f"], { limits: LIMITS, log });
  await log.until("progress", ({ received }) => received > 0);
  node.signal("SIGSTOP");
  // Progress is reported several times a second, also where there is none.
  const reported = log.of("progress").length;
  await log.until("progress", () => log.of("progress").length > reported + 3);
  node.signal("SIGCONT");
  const { saved } = await within(getting, "the file");
  assertEquals([Object.keys(saved), log.trouble], [["f"], []]);
  assertEquals(await Deno.readFile(join(folder.path, "f")), FILE);
});

Deno.test("A node that is stopped for long is replaced by another, and is used again later", async () => {
  await using relay = await startRelay();
  await using share = await tempShare({ "f": FILE });
  await using node = await spawnSlowNode(relay, share.path);
  const log = new ClientLog();
  {
    await using _good = await startGood(relay, "TLS", 2 * MIB);
    await using folder = await tempShare();
    const getting = get(relay, folder.path, ["f"], { limits: LIMITS, log });
    await log.until("progress", ({ received }) => received > 0);
    node.signal("SIGSTOP");
    const { saved } = await within(getting, "the file");
    assertEquals(Object.keys(saved), ["f"]);
    assertEquals(await Deno.readFile(join(folder.path, "f")), FILE);
    node.signal("SIGCONT");
  }
  await using folder = await tempShare();
  const { saved } = await get(relay, folder.path, ["f"], { limits: LIMITS });
  assertEquals(Object.keys(saved), ["f"]);
});
