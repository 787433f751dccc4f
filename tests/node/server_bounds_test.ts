import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { writeAll } from "../../lib/base/conn.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { sha256 } from "../../lib/base/hash.ts";
import { encodeMessage, type MessageOf } from "../../lib/protocol/messages.ts";
import { within } from "../_event_log.ts";
import { openChannelFrom, startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { assertBytes } from "../client/_outcomes.ts";
import {
  describe,
  find,
  greeted,
  NODE,
  partsOf,
  PIECE,
  read,
  sendRead,
} from "./_server.ts";

for (
  const [what, limitRate, wanted] of [
    [
      "a piece at first, then two, then four mebibytes at a time",
      undefined,
      [1, 2, 4, 8, 16, 16, 3],
    ],
    ["each piece by itself if its rate is limited", 1e9, Array(50).fill(1)],
  ] as const
) {
  Deno.test(`A node confirms ${what}`, async () => {
    await using relay = await startRelay();
    const content = randomBytes(49 * PIECE + 1, seededRandom(9));
    const rate = limitRate === undefined ? {} : { limitRate };
    await using node = await startNode(relay, { "f": content }, {
      identity: NODE,
      ...rate,
    });
    await using channel = await greeted(node);
    const f = await find(channel, "f");
    if (f?.kind !== "found") throw new Error("not found");
    await sendRead(channel, { of: f.version, count: 50 });
    const runs: number[] = [];
    let filled = 0;
    for (let left = 50; left > 0; left -= runs.at(-1)!) {
      const wholeBytes = Math.min(content.length, (50 - left) * PIECE);
      assertEquals(filled, wholeBytes, "pieces come before their hashes");
      let message = await channel.receiveOrData(["pieces"]);
      for (; message?.kind === "data";) {
        await channel.readData(new Uint8Array(message.length));
        filled += message.length;
        message = await channel.receiveOrData(["pieces"]);
      }
      runs.push(message!.hashes.length / 32);
    }
    assertEquals(runs, [...wanted]);
  });
}

Deno.test("A node keeps its rate for any number of clients", async () => {
  await using relay = await startRelay();
  const content = randomBytes(PIECE, seededRandom(1));
  await using node = await startNode(relay, { "f": content }, {
    identity: NODE,
    limitRate: 2 * PIECE,
  });
  const channels = [await greeted(node), await greeted(node)];
  const f = await find(channels[0]!, "f");
  if (f?.kind !== "found") throw new Error("not found");
  const startedAt = performance.now();
  await Promise.all(
    channels.map((channel) => read(channel, { of: f.version, count: 1 })),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  // Two files of half a second each, but for what a pause allows at once.
  assertEquals(seconds > 0.6, true, `${seconds} s`);
  for (const channel of channels) await channel.close();
});

Deno.test("A node refuses to read files that changed, were removed, or never existed", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "f": "one", "g": "two" }, {
    identity: NODE,
  });
  await using channel = await greeted(node);
  const f = await find(channel, "f");
  const g = await find(channel, "g");
  if (f?.kind !== "found" || g?.kind !== "found") throw new Error("not found");
  await Deno.writeTextFile(join(node.directory, "f"), "other");
  await Deno.remove(join(node.directory, "g"));
  // The watcher may have seen it: then there is no such version any more.
  const isOld = (codes: string[]) =>
    codes.length === 1 && ["changed", "gone"].includes(codes[0]!);
  for (const id of [f.version, f.content!]) {
    assertEquals(isOld(await read(channel, { of: id, count: 1 })), true);
  }
  for (
    const id of [
      g.version,
      g.content!,
      "never-was".padEnd(32),
      "../f".padEnd(32),
      "ab".repeat(32),
    ]
  ) {
    assertEquals(await read(channel, { of: id, count: 1 }), ["gone"]);
    const { said } = await describe(channel, id);
    // What was hashed before it went is known on, until that is noticed.
    if (said.kind === "refused") assertEquals(said.code, "gone");
    else assertEquals(said.sha256, g.sha256);
  }
});

for (
  const [how, alter] of [
    [
      "grows",
      (path: string) => Deno.writeTextFile(path, "x", { append: true }),
    ],
    ["is cut", (path: string) => Deno.truncate(path, PIECE + 1)],
    ["is written over", async (path: string) => {
      using file = await Deno.open(path, { write: true });
      await file.write(new Uint8Array(64 * PIECE));
    }],
  ] as const
) {
  for (const by of ["version", "content"] as const) {
    Deno.test(`A node stops with "changed" when a file asked for by ${by} ${how} while it is sent`, async () => {
      await using relay = await startRelay();
      const content = randomBytes(64 * PIECE, seededRandom(2));
      await using node = await startNode(relay, { "f": content }, {
        identity: NODE,
      });
      await using channel = await greeted(node);
      const found = await find(channel, "f");
      if (found?.kind !== "found") throw new Error("not found");
      const task = { of: found[by]!, count: 64 };
      await sendRead(channel, task);
      const parts = partsOf(channel, task);
      // The node is held back by what is not read: it cannot be done yet.
      const first = await parts.next();
      if (first.done || "kind" in first.value) throw new Error("no piece");
      await alter(join(node.directory, "f"));
      let refused: MessageOf<"refused"> | undefined;
      let count = 1;
      for await (const part of parts) {
        if ("kind" in part) refused = part;
        else {
          count++;
          const from = part.index * PIECE;
          const wanted = content.subarray(from, from + PIECE);
          assertBytes(part.bytes, wanted); // never a mixture
          assertEquals(part.sha256, sha256(wanted).toHex());
        }
      }
      assertEquals(refused?.code, "changed");
      assertEquals(count < 64, true);
      await channel.close();
      await node.server.close();
      const served = node.log.names.filter((name) => name === "served");
      assertEquals(served, [], "that is not a file that was sent");
    });
  }
}

for (
  const [what, frame, code] of [
    ["file bytes", encodeFrame(0x60, new Uint8Array(8)), "wrong_phase"],
    [
      "a second hello",
      encodeMessage({ kind: "hello", protocol: 1, role: "client" }),
      "wrong_phase",
    ],
    ["a relay's message", encodeMessage({ kind: "list" }), "wrong_phase"],
    [
      "a length of 4 GiB",
      Uint8Array.of(0x40, 255, 255, 255, 255),
      "frame_too_large",
    ],
    [
      "a request id of -1",
      encodeFrame(0x40, new TextEncoder().encode('{"request":-1,"name":"a"}')),
      "bad_message",
    ],
    [
      "a request id of 2^32",
      encodeFrame(
        0x40,
        new TextEncoder().encode('{"request":4294967296,"name":"a"}'),
      ),
      "bad_message",
    ],
    [
      "a name of 1,025 characters",
      encodeMessage({ kind: "find", request: 1, name: "a".repeat(1_025) }),
      "bad_message",
    ],
  ] as const
) {
  Deno.test(`A node disconnects a client that sends ${what}, and serves others`, async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, { "1.txt": "one" }, {
      identity: NODE,
    });
    await using good = await greeted(node);
    const bad = await greeted(node);
    await writeAll(bad.conn, frame);
    const answer = await bad.receive(["refused"]);
    assertEquals(answer?.code, code);
    bad.conn.close();
    await node.log.until("refused", ({ reason }) => reason === code);
    assertEquals((await find(good, "1.txt"))?.kind, "found");
  });
}

Deno.test("A node serves one client while another does not read", async () => {
  await using relay = await startRelay();
  const content = randomBytes(64 * PIECE, seededRandom(3));
  await using node = await startNode(
    relay,
    { "big": content, "1.txt": "one" },
    { identity: NODE },
  );
  const cathy = await greeted(node);
  const big = await find(cathy, "big");
  if (big?.kind !== "found") throw new Error("not found");
  await sendRead(cathy, { of: big.version, count: 64 });
  await using bob = await greeted(node);
  for (let n = 0; n < 20; n++) {
    const found = await within(find(bob, "1.txt"), "an answer to bob");
    if (found?.kind !== "found") throw new Error("not found");
    const one = sha256(new TextEncoder().encode("one")).toHex();
    const task = { of: found.version, count: 1 };
    assertEquals(await within(read(bob, task), "bob"), [one]);
  }
  cathy.conn.close();
  await bob.close();
  await node.server.close();
  const served = node.log.events.filter(({ event }) => event === "served");
  // Bob's alone: what cathy did not take was not sent.
  assertEquals(
    served.map((event) => event.event === "served" && event.bytes),
    [60],
  );
});

Deno.test("A node cuts off a client that reads nothing for the stall time", async () => {
  await using relay = await startRelay();
  const content = randomBytes(64 * PIECE, seededRandom(4));
  await using node = await startNode(relay, { "big": content }, {
    identity: NODE,
    limits: { dataWriteStallMs: 100 },
  });
  const cathy = await greeted(node);
  const big = await find(cathy, "big");
  if (big?.kind !== "found") throw new Error("not found");
  await sendRead(cathy, { of: big.version, count: 64 });
  await node.log.until("refused", ({ reason }) => reason === "slow_consumer");
  cathy.conn.close();
});

Deno.test({
  name:
    "A node cuts off the slowest readers of the address with most, and none of another, once they hold too much",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using relay = await startRelay();
    const content = randomBytes(64 * PIECE, seededRandom(5));
    await using node = await startNode(relay, { "big": content }, {
      identity: NODE,
      limits: {
        ...{ slowReaderBytes: 1, slowReaderMs: 50, slowReaderCheckMs: 0 },
        // Nothing else ends a connection, and each end is reported.
        ...{ dataWriteStallMs: 600_000, idleMs: 600_000, refusalPauseMs: 0 },
      },
    });
    await using bob = await greeted(node);
    const big = await find(bob, "big");
    if (big?.kind !== "found") throw new Error("not found");
    const join = async (host: string) => {
      const channel = await openChannelFrom(host, node.server.address);
      await channel.send({ kind: "hello", protocol: 1, role: "client" });
      await channel.receive(["hello"]);
      // More than the system keeps of it: otherwise it might be done at once.
      for (let request = 0; request < 6; request++) {
        await sendRead(channel, { request, of: big.version, count: 64 });
      }
      return channel;
    };
    const cathy = await join("127.0.0.3");
    const crowd = await Promise.all(
      Array.from({ length: 4 }, () => join("127.0.0.2")),
    );
    // Each piece that somebody is sent makes the node look at the others.
    const task = { of: big.version, count: 1 };
    while (node.server.connectionCount > 3) {
      await within(read(bob, task), "a piece for bob");
    }
    for (let n = 0; n < 20; n++) await within(read(bob, task), "bob");
    assertEquals(node.server.connectionCount, 3, "bob, cathy, one of many");
    assertEquals(
      node.log.events.flatMap((event) =>
        event.event === "refused" ? [`${event.reason} ${event.from}`] : []
      ),
      Array(3).fill("slow_consumer 127.0.0.2"),
    );
    for (const channel of [cathy, ...crowd]) channel.conn.close();
  },
});
