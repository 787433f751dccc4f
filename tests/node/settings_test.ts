/** Settings of a node that change while it runs. */

import { assertEquals } from "@std/assert";
import { fetchFile } from "../../lib/mod.ts";
import { Turns } from "../../lib/base/turns.ts";
import { within } from "../_event_log.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";

const PIECE = 256 * 1024;

Deno.test("A node takes new exclusions while it runs, and then shares what it left out before", async () => {
  await using relay = await startRelay();
  const files = { "a.tmp": "a", ".b": "b", "c": "c" };
  await using node = await startNode(relay, files, { exclude: ["*.tmp"] });
  assertEquals(node.server.fileCount, 1);
  await node.server.change({ hidden: true, exclude: ["c"] });
  assertEquals(node.server.fileCount, 2);
  assertEquals(await node.server.describe("c"), undefined);
  assertEquals((await node.server.describe(".b"))?.size, 1);
});

Deno.test("A running fetch follows the new rate of its node", async () => {
  await using relay = await startRelay();
  const content = randomBytes(16 * PIECE, seededRandom(1));
  // At this rate it would take 7 minutes.
  await using node = await startNode(relay, { "f": content }, {
    limitRate: 10_000,
  });
  await using file = await fetchFile({
    relay: relay.server.address,
    name: "f",
  });
  const arrived = (async () => {
    let bytes = 0;
    for await (const part of file.pieces()) bytes += part.length;
    return bytes;
  })();
  const turns = new Turns(0);
  while (node.server.stats().sentBytes === 0) await turns.give();
  await node.server.change({});
  assertEquals(await within(arrived, "the whole file"), content.length);
});
