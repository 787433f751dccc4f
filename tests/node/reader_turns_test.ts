/** How a node serves those that fetch one file together. */

import { assert, assertEquals } from "@std/assert";
import type { Conn } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { HASH_BYTES } from "../../lib/base/hash.ts";
import { SharedRate } from "../../lib/base/shared_rate.ts";
import type { PieceRun } from "../../lib/content/piece_set.ts";
import { ClientTurns } from "../../lib/node/client_turns.ts";
import { ReaderTurns } from "../../lib/node/reader_turns.ts";
import type { ReadTurns, TakeTurnOptions } from "../../lib/node/served.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { DIRECTION } from "../../lib/protocol/messages.ts";
import { type OneService, serviceOf, TIMING } from "../_client_service.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import {
  IDENTITIES,
  openChannel,
  startNode,
  startRelay,
  type TestNode,
} from "../_network.ts";

const PIECE = 256 * 1024;
const PIECE_COUNT = 10;
const READER_COUNT = 50;
const { swarmReaderCount, swarmSlowMs } = LIMITS;

function piece(first: number, count = 1): PieceRun {
  return { first, count };
}

/** A client of a service or node that has said hello. */
class Client {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.openUp();
  }

  /** One over a conn in memory. */
  static over(conn: Conn, stack: AsyncDisposableStack): Client {
    const options = { ...TIMING, acceptsData: true, idleMs: 60_000 };
    return new Client(stack.use(new Channel(conn, options)));
  }

  /** One of a node that listens. */
  static async of(node: TestNode, stack: AsyncDisposableStack) {
    const { address } = node.server;
    const channel = stack.use(await openChannel(address, IDENTITIES[1]!));
    await channel.send({ kind: "hello", protocol: 1, role: "client" });
    await channel.receive(["hello"]);
    return new Client(channel);
  }

  /** Says that it fetches the file together with others. */
  async join(of: string): Promise<void> {
    await this.#channel.send({ kind: "holding", request: 1, of });
    const answer = await this.#channel.receive(["has", "refused"]);
    assertEquals(answer, { kind: "has", request: 1, complete: true });
  }

  /** Asks for a piece, and reads nothing. */
  ask(of: string, { first, count }: PieceRun): Promise<void> {
    return this.#channel.send({ kind: "read", request: 2, of, first, count });
  }

  /** Reads pieces that were asked for; their bytes. */
  async read(count = 1): Promise<number> {
    for (let bytes = 0, left = count;;) {
      const message = await within(
        this.#channel.receiveOrData(DIRECTION.nodeToClient),
        "a piece",
      );
      if (message?.kind === "pieces") {
        left -= message.hashes.length / HASH_BYTES;
        if (left === 0) return bytes;
        continue;
      }
      assert(message?.kind === "data", message?.kind);
      await this.#channel.readData(new Uint8Array(message.length));
      bytes += message.length;
    }
  }
}

/** Turns, with what was asked for, and who had turns in which order. */
function watched(stack: AsyncDisposableStack, askedCount: number) {
  const turns = stack.use(new ReaderTurns(LIMITS));
  const order: number[] = [];
  const runs: (TakeTurnOptions & { readonly run: PieceRun })[] = [];
  const allAsked = Promise.withResolvers<void>();
  let count = 0;
  const readTurns: ReadTurns = {
    join: (file) => turns.join(file),
    isNeededFor: (file) => turns.isNeededFor(file),
    take: async (file, run, options) => {
      runs.push({ run, ...options });
      if (++count === askedCount) allAsked.resolve();
      const turn = await turns.take(file, run, options);
      order.push(run.first);
      return turn;
    },
  };
  return { turns, readTurns, order, runs, allAsked: allAsked.promise };
}

/** A node with one file, and its content id. */
async function nodeWith(
  stack: AsyncDisposableStack,
  readTurns: ReadTurns,
): Promise<{ node: OneService; of: string; serve: () => Client }> {
  const files = { "big.iso": "abcdefgh".repeat(PIECE_COUNT * PIECE / 8) };
  const node = await serviceOf(files, stack, { readTurns });
  await node.hash();
  const of = node.digests.of(node.share.named("big.iso")!)!.content;
  const serve = () => {
    const { conn, client } = node.serve();
    client.run().catch(() => {}); // ends with the test
    return Client.over(conn, stack);
  };
  return { node, of, serve };
}

Deno.test("A node sends each piece once before it sends one twice, if 50 readers of a swarm request different ones", async () => {
  await using stack = new AsyncDisposableStack();
  const { turns, readTurns, order, allAsked } = watched(stack, READER_COUNT);
  const { of, serve } = await nodeWith(stack, readTurns);
  const clients = Array.from({ length: READER_COUNT }, serve);
  const bystander = serve();
  for (const client of clients) await within(client.join(of), "an answer");
  for (const [at, client] of clients.entries()) {
    await client.ask(of, piece(at % PIECE_COUNT));
  }
  await within(allAsked, "all to have asked");
  // Nobody reads, so those that have turns keep them.
  assert(turns.waitingCount > 0, "most wait");
  await bystander.ask(of, piece(0));
  assertEquals(await bystander.read(), PIECE, "as without a swarm");
  const reads = await Promise.all(clients.map((client) => client.read()));
  assertEquals(reads, Array(READER_COUNT).fill(PIECE));
  assertEquals(order.length, READER_COUNT, "the bystander had no turn");
  const eachOnce = order.slice(0, PIECE_COUNT);
  assertEquals(new Set(eachOnce).size, PIECE_COUNT, String(order));
});

Deno.test("ReaderTurns serves swarmReaderCount requests at a time, and a slow one keeps others waiting no longer than swarmSlowMs", async () => {
  using time = new FakeTime();
  using turns = new ReaderTurns(LIMITS);
  const taken: Disposable[] = [];
  const count = swarmReaderCount + 2;
  for (let n = 0; n < count; n++) {
    turns.take("v", piece(n)).then((turn) => taken.push(turn));
  }
  await time.advance(0);
  assertEquals(taken.length, swarmReaderCount);
  taken[3]![Symbol.dispose]();
  await time.advance(0);
  assertEquals(taken.length, swarmReaderCount + 1);
  await time.advance(swarmSlowMs);
  assertEquals(taken.length, count);
  for (const turn of taken) turn[Symbol.dispose]();
  assertEquals(turns.servedCount, 0);
  assertEquals(time.timerCount, 0);
});

Deno.test("ReaderTurns forgets files that nobody reads, and readers of one file do not wait for another file", async () => {
  using turns = new ReaderTurns(LIMITS);
  for (let version = 0; version < 100; version++) {
    using turn = await turns.take(`v${version}`, piece(0));
    turn.sent();
  }
  assertEquals(turns.fileCount, 0);
  using stack = new DisposableStack();
  for (let n = 0; n < swarmReaderCount; n++) {
    stack.use(await turns.take("v", piece(n)));
  }
  const other = await within(turns.take("w", piece(0)), "its own turn");
  other[Symbol.dispose]();
  assertEquals(turns.fileCount, 1);
});

Deno.test("ReaderTurns does not count a piece as sent that its reader did not get", async () => {
  using turns = new ReaderTurns({ ...LIMITS, swarmReaderCount: 1 });
  const order: string[] = [];
  const take = async (name: string, run: PieceRun) => {
    const turn = await turns.take("v", run);
    order.push(name);
    return turn;
  };
  const left = await take("a", piece(1));
  const sent: Promise<void>[] = [];
  for (
    const [name, run] of [["b", piece(2)], ["c", piece(1)], [
      "d",
      piece(2),
    ]] as const
  ) {
    sent.push(take(name, run).then((turn) => turn.sent()));
  }
  left[Symbol.dispose]();
  await within(Promise.all(sent), "all turns");
  assertEquals(
    order,
    ["a", "b", "c", "d"],
    "piece 1 was not sent yet",
  );
});

Deno.test("A node gives turns only if more than swarmReaderCount of its clients fetch a file together", async () => {
  await using stack = new AsyncDisposableStack();
  const { readTurns, order } = watched(stack, 1);
  const { of, serve } = await nodeWith(stack, readTurns);
  const clients = Array.from({ length: swarmReaderCount + 1 }, serve);
  const last = clients.pop()!;
  for (const client of clients) await client.join(of);
  await clients[0]!.ask(of, piece(1));
  assertEquals(await clients[0]!.read(), PIECE);
  assertEquals(order, []);
  await last.join(of);
  await clients[0]!.ask(of, piece(2, 3));
  assertEquals(await clients[0]!.read(3), 3 * PIECE);
  assertEquals(order, [2]);
});

Deno.test("A node serves a request for a whole file in turns of swarmRunPieceCount pieces, counted for the client's address", async () => {
  await using stack = new AsyncDisposableStack();
  const { readTurns, runs } = watched(stack, 1);
  const { of, serve } = await nodeWith(stack, readTurns);
  const clients = Array.from({ length: swarmReaderCount + 1 }, serve);
  for (const client of clients) await client.join(of);
  await clients[0]!.ask(of, piece(0, PIECE_COUNT));
  assertEquals(await clients[0]!.read(PIECE_COUNT), PIECE_COUNT * PIECE);
  const { swarmRunPieceCount } = LIMITS;
  assertEquals(runs.map(({ run }) => run.first), [0, 4, 8]);
  const most = Math.max(...runs.map(({ run }) => run.count));
  assertEquals(most, swarmRunPieceCount);
  assertEquals(new Set(runs.map(({ group }) => group)).size, 1);
  assert(runs[0]!.group !== undefined);
});

Deno.test("ClientTurns keeps to the last requestedFileCount files that a client joined for, until it disconnects", () => {
  using readTurns = new ReaderTurns({ ...LIMITS, swarmReaderCount: 0 });
  const limits = { ...LIMITS, requestedFileCount: 2 };
  const rate = undefined;
  {
    using turns = new ClientTurns({ limits, rate, readTurns });
    for (const file of ["a", "b", "c", "c"]) turns.join(file);
    const needed = ["a", "b", "c", "d"].filter((one) => turns.isNeededFor(one));
    assertEquals(needed, ["b", "c"]);
    assertEquals(readTurns.fileCount, 2);
  }
  assertEquals(readTurns.fileCount, 0);
  using all = new ClientTurns({ limits, rate, readTurns, allTakeTurns: true });
  assertEquals(all.isNeededFor("d"), true);
});

Deno.test("ReaderTurns does not treat a reader as slow if the node's own rate limit delays it", async () => {
  using time = new FakeTime();
  using readTurns = new ReaderTurns(LIMITS);
  // Four pieces take 8 s.
  const rate = new SharedRate(PIECE / 2);
  using turns = new ClientTurns({ limits: LIMITS, readTurns, rate });
  let taken = 0;
  for (let n = 0; n <= swarmReaderCount; n++) {
    turns.take("v", { ...piece(n), bytes: PIECE }).then(() => taken++);
  }
  await time.advance(8_000 + swarmSlowMs - 1);
  assertEquals(taken, swarmReaderCount);
  await time.advance(1);
  assertEquals(taken, swarmReaderCount + 1);
});

Deno.test("A node serves clients in turn, and stops at once while some wait", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const node = stack.use(
    await startNode(relay, { "big.iso": "a".repeat(2 * PIECE) }, {
      identity: IDENTITIES[1]!,
      limits: { swarmReaderCount: 0 }, // no turn ever comes
    }),
  );
  const { content } = (await node.server.describe("big.iso"))!;
  const member = await Client.of(node, stack);
  await member.join(content);
  await member.ask(content, piece(0));
  const outcome = member.read().then(() => "pieces", () => "nothing");
  const other = await Client.of(node, stack);
  await other.ask(content, piece(0));
  assertEquals(await other.read(), PIECE);
  await within(node.server.close(), "the end of the node");
  assertEquals(await outcome, "nothing");
});
