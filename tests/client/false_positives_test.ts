/**
 * What an index got wrong: clients notice it, and the relay counts it.
 */

import { assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { FalsePositives } from "../../lib/client/false_positives.ts";
import { formatExposition } from "../../lib/ops/exposition.ts";
import { RelayMetrics } from "../../lib/ops/metrics.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { readExposition, valueOf } from "../_exposition.ts";
import { openChannel, startRelay, type TestRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { fetch, get } from "./_outcomes.ts";
import { BY_INDEX, startIndexed } from "./_indexed.ts";

const RELAY = { host: "127.0.0.1", port: 1 };

function expecting(
  names: readonly string[],
  unindexedCount = 0,
): FalsePositives {
  const hits = new FalsePositives();
  const nodes = ["n0", "n1"].map((id) => ({ id }));
  hits.expect({ relay: RELAY, names, nodes, unindexedCount });
  return hits;
}

Deno.test("FalsePositives counts a node that has none of the names it was listed for", () => {
  const hits = expecting(["a", "b"]);
  hits.answered("n0", "a", true);
  assertEquals(hits.all(), []); // it may have the other
  hits.answered("n0", "b", true);
  hits.answered("n1", "a", true);
  hits.answered("n1", "b", false);
  hits.answered("n9", "a", true); // not named by the index
  assertEquals(hits.all(), [{ relay: RELAY, id: "n0" }]);
});

Deno.test("FalsePositives counts no node that failed, refused, or may have no index", () => {
  const failed = expecting(["a"]);
  failed.answered("n0", "a", false);
  failed.answered("n0", "a", true);
  assertEquals(failed.all(), []);
  const unindexed = expecting(["a"], 1);
  unindexed.answered("n0", "a", true);
  assertEquals(unindexed.all(), []);
  unindexed.answered("n1", "a", true);
  assertEquals(unindexed.all().length, 2);
});

/** The count in its metrics, once the relay has received all reports. */
async function countAt({ server }: TestRelay): Promise<number | undefined> {
  while (server.connectionCount > server.nodeCount) await delay(5);
  const families = new RelayMetrics().families(server.stats());
  return valueOf(
    readExposition(formatExposition(families)),
    "relay_p2p_index_wrong_hits_total",
  );
}

async function reportTo(
  relay: TestRelay,
  report: { ids: string[]; wrong?: string[] },
): Promise<string | undefined> {
  await using channel = await openChannel(relay.server.address, relay.identity);
  await greet(channel, { role: "client" });
  await channel.send({ kind: "report", ...report });
  return (await channel.receive(["reported", "refused"]))?.kind;
}

Deno.test("A relay's metrics count the nodes that its index named wrongly", async () => {
  await using relay = await startRelay();
  const stale = { limits: { indexPauseMs: 3_600_000 } };
  await using node = await startIndexed(relay, { "a": "a", "b": "b" }, stale);
  assertEquals((await fetch(relay, "b", BY_INDEX)).message, "");
  assertEquals(await countAt(relay), 0);
  await Deno.remove(`${node.directory}/a`);
  assertEquals((await fetch(relay, "a", BY_INDEX)).kind, "not_found");
  assertEquals(await countAt(relay), 1);
  await using folder = await tempShare();
  const { failed } = await get(relay, folder.path, ["a", "b"], BY_INDEX);
  assertEquals(Object.keys(failed), ["a"]);
  assertEquals(await countAt(relay), 1); // the node has b
});

Deno.test("A relay counts wrong hits only for indexes that it has", async () => {
  await using relay = await startRelay();
  await using indexed = await startIndexed(relay, { "a": "a" });
  await using other = await startIndexed(relay, { "a": "a" }, { index: false });
  const ids = [indexed, other].map(({ server }) => server.id);
  const wrong = [...ids, ...ids, "a".repeat(51) + "q"];
  assertEquals(await reportTo(relay, { ids: [], wrong }), "reported");
  assertEquals(await countAt(relay), 1);
  assertEquals(relay.server.nodeCount, 2);
  assertEquals(relay.server.stats().reports["gone"] ?? 0, 0);
});

Deno.test("A report with more wrong hits than a client may send is refused", async () => {
  await using relay = await startRelay();
  await using indexed = await startIndexed(relay, { "a": "a" });
  const wrong = Array.from({ length: 17 }, () => indexed.server.id);
  assertEquals(await reportTo(relay, { ids: [], wrong }), "refused");
  assertEquals(await countAt(relay), 0);
});
