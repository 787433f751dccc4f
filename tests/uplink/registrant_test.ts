import { assertEquals } from "@std/assert";
import { Registrant } from "../../lib/uplink/registrant.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { alice, register } from "../relay/_server.ts";

const REGISTRANT = new Registrant({
  dialer: { relay: { host: "relay.test", port: 1700 }, access: {} },
  identity: IDENTITIES[0]!,
  name: "laptop",
  addressesFrom: () => [],
  token: undefined,
});

for (
  const [code, remedyCode] of [
    ["identity_used_twice", "own_state"],
    ["registry_full", undefined],
  ] as const
) {
  Deno.test(`Registrant reports why it was refused with ${code}, and ${remedyCode ?? "no remedy"}`, () => {
    const { kind, parts } = REGISTRANT.refused({
      kind: "refused",
      code,
      text: "no\x1b",
    });
    assertEquals([kind, parts.remedyCode], ["relay", remedyCode]);
    assertEquals(parts.where, "relay.test:1700");
    assertEquals(parts.why, `the relay refused: no\\x1b (${code})`);
  });
}

for (
  const [what, aheadMs] of [
    ["an hour", 3_600_000],
    ["ten years", 10 * 365 * 24 * 3_600_000],
  ] as const
) {
  Deno.test(`A node whose clock was ${what} ahead before its restart is listed at once`, async () => {
    await using relay = await startRelay();
    const sequence = Date.now() + aheadMs;
    await register(relay, alice, { instance: "before it", sequence });
    await using node = await startNode(relay, {}, { identity: alice });
    assertEquals(node.log.names.includes("registration_failed"), false);
    assertEquals(relay.server.nodeCount, 1);
  });
}
