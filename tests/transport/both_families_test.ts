import { assertEquals, assertRejects } from "@std/assert";
import { ANY_HOST } from "../../lib/base/address.ts";
import { type Conn, type Endpoint, writeAll } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import {
  type Families,
  listenAtBoth,
} from "../../lib/transport/both_families.ts";
import { dial } from "../../lib/transport/dial.ts";
import { listen } from "../../lib/transport/listen.ts";

/** Sockets of a system that is described, and not there. */
class Sockets {
  readonly open = new Set<string>();
  /** Ports that the system picks, in turn. */
  readonly #picks: number[];
  /** Addresses of other programs. */
  readonly #taken: ReadonlySet<string>;

  constructor(picks: readonly number[], taken: readonly string[] = []) {
    this.#picks = [...picks];
    this.#taken = new Set(taken);
  }

  bind({ host, port }: Endpoint) {
    const address = { host, port: port === 0 ? this.#picks.shift()! : port };
    const key = `${host} ${address.port}`;
    if (this.#taken.has(key)) throw new Deno.errors.AddrInUse("in use");
    this.open.add(key);
    return { address, stop: () => void this.open.delete(key) };
  }

  listen(host: string, port: number, families: Families) {
    return listenAtBoth({ host, port }, (at) => this.bind(at), () => families);
  }
}

for (
  const [families, host, opened] of [
    ["one socket", "::", [":: 7"]],
    ["two sockets", "::", [":: 7", "0.0.0.0 7"]],
    ["no IPv6", "::", ["0.0.0.0 7"]],
    ["two sockets", "::1", ["::1 7"]],
    ["two sockets", "0.0.0.0", ["0.0.0.0 7"]],
  ] as const
) {
  Deno.test(`listenAtBoth at ${host} opens ${opened.join(" and ")} if both families take ${families}`, async () => {
    const sockets = new Sockets([7]);
    const listening = await sockets.listen(host, 0, families);
    assertEquals([...sockets.open], [...opened]);
    assertEquals(`${listening.address.host} 7`, opened[0]);
    listening.stop();
    assertEquals(sockets.open.size, 0);
  });
}

Deno.test("listenAtBoth picks another port if the first is taken for IPv4", async () => {
  const sockets = new Sockets([7, 8, 9], ["0.0.0.0 7", "0.0.0.0 8"]);
  await sockets.listen("::", 0, "two sockets");
  assertEquals([...sockets.open], [":: 9", "0.0.0.0 9"]);
});

Deno.test("listenAtBoth tries eight ports, and leaves none open", async () => {
  const ports = Array.from({ length: 20 }, (_, at) => 1000 + at);
  const sockets = new Sockets(ports, ports.map((port) => `0.0.0.0 ${port}`));
  await assertRejects(
    () => sockets.listen("::", 0, "two sockets"),
    Deno.errors.AddrInUse,
  );
  assertEquals(sockets.open.size, 0);
  assertEquals(
    sockets.bind({ host: "::", port: 0 }).address.port,
    1000 + LIMITS.bothFamiliesAttemptCount,
  );
});

Deno.test("listenAtBoth fails if a given port is taken only for IPv4", async () => {
  const sockets = new Sockets([], ["0.0.0.0 7"]);
  await assertRejects(
    () => sockets.listen("::", 7, "two sockets"),
    Deno.errors.AddrInUse,
  );
  assertEquals(sockets.open.size, 0);
});

const identity = await createIdentity();

for (const encryption of ["TLS", "plaintext"] as const) {
  Deno.test(`A listener at all addresses takes IPv4 and IPv6 by ${encryption}, and sees IPv4 peers by their IPv4 address`, async () => {
    const own = encryption === "TLS" ? identity : null;
    const seen: string[][] = [];
    const listener = await listen({
      at: { host: ANY_HOST, port: 0 },
      identity: own,
      limits: LIMITS,
      connectionsPerAddressCount: LIMITS.relayConnectionsPerAddressCount,
      incidents: new Incidents(0, () => {}),
      handle: async ({ conn, source, settle }) => {
        seen.push([conn.remote.host, conn.local.host, source]);
        settle();
        const byte = new Uint8Array(1);
        await conn.read(byte);
        await writeAll(conn, byte);
        await conn.read(byte); // until the peer leaves
      },
    });
    const { port } = listener.address;
    for (const host of ["127.0.0.1", "::1"]) {
      using conn: Conn = await dial({ host, port }, {
        peer: own,
        timeoutMs: LIMITS.connectMs,
      });
      await writeAll(conn, Uint8Array.of(1));
      await conn.read(new Uint8Array(1));
    }
    await listener.close();
    assertEquals(seen, [
      ["127.0.0.1", "127.0.0.1", "127.0.0.1"],
      ["::1", "::1", "::1"],
    ]);
  });
}
