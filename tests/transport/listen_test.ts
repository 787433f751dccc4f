/**
 * Which connections are closed when there are many, and what closing reports.
 */

import { assert, assertEquals } from "@std/assert";
import { connect, type Socket } from "node:net";
import { type Conn, type Endpoint, writeAll } from "../../lib/base/conn.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import { type IncidentEvent, Incidents } from "../../lib/guard/incidents.ts";
import { LIMITS, type Limits, limitsWith } from "../../lib/base/limits.ts";
import { encodeMessage, JOIN_TYPE } from "../../lib/protocol/messages.ts";
import { DenoConn } from "../../lib/transport/deno_conn.ts";
import { dial } from "../../lib/transport/dial.ts";
import {
  type Accepted,
  listen,
  type Listener,
} from "../../lib/transport/listen.ts";
import type { RawConnection } from "../../lib/transport/accept.ts";
import { clientHello } from "../_client_hello.ts";
import { EventLog, within } from "../_event_log.ts";
import { memoryPair } from "../_memory_conn.ts";

const identity = await createIdentity();
const HELLO = await clientHello();

interface TestServer extends AsyncDisposable {
  readonly listener: Listener;
  readonly log: EventLog<IncidentEvent>;
}

async function serve(
  options: {
    identity: Identity | null;
    handle: (accepted: Accepted) => Promise<void>;
    limits?: Partial<Limits>;
    acceptsJoins?: boolean;
  },
): Promise<TestServer> {
  const log = new EventLog<IncidentEvent>();
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity: options.identity,
    limits: limitsWith(options.limits),
    connectionsPerAddressCount: LIMITS.relayConnectionsPerAddressCount,
    acceptsJoins: options.acceptsJoins ?? false,
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

/**
 * Sends what it gets back, with the kind of its connection in the first byte.
 */
async function echo({ conn, isJoin, settle }: Accepted): Promise<void> {
  settle();
  await writeAll(conn, Uint8Array.of(isJoin ? 1 : 0));
  const buffer = new Uint8Array(4096);
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) return await conn.closeWrite();
    await writeAll(conn, buffer.subarray(0, count));
  }
}

/** Where joins and TLS come by one port. */
function serveBoth(limits: Partial<Limits> = {}): Promise<TestServer> {
  return serve({ identity, handle: echo, acceptsJoins: true, limits });
}

async function dialPlain({ port }: Endpoint): Promise<DenoConn> {
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  tcp.setNoDelay(true);
  return new DenoConn(tcp);
}

async function readExactly(conn: Conn, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await within(conn.read(target.subarray(at)), "bytes");
    assert(count !== null, `ended at ${at} of ${length}`);
    at += count;
  }
  return target;
}

/** Until the other side has ended it, one way or the other. */
function untilEnd(conn: Conn): Promise<void> {
  const buffer = new Uint8Array(4096);
  const ended = (async () => {
    while (await conn.read(buffer).catch(() => null) !== null);
  })();
  return within(ended, "the end");
}

const JOIN = encodeMessage({ kind: "join", key: "AAECAwQFBgcICQoLDA0ODw" });

for (const sliceBytes of [1, 3, JOIN.length]) {
  Deno.test(`A listener takes a join beside TLS, in slices of ${sliceBytes} bytes, and loses none of it`, async () => {
    await using server = await serveBoth();
    const { address } = server.listener;
    using join = await dialPlain(address);
    for (let at = 0; at < JOIN.length; at += sliceBytes) {
      await writeAll(join, JOIN.subarray(at, at + sliceBytes));
    }
    assertEquals(await readExactly(join, 1), Uint8Array.of(1));
    assertEquals(await readExactly(join, JOIN.length), JOIN);
    using secured = await dial(address, { peer: identity, timeoutMs: 20_000 });
    assertEquals(await readExactly(secured, 1), Uint8Array.of(0));
    assertEquals(server.log.events, []);
  });
}

Deno.test("A listener accepts TLS that arrives in small parts, beside joins", async () => {
  await using server = await serveBoth();
  const proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dialling = dial(
    { host: "127.0.0.1", port: proxy.addr.port },
    { peer: identity, timeoutMs: 20_000 },
  );
  using near = new DenoConn(await proxy.accept());
  using far = await dialPlain(server.listener.address);
  const pass = async (from: Conn, to: Conn, most: number) => {
    const buffer = new Uint8Array(most);
    for (;;) {
      const count = await from.read(buffer);
      if (count === null) return;
      await writeAll(to, buffer.subarray(0, count));
    }
  };
  const passing = [pass(near, far, 1), pass(far, near, 4096)]
    .map((each) => each.catch(() => {})); // ends with the test
  using conn = await dialling;
  assertEquals(await readExactly(conn, 1), Uint8Array.of(0));
  near.close();
  far.close();
  await Promise.all(passing);
  proxy.close();
});

Deno.test("A listener with joins beside TLS closes connections that begin with any other byte", async () => {
  await using server = await serveBoth({ handshakeMs: 200 });
  const { address } = server.listener;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte)
    .filter((byte) => byte !== JOIN_TYPE);
  for (const byte of bytes) {
    using conn = await dialPlain(address);
    // A TLS record is waited for to its end; nothing else is.
    await writeAll(conn, new Uint8Array(64).fill(byte));
    await untilEnd(conn);
  }
  const reported = server.log.events.map((event) =>
    event.event === "refused" ? event.reason : event.event
  );
  assertEquals(new Set(reported), new Set(["bad_handshake"]));
  assertEquals(reported.length, bytes.length);
  assertEquals(server.listener.connectionCount, 0);
});

Deno.test("A listener with joins beside TLS ends a silent peer at its deadline", async () => {
  await using server = await serveBoth({ handshakeMs: 100 });
  using silent = await dialPlain(server.listener.address);
  await untilEnd(silent);
  const { reason } = await server.log.until("refused");
  assertEquals(reason, "bad_handshake");
  await untilEmpty(server);
});

for (const how of ["ends", "is reset"] as const) {
  Deno.test(`A listener with joins beside TLS releases a peer that ${how} before sending anything`, async () => {
    await using server = await serveBoth();
    const { address } = server.listener;
    using socket = await connectFrom("127.0.0.1", address);
    if (how === "ends") socket.end();
    else socket.resetAndDestroy();
    // Let in after it, and served: so it has been looked at.
    using conn = await dial(address, { peer: identity, timeoutMs: 20_000 });
    await readExactly(conn, 1);
    conn.close();
    await untilEmpty(server);
    assertEquals(
      server.log.events.filter(({ event }) => event !== "refused"),
      [],
    );
  });
}

for (
  const [what, parts] of [
    ["before a byte", []],
    ["in its client hello", [HELLO.subarray(0, 20)]],
    [
      "among crumbs",
      Array.from(HELLO.subarray(0, 40), (byte) => Uint8Array.of(byte)),
    ],
  ] as const
) {
  for (const how of ["ends", "is reset"] as const) {
    Deno.test(`A listener frees the place of a peer that ${how} ${what}, and waits for no deadline`, async () => {
      await using server = await serveBoth({ handshakeMs: 600_000 });
      const { listener } = server;
      using socket = await connectFrom("127.0.0.1", listener.address);
      await until(() => listener.handshakeCount === 1);
      for (const part of parts) {
        await new Promise<void>((resolve) =>
          socket.write(part, () => resolve())
        );
      }
      if (how === "ends") socket.end();
      else socket.resetAndDestroy();
      await untilEmpty(server);
      assertEquals(listener.handshakeCount, 0);
    });
  }
}

Deno.test("A listener takes a join that ends with its first bytes, and loses none of them", async () => {
  await using server = await serveBoth();
  const { address } = server.listener;
  const { hostname, port } = { hostname: address.host, port: address.port };
  for (let n = 0; n < 20; n++) {
    const tcp = await Deno.connect({ hostname, port });
    const written = tcp.write(JOIN);
    const ended = tcp.closeWrite();
    await Promise.all([written, ended]);
    using join = new DenoConn(tcp);
    assertEquals(await readExactly(join, 1), Uint8Array.of(1));
    assertEquals(await readExactly(join, JOIN.length), JOIN);
    await untilEnd(join);
  }
});

/** Until all connections have been released. */
async function untilEmpty({ listener }: TestServer): Promise<void> {
  await until(() => listener.connectionCount === 0);
}

async function until(isSo: () => boolean): Promise<void> {
  const waiting = (async () => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
  })();
  await within(waiting, "what was waited for");
}

Deno.test("A listener with joins beside TLS closes at once, even with silent peers", async () => {
  const server = await serveBoth();
  using silent = await dialPlain(server.listener.address);
  using joined = await dialPlain(server.listener.address);
  await writeAll(joined, JOIN.subarray(0, 1));
  await readExactly(joined, 1);
  await within(server.listener.close(), "closing");
  await untilEnd(silent);
  await untilEnd(joined);
});

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

Deno.test("300 silent connections lock nobody out of TLS, and each is reported once", async () => {
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
  using conn = await dial(address, { peer: identity, timeoutMs: 20_000 });
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
  Deno.test(`A listener that closes${secured ? "" : " in the clear"} does not report the connections that it ends`, async () => {
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
      timeoutMs: 20_000,
    });
    await held.promise;
    await within(server.listener.close(), "closing");
    assertEquals(server.log.events, []);
    assertEquals(server.listener.connectionCount, 0);
  });
}

/** A connection of `source` that waits for its turn; resolves when it comes. */
function waitingFor(
  source: string,
  { begun, conn }: { begun: string[]; conn?: Conn },
): RawConnection {
  return {
    remote: { host: "192.0.2.1", port: 1 },
    source,
    open: async (turn) => {
      await turn?.();
      begun.push(source);
      if (conn !== undefined) return { conn, isJoin: false };
      throw new Deno.errors.ConnectionReset("the peer disconnected");
    },
    destroy: () => {},
  };
}

Deno.test("A listener first begins handshakes of addresses that said hello before", async () => {
  await using server = await serve({ identity, handle: greetBack });
  const { listener } = server;
  const begun: string[] = [];
  const visit = async () => {
    const [near, far] = memoryPair();
    using conn = near;
    listener.take(waitingFor("honest", { begun, conn: far }));
    await writeAll(conn, Uint8Array.of(7));
    assertEquals(await readExactly(conn, 1), Uint8Array.of(7));
  };
  await visit();
  const groups = Array.from({ length: 64 }, (_, n) => `attacker ${n}`);
  for (const group of [...groups, ...groups]) {
    listener.take(waitingFor(group, { begun }));
  }
  await visit();
  assert(begun.indexOf("honest", 1) <= 2, begun.join(", "));
  await untilEmpty(server);
  // Each of the others had a turn before one had its second.
  const others = begun.filter((group) => group !== "honest");
  assertEquals(new Set(others.slice(0, 64)).size, 64);
  assertEquals(others.length, 128);
});

/** A connection of `source` that says nothing until it is ended. */
function silentFrom(source: string): RawConnection {
  const ended = Promise.withResolvers<never>();
  return {
    remote: { host: "192.0.2.1", port: 1 },
    source,
    open: () => ended.promise,
    destroy: () => ended.reject(new Deno.errors.ConnectionReset("ended")),
  };
}

for (
  const [who, addressCount, each] of [
    ["128 addresses that said hello before", 128, 2],
    ["256 addresses", 256, 1],
  ] as const
) {
  Deno.test(`A listener lets a newcomer in whose first handshake failed, while silent connections of ${who} hold all places`, async () => {
    await using server = await serve({
      identity,
      handle: greetBack,
      limits: { handshakeMs: 600_000, handshakeGraceMs: 20 },
    });
    const { listener } = server;
    const visit = async (source: string) => {
      const [near, far] = memoryPair();
      using conn = near;
      const raw = waitingFor(source, { begun: [], conn: far });
      await until(() => listener.take(raw));
      await writeAll(conn, Uint8Array.of(7));
      assertEquals(await readExactly(conn, 1), Uint8Array.of(7));
    };
    listener.take(waitingFor("newcomer", { begun: [] }));
    await untilEmpty(server);
    const groups = Array.from({ length: addressCount }, (_, n) => `peer ${n}`);
    if (each > 1) { for (const group of groups) await visit(group); }
    for (const group of groups) {
      for (let n = 0; n < each; n++) listener.take(silentFrom(group));
    }
    await until(() => listener.handshakeCount === LIMITS.handshakeCount);
    await visit("newcomer");
  });
}

Deno.test("A listener that closes ends handshakes that wait for their turn", async () => {
  const server = await serve({ identity, handle: greetBack });
  const begun: string[] = [];
  for (let n = 0; n < 50; n++) {
    server.listener.take(waitingFor(`peer ${n}`, { begun }));
  }
  await within(server.listener.close(), "closing");
  assertEquals(server.listener.connectionCount, 0);
});
