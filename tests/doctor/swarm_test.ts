/** Whether the doctor says what becomes of a client that gives. */

import { assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import type { CheckResult } from "../../lib/doctor/check.ts";
import { Findings } from "../../lib/doctor/check.ts";
import { examineClient } from "../../lib/doctor/client.ts";
import type { RelayOptions } from "../../lib/relay/server.ts";
import { MEMBER, startPrivate } from "../access/_private.ts";
import { startRelay, type TestRelay } from "../_network.ts";

/** What the doctor says of giving, at a relay with such limits. */
async function examinedAt(
  relay: TestRelay,
  { reachMs, access = {} }: { reachMs: number; access?: typeof MEMBER },
): Promise<CheckResult | undefined> {
  const checks: CheckResult[] = [];
  await examineClient({
    relay: relay.server.address,
    plaintext: false,
    access,
    tunnels: false,
    limits: { ...LIMITS, reachMs },
    signal: new AbortController().signal,
    onEvent: () => {},
    swarm: true,
  }, new Findings((check) => checks.push(check)));
  return checks.find(({ check }) => check === "swarm");
}

// On a busy machine even a dial on loopback may take long.
const PATIENT = { limits: { reachMs: 60_000 } };

for (
  const [what, start, access] of [
    ["an open", () => startRelay(PATIENT), {}],
    ["a private", () => startPrivate(PATIENT), MEMBER],
  ] as const
) {
  Deno.test(`The doctor finds that ${what} relay can dial this machine, so others can fetch from it`, async () => {
    await using relay = await start();
    const check = await examinedAt(relay, { reachMs: 30_000, access });
    assertEquals(
      [check?.verdict, check?.says.replace(/\d+/, "N")],
      [
        "ok",
        "the relay can dial this machine, at port N for now: it can serve others",
      ],
    );
  });
}

/** What is wrong, and what the doctor says. */
const WARNED: readonly [string, RelayOptions["limits"], number, string][] = [
  [
    "a relay that cannot dial this machine",
    // No dial is that quick.
    { reachMs: 0 },
    30_000,
    "the relay cannot dial this machine: it serves only machines that " +
    "it can dial itself",
  ],
  [
    "a relay that does not try",
    { dialBackCount: 0 },
    200, // waited for
    "the relay did not try to dial this machine: it is busy",
  ],
  [
    "a relay without room for holders",
    { holderCount: 0 },
    30_000,
    "this machine cannot serve others: Cannot take part in swarm (RELAY): the relay " +
    "refused: the relay has reached its limit of holders (too_many_holders)",
  ],
];

for (const [what, limits, reachMs, says] of WARNED) {
  Deno.test(`The doctor warns of ${what}`, async () => {
    await using relay = await startRelay({ limits: limits! });
    const check = await examinedAt(relay, { reachMs });
    assertEquals(
      [check?.verdict, check?.says.replace(/127\.0\.0\.1:\d+/, "RELAY")],
      ["warning", says],
    );
  });
}

Deno.test("The doctor opens no port unless it is asked to examine the swarm", async () => {
  await using relay = await startRelay();
  const checks: CheckResult[] = [];
  await examineClient({
    ...{ relay: relay.server.address, plaintext: false, access: {} },
    ...{ tunnels: false, limits: LIMITS, onEvent: () => {} },
    signal: new AbortController().signal,
  }, new Findings((check) => checks.push(check)));
  assertEquals(checks.some(({ check }) => check === "swarm"), false);
});
