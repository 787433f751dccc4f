/** An instance of a relay is killed, with a real Redis and processes. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path/join";
import { listNodes } from "../../lib/client/listing.ts";
import type { ListedNode } from "../../lib/client/nodes.ts";
import { type ClientEvent, fetchFile } from "../../lib/mod.ts";
import { Front } from "../cluster/_front.ts";
import { eventually } from "../cluster/_instances.ts";
import { RedisServer } from "../cluster/_redis_server.ts";
import { type RelayProcess, spawnRelay } from "../e2e/_processes.ts";
import { EventLog, within } from "../_event_log.ts";
import { startNode } from "../_network.ts";
import { ownPort } from "../_own_address.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";

/** Starts an instance; the first makes the identity. */
async function startInstance(
  redis: RedisServer,
  state: { path: string },
): Promise<RelayProcess> {
  const port = ownPort();
  return await spawnRelay([
    ...["--state", join(state.path, "state"), "--cluster", redis.url],
    ...["--advertise-instance", `127.0.0.1:${port}`, String(port)],
  ], {
    permissions: [
      `--allow-read=${state.path}`,
      `--allow-write=${state.path}`,
    ],
  });
}

/** The only node that an instance lists, if it does. */
async function nodeAt(relay: RelayProcess): Promise<ListedNode | undefined> {
  const { nodes } = await listNodes({
    relay: { host: "127.0.0.1", port: Number(relay.port) },
  });
  return nodes[0];
}

/** Fetches through an instance; by which path. */
async function fetchAt(relay: RelayProcess): Promise<string | undefined> {
  const log = new EventLog<ClientEvent>();
  await using file = await fetchFile({
    relay: { host: "127.0.0.1", port: Number(relay.port) },
    name: "a.txt",
    onEvent: log.onEvent,
  });
  const pieces = await Array.fromAsync(file.pieces(), (it) => it.slice());
  assertEquals(await new Blob(pieces).text(), "abc");
  return (await log.until("node_answered")).path;
}

testWith(
  ["redis-server"],
  "An instance is killed: its nodes register with another one, which carries their tunnels, and no client is sent to the stopped one",
  async () => {
    await using redis = await RedisServer.start();
    await using state = await tempShare();
    const a = await startInstance(redis, state);
    await using _a = a;
    await using b = await startInstance(redis, state);
    using front = new Front();
    front.to = { host: "127.0.0.1", port: Number(a.port) };
    const relay = { server: { address: front.address } };
    await using node = await startNode(relay, { "a.txt": "abc" }, {
      advertise: { host: "127.0.0.1", port: ownPort() },
    });
    await node.log.until("attached");
    await within(
      eventually(async () =>
        (await nodeAt(b))?.signed.at === `127.0.0.1:${a.port}`
      ),
      "the attachment at the other instance",
    );
    assertEquals(await fetchAt(b), "tunnel");
    a.signal("SIGKILL");
    await within(a.exitCode, "the end of the instance");
    front.to = { host: "127.0.0.1", port: Number(b.port) };
    await within(
      eventually(async () => {
        const found = await nodeAt(b);
        return found?.isAttached === true && found.signed.at === undefined;
      }),
      "the registration elsewhere",
    );
    assertEquals(await fetchAt(b), "tunnel");
  },
);
