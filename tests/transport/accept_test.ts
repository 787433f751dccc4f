/**
 * Who is let in, asked before anything is made for a connection.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { writeAll } from "../../lib/base/conn.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { TLSSocket } from "node:tls";
import { createIdentity, hostnameOf } from "../../lib/identity/identity.ts";
import {
  type AcceptOptions,
  type Acceptor,
  acceptPlain,
  acceptTls,
  type RawConnection,
} from "../../lib/transport/accept.ts";
import {
  secureContextOf,
  serverHandshake,
} from "../../lib/transport/server_handshake.ts";
import { ALPN_PROTOCOL, dial } from "../../lib/transport/dial.ts";
import { DenoConn } from "../../lib/transport/deno_conn.ts";
import type { StreamConn } from "../../lib/transport/stream_conn.ts";
import { clientHello, inRecords } from "../_client_hello.ts";
import { within } from "../_event_log.ts";

const identity = await createIdentity();
const HELLO = await clientHello();

const WAYS: Record<string, (options: AcceptOptions) => Promise<Acceptor>> = {
  acceptPlain: (options) => Promise.resolve(acceptPlain(options)),
  acceptTls: (options) => acceptTls(identity, options),
};

/** Connects twice; the first is refused. What was asked, and let in. */
async function connectTwice(
  accept: (options: AcceptOptions) => Promise<Acceptor>,
): Promise<{ asked: string[]; letIn: RawConnection; port: number }> {
  const asked: string[] = [];
  const letIn = Promise.withResolvers<RawConnection>();
  const acceptor = await accept({
    at: { host: "127.0.0.1", port: 0 },
    acceptPauseMs: 50,
    acceptCheckMs: 2_000,
    onStall: (why) => letIn.reject(new Error(why)),
    admit: (host) => {
      asked.push(host);
      return asked.length === 1 ? undefined : letIn.resolve;
    },
  });
  try {
    const { host: hostname, port } = acceptor.address;
    {
      using refused = await Deno.connect({ hostname, port });
      const read = await within(refused.read(new Uint8Array(1)), "the end");
      assertEquals(read, null);
    }
    using second = await Deno.connect({ hostname, port });
    const raw = await within(letIn.promise, "the second");
    raw.destroy();
    assertEquals(
      await within(second.read(new Uint8Array(1)), "its end"),
      null,
    );
    const { port: local } = second.localAddr as Deno.NetAddr;
    return { asked, letIn: raw, port: local };
  } finally {
    acceptor.stop();
  }
}

for (const [name, accept] of Object.entries(WAYS)) {
  Deno.test(`${name} asks once for each connection, and closes refused ones`, async () => {
    const { asked, letIn, port } = await connectTwice(accept);
    assertEquals(asked, ["127.0.0.1", "127.0.0.1"]);
    assertEquals(letIn.remote, { host: "127.0.0.1", port });
  });
}

Deno.test("acceptTls refuses nobody on a machine that is too busy to accept", async () => {
  const stalls: string[] = [];
  let letIn = 0;
  const acceptor = await acceptTls(identity, {
    at: { host: "127.0.0.1", port: 0 },
    acceptPauseMs: 50,
    acceptCheckMs: 10,
    onStall: (why) => stalls.push(why),
    admit: () => () => letIn++,
  });
  const { host: hostname, port } = acceptor.address;
  const open: Deno.Conn[] = [];
  try {
    const count = 60;
    for (let n = 0; n < count; n++) {
      open.push(await Deno.connect({ hostname, port }));
      // Longer than between two checks: nothing else has its turn.
      for (const until = performance.now() + 15; performance.now() < until;);
    }
    while (letIn < count) await new Promise((turn) => setTimeout(turn));
    assertEquals(stalls, []);
  } finally {
    for (const conn of open) conn.close();
    acceptor.stop();
  }
});

/** Two connected sockets; the first has been read by nobody. */
async function socketPair(): Promise<[Socket, Socket]> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ pauseOnConnect: true }, accepted.resolve);
  const listening = Promise.withResolvers<void>();
  server.listen({ host: "127.0.0.1", port: 0 }, listening.resolve);
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  const far = connect({ host: "127.0.0.1", port });
  const near = await accepted.promise;
  server.close();
  return [near, far];
}

Deno.test("A TLS handshake with bytes that are no TLS ends with an error, for any amount read ahead", async () => {
  const [near, far] = await socketPair();
  try {
    const noTls = new Uint8Array(16).fill(0x55);
    for (let parts = 0; parts < 3; parts++) near.unshift(noTls);
    const error = await assertRejects(
      () =>
        serverHandshake(near, secureContextOf(identity), {
          remote: { host: "127.0.0.1", port: 1 },
          local: { host: "127.0.0.1", port: 2 },
        }),
      ProtocolError,
    );
    assertEquals(error.code, "wrong_service");
    assertEquals(near.destroyed, true);
  } finally {
    far.destroy();
    near.destroy();
  }
});

Deno.test("A TLS connection keeps no listener of its handshake", async () => {
  const letIn = Promise.withResolvers<RawConnection>();
  const acceptor = await acceptTls(identity, {
    at: { host: "127.0.0.1", port: 0 },
    acceptPauseMs: 50,
    acceptCheckMs: 2_000,
    acceptsJoins: true,
    onStall: (why) => letIn.reject(new Error(why)),
    admit: () => letIn.resolve,
  });
  try {
    const dialling = dial(acceptor.address, {
      peer: identity,
      timeoutMs: 10_000,
    });
    const raw = await within(letIn.promise, "the connection");
    const { conn } = await within(raw.open(), "the handshake");
    using _dialled = await dialling;
    const socket = (conn as StreamConn).release();
    const bare = new TLSSocket(new Socket(), {
      isServer: true,
      secureContext: secureContextOf(identity),
    });
    for (const event of ["readable", "end", "error", "close"]) {
      const count = bare.listenerCount(event);
      assertEquals(socket.listenerCount(event), count, event);
    }
    bare.destroy();
    raw.destroy();
  } finally {
    acceptor.stop();
  }
});

Deno.test("A TLS handshake asks for its turn when the peer has sent something, and waits for it", async () => {
  const letIn = Promise.withResolvers<RawConnection>();
  const acceptor = await acceptTls(identity, {
    at: { host: "127.0.0.1", port: 0 },
    acceptPauseMs: 50,
    acceptCheckMs: 2_000,
    onStall: (why) => letIn.reject(new Error(why)),
    admit: () => letIn.resolve,
  });
  const { host: hostname, port } = acceptor.address;
  try {
    const tcp = await Deno.connect({ hostname, port });
    const raw = await within(letIn.promise, "the connection");
    const asked = Promise.withResolvers<void>();
    const turn = Promise.withResolvers<void>();
    let isAsked = false;
    const opening = raw.open(() => {
      isAsked = true;
      asked.resolve();
      return turn.promise;
    });
    assertEquals(isAsked, false);
    const client = await Deno.startTls(tcp, {
      hostname: hostnameOf(identity.id),
      caCerts: [identity.certificatePem],
      alpnProtocols: [ALPN_PROTOCOL],
    });
    let isSecured = false;
    const handshake = client.handshake().then((info) => {
      isSecured = true;
      return info;
    });
    await within(asked.promise, "asking for a turn");
    assertEquals(isSecured, false);
    turn.resolve();
    const { conn } = await within(opening, "the handshake");
    using _conn = conn;
    assertEquals((await handshake).alpnProtocol, ALPN_PROTOCOL);
    client.close();
    raw.destroy();
  } finally {
    acceptor.stop();
  }
});

Deno.test("A TLS handshake asks for its turn only when the client hello is complete, and never after other bytes", async () => {
  const arrived: ((raw: RawConnection) => void)[] = [];
  const acceptor = await acceptTls(identity, {
    at: { host: "127.0.0.1", port: 0 },
    acceptPauseMs: 50,
    acceptCheckMs: 2_000,
    onStall: () => {},
    admit: () => (raw) => arrived.shift()!(raw),
  });
  const { host: hostname, port } = acceptor.address;
  const dialled = async () => {
    const { promise, resolve } = Promise.withResolvers<RawConnection>();
    arrived.push(resolve);
    const conn = new DenoConn(await Deno.connect({ hostname, port }));
    return { conn, raw: await within(promise, "the connection") };
  };
  try {
    const slow = await dialled();
    using _slow = slow.conn;
    let isAsked = false;
    const opening = slow.raw.open(() => {
      isAsked = true;
      slow.raw.destroy();
      return Promise.resolve();
    });
    const crumbs = inRecords(HELLO, 8);
    const last = crumbs.pop()!;
    for (const crumb of crumbs) await writeAll(slow.conn, crumb);
    const other = await dialled();
    using _other = other.conn;
    await writeAll(other.conn, new TextEncoder().encode("GET / HTTP/1.1\r\n"));
    const neverAsked = () => Promise.reject(new Error("it has asked"));
    const error = await assertRejects(
      () => within(other.raw.open(neverAsked), "the end"),
      ProtocolError,
    );
    assertEquals(error.code, "wrong_service");
    other.raw.destroy();
    assertEquals(isAsked, false);
    await writeAll(slow.conn, last);
    await assertRejects(() => within(opening, "the end of the slow one"));
    assertEquals(isAsked, true);
  } finally {
    acceptor.stop();
  }
});

Deno.test("A TLS handshake that waits for the rest of a client hello ends with its connection", async () => {
  const letIn = Promise.withResolvers<RawConnection>();
  const acceptor = await acceptTls(identity, {
    at: { host: "127.0.0.1", port: 0 },
    acceptPauseMs: 50,
    acceptCheckMs: 2_000,
    onStall: (why) => letIn.reject(new Error(why)),
    admit: () => letIn.resolve,
  });
  const { host: hostname, port } = acceptor.address;
  try {
    using tcp = await Deno.connect({ hostname, port });
    const raw = await within(letIn.promise, "the connection");
    await tcp.write(HELLO.subarray(0, 20));
    const opening = assertRejects(
      () => raw.open(),
      Deno.errors.ConnectionReset,
    );
    raw.destroy();
    await within(opening, "the end");
  } finally {
    acceptor.stop();
  }
});

for (const how of ["ends", "is reset"] as const) {
  Deno.test(`A TLS handshake whose peer ${how} while it waits for its turn is over at once`, async () => {
    const letIn = Promise.withResolvers<RawConnection>();
    const acceptor = await acceptTls(identity, {
      at: { host: "127.0.0.1", port: 0 },
      acceptPauseMs: 50,
      acceptCheckMs: 2_000,
      onStall: (why) => letIn.reject(new Error(why)),
      admit: () => letIn.resolve,
    });
    const { host, port } = acceptor.address;
    const socket = connect({ host, port });
    try {
      const raw = await within(letIn.promise, "the connection");
      socket.write(HELLO);
      const asked = Promise.withResolvers<void>();
      const opening = assertRejects(
        () =>
          raw.open(() => {
            asked.resolve();
            return new Promise(() => {}); // it never comes
          }),
        Deno.errors.ConnectionReset,
      );
      await within(asked.promise, "asking for a turn");
      if (how === "ends") socket.end();
      else socket.resetAndDestroy();
      await within(opening, "the end");
      raw.destroy();
    } finally {
      socket.destroy();
      acceptor.stop();
    }
  });
}

Deno.test("A TLS handshake does not begin if its peer has disconnected by its turn", async () => {
  const letIn = Promise.withResolvers<RawConnection>();
  const acceptor = await acceptTls(identity, {
    at: { host: "127.0.0.1", port: 0 },
    acceptPauseMs: 50,
    acceptCheckMs: 2_000,
    onStall: (why) => letIn.reject(new Error(why)),
    admit: () => letIn.resolve,
  });
  const { host: hostname, port } = acceptor.address;
  try {
    using tcp = await Deno.connect({ hostname, port });
    const raw = await within(letIn.promise, "the connection");
    await writeAll(new DenoConn(tcp), HELLO);
    const opening = raw.open(() => {
      raw.destroy(); // evicted while it waited
      return Promise.resolve();
    });
    await assertRejects(
      () => within(opening, "the end"),
      Deno.errors.ConnectionReset,
    );
  } finally {
    acceptor.stop();
  }
});

for (
  const [bytes, message] of [
    [LIMITS.clientHelloBytes, "does not speak TLS"],
    [LIMITS.clientHelloBytes + 1, "sent more than a client hello"],
  ] as const
) {
  Deno.test(`A peer that sends ${bytes} bytes before its handshake begins ends it: ${message}`, async () => {
    const letIn = Promise.withResolvers<RawConnection>();
    const acceptor = await acceptTls(identity, {
      at: { host: "127.0.0.1", port: 0 },
      acceptPauseMs: 50,
      acceptCheckMs: 2_000,
      onStall: (why) => letIn.reject(new Error(why)),
      admit: () => letIn.resolve,
    });
    const { host: hostname, port } = acceptor.address;
    try {
      using tcp = await Deno.connect({ hostname, port });
      const raw = await within(letIn.promise, "the connection");
      const isTooMuch = bytes > LIMITS.clientHelloBytes;
      const first = new Uint8Array(bytes);
      first.set(HELLO);
      const written = writeAll(new DenoConn(tcp), first);
      const opening = raw.open(async () => {
        if (isTooMuch) return await new Promise(() => {}); // never its turn
        await written;
      });
      const error = await assertRejects(
        () => within(opening, "the end"),
        ProtocolError,
        message,
      );
      assertEquals(error.code, "wrong_service");
      raw.destroy();
    } finally {
      acceptor.stop();
    }
  });
}
