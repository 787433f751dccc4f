import { assertEquals, assertMatch } from "@std/assert";
import { writeAll } from "../../lib/base/conn.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import {
  openRegistration,
  readRegistration,
} from "../../lib/protocol/signed_record.ts";
import { within } from "../_event_log.ts";
import { openChannel, startRelay } from "../_network.ts";
import { alice, greeted, list, onLinux, register } from "./_server.ts";

Deno.test("A relay pages through more nodes than one frame takes", async () => {
  await using relay = await startRelay({ limits: { listingPageCount: 2 } });
  const identities = await Promise.all(
    Array.from({ length: 5 }, createIdentity),
  );
  for (const identity of identities) await register(relay, identity);
  const { channel } = await greeted(relay, "client");
  const ids = new Set<string>();
  let cursor: string | undefined;
  let pages = 0;
  do {
    await channel.send({ kind: "list", ...(cursor ? { cursor } : {}) });
    const page = await channel.receive(["nodes"]);
    assertEquals(page?.count, 5);
    for (const signed of page?.nodes ?? []) {
      const verdict = readRegistration(signed);
      if (verdict.kind === "opened") ids.add(verdict.registration.id);
    }
    cursor = page?.cursor;
    pages++;
  } while (cursor !== undefined);
  await channel.close();
  assertEquals(ids, new Set(identities.map(({ id }) => id)));
  assertEquals(pages, 3);
});

Deno.test(
  "A relay accepts any number of nodes through a local proxy, and few from other addresses",
  onLinux,
  async () => {
    await using relay = await startRelay({
      limits: { nodesPerAddressCount: 1 },
    });
    const outcomes = [];
    for (const from of ["127.0.0.1", "127.0.0.2"]) {
      for (let n = 0; n < 3; n++) {
        const answer = await register(relay, await createIdentity(), {}, from);
        outcomes.push(answer?.kind);
      }
    }
    const places = ["registered", "registered", "registered"];
    assertEquals(outcomes, [...places, "registered", "refused", "refused"]);
  },
);

Deno.test("A relay sweeps leases that end at once in many turns", async () => {
  await using relay = await startRelay({
    limits: { leaseSeconds: 1, renewSeconds: 1, sweepMs: 20, sweepCount: 1 },
  });
  for (let n = 0; n < 4; n++) await register(relay, await createIdentity());
  for (let n = 0; n < 4; n++) {
    const ids = relay.log.events.flatMap((event) =>
      event.event === "node_left" ? [event.id] : []
    );
    await relay.log.until("node_left", ({ id }) => !ids.includes(id));
  }
  assertEquals((await list(relay)).count, 0);
});

Deno.test("A relay's pages stay within a frame for any names of nodes", async () => {
  await using relay = await startRelay({
    limits: { nodesPerAddressCount: 100 },
  });
  const name = "\u{1f5a5}".repeat(64); // 2 units, 4 bytes, 12 when escaped
  const identities = await Promise.all(
    Array.from({ length: 80 }, createIdentity),
  );
  for (const identity of identities) await register(relay, identity, { name });
  const { channel } = await greeted(relay, "client"); // takes 64 KiB a frame
  const ids = new Set<string>();
  let cursor: string | undefined;
  do {
    await channel.send({ kind: "list", ...(cursor ? { cursor } : {}) });
    const page = await channel.receive(["nodes"]);
    for (const signed of page?.nodes ?? []) {
      const verdict = await openRegistration(signed);
      assertEquals(
        verdict.kind === "opened" && verdict.registration.name,
        name,
      );
      if (verdict.kind === "opened") ids.add(verdict.registration.id);
    }
    cursor = page?.cursor;
  } while (cursor !== undefined);
  await channel.close();
  assertEquals(ids, new Set(identities.map(({ id }) => id)));
});

for (
  const [what, frames, code] of [
    ["another protocol version", [
      encodeMessage({ kind: "hello", protocol: 2, role: "client" }),
    ], "unsupported_version"],
    ["another role", [
      encodeMessage({ kind: "hello", protocol: 1, role: "king" }),
    ], "wrong_service"],
    [
      "a message before hello",
      [encodeMessage({ kind: "list" })],
      "wrong_phase",
    ],
    ["a second hello", [
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
    ], "wrong_phase"],
    ["a node's message from a client", [
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
      encodeFrame(0x20, new Uint8Array(2)),
    ], "wrong_phase"],
    ["file bytes", [
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
      encodeFrame(0x60, new Uint8Array(8)),
    ], "wrong_phase"],
    ["a frame of 5 KiB before hello", [
      encodeFrame(0x01, new Uint8Array(5 * 1024)),
    ], "frame_too_large"],
    [
      "a length of 4 GiB",
      [Uint8Array.of(1, 255, 255, 255, 255)],
      "frame_too_large",
    ],
    [
      "a body that is no JSON",
      [encodeFrame(0x01, new Uint8Array(9))],
      "bad_message",
    ],
  ] as const
) {
  Deno.test(`A relay ends a peer that sends ${what}, and says why`, async () => {
    await using relay = await startRelay();
    const channel = await openChannel(
      relay.server.address,
      relay.identity,
    );
    for (const frame of frames) await writeAll(channel.conn, frame);
    await channel.receive(["hello"]);
    const answer = await channel.receive(["refused"]);
    assertEquals(answer?.code, code);
    assertEquals(await channel.receive(["refused"]).catch(() => null), null);
    await relay.log.until("refused", ({ reason }) => reason === code);
    channel.conn.close();
  });
}

Deno.test("A relay's client may list again and again on one connection", async () => {
  await using relay = await startRelay();
  await register(relay, alice);
  const { channel } = await greeted(relay, "client");
  for (let n = 0; n < 20; n++) {
    await channel.send({ kind: "list" });
    assertEquals((await channel.receive(["nodes"]))?.count, 1);
  }
  await channel.close();
});

Deno.test("A relay disconnects a peer that asks too often", async () => {
  await using relay = await startRelay();
  const { channel } = await greeted(relay, "client");
  const asking = (async () => {
    for (let n = 0; n < 500; n++) await channel.send({ kind: "list" });
  })().catch(() => {});
  let last: string | undefined;
  const answers = (async () => {
    for (;;) {
      const answer = await channel.receive(["nodes", "refused"]);
      if (answer === null) return;
      last = answer.kind === "refused" ? answer.code : last;
    }
  })().catch(() => {});
  await within(answers, "the end");
  await relay.log.until("refused", ({ reason }) => reason === "rate_limited");
  await asking;
  assertMatch(last ?? "rate_limited", /rate_limited/);
  channel.conn.close();
});
