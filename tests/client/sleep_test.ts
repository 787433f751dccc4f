/**
 * What a relay, a node and a client do after the machine has slept. The wall
 * clock of this isolate is set forward, as a sleep shows itself.
 */

import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { type ClockEvent, Slept } from "../../lib/base/clock_watch.ts";
import { Peers } from "../../lib/client/peers.ts";
import { EventLog } from "../_event_log.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { ClientLog, get } from "./_outcomes.ts";

const QUICK = { clockCheckMs: 10 };
const HOUR = 3_600_000;

/** Sets the clock forward until it is disposed of. */
function sleepFor(ms: number): Disposable {
  const { now } = Date;
  Date.now = () => now() + ms;
  return { [Symbol.dispose]: () => void (Date.now = now) };
}

Deno.test("A node registers again at once after a sleep, over a new connection, and reports why", async () => {
  await using relay = await startRelay({ limits: QUICK });
  await using node = await startNode(relay, { f: "x" }, {
    limits: QUICK,
    tunnels: "always",
  });
  await node.log.until("attached");
  const before = node.log.events.length;
  using _sleep = sleepFor(HOUR);
  await node.log.until("clock_gap");
  await relay.log.until("clock_gap");
  await node.log.until("detached");
  await node.log.until("renewed");
  const [gap, ...after] = node.log.events.slice(before);
  const names = after.map(({ event }) => event);
  assertEquals(names.slice(0, 2), ["detached", "renewed"]);
  const { kind, seconds } = gap as ClockEvent;
  assertEquals([kind, Math.round(seconds / 60)], ["slept", 60]);
});

Deno.test("A client gives up its connections to nodes after a sleep", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { f: "x" });
  const log = new EventLog();
  const options = { relay: relay.server.address, limits: QUICK };
  await using peers = new Peers(options, log.onEvent);
  const [listed] = (await peers.list()).nodes;
  const { channel } = await peers.reach.open(listed!, undefined);
  const reading = channel.receive(["hello"]).then(() => channel.receive([]));
  using _sleep = sleepFor(HOUR);
  await assertRejects(() => reading, Slept);
  await channel.close();
});

Deno.test("A get continues over a new connection after a sleep, and saves the shared files", async () => {
  const content = randomBytes(6_000_000, seededRandom(18));
  await using relay = await startRelay();
  await using node = await startNode(relay, { "a.bin": content }, {
    limitRate: 2_000_000,
  });
  await using folder = await tempShare();
  const log = new ClientLog();
  const getting = get(relay, folder.path, ["a.bin"], {
    ...{ log, limits: QUICK },
  });
  await log.until("progress", ({ received }) => received > 0);
  using _sleep = sleepFor(HOUR);
  await log.until("clock_gap");
  const { failed } = await getting;
  assertEquals(failed, {});
  assertEquals(await Deno.readFile(`${folder.path}/a.bin`), content);
  await node.server.close();
  const served = node.log.names.filter((name) => name === "served");
  assertGreater(served.length, 1, "the connection from before was given up");
});
