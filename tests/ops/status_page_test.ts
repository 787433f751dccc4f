/** The status page, from metrics of engines that run. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { fetchFile } from "../../lib/client/fetch.ts";
import { NodeMetrics, RelayMetrics } from "../../lib/ops/metrics.ts";
import { type Reading, readingOf, Samples } from "../../lib/ops/samples.ts";
import {
  renderStatusPage,
  type StatusModel,
} from "../../lib/ops/status_page.ts";
import { TROUBLES } from "../../lib/ops/status_parts.ts";
import { startNode, startRelay } from "../_network.ts";

const HOUR_MS = 3_600_000;

/** A page of these readings, ten seconds apart, at the last of them. */
function pageOf(
  role: "relay" | "node",
  readings: readonly Reading[],
  more: Partial<StatusModel> = {},
): string {
  const samples = new Samples(LIMITS.sampleCount);
  const { sampleMs } = LIMITS;
  readings.forEach((reading, index) => samples.add(reading, index * sampleMs));
  const page = renderStatusPage({
    role,
    version: "1.2.3",
    reading: readings.at(-1)!,
    samples,
    troubles: [],
    now: (readings.length - 1) * sampleMs,
    upMs: 90_061_000,
    sampleMs,
    ...more,
  });
  return page.replaceAll(/\s*\n\s*/g, "");
}

/** The card with a title, as text. */
function cardIn(page: string, title: string): string {
  const cards = page.split("<article>").slice(1);
  const card = cards.find((card) => card.includes(`<h3>${title}</h3>`)) ?? "";
  return card.split("</article>")[0]!.replaceAll(/<svg.*<\/svg>/g, "")
    .replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ").trim();
}

Deno.test("The status pages of a relay and a node count a fetch, and contain no identity", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "secret-name": "0123456789" });
  const read = () => {
    const ofRelay = new RelayMetrics();
    for (const event of relay.log.events) ofRelay.onEvent(event, 0);
    const ofNode = new NodeMetrics();
    for (const event of node.log.events) ofNode.onEvent(event, 0);
    return {
      relay: readingOf(ofRelay.families(relay.server.stats())),
      node: readingOf(ofNode.families(node.server.stats(), 0)),
    };
  };
  const before = read();
  {
    const to = { relay: relay.server.address, name: "secret-name" };
    await using file = await fetchFile(to);
    for await (const _piece of file.pieces());
  }
  await node.log.until("served");
  const after = read();
  const ofRelay = pageOf("relay", [before.relay, after.relay]);
  const ofNode = pageOf("node", [before.node, after.node]);
  assertEquals(
    cardIn(ofRelay, "Nodes"),
    "Nodes 1 1 hour ago now did not change",
  );
  assertEquals(
    cardIn(ofRelay, "Look-ups"),
    "Look-ups 1 1 hour ago now at most 1 in a minute",
  );
  assertEquals(
    cardIn(ofNode, "Bytes sent"),
    "Bytes sent 10 bytes 1 hour ago now at most 10 bytes in a minute",
  );
  assertMatch(
    ofNode,
    /<th scope="row">find<\/th><td>1<\/td><td>1<\/td>/,
  );
  for (const page of [ofRelay, ofNode]) {
    assertEquals(/secret|127\.|\b[a-z2-7]{52}\b/.test(page), false);
    assertEquals(page.includes("<script"), false);
    assertEquals(/ style="| on\w+="/.test(page), false);
    assertStringIncludes(page, '<meta http-equiv="refresh" content="10">');
    assertStringIncludes(page, "running for 1 day and 1:01:01");
  }
});

Deno.test("The status page shows the last hour, and nothing older", () => {
  const readings = Array.from({ length: 500 }, (_, index) =>
    new Map([
      ["relay_p2p_leases", index < 200 ? 9_000 : 7],
      // A refusal in the first reading kept, and two near the end.
      ["relay_p2p_refusals_total busy", index < 490 ? 1_000 : 1_002],
    ]));
  const page = pageOf("relay", readings);
  assertEquals(
    cardIn(page, "Nodes"),
    "Nodes 7 1 hour ago now between 7 and 9,000",
  );
  assertEquals(
    cardIn(page, "Refusals"),
    "Refusals 2 1 hour ago now at most 2 in a minute",
  );
  assertMatch(page, /<th scope="row">busy<\/th><td>2<\/td><td>1,002<\/td>/);
  assertStringIncludes(page, ">The last hour</h2>");
  const young = pageOf("relay", readings.slice(0, 2), { upMs: HOUR_MS - 1 });
  assertStringIncludes(young, ">Since the start</h2>");
});

Deno.test("The status page explains why a role is unhealthy, in the words of docs/OPERATIONS.md", async () => {
  const document = (await Deno.readTextFile("docs/OPERATIONS.md"))
    .replaceAll(/\s+/g, " ");
  const reading = new Map([["relay_p2p_leases", 1]]);
  assertStringIncludes(pageOf("relay", [reading]), "All is well.");
  for (const [trouble, words] of Object.entries(TROUBLES)) {
    const key = trouble as keyof typeof TROUBLES;
    const page = pageOf("relay", [reading], { troubles: [key] });
    assertStringIncludes(page, `<b>${words}</b> <code>${trouble}</code>`);
    assertStringIncludes(page, "<title>(!) relay");
    assertEquals(page.includes("All is well."), false);
    const reported = words.replace(/\.$/, "").toLowerCase();
    assertStringIncludes(document.toLowerCase(), `\`${trouble}\``);
    assertStringIncludes(document.toLowerCase(), reported);
  }
});
