/**
 * What a client and a node do where their relay has no room for them.
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Failure } from "../../lib/base/errors.ts";
import { type Limits, limitsWith } from "../../lib/base/limits.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { within } from "../_event_log.ts";
import { startRelay, type TestRelay } from "../_network.ts";

function dialerTo(
  relay: TestRelay,
  limits: Partial<Limits> = {},
  role: "client" | "node" = "client",
): RelayDialer {
  return new RelayDialer(relay.server.address, {
    role,
    plaintext: false,
    limits: limitsWith(limits),
    onEvent: () => {},
  });
}

/** Opens and closes a session; the relay's id. */
async function meet(dialer: RelayDialer): Promise<string> {
  const session = await dialer.open();
  await session.channel.close();
  return session.id;
}

async function failureOf(dialer: RelayDialer): Promise<Failure> {
  return await assertRejects(() => meet(dialer), Failure);
}

/** Takes the only connection that a relay has room for. */
async function fill(
  relay: TestRelay,
  dialer = dialerTo(relay),
): Promise<{ leave(): void }> {
  const { channel } = await dialer.open();
  return { leave: () => channel.conn.close() };
}

for (const isKnown of [false, true]) {
  const which = isKnown ? "a relay that it knows" : "a new relay";
  Deno.test(`RelayDialer of a client that ${which} refuses tries again until it is accepted`, async () => {
    await using relay = await startRelay({
      limits: { connectionCount: 1, refusalPauseMs: 0 },
    });
    const dialer = dialerTo(relay);
    const other = await fill(relay, isKnown ? dialer : undefined);
    const meeting = meet(dialer);
    const refused = await relay.log.until("refused");
    assertEquals(refused.reason, "too_many_connections");
    other.leave();
    assertEquals(await meeting, relay.identity.id);
  });
}

Deno.test("RelayDialer of a client that is refused until its time is over reports that", async () => {
  await using relay = await startRelay({ limits: { connectionCount: 1 } });
  const other = await fill(relay);
  const dialer = dialerTo(relay, { turnedAwayMs: 1_000 });
  const { parts } = await failureOf(dialer);
  assertEquals(parts.what, "Cannot reach relay");
  assertMatch(
    parts.why ?? "",
    /at each attempt: it may have too many connections from your address$/,
  );
  other.leave();
});

Deno.test("RelayDialer of a refused node leaves retries to the node", async () => {
  await using relay = await startRelay({ limits: { connectionCount: 1 } });
  const other = await fill(relay);
  const failure = await failureOf(dialerTo(relay, {}, "node"));
  assertEquals(failure.parts.what, "Cannot reach relay");
  other.leave();
});

Deno.test("RelayDialer that is refused ends with the signal's reason", async () => {
  await using relay = await startRelay({ limits: { connectionCount: 1 } });
  const other = await fill(relay);
  const stop = new AbortController();
  const opening = assertRejects(
    () => dialerTo(relay).open(stop.signal),
    Error,
    "by the test",
  );
  await relay.log.until("refused");
  stop.abort(new Error("by the test"));
  await within(opening, "the end");
  other.leave();
});
