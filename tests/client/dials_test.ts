/**
 * What a command dials, where many nodes name one address.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { Dials } from "../../lib/client/dials.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { registerNode } from "../_evil_node.ts";
import { startNode, startRelay } from "../_network.ts";
import { fetch } from "./_outcomes.ts";

const AT = { host: "192.0.2.7", port: 443 };
const MISMATCH = new ProtocolError("identity_mismatch", "somebody else");
const REFUSED = new Deno.errors.ConnectionRefused("refused");

/** Dials that fail as `error` says, and how many there were. */
function failing(error: Error, limits: Partial<Limits> = {}) {
  const dials = new Dials({ ...LIMITS, ...limits });
  let count = 0;
  const connect = () => {
    count++;
    return Promise.reject(error);
  };
  return {
    dial: (id: string, isObserved: boolean, port = AT.port, host = AT.host) =>
      assertRejects(
        () =>
          dials.dial({ host, port }, { id, isObserved }, {
            connect,
            signal: undefined,
          }),
        Error,
      ),
    get count() {
      return count;
    },
  };
}

Deno.test("Dials tries a dead address once, even if many nodes name it", async () => {
  for (const isObserved of [true, false]) {
    const dials = failing(REFUSED);
    const errors = await Promise.all(
      ["a", "b", "c"].map((id) => dials.dial(id, isObserved)),
    );
    assertEquals(errors, [REFUSED, REFUSED, REFUSED]);
    assertEquals(dials.count, 1);
    // The node itself may have come back.
    await dials.dial("a", isObserved);
    assertEquals(dials.count, 2);
  }
});

Deno.test("Dials tries a claimed address for only four nodes, and an address where the relay saw the nodes for all of them", async () => {
  const ids = Array.from({ length: 10 }, (_, n) => `id ${n}`);
  const claimed = failing(MISMATCH);
  for (const id of ids) await claimed.dial(id, false);
  assertEquals(claimed.count, 4);
  // Claims shut out nobody who is there.
  await claimed.dial("owner", true);
  assertEquals(claimed.count, 5);
  const observed = failing(MISMATCH);
  for (const id of ids) await observed.dial(id, true);
  assertEquals(observed.count, 10);
});

Deno.test("Dials stops after sixteen claimed addresses of one host if all of them fail", async () => {
  const dials = failing(REFUSED);
  for (let port = 1; port <= 40; port++) {
    await dials.dial(`id ${port}`, false, port);
  }
  assertEquals(dials.count, 16);
});

Deno.test("Dials stops after observedFailureCount addresses of one network, at which the relay saw nodes, if all of them fail", async () => {
  const seen = failing(REFUSED, { observedFailureCount: 3 });
  for (let n = 0; n < 5; n++) await seen.dial(`id ${n}`, true, 1_000 + n);
  assertEquals(seen.count, 3);
  // A node that was dialled may have come back, and others may be elsewhere.
  await seen.dial("id 0", true, 1_000);
  assertEquals(seen.count, 4);
  await seen.dial("id 9", true, 1_000, "198.51.100.7");
  assertEquals(seen.count, 5);
  // All nodes behind a local proxy have one address.
  for (let n = 0; n < 5; n++) {
    await seen.dial(`id ${n}`, true, 1_000 + n, "127.0.0.1");
  }
  assertEquals(seen.count, 10);
});

Deno.test("Dials blames no address and no node if this process has no file descriptor", async () => {
  const short = new Error("Too many open files (os error 24)");
  for (const isObserved of [true, false]) {
    const ports = failing(short);
    for (let port = 1; port <= 40; port++) {
      await ports.dial(`id ${port}`, isObserved, port);
    }
    assertEquals(ports.count, 40);
    const ids = failing(short);
    for (let n = 0; n < 10; n++) {
      assertEquals(await ids.dial(`id ${n}`, isObserved), short);
    }
    assertEquals(ids.count, 10);
  }
});

/** Forty dials at once, each to another port, of which none is answered yet. */
function manyAtOnce(hostOf: (n: number) => string) {
  const dials = new Dials(LIMITS);
  const dialled: PromiseWithResolvers<string>[] = [];
  const all = Array.from(
    { length: 40 },
    (_, n) =>
      dials.dial({ host: hostOf(n), port: 1 + n }, {
        id: `id ${n}`,
        isObserved: false,
      }, {
        connect: () => {
          const answer = Promise.withResolvers<string>();
          dialled.push(answer);
          return answer.promise;
        },
        signal: undefined,
      }),
  );
  for (const each of all) each.catch(() => {}); // judged together below
  const turn = () => new Promise<void>((resolve) => setTimeout(resolve));
  return { all, dialled, turn };
}

for (
  const [what, hostOf] of [
    ["a host", () => AT.host],
    ["an IPv6 network", (n: number) => `2001:db8::${(n + 1).toString(16)}`],
    ["a domain", (n: number) => `Host-${n}.victim.example`],
  ] as const
) {
  Deno.test(`Dials runs sixteen dials at once to claimed ${what}, and no more after they have failed`, async () => {
    const { all, dialled, turn } = manyAtOnce(hostOf);
    await turn();
    assertEquals(dialled.length, 16);
    for (const { reject } of dialled) reject(REFUSED);
    const outcomes = await Promise.allSettled(all);
    assertEquals(dialled.length, 16);
    assertEquals(
      outcomes.filter(({ status }) => status === "rejected").length,
      40,
    );
  });

  Deno.test(`Dials continues to all of ${what} if the claims are true`, async () => {
    const { all, dialled, turn } = manyAtOnce(hostOf);
    for (let n = 0; n < 40; n++) {
      await turn();
      dialled[n]!.resolve("connected");
    }
    assertEquals(new Set(await Promise.all(all)), new Set(["connected"]));
  });
}

Deno.test("Dials counts no failures of one domain against another", async () => {
  const hosts = Array.from({ length: 40 }, (_, n) => `node.home-${n}.example`);
  const { all, dialled, turn } = manyAtOnce((n) => hosts[n]!);
  await turn();
  assertEquals(dialled.length, 40);
  for (const { resolve } of dialled) resolve("connected");
  await Promise.all(all);
});

Deno.test("Dials does not count a cancelled dial against the address", async () => {
  const dials = new Dials(LIMITS);
  const off = new AbortController();
  const begun = Promise.withResolvers<void>();
  const first = dials.dial(AT, { id: "a", isObserved: true }, {
    connect: () => {
      begun.resolve();
      return new Promise<string>((_, reject) => {
        off.signal.addEventListener("abort", () => reject(REFUSED));
      });
    },
    signal: off.signal,
  });
  const failed = assertRejects(() => first);
  await begun.promise;
  const second = dials.dial(AT, { id: "b", isObserved: true }, {
    connect: () => Promise.resolve("connected"),
    signal: undefined,
  });
  off.abort();
  await failed;
  assertEquals(await second, "connected");
});

Deno.test("A client opens few connections to a host that many nodes claim", async () => {
  await using relay = await startRelay();
  let count = 0;
  using victim = Deno.listen({ hostname: "127.0.0.9", port: 0 });
  const accepting = (async () => {
    for await (const conn of victim) {
      count++;
      conn.close();
    }
  })();
  const { port } = victim.addr as Deno.NetAddr;
  for (let n = 0; n < 12; n++) {
    const identity = await createIdentity();
    const addresses = [{ host: "127.0.0.9", port }];
    await registerNode(relay, { identity, name: `n${n}`, addresses });
  }
  await using _node = await startNode(relay, { "f": "x" });
  assertEquals((await fetch(relay, "none")).kind, "not_found");
  victim.close();
  await accepting;
  assertEquals(count > 0 && count <= 4, true, `${count} connections`);
});
