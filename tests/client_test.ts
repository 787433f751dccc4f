import { assertEquals, assertRejects } from "@std/assert";
import {
  type ClientEvent,
  type FetchedFile,
  fetchFile,
  type FetchOptions,
  listNodes,
} from "../lib/client.ts";
import { writeAll } from "../lib/conn.ts";
import { Failure, type FailureKind } from "../lib/errors.ts";
import { sha256 } from "../lib/hash.ts";
import { createIdentity, type Identity } from "../lib/identity.ts";
import { limitsWith } from "../lib/limits.ts";
import {
  type Lie,
  registerNode,
  sayData,
  sayFound,
  sayPiece,
  startEvilNode,
} from "./_evil_node.ts";
import { EventLog } from "./_event_log.ts";
import {
  IDENTITIES,
  startNode,
  startRelay,
  type TestRelay,
} from "./_network.ts";
import { randomBytes, seededRandom } from "./_random.ts";

const [, mallory, trudy, carol] = IDENTITIES as [
  Identity,
  Identity,
  Identity,
  Identity,
];
const PIECE = 256 * 1024;

async function contentOf(file: FetchedFile): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of file.pieces()) parts.push(piece.slice());
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

interface Outcome {
  readonly content: Uint8Array | null;
  readonly kind: FailureKind | null;
  readonly message: string;
  /** What each node answered, in order. */
  readonly answers: string[];
  readonly log: EventLog<ClientEvent>;
}

/** Fetches, and everything that can be said of how it went. */
async function fetch(
  relay: TestRelay,
  name: string,
  options: Partial<FetchOptions> = {},
): Promise<Outcome> {
  const log = new EventLog<ClientEvent>();
  const answers = () =>
    log.events.flatMap((event) =>
      event.event === "node_answered"
        ? [`${event.node.number} ${event.answer.kind}`]
        : []
    );
  try {
    await using file = await fetchFile({
      relay: { ...relay.server.address, id: relay.identity.id },
      name,
      onEvent: log.onEvent,
      ...options,
    });
    const content = await contentOf(file);
    return { content, kind: null, message: "", answers: answers(), log };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { kind, message } = error;
    return { content: null, kind, message, answers: answers(), log };
  }
}

function text(bytes: Uint8Array | null): string | null {
  return bytes && new TextDecoder().decode(bytes);
}

Deno.test("listNodes tells the greeting and the nodes in the order they came", async () => {
  await using relay = await startRelay({ greeting: "good day" });
  await using alpha = await startNode(relay, {}, { name: "alpha" });
  await using beta = await startNode(relay, {}, { name: "beta" });
  const listing = await listNodes({ relay: relay.server.address });
  assertEquals(listing.greeting, "good day");
  assertEquals(listing.relayId, relay.identity.id);
  assertEquals(
    listing.nodes.map((
      { number, id, name, addresses },
    ) => [number, id, name, addresses]),
    [
      [1, alpha.server.id, "alpha", [alpha.server.address]],
      [2, beta.server.id, "beta", [beta.server.address]],
    ],
  );
});

Deno.test("listNodes tells that there is none", async () => {
  await using relay = await startRelay();
  assertEquals((await listNodes({ relay: relay.server.address })).nodes, []);
});

Deno.test("listNodes goes through all pages", async () => {
  await using relay = await startRelay({
    limits: { listingPageCount: 2, reregisterCount: 9 },
  });
  const identities = await Promise.all(
    Array.from({ length: 5 }, createIdentity),
  );
  for (const identity of identities) {
    const addresses = [{ host: "127.0.0.1", port: 9 }];
    await registerNode(relay, { identity, name: "n", addresses });
  }
  const { nodes } = await listNodes({ relay: relay.server.address });
  assertEquals(nodes.map(({ number }) => number), [1, 2, 3, 4, 5]);
  assertEquals(
    nodes.map(({ id }) => id).toSorted(),
    identities.map(({ id }) => id).toSorted(),
  );
  const few = await listNodes({
    relay: relay.server.address,
    limits: { listingCount: 3 },
  });
  assertEquals(few.nodes.length, 3);
});

Deno.test("fetchFile stops at the first node that has the file", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, { "1.txt": "one" });
  await using _beta = await startNode(relay, { "2.txt": "two" });
  await using gamma = await startNode(relay, { "2.txt": "other" });
  const outcome = await fetch(relay, "2.txt");
  assertEquals(text(outcome.content), "two");
  assertEquals(outcome.answers, ["1 not_found", "2 found"]);
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
    assertEquals(outcome.content, content);
    const received = outcome.log.events.at(-1);
    assertEquals(received?.event === "file_received" && received.bytes, size);
  });
}

Deno.test("fetchFile works in the clear when everybody says so", async () => {
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

Deno.test("fetchFile finds an NFC name asked for in NFD", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "\u00e9": "x" });
  assertEquals(text((await fetch(relay, "e\u0301")).content), "x");
});

Deno.test("fetchFile says that nobody has the file", async () => {
  await using relay = await startRelay();
  await using _alpha = await startNode(relay, { "1.txt": "one" });
  await using _beta = await startNode(relay, {});
  const outcome = await fetch(relay, "2.txt");
  assertEquals(outcome.kind, "not_found");
  assertEquals(outcome.answers, ["1 not_found", "2 not_found"]);
  assertEquals(
    outcome.message,
    "Cannot find file (2.txt): none of 2 nodes has it; check the name",
  );
});

Deno.test("fetchFile says that there is no node", async () => {
  await using relay = await startRelay();
  const outcome = await fetch(relay, "2.txt");
  assertEquals(outcome.kind, "not_found");
  assertEquals(outcome.message.includes("no peer node is active"), true);
});

for (const name of ["", "../1.txt", "a\0b", "a\x1b[2Jb", "x".repeat(5_000)]) {
  Deno.test(`fetchFile refuses the name ${JSON.stringify(name.slice(0, 9))} unasked`, async () => {
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

Deno.test("fetchFile passes a dead node by, and reports it to the relay", async () => {
  await using relay = await startRelay();
  const addresses = [{ host: "127.0.0.1", port: 1 }];
  await registerNode(relay, { identity: mallory, name: "dead", addresses });
  await using _node = await startNode(relay, { "1.txt": "one" });
  const outcome = await fetch(relay, "1.txt");
  assertEquals(outcome.answers, ["1 unreachable", "2 found"]);
  assertEquals(text(outcome.content), "one");
  const left = await relay.log.until("node_left");
  assertEquals([left.id, left.how], [mallory.id, "found_dead"]);
});

Deno.test("fetchFile tries a node's addresses in turn", async () => {
  await using relay = await startRelay();
  await using evil = await startEvilNode(relay, {
    identity: mallory,
    addresses: [{ host: "127.0.0.1", port: 1 }],
    lie: (channel, message) => sayFound(channel, message, 0),
  });
  const { nodes } = await listNodes({ relay: relay.server.address });
  const both = [{
    ...nodes[0]!,
    addresses: [...nodes[0]!.addresses, evil.address],
  }];
  const outcome = await fetch(relay, "empty", { nodes: both });
  assertEquals(outcome.answers, ["1 found"]);
});

Deno.test("fetchFile refuses a node in whose place somebody else answers", async () => {
  await using relay = await startRelay();
  await using trap = await startNode(relay, { "1.txt": "trap" }, {
    identity: trudy,
  });
  await registerNode(relay, {
    identity: mallory,
    name: "victim",
    addresses: [trap.server.address],
  });
  const { nodes } = await listNodes({ relay: relay.server.address });
  const victim = nodes.filter(({ id }) => id === mallory.id);
  const outcome = await fetch(relay, "1.txt", { nodes: victim });
  assertEquals(outcome.content, null);
  assertEquals(outcome.answers, ["2 unreachable"]);
});

Deno.test("fetchFile says that nodes have the file and none could deliver it", async () => {
  await using relay = await startRelay();
  await using _evil = await startEvilNode(relay, {
    identity: mallory,
    lie: (channel, message) =>
      message.kind === "find"
        ? sayFound(channel, message, 10)
        : Promise.reject(new Error("hangs up")),
  });
  const outcome = await fetch(relay, "1.txt");
  assertEquals(outcome.kind, "undelivered");
  assertEquals(outcome.answers, ["1 found", "1 failed"]);
});

const TEN = new TextEncoder().encode("ten bytes!");

/** Finds a file of ten bytes, and then says `lie` of it. */
function tenBytes(lie: Lie): Lie {
  return (channel, message) =>
    message.kind === "find"
      ? sayFound(channel, message, TEN.length)
      : lie(channel, message);
}

const LIES: Readonly<Record<string, { lie: Lie; kind: FailureKind }>> = {
  "sends bytes that do not match their hash": {
    kind: "corrupt",
    lie: tenBytes(async (channel, message) => {
      await sayData(channel, message, TEN);
      await sayPiece(channel, message, { index: 0, sha256: "ab".repeat(32) });
    }),
  },
  "sends a piece too short": {
    kind: "corrupt",
    lie: tenBytes(async (channel, message) => {
      const short = TEN.slice(1);
      await sayData(channel, message, short);
      await sayPiece(channel, message, {
        index: 0,
        sha256: sha256(short).toHex(),
      });
    }),
  },
  "sends a piece too long": {
    kind: "corrupt",
    lie: tenBytes((channel, message) =>
      sayData(channel, message, new Uint8Array(11))
    ),
  },
  "sends endless data": {
    kind: "corrupt",
    lie: tenBytes(async (channel, message) => {
      for (;;) await sayData(channel, message, new Uint8Array(PIECE));
    }),
  },
  "sends another piece than the next": {
    kind: "corrupt",
    lie: tenBytes(async (channel, message) => {
      await sayData(channel, message, TEN);
      await sayPiece(channel, message, {
        index: 1,
        sha256: sha256(TEN).toHex(),
      });
    }),
  },
  "answers another request": {
    kind: "corrupt",
    lie: tenBytes((channel) => sayData(channel, { request: 99 }, TEN)),
  },
  "hangs up in the middle": {
    kind: "undelivered",
    lie: tenBytes(async (channel, message) => {
      await sayData(channel, message, TEN.slice(5));
      throw new Error("hangs up");
    }),
  },
  "refuses in the middle": {
    kind: "undelivered",
    lie: tenBytes(async (channel, message) => {
      await sayData(channel, message, TEN.slice(5));
      const { request } = message;
      const text = "the file has\x1b[2J changed";
      await channel.send({ kind: "refused", code: "changed", text, request });
    }),
  },
  "stalls": {
    kind: "undelivered",
    lie: tenBytes((channel, message) =>
      sayData(channel, message, TEN.slice(5))
    ),
  },
  "claims a size that no file can have": {
    kind: "not_found",
    lie: (channel, message) => sayFound(channel, message, 2 ** 52),
  },
  "claims a size that is no number": {
    kind: "not_found",
    lie: (channel, message) => sayFound(channel, message, -1),
  },
  "answers a request that was not made": {
    kind: "not_found",
    lie: (channel) => sayFound(channel, { request: 99 }, 10),
  },
  "sends a frame of 4 GiB": {
    kind: "not_found",
    lie: (channel) =>
      writeAll(channel.conn, Uint8Array.of(0x41, 255, 255, 255, 255)),
  },
};

for (const [what, { lie, kind }] of Object.entries(LIES)) {
  Deno.test(`fetchFile drops a node that ${what}, and goes on to the next`, async () => {
    await using relay = await startRelay();
    await using _evil = await startEvilNode(relay, { identity: mallory, lie });
    const limits = limitsWith({ pieceStallMs: 150 });
    const alone = await fetch(relay, "1.txt", { limits });
    assertEquals(alone.kind, kind, alone.message);
    assertEquals(alone.content, null);
    await using _good = await startNode(relay, { "1.txt": "ten bytes!" });
    const both = await fetch(relay, "1.txt", { limits });
    assertEquals(text(both.content), "ten bytes!");
    assertEquals(both.answers.at(-1), "2 found");
    for (const event of both.log.events) {
      if (event.event !== "node_answered" || !("cause" in event.answer)) {
        continue;
      }
      // deno-lint-ignore no-control-regex
      assertEquals(/[\x00-\x1f]/.test(event.answer.cause), false);
    }
  });
}

Deno.test("fetchFile refuses a node whose hello is another's", async () => {
  await using relay = await startRelay();
  await using _evil = await startEvilNode(relay, {
    identity: mallory,
    helloId: trudy.id,
    lie: (channel, message) => sayFound(channel, message, 0),
  });
  const outcome = await fetch(relay, "1.txt");
  assertEquals(outcome.answers, ["1 failed"]);
});

/** Delivers the first piece of `content` and then hangs up. */
function breaksAfterOne(content: Uint8Array): Lie {
  return async (channel, message) => {
    if (message.kind === "find") {
      return await sayFound(channel, message, content.length);
    }
    const piece = content.subarray(0, PIECE);
    await sayData(channel, message, piece);
    await sayPiece(channel, message, {
      index: 0,
      sha256: sha256(piece).toHex(),
    });
    throw new Error("hangs up");
  };
}

Deno.test("fetchFile goes on from the next node where one broke off", async () => {
  await using relay = await startRelay();
  const content = randomBytes(2 * PIECE + 5, seededRandom(1));
  await using _breaks = await startEvilNode(relay, {
    identity: mallory,
    lie: breaksAfterOne(content),
  });
  await using _good = await startNode(relay, { "f": content });
  const outcome = await fetch(relay, "f");
  assertEquals(outcome.content, content);
  assertEquals(outcome.answers, ["1 found", "1 failed", "2 found"]);
});

Deno.test("fetchFile never mixes the contents of two nodes", async () => {
  await using relay = await startRelay();
  const content = randomBytes(2 * PIECE + 5, seededRandom(1));
  await using _breaks = await startEvilNode(relay, {
    identity: mallory,
    lie: breaksAfterOne(content),
  });
  const sameSize = content.slice();
  sameSize[7] = sameSize[7]! ^ 1;
  await using _other = await startNode(relay, { "f": sameSize });
  await using _longer = await startNode(relay, {
    "f": new Uint8Array([...content, 1]),
  });
  const outcome = await fetch(relay, "f");
  assertEquals(outcome.kind, "undelivered");
  assertEquals(outcome.answers, [
    "1 found",
    "1 failed",
    "2 found",
    "2 failed",
    "3 found",
    "3 failed",
  ]);
});

Deno.test("fetchFile needs no relay once the nodes are listed", async () => {
  const relay = await startRelay();
  await using _node = await startNode(relay, { "1.txt": "one" }, {
    identity: carol,
  });
  const { nodes } = await listNodes({ relay: relay.server.address });
  await relay.server.close();
  const outcome = await fetch(relay, "1.txt", { nodes });
  assertEquals(text(outcome.content), "one");
});

Deno.test("fetchFile stops with the signal's reason, at every stage", async () => {
  await using relay = await startRelay();
  await using _evil = await startEvilNode(relay, {
    identity: mallory,
    lie: tenBytes((channel, message) =>
      sayData(channel, message, TEN.slice(5))
    ),
  });
  const stop = new AbortController();
  await using file = await fetchFile({
    relay: relay.server.address,
    name: "1.txt",
    signal: stop.signal,
  });
  const reading = assertRejects(() => contentOf(file), Error, "told to");
  stop.abort(new Error("told to"));
  await reading;
  await assertRejects(
    () =>
      fetchFile({
        relay: relay.server.address,
        name: "1.txt",
        signal: stop.signal,
      }),
    Error,
    "told to",
  );
});

Deno.test("A client finds a node beside the relay although it gave its loopback address", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "1.txt": "one" });
  const { nodes } = await listNodes({ relay: relay.server.address });
  // As seen from elsewhere: the relay has another name than its loopback one.
  const log = new EventLog<ClientEvent>();
  const attempt = fetchFile({
    relay: { host: "relay.invalid", port: 1 },
    name: "1.txt",
    nodes,
    onEvent: log.onEvent,
    limits: { connectMs: 200 },
  });
  await assertRejects(() => attempt, Failure);
  const answered = await log.until("node_answered");
  assertEquals(answered.address, `relay.invalid:${node.server.address.port}`);
});
