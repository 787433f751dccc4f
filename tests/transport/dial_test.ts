/**
 * Real sockets on loopback: dialling, learning, accepting, and who is refused.
 */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { connect } from "node:net";
import { type Conn, type Endpoint, writeAll } from "../../lib/base/conn.ts";
import { describeCause, ProtocolError } from "../../lib/base/errors.ts";
import {
  certificateId,
  createIdentity,
  type Identity,
} from "../../lib/identity/identity.ts";
import { type IncidentEvent, Incidents } from "../../lib/guard/incidents.ts";
import { type Limits, limitsWith } from "../../lib/base/limits.ts";
import { dial, type PeerIdentity } from "../../lib/transport/dial.ts";
import { dialToLearn, learnCertificate } from "../../lib/transport/learn.ts";
import {
  type Accepted,
  listen,
  type Listener,
} from "../../lib/transport/listen.ts";
import { EventLog, within } from "../_event_log.ts";
import { serveOpenssl } from "../_openssl.ts";
import { testWith } from "../_tools.ts";

const alice = await createIdentity();
const mallory = await createIdentity();

interface TestServer extends AsyncDisposable {
  readonly listener: Listener;
  readonly log: EventLog<IncidentEvent>;
}

/** A listener on loopback; echoes by default. */
async function serve(
  options: {
    identity?: Identity | null;
    limits?: Partial<Limits>;
    handle?: (accepted: Accepted) => Promise<void>;
    perAddress?: number;
  } = {},
): Promise<TestServer> {
  const log = new EventLog<IncidentEvent>();
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity: options.identity === undefined ? alice : options.identity,
    limits: limitsWith(options.limits),
    connectionsPerAddressCount: options.perAddress ?? 64,
    incidents: new Incidents(0, log.onEvent),
    handle: options.handle ?? echo,
  });
  return {
    listener,
    log,
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

async function echo({ conn, settle }: Accepted): Promise<void> {
  settle();
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) break;
    await writeAll(conn, buffer.subarray(0, count));
  }
  await conn.closeWrite();
}

/**
 * The certificate of `victim` and the private key of `thief`, which claims the
 * victim's public point so that OpenSSL does not notice.
 */
function impostor(victim: Identity, thief: Identity): Identity {
  const key = Uint8Array.fromBase64(
    thief.privateKeyPem.replaceAll(/-----[^-]+-----/g, ""),
  );
  const point = new X509Certificate(victim.certificate).publicKey
    .export({ type: "spki", format: "der" }).subarray(-65);
  key.set(point, key.length - point.length);
  const privateKeyPem = `-----BEGIN PRIVATE KEY-----\n${key.toBase64()}\n` +
    "-----END PRIVATE KEY-----\n";
  return { ...victim, privateKeyPem };
}

function dialAt(at: Endpoint, peer: PeerIdentity | null): Promise<Conn> {
  return dial(at, { peer, timeoutMs: 20_000 });
}

async function roundTrip(conn: Conn, text: string): Promise<string> {
  await writeAll(conn, new TextEncoder().encode(text));
  const buffer = new Uint8Array(1024);
  const count = await conn.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}

for (const identity of [alice, null]) {
  const how = identity === null ? "in the clear" : "with TLS";
  Deno.test(`Dialling and accepting ${how} moves bytes, and ends on half-close`, async () => {
    await using server = await serve({ identity });
    using conn = await dialAt(server.listener.address, identity);
    assertEquals(await roundTrip(conn, "Grüße"), "Grüße");
    await conn.closeWrite();
    assertEquals(await conn.read(new Uint8Array(1)), null);
  });

  Deno.test(`Closing a listener ${how} ends open connections`, async () => {
    const server = await serve({ identity });
    using conn = await dialAt(server.listener.address, identity);
    assertEquals(await roundTrip(conn, "x"), "x");
    assertEquals(server.listener.connectionCount, 1);
    await within(server.listener.close(), "closing");
    assertEquals(server.listener.connectionCount, 0);
    const rest = conn.read(new Uint8Array(1)).catch(() => null);
    assertEquals(await within(rest, "the end"), null);
    await assertRejects(() => dialAt(server.listener.address, identity));
  });

  Deno.test(`A handler ${how} that throws ends only its own conn`, async () => {
    await using server = await serve({
      identity,
      handle: async (accepted) => {
        const buffer = new Uint8Array(1);
        await accepted.conn.read(buffer);
        if (buffer[0] === 0x21) throw new Error("handler broke");
        await writeAll(accepted.conn, buffer);
        await echo(accepted);
      },
    });
    using good = await dialAt(server.listener.address, identity);
    using bad = await dialAt(server.listener.address, identity);
    await writeAll(bad, Uint8Array.of(0x21));
    const failed = await server.log.until("connection_failed");
    assertEquals((failed.error as Error).message, "handler broke");
    assertEquals(await bad.read(new Uint8Array(1)).catch(() => null), null);
    assertEquals(await roundTrip(good, "x"), "x");
  });
}

Deno.test("dial refuses a peer that proves another id", async () => {
  await using server = await serve({ identity: mallory });
  const error = await assertRejects(
    () => dialAt(server.listener.address, alice),
    ProtocolError,
    `the program that answers there cannot prove that it is ${alice.id}`,
  );
  assertEquals(error.code, "identity_mismatch");
});

testWith(
  ["openssl"],
  "dial refuses an impostor with the right certificate and another key",
  async () => {
    await using server = await serveOpenssl(impostor(alice, mallory));
    const error = await assertRejects(
      () => dialAt(server, alice),
      ProtocolError,
    );
    assertEquals(error.code, "identity_mismatch");
    // Not even as somebody unknown: the first connection to a relay counts on it.
    const learning = await assertRejects(
      () => dialToLearn(server, { timeoutMs: 20_000 }),
      ProtocolError,
    );
    assertEquals(learning.code, "wrong_service");
  },
);

testWith(
  ["openssl"],
  "dial accepts the same server with the right key: the impostor test can fail",
  async () => {
    await using server = await serveOpenssl(alice);
    (await dialAt(server, alice)).close(); // it serves one at a time
    const learned = await dialToLearn(server, { timeoutMs: 20_000 });
    learned.conn.close();
    assertEquals(certificateId(learned.certificate), alice.id);
  },
);

Deno.test("dial refuses a plaintext peer, and does not fall back to plaintext", async () => {
  await using server = await serve({
    identity: null,
    handle: async ({ conn, settle }) => {
      settle();
      await writeAll(conn, new TextEncoder().encode("hello there"));
      await conn.read(new Uint8Array(1));
    },
  });
  const error = await assertRejects(
    () => dialAt(server.listener.address, alice),
    ProtocolError,
  );
  assertEquals(error.code, "identity_mismatch");
});

Deno.test("dial reports that nobody listens", async () => {
  const server = await serve();
  await server.listener.close();
  await assertRejects(
    () => dialAt(server.listener.address, alice),
    Deno.errors.ConnectionRefused,
  );
});

for (const step of ["dial", "learn"] as const) {
  Deno.test(`${step} gives up a silent peer in time, or when aborted`, async () => {
    const place = { hostname: "127.0.0.1", port: 0 };
    // One each: whether the first dial gets as far as a connection is unknown.
    using silent = Deno.listen(place);
    using other = Deno.listen(place);
    const open = (
      { addr: { hostname: host, port } }: Deno.TcpListener,
      options: { timeoutMs: number; signal?: AbortSignal },
    ) =>
      step === "dial"
        ? dial({ host, port }, { peer: alice, ...options })
        : learnCertificate({ host, port }, options);
    const late = await assertRejects(
      () => open(silent, { timeoutMs: 30 }),
      ProtocolError,
    );
    assertEquals(late.code, "timed_out");
    const stop = new AbortController();
    const opening = assertRejects(
      () => open(other, { timeoutMs: 60_000, signal: stop.signal }),
      Error,
      "by the test",
    );
    using _conn = await other.accept();
    stop.abort(new Error("by the test"));
    await within(opening, "the end");
  });
}

Deno.test("learnCertificate returns the certificate of the server", async () => {
  await using server = await serve();
  const certificate = await learnCertificate(server.listener.address, {
    timeoutMs: 20_000,
  });
  assertEquals(certificateId(certificate), alice.id);
});

/** A TCP server that sends `bytes` to each client. */
function answering(bytes: Uint8Array): { at: Endpoint } & AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const done = (async () => {
    for await (const conn of listener) {
      await conn.write(bytes);
      await conn.read(new Uint8Array(4096)).catch(() => null);
      conn.close();
    }
  })();
  return {
    at: { host: "127.0.0.1", port: listener.addr.port },
    [Symbol.asyncDispose]: () => {
      listener.close();
      return done;
    },
  };
}

for (
  const [what, text] of [
    ["a web server", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["a mail server", "220 mail ESMTP\r\n"],
    ["random bytes", "\x9d\x03\xe1\x7f\x01\x55\xaa"],
    ["nothing but the end", ""],
  ] as const
) {
  Deno.test(`learnCertificate does not accept ${what} as a relay`, async () => {
    await using server = answering(new TextEncoder().encode(text));
    const error = await assertRejects(
      () => learnCertificate(server.at, { timeoutMs: 20_000 }),
    );
    const isKnown = error instanceof ProtocolError
      ? error.code === "wrong_service"
      : "code" in error && error.code === "ECONNRESET";
    assertEquals(isKnown, true, String(error));
  });
}

Deno.test("A listener closes silent connections at its deadline", async () => {
  await using server = await serve({
    limits: { handshakeMs: 1_000 },
    handle: async ({ conn }) => {
      await conn.read(new Uint8Array(1)); // waits for a hello
    },
  });
  const tcp = await Deno.connect({
    hostname: "127.0.0.1",
    port: server.listener.address.port,
  });
  const end = await within(
    tcp.read(new Uint8Array(1)).catch(() => null),
    "the end",
  );
  assertEquals(end, null);
  tcp.close();
  await server.log.until("refused", ({ reason }) => reason === "bad_handshake");
  // TLS established, and then no hello.
  using conn = await dialAt(server.listener.address, alice);
  await within(conn.read(new Uint8Array(1)).catch(() => null), "the end");
  await server.log.until("refused", ({ reason }) => reason === "no_hello");
});

Deno.test("A listener's deadline is absolute: trickling bytes do not extend it", async () => {
  await using server = await serve({ limits: { handshakeMs: 1_000 } });
  const { address } = server.listener;
  using pace = await dialAt(address, alice);
  const tcp = await Deno.connect({
    hostname: address.host,
    port: address.port,
  });
  // A TLS record of 16 KiB that grows by a byte for each round trip beside it.
  const trickle = (async () => {
    await tcp.write(Uint8Array.of(0x16, 0x03, 0x01, 0x40, 0x00));
    for (;;) {
      await roundTrip(pace, "tick");
      await tcp.write(Uint8Array.of(0x01));
    }
  })().catch((error) => error);
  assertInstanceOf(await within(trickle, "the end"), Error);
  tcp.close();
  assertEquals(server.log.events.map((event) => event.event), ["refused"]);
  await server.log.until("refused", ({ reason }) => reason === "bad_handshake");
});

Deno.test("A listener ends a plaintext peer on the TLS port at once", async () => {
  await using server = await serve();
  const tcp = await Deno.connect({
    hostname: "127.0.0.1",
    port: server.listener.address.port,
  });
  await tcp.write(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
  const drain = (async () => {
    while (await tcp.read(new Uint8Array(1024)) !== null);
  })().catch(() => null);
  await within(drain, "the end");
  tcp.close();
  await server.log.until("refused", ({ reason }) => reason === "bad_handshake");
});

/** Connects from one of the many loopback addresses. */
function connectFrom(localAddress: string, at: Endpoint) {
  const socket = connect({ ...at, localAddress });
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) =>
    socket.once("close", () => resolve())
  );
  return { socket, closed };
}

Deno.test("A listener closes connections beyond the limit of one address at accept", async () => {
  await using server = await serve({ limits: { connectBurstCount: 5 } });
  const many = Array.from(
    { length: 20 },
    () => connectFrom("127.0.0.2", server.listener.address),
  );
  const refused = await server.log.until("refused");
  assertEquals(refused.reason, "connecting_too_fast");
  assertEquals(refused.from, "127.0.0.2");
  await within(
    Promise.all(many.slice(5).map(({ closed }) => closed)),
    "the refusals",
  );
  // Somebody else gets in meanwhile.
  using conn = await dialAt(server.listener.address, alice);
  assertEquals(await roundTrip(conn, "x"), "x");
  for (const { socket } of many) socket.destroy();
  await Promise.all(many.map(({ closed }) => closed));
});

/** Calls of `Deno.connect` while the first `count` find no file descriptor. */
async function withoutDescriptors(
  count: number,
  body: () => Promise<void>,
): Promise<number> {
  const { connect } = Deno;
  let calls = 0;
  const short = (options: Deno.ConnectOptions) => {
    if (++calls > count) return connect(options);
    return Promise.reject(new Error("Too many open files (os error 24)"));
  };
  Object.assign(Deno, { connect: short });
  try {
    await body();
  } finally {
    Object.assign(Deno, { connect });
  }
  return calls;
}

Deno.test("dial waits while this process has no file descriptor", async () => {
  await using server = await serve();
  const { address } = server.listener;
  const calls = await withoutDescriptors(3, async () => {
    using conn = await dial(address, { peer: alice, timeoutMs: 30_000 });
    assertEquals(conn.remote.port, address.port);
  });
  assertEquals(calls, 4);
});

for (
  const [what, timeoutMs] of [
    ["", 1_000],
    [", also if its time is over while it waits for one", 1],
  ] as const
) {
  Deno.test(`dial without a file descriptor reports that, and not that nobody answers${what}`, async () => {
    const at = { host: "127.0.0.1", port: 1 };
    await withoutDescriptors(Infinity, async () => {
      const error = await assertRejects(() =>
        dial(at, { peer: alice, timeoutMs })
      );
      assertEquals(
        describeCause(error),
        "too many open files in this process",
      );
    });
  });
}
