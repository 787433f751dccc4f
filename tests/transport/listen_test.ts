/**
 * Who gives way when connections are many, and what closing tells.
 */

import { assertEquals } from "@std/assert";
import { connect, type Socket } from "node:net";
import { type Endpoint, writeAll } from "../../lib/conn.ts";
import { createIdentity, type Identity } from "../../lib/identity.ts";
import { type IncidentEvent, Incidents } from "../../lib/incidents.ts";
import { type Limits, limitsWith } from "../../lib/limits.ts";
import { dial } from "../../lib/transport/dial.ts";
import {
  type Accepted,
  listen,
  type Listener,
} from "../../lib/transport/listen.ts";
import { EventLog, within } from "../_event_log.ts";

const identity = await createIdentity();

interface TestServer extends AsyncDisposable {
  readonly listener: Listener;
  readonly log: EventLog<IncidentEvent>;
}

async function serve(
  options: {
    identity: Identity | null;
    handle: (accepted: Accepted) => Promise<void>;
    limits?: Partial<Limits>;
  },
): Promise<TestServer> {
  const log = new EventLog<IncidentEvent>();
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity: options.identity,
    limits: limitsWith(options.limits),
    connectionsPerAddressCount: 64,
    incidents: new Incidents(0, log.onEvent),
    handle: options.handle,
  });
  return { listener, log, [Symbol.asyncDispose]: () => listener.close() };
}

/** Takes the first byte for a hello, and sends it back. */
async function greetBack({ conn, settle }: Accepted): Promise<void> {
  const byte = new Uint8Array(1);
  if (await conn.read(byte) === null) return;
  settle();
  await writeAll(conn, byte);
  await conn.read(byte);
}

/** A TCP connection from one of the many loopback addresses. */
async function connectFrom(
  localAddress: string,
  at: Endpoint,
): Promise<Socket & Disposable> {
  const socket = connect({ ...at, localAddress });
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("connect", resolve);
  socket.on("error", resolve);
  await within(promise, "connecting");
  return Object.assign(socket, { [Symbol.dispose]: () => socket.destroy() });
}

for (const silentHost of ["127.0.0.1", "127.0.0.2"]) {
  for (const host of ["127.0.0.1", "127.0.0.2"]) {
    Deno.test(`300 silent connections of ${silentHost} do not lock ${host} out`, async () => {
      await using server = await serve({
        identity: null,
        handle: greetBack,
        limits: { connectBurstCount: 400 },
      });
      const { address } = server.listener;
      using open = new DisposableStack();
      for (let n = 0; n < 300; n++) {
        open.use(await connectFrom(silentHost, address));
      }
      using honest = await connectFrom(host, address);
      honest.write("x");
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      honest.once("data", (data) => resolve(String(data)));
      honest.once("close", () => reject(new Error("refused")));
      assertEquals(await within(promise, "the answer"), "x");
      const evicted = await server.log.until("refused");
      assertEquals(evicted.reason, "handshake_evicted");
      assertEquals(evicted.from, silentHost);
    });
  }
}

Deno.test("300 silent connections lock nobody out of TLS, and each is told once", async () => {
  await using server = await serve({
    identity,
    handle: greetBack,
    limits: { acceptCheckMs: 60_000 }, // else it dials itself meanwhile
  });
  const { address } = server.listener;
  using open = new DisposableStack();
  for (let n = 0; n < 300; n++) {
    open.use(await connectFrom("127.0.0.1", address));
  }
  using conn = await dial(address, { peer: identity, timeoutMs: 5_000 });
  await writeAll(conn, Uint8Array.of(7));
  const answer = new Uint8Array(1);
  await within(conn.read(answer), "the answer");
  assertEquals(answer[0], 7);
  await server.listener.close();
  const reasons = server.log.events.map((event) =>
    event.event === "refused" ? event.reason : event.event
  );
  // Half of the 256 handshakes are for the machine's own address.
  assertEquals(reasons, Array(300 + 1 - 128).fill("handshake_evicted"));
});

for (const secured of [true, false]) {
  Deno.test(`A listener that closes${secured ? "" : " in the clear"} tells nothing of what it cuts short`, async () => {
    const held = Promise.withResolvers<void>();
    const peer = secured ? identity : null;
    await using server = await serve({
      identity: peer,
      handle: async (accepted) => {
        accepted.settle();
        held.resolve();
        await accepted.conn.read(new Uint8Array(1)).catch(() => {});
        throw new Error("cut short");
      },
    });
    using _conn = await dial(server.listener.address, {
      peer,
      timeoutMs: 5_000,
    });
    await held.promise;
    await within(server.listener.close(), "closing");
    assertEquals(server.log.events, []);
    assertEquals(server.listener.connectionCount, 0);
  });
}
