/** What a Redis may do to the instances of a relay, with the real server. */

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { Limits } from "../../lib/base/limits.ts";
import type { Reply } from "../../lib/cluster/resp.ts";
import { startFaultProxy } from "../_fault_proxy.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { Gate } from "./_gate.ts";
import { RedisServer } from "./_redis_server.ts";
import { PATIENT, Side } from "./_side.ts";

const TAG = "{relayrelayrelay1}";
/** So short that a server which stands still counts as away. */
const IMPATIENT: Limits = { ...PATIENT, clusterCommandMs: 300 };

function withRedis(
  name: string,
  fn: (server: RedisServer) => Promise<void>,
  ...args: string[]
): void {
  testWith(["redis-server"], name, async () => {
    await using server = await RedisServer.start(...args);
    await fn(server);
  });
}

function failuresOf(side: Side): Readonly<Record<string, number>> {
  return side.replicator.stats().failures;
}

withRedis(
  "A Redis that is frozen counts as down after clusterCommandMs, and is used again once it runs",
  async (server) => {
    await using a = new Side(server.store(IMPATIENT), { limits: IMPATIENT });
    a.hold("one");
    await a.until(() => a.phase === "whole");
    server.signal("SIGSTOP");
    await a.until(() => a.phase === "away");
    await a.until(() => failuresOf(a)["timed_out"]! >= 1);
    a.hold("two");
    server.signal("SIGCONT");
    await using b = new Side(server.store(PATIENT));
    await b.untilListed("one 1", "two 1");
  },
);

withRedis(
  "A Redis that answers after seconds counts as down, and holds nothing up",
  async (server) => {
    await using slow = await startFaultProxy({ toDialler: { delayMs: 2_000 } });
    slow.target = server.at.port;
    const url = `redis://127.0.0.1:${slow.port}/0`;
    await using a = new Side(server.store(IMPATIENT, { url }), {
      limits: IMPATIENT,
    });
    await a.until(() => failuresOf(a)["timed_out"]! >= 2);
    assertEquals(a.phase, "away");
    a.hold("one");
    assertEquals(a.listed, ["one 1"]);
  },
);

withRedis(
  "A Redis that accepts and sends nothing counts as down after clusterConnectMs",
  async (server) => {
    const limits = { ...PATIENT, clusterConnectMs: 200 };
    server.signal("SIGSTOP"); // the system still accepts for it
    const url = `rediss://127.0.0.1:${server.at.port}/0`;
    await using a = new Side(server.store(limits, { url }), { limits });
    await a.until(() => failuresOf(a)["timed_out"]! >= 1);
    assertEquals(a.phase, "away");
  },
);

withRedis(
  "A Redis whose memory is full is read on, and written to again after clusterWriteRetryMs",
  async (server) => {
    await using a = new Side(server.store(PATIENT));
    await using b = new Side(server.store(PATIENT));
    a.hold("one");
    await b.untilListed("one 1");
    await server.ask("CONFIG", "SET", "maxmemory", "1");
    a.hold("two");
    await a.until(() => a.phase === "stale");
    await a.until(() => failuresOf(a)["full"]! >= 2);
    await b.until(() => b.phase === "stale"); // others cannot send it anything
    assertEquals(b.listed, ["one 1"]);
    assertMatch(a.events.at(-1)!.why!, /its memory is full$/);
    await server.ask("CONFIG", "SET", "maxmemory", "0");
    await b.untilListed("one 1", "two 1");
    await a.until(() => a.phase === "whole");
  },
);

withRedis(
  "A Redis that has become a read-only copy is not used until it accepts writes again",
  async (server) => {
    await using a = new Side(server.store(PATIENT));
    a.hold("one");
    await a.until(() => a.phase === "whole");
    await server.ask("REPLICAOF", "127.0.0.1", "1");
    await a.until(() => failuresOf(a)["read_only"]! >= 1);
    assertNotEquals(a.phase, "whole");
    a.hold("two");
    await server.ask("REPLICAOF", "NO", "ONE");
    await using b = new Side(server.store(PATIENT));
    await b.untilListed("one 1", "two 1");
  },
);

testWith(
  ["redis-server"],
  "A Redis that is still loading what it saved counts as down, and is used once it has",
  async () => {
    await using folder = await tempShare();
    await using server = await RedisServer.start(
      ...["--dir", folder.path, "--key-load-delay", "20000"],
      ...["--loading-process-events-interval-bytes", "1024"],
    );
    await using a = new Side(server.store(PATIENT));
    a.hold("one");
    await a.until(() => a.phase === "whole");
    const keys = Array.from({ length: 150 }, (_, n) => `filler:${n}`);
    const text = "0123456789abcdef".repeat(8);
    await server.ask("MSET", ...keys.flatMap((key) => [key, key + text]));
    await server.ask("SAVE");
    await server.kill();
    await a.until(() => a.phase === "away");
    await server.start();
    await a.until(() => failuresOf(a)["loading"]! >= 1);
    assertEquals(a.phase, "away");
    a.hold("two");
    await a.until(() => a.phase === "whole");
    await using b = new Side(server.store(PATIENT));
    await b.untilListed("one 1", "two 1");
  },
);

withRedis(
  "Keys of another type than ours are replaced, and the instances are whole",
  async (server) => {
    await server.ask("LPUSH", `${TAG}:log`, "x");
    await server.ask("SET", `${TAG}:x`, "x");
    await server.ask("SET", `${TAG}:c`, "x");
    await server.ask("SET", `${TAG}:i`, "x");
    await server.ask("LPUSH", `${TAG}:n:one`, "x");
    await using a = new Side(server.store(PATIENT));
    a.hold("one");
    await using b = new Side(server.store(PATIENT));
    await b.untilListed("one 1");
    assertEquals(await server.ask("TYPE", `${TAG}:c`), "string");
  },
);

withRedis(
  "An instance whose part of the stream was cut off before it was read reads all again",
  async (server) => {
    await using a = new Side(server.store(PATIENT));
    const gate = new Gate(server.store(PATIENT));
    await using b = new Side(gate);
    a.hold("one");
    await b.untilListed("one 1");
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.held = promise;
    for (const id of ["two", "three", "four"]) {
      const { written } = a.replicator.stats();
      a.hold(id);
      await a.until(() => a.replicator.stats().written > written);
    }
    await server.ask("XTRIM", `${TAG}:log`, "MAXLEN", "1");
    resolve();
    await b.untilListed("four 1", "one 1", "three 1", "two 1");
  },
);

withRedis(
  "Instances that were cut off from each other list one entry of a node afterwards, the newest",
  async (server) => {
    const gate = new Gate(server.store(PATIENT));
    await using a = new Side(gate);
    await using b = new Side(server.store(PATIENT));
    a.hold("one", 1);
    await b.untilListed("one 1");
    gate.shut();
    await a.until(() => a.phase === "away");
    b.hold("one", 2);
    a.hold("two", 1);
    await b.until(() => b.replicator.stats().waiting === 0);
    assertEquals(a.listed, ["one 1", "two 1"]);
    gate.unlock();
    await a.untilListed("one 2", "two 1");
    await b.untilListed("one 2", "two 1");
  },
);

withRedis(
  "Nothing that was written to Redis by hand is listed, and each is counted",
  async (server) => {
    await using a = new Side(server.store(PATIENT));
    a.hold("one");
    await a.until(() => a.replicator.stats().written === 1);
    const value = String(await server.ask("GET", `${TAG}:n:one`));
    const [head = "", body = ""] = value.split("\n");
    const sequenceUp = head.replace("n one 1 ", "n one 9 ");
    await server.put(TAG, `${TAG}:n:garbage`, "garbage");
    await server.put(TAG, `${TAG}:n:large`, "x".repeat(1 << 20));
    await server.put(TAG, `${TAG}:n:other`, value.replace("n one", "n other"));
    await server.put(
      TAG,
      `${TAG}:n:body`,
      `${head}\n${body.replace("one", "two")}`,
    );
    await server.ask("LPUSH", `${TAG}:n:list`, "x");
    await server.ask("ZADD", `${TAG}:x`, "9999999999999", `${TAG}:n:list`);
    await server.ask("ZADD", `${TAG}:x`, "9999999999999", "elsewhere");
    await using b = new Side(server.store(PATIENT));
    await b.untilListed("one 1");
    assertEquals(b.replicator.stats().dropped["forged"], 3);
    assertEquals(b.replicator.stats().dropped["too_large"], 1);
    await server.announce(TAG, sequenceUp);
    await server.announce(TAG, "garbage");
    await server.announce(TAG, head.replace(" - ", " w "));
    await b.until(() => b.replicator.stats().dropped["forged"] === 6);
    assertEquals(b.listed, ["one 1"]);
    assertEquals(b.phase, "whole");
  },
);

withRedis(
  "What an instance wrote before is not listed again when somebody writes it a second time",
  async (server) => {
    await using a = new Side(server.store(PATIENT));
    await using b = new Side(server.store(PATIENT));
    a.hold("one", 1);
    await b.untilListed("one 1");
    const value = String(await server.ask("GET", `${TAG}:n:one`));
    const [head = ""] = value.split("\n");
    a.end("one");
    await b.untilListed();
    const written = String(await server.ask("GET", `${TAG}:n:one`));
    assertMatch(written, /^n one 1 \d+ \S+ w /);
    await server.put(TAG, `${TAG}:n:one`, value);
    await server.announce(TAG, head);
    await b.until(() => b.replicator.stats().dropped["stale"]! >= 1);
    assertEquals(b.listed, []);
  },
);

withRedis(
  "What is over by the clock of Redis is not listed, even if it is written again",
  async (server) => {
    await using a = new Side(server.store(PATIENT));
    a.hold("one", 1, { leftMs: 3_000 });
    await a.until(() => a.replicator.stats().written === 1);
    const value = String(await server.ask("GET", `${TAG}:n:one`));
    let left: Reply = 1;
    while (left !== null) left = await server.ask("GET", `${TAG}:n:one`);
    a.end("one", 0);
    await server.put(TAG, `${TAG}:n:one`, value);
    await using b = new Side(server.store(PATIENT));
    await b.until(() => b.replicator.stats().dropped["over"] === 1);
    assertEquals(b.listed, []);
  },
);

withRedis(
  "Two relays in one Redis do not affect each other",
  async (server) => {
    const other = server.store(PATIENT, { relayId: "another-relay-id" });
    await using a = new Side(server.store(PATIENT));
    await using b = new Side(other);
    a.hold("one");
    b.hold("two");
    await using c = new Side(server.store(PATIENT));
    await using d = new Side(other);
    await c.untilListed("one 1");
    await d.untilListed("two 1");
    // They announce of themselves at their own pace.
    await c.until(() => c.replicator.stats().instances === 2);
    assertEquals(c.replicator.stats().dropped["forged"], 0);
  },
);

withRedis(
  "A Redis with a password accepts relays that have it, and refuses others in one line a minute",
  async (server) => {
    const { port } = server.at;
    const right = `redis://:pass%20word@127.0.0.1:${port}/2`;
    await using a = new Side(server.store(PATIENT, { url: right }));
    a.hold("one");
    await using b = new Side(server.store(PATIENT, { url: right }));
    await b.untilListed("one 1");
    for (
      const url of [
        `redis://:wrong@127.0.0.1:${port}/2`,
        `redis://127.0.0.1:${port}`,
      ]
    ) {
      await using c = new Side(server.store(PATIENT, { url }));
      await c.until(() => failuresOf(c)["not_allowed"]! >= 3);
      assertEquals(c.events.length, 1);
      assertMatch(c.events[0]!.why!, /refuses the user or the password$/);
      assertEquals(c.events[0]!.why!.includes("wrong"), false);
    }
  },
  ...["--requirepass", "pass word"],
);

testWith(
  ["redis-server", "openssl"],
  "A Redis with TLS is used by rediss://, with a certificate that is trusted, and by nothing else",
  async () => {
    const folder = await Deno.makeTempDir();
    const cert = `${folder}/cert.pem`;
    const key = `${folder}/key.pem`;
    const { success } = await new Deno.Command("openssl", {
      args: [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt"],
        ...["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
        ...["-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"],
        ...["-addext", "basicConstraints=critical,CA:FALSE"],
        ...["-keyout", key, "-out", cert],
      ],
      stderr: "null",
    }).output();
    assertEquals(success, true);
    try {
      await using server = await RedisServer.start(
        ...["--tls-port", "PORT", "--tls-cert-file", cert, "--tls-key-file"],
        ...[key, "--tls-auth-clients", "no"],
      );
      const caCerts = [await Deno.readTextFile(cert)];
      const url = `rediss://127.0.0.1:${server.at.port}/0`;
      await using a = new Side(server.store(PATIENT, { url, caCerts }));
      a.hold("one");
      await using b = new Side(server.store(PATIENT, { url, caCerts }));
      await b.untilListed("one 1");
      await using stranger = new Side(server.store(PATIENT, { url }));
      await stranger.until(() => failuresOf(stranger)["not_trusted"]! >= 1);
      await using plain = new Side(server.store(PATIENT));
      await plain.until(() => Object.keys(failuresOf(plain)).length >= 1);
      assertEquals([stranger.listed, plain.listed], [[], []]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

withRedis(
  "rediss:// to a Redis without TLS says that TLS is not answered",
  async (server) => {
    const limits = { ...PATIENT, clusterConnectMs: 300 };
    const url = `rediss://127.0.0.1:${server.at.port}/0`;
    await using a = new Side(server.store(limits, { url }), { limits });
    await a.until(() => a.events.length > 0);
    assertMatch(a.events[0]!.why!, /does not answer by TLS in time$/);
  },
);
