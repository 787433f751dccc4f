/** A listener whose places are taken while a handshake goes on. */

import { assert, assertEquals } from "@std/assert";
import { connect } from "node:net";
import { type IncidentEvent, Incidents } from "../../lib/guard/incidents.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { receivePeer } from "../../lib/protocol/hello.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { listen } from "../../lib/transport/listen.ts";
import { EventLog, within } from "../_event_log.ts";

const HELLO = encodeMessage({ kind: "hello", protocol: 1, role: "client" });

Deno.test("A listener refuses a connection whose hello arrives when no place is left, with its reason", async () => {
  const log = new EventLog<IncidentEvent>();
  const incidents = new Incidents(0, log.onEvent);
  const talking = Promise.withResolvers<void>();
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity: null,
    limits: limitsWith({ connectionCount: 1 }),
    connectionsPerAddressCount: LIMITS.relayConnectionsPerAddressCount,
    incidents,
    handle: async ({ conn, settle }) => {
      const timing = { writeStallMs: 20_000, idleMs: 60_000 };
      await using channel = new Channel(conn, { limits: LIMITS, ...timing });
      const reception = { introduction: { role: "relay" }, settle, incidents };
      await receivePeer(channel, reception, async () => {
        talking.resolve();
        await channel.receive(["pong"]);
      });
    },
  });
  await using _end = { [Symbol.asyncDispose]: () => listener.close() };
  const hosts = ["127.0.0.2", "127.0.0.3"];
  const { port } = listener.address;
  const sockets = await Promise.all(hosts.map(async (localAddress) => {
    const socket = connect({ host: "127.0.0.1", port, localAddress });
    const greeted = Promise.withResolvers<void>();
    socket.once("data", () => greeted.resolve());
    socket.on("error", () => {});
    await within(greeted.promise, "the relay's hello");
    return socket;
  }));
  using _sockets = {
    [Symbol.dispose]: () => sockets.forEach((socket) => socket.destroy()),
  };
  assertEquals(listener.handshakeCount, 2);
  sockets[0]!.write(HELLO);
  await within(talking.promise, "the first");
  let reported = "";
  const ended = Promise.withResolvers<void>();
  sockets[1]!.on("data", (bytes) => reported += bytes.toString("latin1"));
  sockets[1]!.once("close", () => ended.resolve());
  sockets[1]!.write(HELLO);
  const { reason, from } = await log.until("refused");
  assertEquals([reason, from], ["too_many_connections", hosts[1]]);
  await within(ended.promise, "the end");
  assert(reported.includes("it has too many connections"), reported);
});
