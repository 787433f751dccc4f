/** A listener whose places are taken while a handshake goes on. */

import { assertEquals } from "@std/assert";
import { connect } from "node:net";
import { type IncidentEvent, Incidents } from "../../lib/guard/incidents.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { type Accepted, listen } from "../../lib/transport/listen.ts";
import { EventLog, within } from "../_event_log.ts";

/** Takes the first byte for a hello, and waits for another. */
async function talk({ conn, settle }: Accepted): Promise<void> {
  const byte = new Uint8Array(1);
  await conn.read(byte);
  settle();
  await conn.write(byte);
  await conn.read(byte);
}

Deno.test("A listener ends a connection whose hello comes when no place is left", async () => {
  const log = new EventLog<IncidentEvent>();
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity: null,
    limits: limitsWith({ connectionCount: 1 }),
    connectionsPerAddressCount: LIMITS.relayConnectionsPerAddressCount,
    incidents: new Incidents(0, log.onEvent),
    handle: talk,
  });
  await using _end = { [Symbol.asyncDispose]: () => listener.close() };
  const hosts = ["127.0.0.2", "127.0.0.3"];
  const { port } = listener.address;
  const sockets = await Promise.all(hosts.map(async (localAddress) => {
    const socket = connect({ host: "127.0.0.1", port, localAddress });
    const connected = Promise.withResolvers<void>();
    socket.once("connect", () => connected.resolve());
    socket.on("error", () => {});
    await within(connected.promise, "connecting");
    return socket;
  }));
  using _sockets = {
    [Symbol.dispose]: () => sockets.forEach((socket) => socket.destroy()),
  };
  while (listener.handshakeCount < 2) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const answered = Promise.withResolvers<void>();
  sockets[0]!.once("data", () => answered.resolve());
  sockets[0]!.write("x");
  await within(answered.promise, "the answer");
  sockets[1]!.write("x");
  const { reason, from } = await log.until("refused");
  assertEquals([reason, from], ["too_many_connections", hosts[1]]);
});
