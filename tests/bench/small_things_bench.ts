/**
 * The speed of short operations on loopback, in a warm process: a stall of 44 or
 * 88 ms means that Nagle's algorithm is on somewhere. The relay and the
 * node are processes of their own. `deno task bench`.
 */

import { parseRelayAddress } from "../../lib/base/address.ts";
import { fetchFile, listNodes } from "../../lib/mod.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { runRole, spawnNode, spawnRelay } from "../e2e/_processes.ts";

const NOTHING = new URL("_nothing.ts", import.meta.url).pathname;

Deno.bench("start: deno run of a module that does nothing", {
  group: "start",
  baseline: true,
}, async () => {
  await new Deno.Command(Deno.execPath(), { args: ["run", NOTHING] }).output();
});

for (const script of ["relay.ts", "peer_node.ts", "peer_client.ts"]) {
  Deno.bench(`start: ${script} --version`, { group: "start" }, async () => {
    await runRole(script, ["--version"]);
  });
}

const relayProcess = await spawnRelay();
const nodeProcess = await spawnNode(relayProcess.port, "files/two");
const relay = parseRelayAddress(relayProcess.address);

const dialer = new RelayDialer(relay, {
  role: "client",
  plaintext: false,
  limits: LIMITS,
  onEvent: () => {},
});

// Warm: after many calls, like a client in a program that runs for long.
const WARM = { n: 200, warmup: 50 };

async function connectAndList(dialer: RelayDialer): Promise<void> {
  const { channel } = await dialer.open();
  await channel.send({ kind: "list" });
  await channel.receive(["nodes"]);
  await channel.close();
}

Deno.bench(
  "connect + TLS + list, the relay known (goal: 10 ms)",
  WARM,
  async () => {
    await connectAndList(dialer);
  },
);

Deno.bench("meet the relay, connect again pinned, list", WARM, async () => {
  await listNodes({ relay });
});

const { nodes } = await listNodes({ relay });

Deno.bench(
  "connect to a node + TLS + find + first and last byte of 17",
  async () => {
    await using file = await fetchFile({ relay, name: "2.txt", nodes });
    for await (const piece of file.pieces()) {
      if (piece.length !== 17) {
        throw piece;
      }
    }
  },
);

Deno.bench("all of it: meet, list, find, fetch 17 bytes", WARM, async () => {
  await using file = await fetchFile({ relay, name: "2.txt" });
  for await (const piece of file.pieces()) if (piece.length !== 17) throw piece;
});

globalThis.addEventListener("unload", () => {
  nodeProcess.signal("SIGKILL");
  relayProcess.signal("SIGKILL");
});
