import { assertEquals } from "@std/assert";
import { Registrant } from "../../lib/uplink/registrant.ts";
import { IDENTITIES } from "../_network.ts";

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
