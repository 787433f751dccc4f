import { assertEquals } from "@std/assert";
import type { Endpoint } from "../../lib/base/conn.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { LIMITS, type Limits, limitsWith } from "../../lib/base/limits.ts";
import { DialBacks } from "../../lib/relay/dial_backs.ts";
import { listen, type Listener } from "../../lib/transport/listen.ts";
import { within } from "../_event_log.ts";
import { IDENTITIES } from "../_network.ts";

const [, alice, mallory] = IDENTITIES as [Identity, Identity, Identity];

/** Elsewhere the other addresses in 127.0.0.0/8 are not there. */
const onLinux = { ignore: Deno.build.os !== "linux" };

function serve(identity: Identity | null): Promise<Listener> {
  return listen({
    at: { host: "127.0.0.1", port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: 8,
    incidents: new Incidents(0, () => {}),
    handle: async ({ conn }) => {
      await conn.read(new Uint8Array(1));
    },
  });
}

function dialBacks(
  limits: Partial<Limits> = {},
  signal = new AbortController().signal,
): DialBacks {
  const { connectMs: timeoutMs } = limitsWith(limits);
  return new DialBacks({ limits: limitsWith(limits), timeoutMs, signal });
}

for (
  const [what, there, peer, outcome] of [
    ["the node", alice, alice, "alive"],
    ["another", mallory, alice, "gone"],
    ["somebody without TLS", null, alice, "gone"],
    ["somebody, in the clear", null, null, "alive"],
  ] as const
) {
  Deno.test(`DialBacks reports a node as ${outcome} if ${what} answers`, async () => {
    const listener = await serve(there);
    const { address: endpoint } = listener;
    const found = dialBacks({ connectMs: 10_000 })
      .check({ id: alice.id, endpoint, peer }, 0);
    // Who does not speak TLS is waited for no longer than this.
    assertEquals(await within(found, "the check"), outcome);
    await listener.close();
    const gone = dialBacks().check({ id: alice.id, endpoint, peer }, 0);
    assertEquals(await within(gone, "the check"), "gone");
  });
}

Deno.test("DialBacks closes the connection to a node that accepts it and does not answer", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr;
  const endpoint = { host: "127.0.0.1", port };
  const checking = dialBacks({ connectMs: 50 })
    .check({ id: alice.id, endpoint, peer: alice }, 0);
  const conn = await silent.accept();
  assertEquals(await within(checking, "the check"), "gone");
  const buffer = new Uint8Array(4096);
  const ended = (async () => {
    while (await conn.read(buffer).catch(() => null) !== null);
  })();
  // Or a relay would keep a descriptor for each, as long as they like.
  await within(ended, "the end of the connection");
  conn.close();
  silent.close();
});

Deno.test("DialBacks dials a node by each family every 5 s at most", async () => {
  const listener = await serve(alice);
  const { port } = listener.address;
  const checks = dialBacks({ connectMs: 10_000 });
  const at = (host: string, now: number) =>
    checks.check({ id: "a", endpoint: { host, port }, peer: alice }, now);
  assertEquals(await at("127.0.0.1", 0), "alive");
  assertEquals(await at("100::1", 0), "gone", "dialled, and not there");
  assertEquals(await at("127.0.0.1", 4_999), "unchecked");
  assertEquals(await at("100::1", 4_999), "unchecked");
  assertEquals(await at("127.0.0.1", 5_000), "alive");
  await listener.close();
});

Deno.test("DialBacks dials a node every 5 s at most, and 16 at once", async () => {
  const listener = await serve(alice);
  const { address: endpoint } = listener;
  const checks = dialBacks();
  const check = (id: string, now: number) =>
    checks.check({ id, endpoint, peer: alice }, now);
  assertEquals(await check("a", 0), "alive");
  assertEquals(await check("a", 4_999), "unchecked");
  assertEquals(await check("b", 4_999), "alive");
  assertEquals(await check("a", 5_000), "alive");
  const many = Array.from({ length: 17 }, (_, n) => check(`${n}`, 20_000));
  assertEquals(await many[16], "unchecked");
  await Promise.all(many);
  assertEquals(await check("16", 30_000), "alive");
  await listener.close();
});

Deno.test(
  "DialBacks dials two nodes of one address at once, however silent, and others meanwhile",
  onLinux,
  async () => {
    const silent = Deno.listen({ hostname: "127.0.0.2", port: 0 });
    const listener = await serve(alice);
    const there = { host: "127.0.0.2", port: silent.addr.port };
    const leaving = new AbortController();
    const checks = dialBacks({}, leaving.signal);
    const check = (id: string, endpoint: Endpoint) =>
      checks.check({ id, endpoint, peer: alice }, 0);
    const held = [check("a", there), check("b", there)];
    const conns = [await silent.accept(), await silent.accept()];
    assertEquals(await check("c", there), "unchecked");
    assertEquals(checks.may({ id: "c", host: "127.0.0.2" }, 0), false);
    assertEquals(await check("d", listener.address), "alive");
    for (const conn of conns) conn.close();
    assertEquals(await Promise.all(held), ["gone", "gone"]);
    assertEquals(checks.may({ id: "c", host: "127.0.0.2" }, 0), true);
    silent.close();
    await listener.close();
  },
);

Deno.test(
  "DialBacks dials 32 ports of one address in a minute at which no node proves itself, each every 5 s, whatever ids ask for it",
  onLinux,
  async () => {
    // Nobody listens at this address, so each dial fails at once.
    const host = "127.0.0.4";
    const { dialBackFailureCount, dialBackFailureMs, dialBackPauseMs } = LIMITS;
    const checks = dialBacks();
    let ids = 0;
    const check = (port: number, now: number, at = host) =>
      checks.check({
        id: `id ${ids++}`,
        endpoint: { host: at, port },
        peer: alice,
      }, now);
    for (let port = 1; port <= dialBackFailureCount; port++) {
      assertEquals(await check(port, 0), "gone");
    }
    const next = dialBackFailureCount + 1;
    assertEquals(await check(next, 1), "unchecked");
    assertEquals(await check(1, 1, "127.0.0.5"), "gone"); // another address
    assertEquals(await check(1, dialBackPauseMs - 1), "unchecked");
    assertEquals(await check(1, dialBackPauseMs), "gone");
    assertEquals(await check(next, dialBackFailureMs - 1), "unchecked");
    assertEquals(await check(next, dialBackFailureMs), "gone");
  },
);

Deno.test(
  "DialBacks counts no port at which the node proves itself",
  onLinux,
  async () => {
    const host = "127.0.0.4";
    const checks = dialBacks({ dialBackFailureCount: 1 });
    const listener = await listen({
      at: { host, port: 0 },
      identity: alice,
      limits: LIMITS,
      connectionsPerAddressCount: 8,
      incidents: new Incidents(0, () => {}),
      handle: async ({ conn }) => {
        await conn.read(new Uint8Array(1));
      },
    });
    const check = (id: string, port: number) =>
      checks.check({ id, endpoint: { host, port }, peer: alice }, 0);
    const { port } = listener.address;
    assertEquals(await check("a", port), "alive");
    assertEquals(await check("b", port), "alive");
    assertEquals(await check("c", 1), "gone");
    assertEquals(await check("d", 2), "unchecked");
    await listener.close();
  },
);

Deno.test("DialBacks reports nothing about a node when the relay is closing", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = { host: "127.0.0.1", port: silent.addr.port };
  const leaving = new AbortController();
  const checking = dialBacks({}, leaving.signal)
    .check({ id: alice.id, endpoint, peer: alice }, 0);
  const conn = await silent.accept();
  leaving.abort();
  assertEquals(await within(checking, "the check"), "unchecked");
  conn.close();
  silent.close();
});

/** Ports of `hosts` at which nobody answers, for as many dials as wanted. */
function silentAt(hosts: readonly string[]) {
  const listeners = hosts.map((hostname) => Deno.listen({ hostname, port: 0 }));
  return {
    at: (n: number) => ({ host: hosts[n]!, port: listeners[n]!.addr.port }),
    [Symbol.dispose]: () => listeners.forEach((each) => each.close()),
  };
}

Deno.test(
  "row 1047: eight addresses with silent ports, each dialled twice, keep no other from being dialled",
  onLinux,
  async () => {
    const hosts = Array.from({ length: 8 }, (_, n) => `127.0.0.${n + 2}`);
    using silent = silentAt(hosts);
    const listener = await serve(alice);
    const leaving = new AbortController();
    const checks = dialBacks({}, leaving.signal);
    const held = hosts.flatMap((_, n) =>
      ["a", "b"].map((id) =>
        checks.check(
          { id: `${id}${n}`, endpoint: silent.at(n), peer: alice },
          0,
        )
      )
    );
    const { address: endpoint } = listener;
    const honest = checks.check({ id: "honest", endpoint, peer: alice }, 0);
    assertEquals(await within(honest, "the check"), "alive");
    assertEquals(await within(held[0]!, "its end"), "unchecked");
    leaving.abort();
    await Promise.all(held);
    await listener.close();
  },
);

Deno.test(
  "row 1047: a dial to an address at which one failed in the last minute is evicted, and one to a new address stays",
  onLinux,
  async () => {
    const hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
    using silent = silentAt(hosts);
    const leaving = new AbortController();
    const checks = dialBacks({ dialBackCount: 2 }, leaving.signal);
    const check = (id: string, endpoint: Endpoint, now: number) =>
      checks.check({ id, endpoint, peer: alice }, now);
    const closed = { host: hosts[0]!, port: 1 };
    assertEquals(await check("closed", closed, 0), "gone");
    const failed = check("a", silent.at(0), 10_000);
    const second = check("b", silent.at(1), 10_000);
    const third = check("c", silent.at(2), 10_000);
    assertEquals(await within(failed, "its end"), "unchecked");
    // Nothing is against one of the two more than would be against another.
    assertEquals(await check("d", silent.at(3), 10_000), "unchecked");
    assertEquals(await check("e", silent.at(0), 10_000), "unchecked");
    leaving.abort();
    await Promise.all([second, third]);
  },
);
