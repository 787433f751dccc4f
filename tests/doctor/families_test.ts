/** A relay whose name has addresses of both families. */

import { assertEquals, assertMatch } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import type { CheckName } from "../../lib/doctor/check.ts";
import { examineClient } from "../../lib/doctor/client.ts";
import { examineNode } from "../../lib/doctor/node.ts";
import { IDENTITIES, startRelay } from "../_network.ts";
import { optionsFor, Seen } from "./_seen.ts";

/** Whether this machine has IPv6 on its loopback. */
function hasIpv6(): boolean {
  try {
    using _listener = Deno.listen({ hostname: "::1", port: 0 });
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name:
    "The doctor meets a relay by both families of its name, and says by which of them the relay can dial the node",
  ignore: !hasIpv6(),
  fn: async () => {
    await using relay = await startRelay({ host: "::" });
    const { port } = relay.server.address;
    const resolve = () => Promise.resolve(["127.0.0.1", "::1"]);
    const options = optionsFor({ host: "localhost", port }, { resolve });
    const client = new Seen();
    await examineClient(options, client.findings);
    const saidBy = (seen: Seen, check: CheckName) =>
      seen.checks.filter((one) => one.check === check)
        .map(({ says, verdict }) => `${verdict}: ${says}`);
    assertEquals(saidBy(client, "relay").length, 2);
    assertMatch(
      saidBy(client, "relay")[1]!,
      /^ok: it answers by IPv[46] too, at (127\.0\.0\.1|\[::1\]):\d+$/,
    );
    const node = new Seen();
    await examineNode({
      ...options,
      ...{ identity: IDENTITIES[1]!, name: "n", port: 0 },
    }, node.findings);
    assertEquals(saidBy(node, "reach").length, 2, node.checks.join("\n"));
    assertMatch(
      saidBy(node, "reach")[1]!,
      /^ok: the relay can dial this node by IPv[46] too$/,
    );
    assertEquals(relay.server.nodeCount, 0, "it has withdrawn");
  },
});

Deno.test("The doctor warns of a name with an address of another family at which the relay does not answer", async () => {
  await using relay = await startRelay();
  const { port } = relay.server.address;
  const resolve = () => Promise.resolve(["127.0.0.1", "100::1"]);
  const seen = new Seen();
  await examineClient(
    optionsFor({ host: "localhost", port }, {
      ...{ resolve, limits: { ...LIMITS, connectMs: 5_000 } },
    }),
    seen.findings,
  );
  const [, other] = seen.checks.filter(({ check }) => check === "relay");
  assertEquals(other?.verdict, "warning");
  assertMatch(
    other!.says,
    /^this machine reaches it by IPv4 and not by IPv6, at \[100::1\]:\d+: /,
  );
});
