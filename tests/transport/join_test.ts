/**
 * Both ends of tunnels, through a relay and with relays that misbehave.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Conn, type Endpoint, writeAll } from "../../lib/base/conn.ts";
import { isDisconnect, ProtocolError } from "../../lib/base/errors.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { DenoConn } from "../../lib/transport/deno_conn.ts";
import { acceptTunnel } from "../../lib/transport/accept_tunnel.ts";
import { dialTunnel, TunnelRefused } from "../../lib/transport/join.ts";
import { within } from "../_event_log.ts";
import { IDENTITIES, startRelay, type TestRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import {
  attachNode,
  type Entrance,
  entranceOf,
  openTunnel,
  passes,
  showKey,
} from "../_tunnel_ends.ts";

const [, alice, mallory] = IDENTITIES as [Identity, Identity, Identity];
const LARGE = randomBytes(1_000_000, seededRandom(1));
const REMOTE = { host: "192.0.2.7", port: 0 };
const KEY = "AAECAwQFBgcICQoLDA0ODw";
const timeoutMs = 5_000;

/** An address at which nobody listens. */
function closedAddress(): Endpoint {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { host: "127.0.0.1", port: listener.addr.port };
}

/** Joins both ends of a new tunnel of alice's. */
async function joinBoth(
  relay: TestRelay,
  { entrances, identity = alice }: {
    entrances: readonly Endpoint[];
    identity?: Identity | null;
  },
): Promise<{ client: Conn; node: Conn } & Disposable> {
  await using attached = await attachNode(relay, alice);
  const keys = await openTunnel(relay, attached);
  const [client, node] = await Promise.all([
    dialTunnel({ entrances, key: keys.client, timeoutMs, peer: identity }),
    acceptTunnel({
      ...{ entrances, key: keys.node, timeoutMs, identity },
      remote: REMOTE,
    }),
  ]);
  return {
    client,
    node,
    [Symbol.dispose]: () => {
      client.close();
      node.close();
    },
  };
}

for (const identity of [alice, null]) {
  const how = identity === null ? "in the clear" : "in TLS of their own";
  for (const entrance of ["tunnel", "own"] as const) {
    Deno.test(`Both ends of a tunnel talk ${how}, by the relay's ${entrance} port`, async () => {
      await using relay = await startRelay();
      const entrances = [await entranceOf(relay, entrance)];
      using ends = await joinBoth(relay, { entrances, identity });
      const { client, node } = ends;
      await passes(client, node, Uint8Array.of(1));
      await passes(node, client, LARGE);
      assertEquals(node.remote, REMOTE);
      await node.closeWrite();
      assertEquals(await within(client.read(new Uint8Array(1)), "end"), null);
      client.close();
      const { how: ending } = await relay.log.until("tunnel_ended");
      assertEquals(ending, "completed");
    });
  }
}

Deno.test("Both ends of a tunnel use the relay's own port if they cannot reach the other", async () => {
  await using relay = await startRelay();
  const entrances = [closedAddress(), await entranceOf(relay, "own")];
  using ends = await joinBoth(relay, { entrances });
  await passes(ends.client, ends.node, LARGE);
  await passes(ends.node, ends.client, LARGE);
});

Deno.test("dialTunnel accepts only the expected node in the tunnel", async () => {
  await using relay = await startRelay();
  await using attached = await attachNode(relay, alice);
  const keys = await openTunnel(relay, attached);
  const entrances = [await entranceOf(relay, "tunnel")];
  const accepting = acceptTunnel({
    ...{ entrances, key: keys.node, timeoutMs, identity: mallory },
    remote: REMOTE,
  }).then((conn) => conn.close(), () => {}); // TLS 1.3 ends later on this side
  const error = await assertRejects(
    () => dialTunnel({ entrances, key: keys.client, timeoutMs, peer: alice }),
    ProtocolError,
  );
  assertEquals(error.code, "identity_mismatch");
  await within(accepting, "the node's end");
  await relay.log.until("tunnel_ended");
});

Deno.test("Both ends of a tunnel learn that their key is unknown", async () => {
  await using relay = await startRelay();
  for (const entrance of ["tunnel", "own"] as const) {
    const to = { entrances: [await entranceOf(relay, entrance)], timeoutMs };
    for (
      const join of [
        () => dialTunnel({ ...to, key: KEY, peer: alice }),
        () =>
          acceptTunnel({ ...to, key: KEY, identity: alice, remote: REMOTE }),
      ]
    ) {
      const error = await assertRejects(join, TunnelRefused);
      assertEquals(error.code, "unknown_key");
      assert(isDisconnect(error), "a node takes it for nothing unforeseen");
    }
  }
  await relay.log.until("refused", ({ reason }) => reason === "unknown_key");
});

/** What listens in a relay's place, and does with connections what it likes. */
function startFakeRelay(talk: (conn: Conn) => Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const talks: Promise<void>[] = [];
  const conns: Conn[] = [];
  const accepting = (async () => {
    for await (const tcp of listener) {
      tcp.setNoDelay(true);
      const conn = new DenoConn(tcp);
      conns.push(conn);
      talks.push(talk(conn).catch(() => {}).finally(() => conn.close()));
    }
  })();
  return {
    entrances: [{ host: "127.0.0.1", port: listener.addr.port }],
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await accepting;
      // Deno's TLS keeps the socket where a handshake is broken off.
      for (const conn of conns) conn.close();
      await within(Promise.all(talks), "what was talked");
    },
  };
}

/** Reads until the other end has ended. */
async function untilEnd(conn: Conn): Promise<void> {
  const buffer = new Uint8Array(4096);
  while (await conn.read(buffer) !== null);
}

const encode = (text: string) => new TextEncoder().encode(text);

for (
  const [what, answer, code] of [
    ["closes the connection", new Uint8Array(), "hung_up"],
    [
      "says why not",
      encodeMessage({
        kind: "refused",
        code: "peer_did_not_join",
        text: "no tunnel",
      }),
      "peer_did_not_join",
    ],
    ["says what nobody knows", encodeFrame(0x7f, encode("{}")), "unknown"],
    ["claims 4 GiB", Uint8Array.of(4, 255, 255, 255, 255), "frame_too_large"],
    [
      "claims a byte too much",
      Uint8Array.of(4, 0, 0, 16, 1),
      "frame_too_large",
    ],
    ["stops in the middle", Uint8Array.of(4, 0, 0), "truncated"],
    [
      "says what has no place here",
      encodeMessage({ kind: "ping" }),
      "wrong_phase",
    ],
    ["sends noise", encodeFrame(4, Uint8Array.of(255, 254)), "bad_message"],
  ] as const
) {
  for (const end of ["dialTunnel", "acceptTunnel"] as const) {
    Deno.test(`${end} ends if a relay ${what}`, async () => {
      await using relay = startFakeRelay(async (conn) => {
        await conn.read(new Uint8Array(4096));
        await writeAll(conn, answer);
        await conn.closeWrite();
        await untilEnd(conn);
      });
      const error = await assertRejects(() => joinOne(end, relay));
      assert(
        error instanceof TunnelRefused || error instanceof ProtocolError,
        String(error),
      );
      assertEquals(error.code, code);
    });
  }
}

function joinOne(
  end: "dialTunnel" | "acceptTunnel",
  { entrances }: { entrances: readonly Endpoint[] },
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<Conn> {
  const to = { entrances, key: KEY, timeoutMs, ...options };
  return end === "dialTunnel"
    ? dialTunnel({ ...to, peer: alice })
    : acceptTunnel({ ...to, identity: alice, remote: REMOTE });
}

for (const end of ["dialTunnel", "acceptTunnel"] as const) {
  for (const says of ["nothing", "joined"] as const) {
    Deno.test(`${end} gives up when aborted, if the relay says ${says} and then no more`, async () => {
      const isThere = Promise.withResolvers<void>();
      await using relay = startFakeRelay(async (conn) => {
        await conn.read(new Uint8Array(4096));
        if (says === "joined") {
          await writeAll(conn, encodeMessage({ kind: "joined" }));
          // The client begins TLS, and its node says nothing to it.
          if (end === "dialTunnel") await conn.read(new Uint8Array(4096));
        }
        isThere.resolve();
        await untilEnd(conn);
      });
      const stop = new AbortController();
      const reason = new Error("by the test");
      const options = { timeoutMs: 60_000, signal: stop.signal };
      const joining = joinOne(end, relay, options);
      await isThere.promise;
      stop.abort(reason);
      const error = await within(assertRejects(() => joining), "the end");
      assertEquals(error, reason);
      await assertRejects(
        () => joinOne(end, relay, options),
        Error,
        "by the test",
      );
    });

    Deno.test(`${end} gives up in time, if the relay says ${says} and then no more`, async () => {
      await using relay = startFakeRelay(async (conn) => {
        await conn.read(new Uint8Array(4096));
        if (says === "joined") {
          await writeAll(conn, encodeMessage({ kind: "joined" }));
        }
        await untilEnd(conn);
      });
      const error = await within(
        assertRejects(
          () => joinOne(end, relay, { timeoutMs: 100 }),
          ProtocolError,
        ),
        "the end",
      );
      assertEquals(error.code, "timed_out");
    });
  }
}

/** Passes bytes on, both ways, in slices of so many. */
async function pump(from: Conn, to: Conn, sliceBytes: number): Promise<void> {
  const buffer = new Uint8Array(sliceBytes);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) break;
    await writeAll(to, buffer.subarray(0, count));
  }
  await to.closeWrite();
}

for (const sliceBytes of [1, 7, 4096]) {
  Deno.test(`acceptTunnel loses no byte after "joined", in slices of ${sliceBytes} bytes`, async () => {
    // The node learns it together with the first bytes of the client.
    const ends: Conn[] = [];
    const both = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    const joined = encodeMessage({ kind: "joined" });
    await using relay = startFakeRelay(async (conn) => {
      await conn.read(new Uint8Array(4096));
      ends.push(conn);
      if (ends.length < 2) return await over.promise;
      both.resolve();
      const [client, node] = ends as [Conn, Conn];
      await writeAll(client, joined);
      const hello = new Uint8Array(4096);
      const count = await client.read(hello) ?? 0;
      await writeAll(
        node,
        Uint8Array.of(...joined, ...hello.subarray(0, count)),
      );
      await Promise.all([
        pump(client, node, sliceBytes),
        pump(node, client, sliceBytes),
      ]);
      over.resolve();
    });
    const dialling = joinOne("dialTunnel", relay);
    const accepting = (async () => {
      while (ends.length < 1) await new Promise((done) => setTimeout(done, 1));
      return await joinOne("acceptTunnel", relay);
    })();
    const [client, node] = await Promise.all([dialling, accepting]);
    await both.promise;
    await passes(client, node, LARGE.subarray(0, 3_000));
    await passes(node, client, LARGE.subarray(0, 3_000));
    client.close();
    node.close();
    over.resolve();
  });
}

for (const entrance of ["tunnel", "own"] satisfies Entrance[]) {
  Deno.test(`An end of a tunnel that sends byte by byte to the relay's ${entrance} port is accepted`, async () => {
    await using relay = await startRelay();
    await using attached = await attachNode(relay, alice);
    const keys = await openTunnel(relay, attached);
    using client = await showKey(relay, keys.client, entrance);
    const at = await entranceOf(relay, entrance);
    const tcp = await Deno.connect({ hostname: at.host, port: at.port });
    tcp.setNoDelay(true);
    using node = new DenoConn(tcp);
    for (const byte of encodeMessage({ kind: "join", key: keys.node })) {
      await writeAll(node, Uint8Array.of(byte));
    }
    const joined = encodeMessage({ kind: "joined" });
    for (const conn of [client, node]) {
      const answer = new Uint8Array(joined.length);
      for (let at = 0; at < answer.length;) {
        at += await within(conn.read(answer.subarray(at)), "joined") ?? NaN;
      }
      assertEquals(answer, joined);
    }
    await passes(client, node, LARGE);
    assertEquals(LIMITS.tunnelBufferBytes < LARGE.length, true);
  });
}
