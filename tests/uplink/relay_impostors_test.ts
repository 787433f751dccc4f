/** Relays that answer in other ways than a relay does. */

import { assertEquals } from "@std/assert";
import { formatEndpoint, writeAll } from "../../lib/base/conn.ts";
import { describeCause } from "../../lib/base/errors.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import {
  RelayDialer,
  type RelayDialEvent,
} from "../../lib/uplink/relay_dialer.ts";
import { VERSION } from "../../lib/base/version.ts";
import { listen } from "../../lib/transport/listen.ts";
import { IDENTITIES } from "../_network.ts";
import { dialerTo, failureOf, openOnce } from "./_dialer.ts";

const [first, second] = IDENTITIES as [Identity, Identity];

/**
 * Speaks TLS as `identity`, and says `frames` to each client, but nothing
 * to the first `endedCount`.
 */
async function impostorRelay(
  identity: Identity,
  frames: Uint8Array[],
  { endedCount = 0 } = {},
) {
  let count = 0;
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: 8,
    incidents: new Incidents(0, () => {}),
    handle: async ({ conn, settle }) => {
      settle();
      if (count++ >= endedCount) {
        for (const frame of frames) await writeAll(conn, frame);
      }
      await conn.read(new Uint8Array(4096));
      await conn.closeWrite();
    },
  });
  return {
    address: listener.address,
    /** Connections so far. */
    count: () => count,
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

const HELLO = {
  kind: "hello",
  protocol: 1,
  role: "relay",
  nonce: "AAAA",
} as const;

for (
  const [what, frames, words] of [
    ["claims another id than it proved", [
      encodeMessage({ ...HELLO, id: second.id }),
    ], "claimed id differs"],
    [
      "is a node",
      [encodeMessage({ ...HELLO, role: "node", id: first.id })],
      "a peer node answers there, not a relay",
    ],
    ["gives no nonce", [
      encodeMessage({
        kind: "hello",
        protocol: 1,
        role: "relay",
        id: first.id,
      }),
    ], "not a relay"],
    ["speaks version 2", [
      encodeMessage({ ...HELLO, protocol: 2, id: first.id }),
    ], "protocol must be 1, found 2"],
    ["refuses", [
      encodeMessage({
        kind: "refused",
        code: "busy",
        text: "come \x1b[2Jback",
      }),
    ], "it refused: come \\x1b[2Jback (busy)"],
    [
      "sends a frame of 4 GiB",
      [Uint8Array.of(1, 255, 255, 255, 255)],
      "length must be",
    ],
    [
      "closes the connection before it greets",
      [],
      "it closed the connection without an answer: it may be busy",
    ],
    ["lists before it greets", [
      encodeMessage({ kind: "nodes", count: 0, nodes: [] }),
    ], "Cannot accept nodes"],
  ] as const
) {
  Deno.test(`RelayDialer refuses a relay that ${what}`, async () => {
    await using relay = await impostorRelay(first, [...frames]);
    const failure = await failureOf(
      dialerTo({ ...relay.address, id: first.id }, {
        limits: limitsWith({ turnedAwayMs: 0 }),
      }),
    );
    // The cause is for --debug.
    const reported = `${failure.message} (${describeCause(failure.cause)})`;
    assertEquals(reported.includes(words), true, reported);
  });
}

Deno.test("RelayDialer of a client tries again where the relay that it expects ends the connection before its hello", async () => {
  const hello = encodeMessage({ ...HELLO, id: first.id });
  await using relay = await impostorRelay(first, [hello], { endedCount: 2 });
  await openOnce(dialerTo({ ...relay.address, id: first.id }));
  assertEquals(relay.count(), 3);
});

Deno.test("RelayDialer asks a program that it does not know, and that ends the connection before its hello, once", async () => {
  await using program = await impostorRelay(first, []);
  await failureOf(dialerTo(program.address));
  assertEquals(program.count(), 1);
});

Deno.test("RelayDialer reports a relay of another version once, with both versions", async () => {
  const greeting = (version: string) =>
    encodeMessage({ ...HELLO, id: first.id, version });
  for (const version of ["999.0.0", VERSION]) {
    await using relay = await impostorRelay(first, [greeting(version)]);
    const events: RelayDialEvent[] = [];
    const dialer = new RelayDialer({ ...relay.address, id: first.id }, {
      role: "client",
      plaintext: false,
      limits: LIMITS,
      onEvent: (event) => events.push(event),
    });
    for (let times = 0; times < 2; times++) {
      const { channel } = await dialer.open();
      channel.conn.close();
    }
    assertEquals(
      events,
      version === VERSION ? [] : [{
        event: "relay_version_differs",
        relay: formatEndpoint(relay.address),
        version,
        ownVersion: VERSION,
      }],
    );
  }
});
