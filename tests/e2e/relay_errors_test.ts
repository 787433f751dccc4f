/**
 * What stands in the place of a relay, or of its nodes, and is reported in one
 * line.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { createIdentity } from "../../lib/identity/identity.ts";
import { registerNode } from "../_evil_node.ts";
import { runRoleHere } from "../_here.ts";
import { startNode, startRelay } from "../_network.ts";
import { serveOpenssl } from "../_openssl.ts";
import { ownAddress } from "../_own_address.ts";
import { testWith } from "../_tools.ts";
import { runRole } from "./_processes.ts";
import { failureHere } from "./_errors.ts";

Deno.test("A relay that may not be dialled is reported as not allowed", async () => {
  const { stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "peer_client.ts", "127.0.0.1", "1", "nodes"],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(
    new TextDecoder().decode(stderr),
    "error: Cannot reach relay (127.0.0.1:1): Deno did not give this process the permission; grant it with --allow-net\n",
  );
  assertEquals(code, 7);
});

Deno.test("Errors without a relay", async () => {
  const { host, port } = ownAddress();
  for (const args of [["nodes"], ["cat", "1.txt"], []]) {
    const { code, line } = await failureHere("peer_client.ts", [
      host,
      `${port}`,
      ...args,
    ]);
    assertEquals(code, 3);
    assertEquals(
      line,
      `error: Cannot reach relay (${host}:${port}): connection refused; ` +
        "check host and port, and that the relay is running",
    );
  }
});

for (
  const [what, answer] of [
    ["A web server", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["Random bytes", "\x9d\x03\xe1\x7f\x01\x55\xaa"],
  ] as const
) {
  Deno.test(`Errors with ${what} instead of a relay`, async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const answering = (async () => {
      for await (const conn of listener) {
        await conn.write(new TextEncoder().encode(answer));
        await conn.read(new Uint8Array(4096)).catch(() => null);
        conn.close();
      }
    })();
    const args = ["127.0.0.1", String(listener.addr.port), "nodes"];
    const { code, line } = await failureHere("peer_client.ts", args);
    assertEquals(code, 3);
    assertMatch(line, /the program that answers there is not a relay/);
    listener.close();
    await answering;
  });
}

testWith(
  ["openssl"],
  "A TLS server of another kind in place of the relay",
  async () => {
    await using server = await serveOpenssl(await createIdentity(), "h2");
    const args = ["127.0.0.1", String(server.port), "nodes"];
    const { code, line } = await failureHere("peer_client.ts", args);
    assertEquals(code, 3);
    assertMatch(line, /the program that answers there is not a relay/);
  },
);

Deno.test("Errors with a silent socket instead of a relay", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const args = ["127.0.0.1", String(listener.addr.port), "nodes"];
  const { code, line } = await failureHere("peer_client.ts", args);
  assertEquals(code, 3);
  assertMatch(line, /no answer in time/);
  listener.close();
});

Deno.test("Errors with a node instead of a relay", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, {});
  const args = ["127.0.0.1", String(node.server.address.port), "nodes"];
  const { code, line } = await failureHere("peer_client.ts", args);
  assertEquals(code, 3);
  assertMatch(line, /a peer node answers there, not a relay/);
});

Deno.test("Errors with encryption on one side only", async () => {
  await using clear = await startRelay({ plaintext: true });
  await using secret = await startRelay();
  const toClear = await failureHere("peer_client.ts", [
    "127.0.0.1",
    String(clear.server.address.port),
    "nodes",
  ]);
  assertEquals(toClear.code, 3);
  assertMatch(toClear.line, /--plaintext, use that here too/);
  const toSecret = await failureHere("peer_client.ts", [
    "--plaintext",
    "127.0.0.1",
    String(secret.server.address.port),
    "nodes",
  ]);
  assertEquals(toSecret.code, 3);
  assertMatch(toSecret.line, /runs without --plaintext, omit it here too/);
});

Deno.test("Errors without nodes, without the file, and with a dead node", async () => {
  await using relay = await startRelay();
  const { relayAddress } = relay.server;
  const none = await failureHere("peer_client.ts", [
    relayAddress,
    "cat",
    "1.txt",
  ]);
  assertEquals([none.code, /no peer node is active/.test(none.line)], [
    4,
    true,
  ]);
  const dialogue = await runRoleHere("peer_client.ts", [relayAddress]);
  assertEquals(dialogue.code, 4);
  assertMatch(dialogue.stderr.at(-1) ?? "", /no peer node is active/);

  await using _node = await startNode(relay, { "1.txt": "one" }, {
    name: "alpha",
  });
  const addresses = [{ host: "127.0.0.1", port: 1 }];
  const identity = await createIdentity();
  await registerNode(relay, { identity, name: "dead", addresses });
  const nowhere = await runRoleHere("peer_client.ts", [relayAddress], {
    input: "9.txt\n",
  });
  assertEquals(nowhere.code, 4);
  assertMatch(
    nowhere.stderr.at(-3) ?? "",
    /^node 1 {2}.* {2}connected, file not found$/,
  );
  assertEquals(
    nowhere.stderr.at(-2),
    "node 2  127.0.0.1:1  cannot connect: connection refused",
  );
  assertEquals(
    nowhere.stderr.at(-1),
    "error: Cannot find file (9.txt): none of 2 nodes has it, 1 of them could not be asked; check that the nodes are running",
  );
  // The relay has found out that it is dead, and lists it no more.
  await relay.log.until("node_left");
  const another = await createIdentity();
  await registerNode(relay, { identity: another, name: "dead", addresses });
  const cat = await runRole("peer_client.ts", [relayAddress, "cat", "9.txt"]);
  assertEquals([cat.code, cat.text], [4, ""]);
  const [heading, first = "", second = "", ...rest] = cat.stderr.slice(-4);
  assertEquals(heading, "tried:");
  assertMatch(
    first,
    /^ {2}1 {2}alpha {2}127\.0\.0\.1:\d+ {2}direct {2}ask {6}file not found {6}0 bytes {2}\d+\.\d\d s$/,
  );
  assertMatch(
    second,
    /^ {2}2 {2}dead {3}127\.0\.0\.1:1 {6,}- {7}connect {2}connection refused {2}0 bytes {2}\d+\.\d\d s$/,
  );
  assertEquals(rest, [nowhere.stderr.at(-1)]);
});
