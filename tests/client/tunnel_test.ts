import { assert, assertEquals } from "@std/assert";
import type { Endpoint } from "../../lib/conn.ts";
import {
  fetchFile,
  type FetchOptions,
  listNodes,
  type NodeOptions,
} from "../../lib/mod.ts";
import { EventLog } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import {
  startNode,
  startRelay,
  type TestNode,
  type TestRelay,
} from "../_network.ts";
import type { ClientEvent } from "../../lib/mod.ts";

const BYTES = randomBytes(3_000_000, seededRandom(1));

/** An address at which nobody listens. */
function closedAddress(): Endpoint {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { host: "127.0.0.1", port: listener.addr.port };
}

/** A node that cannot be dialled where it says. */
function startHidden(
  relay: TestRelay,
  options: Partial<NodeOptions> = {},
): Promise<TestNode> {
  return startNode(relay, { "a.bin": BYTES }, {
    advertise: closedAddress(),
    ...options,
  });
}

async function fetchFrom(
  relay: TestRelay,
  options: Partial<FetchOptions> = {},
): Promise<{ bytes: Uint8Array; log: EventLog<ClientEvent> }> {
  const log = new EventLog<ClientEvent>();
  await using file = await fetchFile({
    relay: relay.server.address,
    name: "a.bin",
    onEvent: log.onEvent,
    ...options,
  });
  const pieces = await Array.fromAsync(file.pieces(), (piece) => piece.slice());
  return { bytes: await new Blob(pieces).bytes(), log };
}

for (const plaintext of [false, true]) {
  Deno.test(`A node that the relay cannot dial attaches, and is fetched from through the relay${plaintext ? ", without encryption" : ""}`, async () => {
    await using relay = await startRelay({ plaintext });
    await using node = await startHidden(relay, { plaintext });
    const { why } = await node.log.until("attached");
    assertEquals(why, "unreachable");
    const { nodes } = await listNodes({
      relay: relay.server.address,
      plaintext,
    });
    assertEquals(nodes.map(({ isAttached }) => isAttached), [true]);
    const { bytes, log } = await fetchFrom(relay, { plaintext });
    assertEquals(bytes, BYTES);
    const { path } = await log.until("node_answered");
    assertEquals(path, "tunnel");
    const ended = await relay.log.until("tunnel_ended");
    assertEquals([ended.how, ended.id], ["completed", node.server.id]);
    assert(ended.toClientBytes > BYTES.length);
    assert(ended.toNodeBytes > 0);
    assertEquals(relay.server.tunnelCount, 0);
  });
}

Deno.test("A transfer through a relay that restarts goes on by itself", async () => {
  const first = await startRelay({ limits: { tunnelDrainMs: 0 } });
  const { port } = first.server.address;
  await using node = await startHidden(first, {
    limitRate: 1_500_000,
    limits: { retryFirstMs: 50, retryMaxMs: 200 },
  });
  await node.log.until("attached");
  await using file = await fetchFile({
    relay: first.server.address,
    name: "a.bin",
  });
  let second: TestRelay | undefined;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of file.pieces()) {
    parts.push(piece.slice());
    if (second !== undefined) continue;
    await first.server.close();
    await node.log.until("detached");
    second = await startRelay({ port, identity: first.identity });
  }
  assertEquals(await new Blob(parts).bytes(), BYTES);
  await second?.server.close();
});
