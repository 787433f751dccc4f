/**
 * Nodes that say that they have a content, and then send nothing of it: a gateway
 * reads from the others.
 */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { serveGateway } from "../../lib/gateway/server.ts";
import { StalledNodes } from "../../lib/gateway/stalled_nodes.ts";
import { within } from "../_event_log.ts";
import { type Lies, stall } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { pinned } from "../client/_outcomes.ts";
import {
  CAROL,
  MALLORY,
  MIDDLE,
  startLyingNode,
  TRUDY,
} from "../client/_setting.ts";
import { WebClient } from "../http/_web_client.ts";

const ignore = () => Promise.resolve();

for (
  const [what, lies] of [
    ["describe it", { describe: ignore }],
    ["send it", { read: ignore }],
    ["do either", { describe: ignore, read: ignore }],
    ["send more than the half of a piece", { piece: stall }],
  ] as readonly (readonly [string, Lies])[]
) {
  Deno.test(`Gateway sends a whole file beside nodes that claim its content and do not ${what}`, async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, { "f": MIDDLE });
    await node.log.until("hashed");
    await using stack = new AsyncDisposableStack();
    const lying = [];
    for (const identity of [MALLORY, TRUDY, CAROL]) {
      const liar = await startLyingNode(relay, { "f": MIDDLE }, {
        ...{ identity, ...lies },
      });
      lying.push(stack.use(liar));
    }
    await using server = await serveGateway({
      relay: pinned(relay),
      listen: { host: "127.0.0.1", port: 0 },
      limits: {
        ...{ gatewayStallMs: 20, queryPatienceMs: 20 },
        // Otherwise nobody would be left, or a liar would be left out.
        ...{ pieceStallMs: 600_000, queryGraceMs: 60_000 },
      },
    });
    using client = await WebClient.to(server.address);
    const answer = await within(client.ask("GET /files/f"), "the file");
    assertEquals([answer.status, answer.body], [200, MIDDLE]);
    const kinds = lying.flatMap(({ asked }) => asked.map(({ kind }) => kind));
    assert(kinds.includes("find"));
  });
}

Deno.test("StalledNodes puts a node last for gatewayStalledMs after it has stalled", () => {
  const stalled = new StalledNodes(LIMITS);
  const [a, b, c] = [
    { node: { id: "a" } },
    { node: { id: "b" } },
    { node: { id: "c" } },
  ] as const;
  const holders = [a, b, c];
  stalled.note("a", 0);
  stalled.note("b", 1);
  const until = LIMITS.gatewayStalledMs;
  assertEquals(stalled.lastAmong(holders, until - 1), [c, a, b]);
  assertEquals(stalled.lastAmong(holders, until), [a, c, b]);
  assertEquals(stalled.lastAmong(holders, until + 1), holders);
});
