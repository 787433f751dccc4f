/**
 * `relay.ts --announce`.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createSocket } from "node:dgram";
import { runRoleHere } from "../../_here.ts";
import { findRelays } from "../../../lib/transport/announce.ts";
import { spawnRole } from "../../e2e/_processes.ts";

const HERE = ["--host", "127.0.0.1"];

Deno.test("relay.ts --announce needs only the network, and prints name, id and port of the relay", async () => {
  await using relay = spawnRole("relay.ts", [
    ...[...HERE, "--announce", "--announce-port", "0", "--name", "nas", "0"],
  ]);
  const [, port = "", id = ""] = await relay.stdout.until(
    /^relay address p2p:\/\/127\.0\.0\.1:(\d+)\/(\w+)$/,
  );
  const [, udp = ""] = await relay.stderr.until(
    /^announced on this network as nas, at UDP port (\d+)$/,
  );
  assertEquals(await findRelays({ port: Number(udp), waitMs: 2_500 }), [
    {
      id,
      port: Number(port),
      host: "127.0.0.1",
      name: "nas",
      isPrivate: false,
    },
  ]);
  relay.signal("SIGTERM");
  assertEquals(await relay.exitCode, 0);
});

Deno.test("relay.ts --announce uses the name of this machine, if Deno permits it", async () => {
  const { stderr, code } = await runRoleHere("relay.ts", [
    ...[...HERE, "--announce", "--announce-port", "0", "0"],
  ], { until: /^relay address/m });
  assertEquals(code, 0);
  const [machine = ""] = Deno.hostname().split(".");
  const said = stderr.find((line) => line.startsWith("announced"));
  assert(said?.includes(` as ${machine},`), stderr.join("\n"));
});

Deno.test("A relay that cannot announce itself reports it, and continues to serve", async () => {
  const taken = createSocket("udp4");
  await new Promise<void>((resolve) =>
    taken.bind({ address: "127.0.0.1", port: 0, exclusive: true }, resolve)
  );
  const port = String(taken.address().port);
  const { stderr, code } = await runRoleHere("relay.ts", [
    ...[...HERE, "--announce", "--announce-port", port, "0"],
  ], { until: /^relay address/m });
  await new Promise<void>((resolve) => taken.close(() => resolve()));
  assertEquals(code, 0, stderr.join("\n"));
  assertMatch(
    stderr.join("\n"),
    new RegExp(
      `cannot announce this relay at UDP port ${port}: the port is in use by another program; give its address to others yourself`,
    ),
  );
});

Deno.test("relay.ts refuses --announce with --plaintext, and --announce-port alone", async () => {
  const cases = [
    { args: ["--announce", "--plaintext", "0"], why: "exclude each other" },
    { args: ["--announce-port", "9", "0"], why: "it needs --announce" },
    {
      args: ["--announce", "--announce-port", "x", "0"],
      why: "Cannot use port",
    },
  ];
  for (const { args, why } of cases) {
    const { code, stderr } = await runRoleHere("relay.ts", [...HERE, ...args]);
    assertEquals(code, 2, stderr.join("\n"));
    assert(stderr.join("\n").includes(why), stderr.join("\n"));
  }
});
