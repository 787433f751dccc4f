/**
 * Relays on the local network, on loopback.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createSocket, type Socket } from "node:dgram";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  type Announcement,
  decodeQuery,
  encodeAnswer,
  encodeQuery,
} from "../../lib/protocol/announcement.ts";
import {
  announce,
  findRelays,
  withoutDuplicates,
} from "../../lib/transport/announce.ts";
import { within } from "../_event_log.ts";

const ANNOUNCEMENT: Announcement = {
  id: "a".repeat(52),
  port: 1_700,
  name: "nas",
  isPrivate: false,
};
const HERE = { host: "127.0.0.1", port: 0 };
const TOKEN = new Uint8Array(16).fill(7);

/** A socket on loopback, and what arrives there. */
async function socketHere(
  onMessage: (bytes: Uint8Array, port: number) => void,
) {
  const socket = createSocket("udp4");
  socket.on("message", (bytes, { port }) => onMessage(bytes, port));
  await new Promise<void>((resolve) =>
    socket.bind({ address: "127.0.0.1", port: 0 }, resolve)
  );
  return {
    port: socket.address().port,
    send: (bytes: Uint8Array, port: number) =>
      new Promise<void>((resolve) =>
        socket.send(bytes, port, "127.0.0.1", () => resolve())
      ),
    socket,
    [Symbol.asyncDispose]: () => closed(socket),
  };
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}

/** All of it is waited for: longer than the machine stands still. */
const WAIT_MS = 2_500;

Deno.test("findRelays finds a relay that announces itself, with the host that it sent from or names", async () => {
  await using one = await announce(ANNOUNCEMENT, HERE);
  assertEquals(await findRelays({ port: one.port, waitMs: WAIT_MS }), [
    { ...ANNOUNCEMENT, host: "127.0.0.1" },
  ]);
  const named = { ...ANNOUNCEMENT, host: "nas.local", isPrivate: true };
  await using other = await announce(named, HERE);
  assertEquals(await findRelays({ port: other.port, waitMs: WAIT_MS }), [
    named,
  ]);
});

Deno.test("announce refuses a name and a host that no answer can hold", async () => {
  await assertRejects(
    () => announce({ ...ANNOUNCEMENT, host: "h.".repeat(200) }, HERE),
    RangeError,
    "wanted at most 512 bytes",
  );
});

Deno.test("findRelays returns nothing if nothing answers, and ends at once when it is aborted", async () => {
  await using silent = await socketHere(() => {});
  assertEquals(await findRelays({ port: silent.port, waitMs: 30 }), []);
  const stopped = new Error("stopped");
  const error = await assertRejects(() =>
    findRelays({ port: silent.port, signal: AbortSignal.abort(stopped) })
  );
  assertEquals(error, stopped);
});

Deno.test("findRelays waits for answers for announceWaitMs", async () => {
  await using silent = await socketHere(() => {});
  const startedAt = performance.now();
  await findRelays({ port: silent.port });
  const took = performance.now() - startedAt;
  assert(took >= LIMITS.announceWaitMs - 20, `${took} ms`);
});

Deno.test("findRelays lists 64 of thousands of forged relays, and none without its token", async () => {
  const answered = Promise.withResolvers<void>();
  let count = 0;
  await using flood = await socketHere(async (bytes, port) => {
    const token = decodeQuery(bytes)!;
    if (count > 0) return;
    for (; count < 300; count++) {
      const made = { ...ANNOUNCEMENT, name: `${count}`, port: count + 1 };
      await flood.send(encodeAnswer(TOKEN, made), port);
      await flood.send(encodeAnswer(token, made), port);
    }
    answered.resolve();
  });
  const found = await findRelays({ port: flood.port, waitMs: WAIT_MS });
  await answered.promise;
  assertEquals(found.length, LIMITS.announceListCount);
  assertEquals(LIMITS.announceListCount, 64);
});

Deno.test("findRelays lists the relays of all addresses, and under their own names, although one address answers first with thousands", async () => {
  await using relay = await socketHere(() => {});
  const liar = createSocket("udp4");
  await new Promise<void>((resolve) => liar.bind(0, "127.0.0.2", resolve));
  const lie = (bytes: Uint8Array, port: number) =>
    new Promise<void>((resolve) =>
      liar.send(bytes, port, "127.0.0.1", () => resolve())
    );
  const answered = Promise.withResolvers<void>();
  let isFirst = true;
  await using network = await socketHere(async (bytes, port) => {
    if (!isFirst) return;
    isFirst = false;
    const token = decodeQuery(bytes)!;
    const lies = async () => {
      for (let count = 0; count < 2 * LIMITS.announceListCount; count++) {
        const made = { ...ANNOUNCEMENT, name: `${count}`, port: count + 1 };
        await lie(encodeAnswer(token, made), port);
      }
    };
    await lies();
    await relay.send(encodeAnswer(token, ANNOUNCEMENT), port);
    const claimed = { ...ANNOUNCEMENT, name: "other", host: "127.0.0.1" };
    await lie(encodeAnswer(token, claimed), port);
    await lies();
    answered.resolve();
  });
  const found = await findRelays({ port: network.port, waitMs: WAIT_MS });
  await answered.promise;
  await closed(liar);
  assertEquals(found.length, LIMITS.announceListCount);
  const right = found.filter(({ host }) => host === "127.0.0.1");
  assertEquals(right, [{ ...ANNOUNCEMENT, host: "127.0.0.1" }]);
});

Deno.test("findRelays lists a relay on loopback although another host repeats its id and port", async () => {
  await using here = await socketHere(async (bytes, port) => {
    const token = decodeQuery(bytes)!;
    await here.send(encodeAnswer(token, ANNOUNCEMENT), port);
    const claimed = { ...ANNOUNCEMENT, name: "other", host: "192.0.2.1" };
    await here.send(encodeAnswer(token, claimed), port);
  });
  const found = await findRelays({ port: here.port, waitMs: WAIT_MS });
  assertEquals(found.map(({ name, host }) => `${name} ${host}`), [
    "nas 127.0.0.1",
    "other 192.0.2.1",
  ]);
});

Deno.test("withoutDuplicates leaves out loopback only if this machine answers from another address too", () => {
  const loopback = {
    relay: { ...ANNOUNCEMENT, host: "127.0.0.1" },
    from: "127.0.0.1",
  };
  const other = { ...ANNOUNCEMENT, host: "192.0.2.7" };
  const hosts = (own: string) =>
    withoutDuplicates(
      [loopback, { relay: other, from: "192.0.2.7" }],
      new Set([own]),
    )
      .map(({ host }) => host);
  assertEquals(hosts("192.0.2.7"), ["192.0.2.7"]);
  assertEquals(hosts("192.0.2.8"), ["127.0.0.1", "192.0.2.7"]);
});

Deno.test("A relay answers only a complete query, with no more bytes than it has", async () => {
  await using relay = await announce(ANNOUNCEMENT, HERE);
  const query = encodeQuery(TOKEN);
  const answers: Uint8Array[] = [];
  const first = Promise.withResolvers<void>();
  await using asking = await socketHere((bytes) => {
    answers.push(bytes);
    first.resolve();
  });
  for (
    const wrong of [
      new Uint8Array(),
      query.subarray(0, 511),
      encodeAnswer(TOKEN, ANNOUNCEMENT),
      new Uint8Array(512),
    ]
  ) await asking.send(wrong, relay.port);
  await asking.send(query, relay.port);
  await within(first.promise, "an answer");
  // Datagrams on loopback keep their order: the others had none.
  assertEquals(answers.length, 1);
  assert(answers[0]!.length <= query.length);
});

Deno.test("A relay that is asked without a pause answers 6 times a second", async () => {
  await using relay = await announce(ANNOUNCEMENT, HERE);
  let count = 0;
  const enough = Promise.withResolvers<void>();
  await using asking = await socketHere(() => {
    if (++count === LIMITS.announceAnswersPerAddressPerSecond) enough.resolve();
  });
  const startedAt = performance.now();
  for (let sent = 0; sent < 200; sent++) {
    await asking.send(encodeQuery(TOKEN), relay.port);
  }
  await within(enough.promise, "answers");
  const windows = 1 + Math.ceil((performance.now() - startedAt) / 1_000);
  assert(count <= windows * LIMITS.announceAnswersPerAddressPerSecond);
});
