/**
 * Fetching as the dialogue does: the nodes one at a time, in the order listed.
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fetchFile } from "../../lib/client/fetch.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { writeAll } from "../../lib/base/conn.ts";
import { Failure, type FailureKind } from "../../lib/base/errors.ts";
import { sha256 } from "../../lib/base/hash.ts";
import {
  type Lie,
  registerNode,
  sendData,
  sendFound,
  sendPieces,
  sendRefusal,
  startEvilNode,
  staySilent,
} from "../_evil_node.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { assertBytes, ClientLog, contentOf } from "./_outcomes.ts";
import { CAROL, MALLORY, ONE_FAILURE, PIECE, TRUDY } from "./_setting.ts";
import { fetch } from "./_one_by_one.ts";

function text(bytes: Uint8Array | null): string | null {
  return bytes && new TextDecoder().decode(bytes);
}

Deno.test("fetchFile one by one stops at the first node that has the file", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, { "1.txt": "one" });
  await using _beta = await startNode(relay, { "2.txt": "two" });
  await using gamma = await startNode(relay, { "2.txt": "other" });
  const outcome = await fetch(relay, "2.txt");
  assertEquals(text(outcome.content), "two");
  assertEquals(outcome.log.answers, ["1 not_found", "2 found"]);
  assertEquals(outcome.log.names, [
    "nodes_listed",
    "node_answered",
    "node_answered",
    "file_received",
  ]);
  assertEquals(gamma.server.connectionCount, 0);
});

for (
  const size of [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 17]
) {
  Deno.test(`fetchFile delivers ${size} bytes`, async () => {
    await using relay = await startRelay();
    const content = randomBytes(size, seededRandom(size));
    await using _node = await startNode(relay, { "sub/f.bin": content });
    const outcome = await fetch(relay, "sub/f.bin");
    assertBytes(outcome.content, content);
    const received = outcome.log.events.at(-1);
    assertEquals(received?.event === "file_received" && received.bytes, size);
  });
}

Deno.test("fetchFile works without encryption if both sides request it", async () => {
  await using relay = await startRelay({ plaintext: true });
  await using _node = await startNode(relay, { "1.txt": "one" }, {
    plaintext: true,
  });
  const outcome = await fetch(relay, "1.txt", {
    relay: relay.server.address,
    plaintext: true,
  });
  assertEquals(text(outcome.content), "one");
});

Deno.test("fetchFile finds an NFC name that is requested in NFD", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "\u00e9": "x" });
  assertEquals(text((await fetch(relay, "e\u0301")).content), "x");
});

Deno.test("fetchFile reports that nobody has the file", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, { "1.txt": "one" });
  await using _beta = await startNode(relay, {});
  const outcome = await fetch(relay, "2.txt");
  assertEquals(outcome.kind, "not_found");
  assertEquals(outcome.log.answers, ["1 not_found", "2 not_found"]);
  assertEquals(
    outcome.message,
    "Cannot find file (2.txt): none of 2 nodes has it; check the name",
  );
});

Deno.test("fetchFile reports that there is no node", async () => {
  await using relay = await startRelay();
  const outcome = await fetch(relay, "2.txt");
  assertEquals(outcome.kind, "not_found");
  assertEquals(outcome.message.includes("no peer node is active"), true);
});

for (const name of ["", "../1.txt", "a\0b", "a\x1b[2Jb", "x".repeat(5_000)]) {
  Deno.test(`fetchFile refuses the name ${JSON.stringify(name.slice(0, 9))} before any request`, async () => {
    const error = await assertRejects(
      // Nobody is there: the name is refused before that is noticed.
      () => fetchFile({ relay: { host: "127.0.0.1", port: 1 }, name }),
      Failure,
    );
    assertEquals(error.kind, "usage");
    // deno-lint-ignore no-control-regex
    assertEquals(/[\x00-\x1f]/.test(error.message), false);
    assertEquals(error.message.length < 400, true);
  });
}

Deno.test("fetchFile skips a dead node, and reports it to the relay", async () => {
  await using relay = await startRelay();
  const addresses = [{ host: "127.0.0.1", port: 1 }];
  await registerNode(relay, { identity: MALLORY, name: "dead", addresses });
  await using _node = await startNode(relay, { "1.txt": "one" });
  const outcome = await fetch(relay, "1.txt");
  assertEquals(outcome.log.answers, ["1 unreachable", "2 found"]);
  assertEquals(text(outcome.content), "one");
  const left = await relay.log.until("node_left");
  assertEquals([left.id, left.how], [MALLORY.id, "found_dead"]);
});

Deno.test("fetchFile tries a node's addresses in turn", async () => {
  await using relay = await startRelay();
  await using evil = await startEvilNode(relay, {
    identity: MALLORY,
    addresses: [{ host: "127.0.0.1", port: 1 }],
    lie: (channel, message) => sendFound(channel, message, 0),
  });
  const { nodes } = await listNodes({ relay: relay.server.address });
  const both = [{
    ...nodes[0]!,
    addresses: [...nodes[0]!.addresses, evil.address],
  }];
  const outcome = await fetch(relay, "empty", { nodes: both });
  assertEquals(outcome.log.answers, ["1 found"]);
});

Deno.test("fetchFile refuses another peer that answers in place of a node", async () => {
  await using relay = await startRelay();
  await using trap = await startNode(relay, { "1.txt": "trap" }, {
    identity: TRUDY,
  });
  await registerNode(relay, {
    identity: MALLORY,
    name: "victim",
    addresses: [trap.server.address],
  });
  const { nodes } = await listNodes({ relay: relay.server.address });
  const victim = nodes.filter(({ id }) => id === MALLORY.id);
  const outcome = await fetch(relay, "1.txt", { nodes: victim });
  assertEquals(outcome.content, null);
  assertEquals(outcome.log.answers, ["2 unreachable"]);
});

Deno.test("fetchFile reports that nodes have the file and none could deliver it", async () => {
  await using relay = await startRelay();
  await using _evil = await startEvilNode(relay, {
    identity: MALLORY,
    lie: (channel, message) =>
      message.kind === "find"
        ? sendFound(channel, message, 10)
        : Promise.reject(new Error("closes the connection")),
  });
  const limits = { sourceFailureCount: 1 };
  const outcome = await fetch(relay, "1.txt", { limits });
  assertEquals(outcome.kind, "undelivered");
  assertEquals(outcome.log.answers, ["1 found", "1 failed"]);
});

const TEN = new TextEncoder().encode("ten bytes!");

/** Finds a file of ten bytes, and then says `lie` of it. */
function tenBytes(lie: Lie): Lie {
  return (channel, message) =>
    message.kind === "find"
      ? sendFound(channel, message, TEN.length)
      : lie(channel, message);
}

const LIES: Readonly<Record<string, { lie: Lie; kind: FailureKind }>> = {
  "sends bytes that do not match their hash": {
    kind: "corrupt",
    lie: tenBytes(async (channel, message) => {
      await sendData(channel, message, TEN);
      await sendPieces(channel, message, "ab".repeat(32));
    }),
  },
  "sends a piece too short": {
    kind: "corrupt",
    lie: tenBytes(async (channel, message) => {
      const short = TEN.slice(1);
      await sendData(channel, message, short);
      await sendPieces(channel, message, sha256(short).toHex());
    }),
  },
  "sends a piece too long": {
    kind: "corrupt",
    lie: tenBytes((channel, message) =>
      sendData(channel, message, new Uint8Array(11))
    ),
  },
  "says that a piece is done before its bytes came": {
    kind: "corrupt",
    lie: tenBytes((channel, message) =>
      sendPieces(channel, message, sha256(TEN).toHex())
    ),
  },
  "answers with another kind of message": {
    kind: "corrupt",
    lie: tenBytes((channel, message) => sendFound(channel, message, 10)),
  },
  "sends endless data": {
    kind: "corrupt",
    lie: tenBytes(async (channel, message) => {
      for (;;) await sendData(channel, message, new Uint8Array(PIECE));
    }),
  },
  "sends hashes of more pieces than the file has": {
    kind: "corrupt",
    lie: tenBytes(async (channel, message) => {
      await sendData(channel, message, TEN);
      const hash = sha256(TEN).toHex();
      await sendPieces(channel, message, hash, hash);
    }),
  },
  "answers another request": {
    kind: "undelivered",
    lie: tenBytes((channel) => sendData(channel, { request: 99 }, TEN)),
  },
  "closes the connection in the middle": {
    kind: "undelivered",
    lie: tenBytes(async (channel, message) => {
      await sendData(channel, message, TEN.slice(5));
      throw new Error("closes the connection");
    }),
  },
  "refuses in the middle": {
    kind: "undelivered",
    lie: tenBytes(async (channel, message) => {
      await sendData(channel, message, TEN.slice(5));
      const text = "the file has\x1b[2J changed";
      await sendRefusal(channel, message, { code: "changed", text });
    }),
  },
  "stalls": {
    kind: "undelivered",
    lie: tenBytes(async (channel, message) => {
      await sendData(channel, message, TEN.slice(5));
      await staySilent(channel);
    }),
  },
  "claims a size that no file can have": {
    kind: "not_found",
    lie: (channel, message) => sendFound(channel, message, 2 ** 52),
  },
  "claims a size that is no number": {
    kind: "not_found",
    lie: (channel, message) => sendFound(channel, message, -1),
  },
  "answers a request that was not made": {
    kind: "not_found",
    lie: (channel) => sendFound(channel, { request: 99 }, 10),
  },
  "sends a frame of 4 GiB": {
    kind: "not_found",
    lie: (channel) =>
      writeAll(channel.conn, Uint8Array.of(0x41, 255, 255, 255, 255)),
  },
};

for (const [what, { lie, kind }] of Object.entries(LIES)) {
  Deno.test(`fetchFile drops a node that ${what}, and continues to the next`, async () => {
    await using relay = await startRelay();
    await using _evil = await startEvilNode(relay, { identity: MALLORY, lie });
    // Only one of them is to be waited for; the others may take their time.
    const limits = what === "stalls"
      ? { ...ONE_FAILURE, pieceStallMs: 8_000 }
      : ONE_FAILURE;
    const alone = await fetch(relay, "1.txt", { limits });
    assertEquals(alone.kind, kind, alone.message);
    assertEquals(alone.content, null);
    await using _good = await startNode(relay, { "1.txt": "ten bytes!" });
    const both = await fetch(relay, "1.txt", { limits });
    assertEquals(text(both.content), "ten bytes!");
    assertEquals(both.log.answers.at(-1), "2 found");
    for (const event of both.log.events) {
      const causes = event.event === "node_trouble"
        ? [event.cause]
        : event.event === "node_answered" && "cause" in event.answer
        ? [event.answer.cause]
        : [];
      // deno-lint-ignore no-control-regex
      for (const cause of causes) assertMatch(cause, /^[^\x00-\x1f]+$/);
    }
  });
}

Deno.test("fetchFile refuses a node with the hello of another node", async () => {
  await using relay = await startRelay();
  await using _evil = await startEvilNode(relay, {
    identity: MALLORY,
    helloId: TRUDY.id,
    lie: (channel, message) => sendFound(channel, message, 0),
  });
  const outcome = await fetch(relay, "1.txt");
  assertEquals(outcome.log.answers, ["1 failed"]);
});

Deno.test("fetchFile needs no relay after the nodes are listed", async () => {
  const relay = await startRelay();
  await using _node = await startNode(relay, { "1.txt": "one" }, {
    identity: CAROL,
  });
  const { nodes } = await listNodes({ relay: relay.server.address });
  await relay.server.close();
  const outcome = await fetch(relay, "1.txt", { nodes });
  assertEquals(text(outcome.content), "one");
});

Deno.test("fetchFile stops with the signal's reason, at every stage", async () => {
  await using relay = await startRelay();
  await using _evil = await startEvilNode(relay, {
    identity: MALLORY,
    lie: tenBytes((channel, message) =>
      sendData(channel, message, TEN.slice(5))
    ),
  });
  const stop = new AbortController();
  await using file = await fetchFile({
    relay: relay.server.address,
    name: "1.txt",
    signal: stop.signal,
  });
  const reading = assertRejects(
    () => contentOf(file),
    Error,
    "by the test",
  );
  stop.abort(new Error("by the test"));
  await reading;
  await assertRejects(
    () =>
      fetchFile({
        relay: relay.server.address,
        name: "1.txt",
        signal: stop.signal,
      }),
    Error,
    "by the test",
  );
});

Deno.test("A client finds a node beside the relay although it gave its loopback address", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "1.txt": "one" });
  const { nodes } = await listNodes({ relay: relay.server.address });
  // As seen from elsewhere: the relay has another name than its loopback one.
  const log = new ClientLog();
  const attempt = fetchFile({
    relay: { host: "relay.invalid", port: 1 },
    name: "1.txt",
    nodes,
    oneByOne: true,
    onEvent: log.onEvent,
    limits: { connectMs: 200 },
  });
  await assertRejects(() => attempt, Failure);
  const answered = await log.until("node_answered");
  assertEquals(answered.address, `relay.invalid:${node.server.address.port}`);
});
