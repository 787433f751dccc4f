/**
 * Three machines: a node that accepts nothing from outside, a client that has
 * no way to it, and a relay that both reach, in network namespaces made here.
 */

import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import {
  type Machine,
  missingForNamespaces,
  type Network,
  NEW_CONNECTIONS,
  openNetwork,
  startCapture,
} from "./_namespaces.ts";
import { type RoleProcess, spawnRole } from "../e2e/_processes.ts";
import {
  accessTo,
  assertSaved,
  only,
  print,
  received,
} from "../e2e/_transfer.ts";

const PORT = 1700;
const TUNNEL_PORT = 1701;
const NAME = "quarterly report of the sixth of May.bin";
const CONTENT = randomBytes(100_000_000, seededRandom(10));
/** What takes a while at the rates below. */
const PART = CONTENT.subarray(0, 24_000_000);

const why = await missingForNamespaces();

/** A test in a network, where there can be one. */
function testIn(name: string, fn: (network: Network) => Promise<void>): void {
  Deno.test({
    name: why === undefined ? name : `${name} (skipped: ${why})`,
    ignore: why !== undefined,
    fn: async () => {
      await using network = await openNetwork();
      // Nothing from outside, as behind a router that translates addresses.
      await network.node.drop(NEW_CONNECTIONS, "meta l4proto udp");
      await fn(network);
    },
  });
}

/** Starts the relay, which keeps its id in a folder. */
async function spawnRelayIn(
  { relay: { prefix } }: Network,
  state: { path: string },
): Promise<RoleProcess & { id: string }> {
  const words = ["--state", state.path, "--tunnel-port", `${TUNNEL_PORT}`];
  const relay = spawnRole("relay.ts", [...words, `${PORT}`], {
    ...accessTo(state),
    prefix,
  });
  const [, id = ""] = await relay.stdout.until(/^relay id (\w{52})$/);
  return Object.assign(relay, { id });
}

/** Starts a node on one of the machines. */
async function spawnNodeIn(
  { prefix }: Machine,
  { at, share, words = [] }: {
    at: string;
    share: { path: string };
    words?: readonly string[];
  },
): Promise<RoleProcess> {
  const args = [...words, at, `${PORT}`, "1500", share.path];
  const node = spawnRole("peer_node.ts", args, {
    permissions: [`--allow-read=${share.path}`],
    prefix,
  });
  await node.stdout.until(/^registered with /);
  return node;
}

/** Starts the hidden node, and waits until clients can connect through the relay. */
async function spawnHidden(
  { node: machine, toNode }: Network,
  share: { path: string },
  words: readonly string[] = [],
): Promise<RoleProcess> {
  const node = await spawnNodeIn(machine, {
    at: toNode.relay,
    share,
    words: ["--name", "hidden", ...words],
  });
  await node.stderr.until(/clients (can )?connect through the relay$/);
  return node;
}

function spawnGetIn(
  { client: { prefix }, toClient }: Network,
  { id, folder }: { id: string; folder: { path: string } },
): RoleProcess {
  const relay = `p2p://${toClient.relay}:${PORT}/${id}`;
  const args = ["--json", relay, "get", NAME, "-o", `${folder.path}/`];
  const access = accessTo(folder);
  return spawnRole("peer_client.ts", args, { ...access, prefix });
}

/** Bytes by node and path, of a get that has ended well. */
function bytesByPath(client: RoleProcess): Record<string, unknown> {
  const { from } = only(client.stdout, "file_received") as unknown as {
    from: { node: { name: string }; paths: Record<string, number> }[];
  };
  return Object.fromEntries(from.map(({ node, paths }) => [node.name, paths]));
}

testIn(
  "A client fetches through the relay from a node that accepts no connections, and a capture at the relay shows neither name nor bytes",
  async (network) => {
    await using share = await tempShare({ [NAME]: CONTENT });
    await using state = await tempShare();
    await using folder = await tempShare();
    await using captures = await tempShare();
    await using relay = await spawnRelayIn(network, state);
    await using capture = await startCapture(network, captures);
    // It finds out for itself that nobody can dial it.
    await using node = await spawnHidden(network, share);
    assertMatch(node.stderr.all.join("\n"), /the relay cannot dial this node/);
    const { id } = relay;
    const startedAt = performance.now();
    await using client = spawnGetIn(network, { id, folder });
    assertEquals(
      await within(client.exitCode, "the exit"),
      0,
      client.stderr.all.join("\n"),
    );
    const seconds = (performance.now() - startedAt) / 1000;
    await assertSaved(folder, CONTENT, NAME);
    assertEquals(bytesByPath(client), {
      hidden: { direct: 0, tunnel: CONTENT.length },
    });
    const packets = await capture.end();
    print(
      `100 MB by a tunnel in ${seconds.toFixed(1)} s while ` +
        `${(packets.length / 1e6).toFixed(0)} MB were captured`,
    );
    // All of it passed both cables, and what is in the clear is found.
    assert(packets.length > 2 * CONTENT.length);
    assert(holds(packets, encode('{"key":"')));
    for (let at = 0; at < CONTENT.length; at += 19_999_991) {
      const sample = CONTENT.subarray(at, at + 32);
      assertEquals(holds(packets, sample), false, `bytes at ${at}`);
    }
    for (const word of [NAME, "quarterly"]) {
      assertEquals(holds(packets, encode(word)), false, word);
    }
  },
);

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Whether `sample` stands anywhere in `bytes`. */
function holds(bytes: Uint8Array, sample: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .includes(Buffer.from(sample));
}

testIn(
  "A get in another network uses a node that it reaches and one behind a tunnel at once",
  async (network) => {
    await using share = await tempShare({ [NAME]: PART });
    await using state = await tempShare();
    await using folder = await tempShare();
    await using relay = await spawnRelayIn(network, state);
    const rate = ["--limit-rate", "12M"];
    const { client: machine, toClient } = network;
    await using _open = await spawnNodeIn(machine, {
      at: toClient.relay,
      share,
      words: ["--name", "open", ...rate],
    });
    await using _hidden = await spawnHidden(network, share, [
      ...["--tunnel", ...rate],
    ]);
    const { id } = relay;
    await using client = spawnGetIn(network, { id, folder });
    assertEquals(await within(client.exitCode, "the exit"), 0);
    await assertSaved(folder, PART, NAME);
    const { hidden, open } = bytesByPath(client) as Record<
      string,
      { direct: number; tunnel: number }
    >;
    assertEquals([hidden?.direct, open?.tunnel], [0, 0]);
    assertEquals(hidden!.tunnel + open!.direct, PART.length);
    // Each has its share, and the slower start of a tunnel is soon made up for.
    for (const bytes of [hidden!.tunnel, open!.direct]) {
      assert(bytes > PART.length / 10, `${hidden!.tunnel}, ${open!.direct}`);
    }
  },
);

testIn(
  "row 85: kill -9 of the relay between two networks: it comes back, and the get continues by itself",
  async (network) => {
    await using share = await tempShare({ [NAME]: PART });
    await using state = await tempShare();
    await using folder = await tempShare();
    const first = await spawnRelayIn(network, state);
    await using _first = first;
    await using _node = await spawnHidden(network, share, [
      ...["--tunnel", "--limit-rate", "8M"],
    ]);
    const { id } = first;
    await using client = spawnGetIn(network, { id, folder });
    await client.stdout.until(received(7));
    first.signal("SIGKILL");
    await within(first.exitCode, "the end of the relay");
    await using again = await spawnRelayIn(network, state);
    assertEquals(again.id, id);
    assertEquals(
      await within(client.exitCode, "the exit"),
      0,
      client.stderr.all.join("\n"),
    );
    await assertSaved(folder, PART, NAME);
    assertEquals(bytesByPath(client), {
      hidden: { direct: 0, tunnel: PART.length },
    });
  },
);

testIn("One open port on the relay is enough for tunnels", async (network) => {
  await using share = await tempShare({ [NAME]: PART });
  await using state = await tempShare();
  await using folder = await tempShare();
  await network.relay.drop(`tcp dport != ${PORT} ${NEW_CONNECTIONS}`);
  await using relay = await spawnRelayIn(network, state);
  await using _node = await spawnHidden(network, share, ["--tunnel"]);
  const { id } = relay;
  await using client = spawnGetIn(network, { id, folder });
  assertEquals(
    await within(client.exitCode, "the exit"),
    0,
    client.stderr.all.join("\n"),
  );
  await assertSaved(folder, PART, NAME);
  assertEquals(bytesByPath(client), {
    hidden: { direct: 0, tunnel: PART.length },
  });
});
