/**
 * Programs of different versions say so in one line that names both, whichever
 * of them meets the relay.
 */

import { assertEquals } from "@std/assert";
import { formatRelayAddress } from "../../lib/base/address.ts";
import { formatEndpoint, writeAll } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { VERSION } from "../../lib/base/version.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { listen } from "../../lib/transport/listen.ts";
import { runRoleHere } from "../_here.ts";
import { IDENTITIES } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";

const OTHER = "999.0.0";
const [IDENTITY] = IDENTITIES;

/** A relay of another version, which knows no nodes. */
async function laterRelay() {
  const id = IDENTITY!.id;
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity: IDENTITY!,
    limits: LIMITS,
    connectionsPerAddressCount: 64,
    incidents: new Incidents(0, () => {}),
    handle: async ({ conn, settle }) => {
      settle();
      await writeAll(
        conn,
        encodeMessage({
          kind: "hello",
          protocol: 1,
          role: "relay",
          nonce: "AAAA",
          id,
          version: OTHER,
        }),
      );
      await writeAll(
        conn,
        encodeMessage({ kind: "nodes", count: 0, nodes: [] }),
      );
      await conn.read(new Uint8Array(4096));
      await conn.closeWrite();
    },
  });
  const { address } = listener;
  return {
    address: formatRelayAddress({ ...address, id }),
    printed: `this is relay-p2p ${VERSION}, and the relay at ${
      formatEndpoint(address)
    } runs ${OTHER}`,
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

const COMMANDS: readonly (readonly string[])[] = [
  ...[["nodes"], ["ls"], ["search", "a"], ["get", "a"], ["cat", "a"]],
  ...[["sums"], ["link", "a"], ["get", "a", "b", "--dry-run"], []],
];

for (const command of COMMANDS) {
  Deno.test(`A client reports once that its relay runs another version: ${command.join(" ") || "dialogue"}`, async () => {
    await using relay = await laterRelay();
    const { stderr } = await runRoleHere(
      "peer_client.ts",
      [relay.address, ...command],
      { input: "a\n" },
    );
    const lines = stderr.filter((line) => line.includes(OTHER));
    assertEquals(lines, [relay.printed]);
  });
}

Deno.test("p2p use says that the relay runs another version", async () => {
  await using relay = await laterRelay();
  await using home = await tempShare();
  const { code, stderr } = await runRoleHere("p2p", ["use", relay.address], {
    env: { HOME: home.path, XDG_CONFIG_HOME: "" },
  });
  assertEquals([code, stderr], [0, [relay.printed]]);
});

Deno.test("A doctor names both versions", async () => {
  await using relay = await laterRelay();
  const { text } = await runRoleHere("peer_client.ts", [
    ...[relay.address, "doctor"],
  ]);
  const line = text.split("\n").find((line) => line.includes(OTHER)) ?? "";
  assertEquals(line.includes(VERSION), true, text);
});

Deno.test("A node reports that its relay runs another version, and continues", async () => {
  await using relay = await laterRelay();
  await using folder = await tempShare({ "a.txt": "a" });
  const { code, stderr } = await runRoleHere("peer_node.ts", [
    ...["--host", "127.0.0.1", relay.address, "0", folder.path],
  ], { untilNote: /runs 999/ });
  assertEquals(code, 0);
  assertEquals(stderr.filter((line) => line.includes(OTHER)), [relay.printed]);
});
