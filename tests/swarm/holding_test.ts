/** What a client that still receives a file gives of it to others. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { closeSync, openSync } from "node:fs";
import { sha256 } from "../../lib/base/hash.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { PieceSet } from "../../lib/content/piece_set.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import {
  type ClientToNode,
  DIRECTION,
  type MessageOf,
} from "../../lib/protocol/messages.ts";
import { DiskSpeed } from "../../lib/share/opened_file.ts";
import { Holding } from "../../lib/swarm/holding.ts";
import { openFileCount } from "../_descriptors.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { tempShare } from "../_temp_share.ts";
import { contentOf, holderOf, type OneHolder, PIECE } from "./_holding.ts";

const COUNT = 20;
const CONTENT = contentOf(COUNT);
const OF = CONTENT.manifest.contentId;
const HOLDING = { kind: "holding", request: 1, of: OF } as const;

function readOf(first: number, count = 1, of = OF): MessageOf<"read"> {
  return { kind: "read", request: 9, of, first, count };
}

/** A client of a holder. */
class Asker {
  readonly channel: Channel;
  readonly served: Promise<void>;

  constructor(holder: OneHolder, stack: AsyncDisposableStack) {
    const { conn, client } = holder.serve();
    this.channel = stack.use(
      new Channel(conn, {
        limits: LIMITS,
        ...{ acceptsData: true, writeStallMs: 30_000, idleMs: 60_000 },
      }),
    );
    this.channel.openUp();
    // It throws when the test ends.
    this.served = client.run().then(() => {}, () => {});
  }

  /** What comes next, file bytes left out. */
  async next() {
    const message = await within(
      this.channel.receiveOrData(DIRECTION.nodeToClient),
      "an answer",
    );
    assert(message !== null && message.kind !== "data");
    return message;
  }

  /** The answer to a question: its kind, or the code of a refusal. */
  async ask(question: ClientToNode): Promise<string> {
    await this.channel.send(question);
    const answer = await this.next();
    return answer.kind === "refused" ? answer.code : answer.kind;
  }

  /** The bytes of pieces, and the hashes that vouch for them, or a refusal. */
  async read(question: MessageOf<"read">) {
    await this.channel.send(question);
    const parts: Uint8Array[] = [];
    for (let count = 0;;) {
      const message = await within(
        this.channel.receiveOrData(DIRECTION.nodeToClient),
        "pieces",
      );
      assert(message !== null);
      if (message.kind === "refused") return message.code;
      if (message.kind === "data") {
        const part = new Uint8Array(message.length);
        await this.channel.readData(part);
        parts.push(part);
      } else if (message.kind === "pieces") {
        count += message.hashes.length / 32;
        if (count < question.count) continue;
        return new Uint8Array(
          await new Blob(parts as BlobPart[]).arrayBuffer(),
        );
      }
    }
  }
}

async function asker(
  have: readonly number[],
  stack: AsyncDisposableStack,
): Promise<OneHolder & { asker: Asker }> {
  const holder = await holderOf(CONTENT, { have }, stack);
  return { ...holder, asker: new Asker(holder, stack) };
}

Deno.test("A holder reports which pieces it has, and sends those from its disk with right hashes", async () => {
  await using stack = new AsyncDisposableStack();
  const { asker: client } = await asker([1, 2, 19], stack);
  await client.channel.send(HOLDING);
  const has = await client.next();
  assert(has.kind === "has");
  const pieces = PieceSet.parse(has.bitmap ?? "", COUNT);
  assertEquals([...pieces!.pieces()], [1, 2, 19]);
  const bytes = await client.read(readOf(1, 2));
  assert(typeof bytes !== "string", String(bytes));
  assertEquals(bytes.length, 2 * PIECE);
  const { manifest } = CONTENT;
  assertEquals(sha256(bytes.subarray(PIECE)).toHex(), manifest.hashOf(2));
});

Deno.test("A holder refuses requests with pieces that it lacks, and continues", async () => {
  await using stack = new AsyncDisposableStack();
  const { asker: client, gain } = await asker([1], stack);
  assertEquals(await client.read(readOf(0)), "gone");
  assertEquals(await client.read(readOf(1, 2)), "gone");
  assertEquals(await client.read(readOf(19, 2)), "bad_range");
  gain(2, 1);
  assert(typeof await client.read(readOf(1, 2)) !== "string");
});

Deno.test("A holder reports new pieces together, and each once", async () => {
  using time = new FakeTime();
  await using stack = new AsyncDisposableStack();
  const { asker: client, holding } = await asker([0], stack);
  assertEquals(await client.ask(HOLDING), "has");
  holding.gain({ first: 5, count: 2 });
  holding.gain({ first: 0, count: 2 }); // the first is not new
  holding.gain({ first: 7, count: 1 });
  let received: unknown;
  const news = client.next().then((message) => received = message);
  await time.advance(LIMITS.gainedPauseMs - 1);
  assertEquals(received, undefined);
  await time.advance(1);
  await news;
  const runs = [[1, 1], [5, 3]];
  assertEquals(received, { kind: "gained", request: 1, runs });
});

Deno.test("A holder without new pieces reports at intervals that it is still connected, until it has all", async () => {
  using time = new FakeTime();
  await using stack = new AsyncDisposableStack();
  const { asker: client, holding } = await asker([0], stack);
  assertEquals(await client.ask(HOLDING), "has");
  for (let n = 0; n < 3; n++) {
    const news = client.next();
    await time.advance(LIMITS.gainedQuietMs);
    assertEquals(await news, { kind: "gained", request: 1, runs: [] });
  }
  const news = client.next();
  holding.gain({ first: 0, count: COUNT });
  await time.advance(LIMITS.gainedPauseMs);
  assertEquals(await news, { kind: "gained", request: 1, runs: [[1, 19]] });
  let more: unknown;
  client.next().then((message) => more = message, () => {});
  await time.advance(3 * LIMITS.gainedQuietMs);
  assertEquals(more, undefined);
});

Deno.test("A holder reports pieces that it gained at once in messages of at most gainedRunCount runs", async () => {
  await using stack = new AsyncDisposableStack();
  const content = contentOf(2, 3);
  const holder = await holderOf(content, {
    limits: { gainedRunCount: 1, gainedPauseMs: 0 },
  }, stack);
  const client = new Asker(holder, stack);
  const of = content.manifest.contentId;
  assertEquals(await client.ask({ ...HOLDING, of }), "has");
  holder.gain(0, 2);
  const reported = [await client.next(), await client.next()];
  assertEquals(
    reported.map((message) => message.kind === "gained" && message.runs),
    [[[0, 1]], [[1, 1]]],
  );
});

Deno.test("A holder with all pieces reports that, and nothing more", async () => {
  await using stack = new AsyncDisposableStack();
  const { asker: client, gain } = await asker([], stack);
  gain(0, COUNT);
  await client.channel.send(HOLDING);
  const has = { kind: "has", request: 1, complete: true } as const;
  assertEquals(await client.next(), has);
});

Deno.test("A holder serves only its content, and nothing by name", async () => {
  await using stack = new AsyncDisposableStack();
  const { asker: client, holding } = await asker([1], stack);
  const other = "d".repeat(64);
  const { version } = holding.file;
  assertEquals(
    [
      await client.ask({ kind: "find", request: 2, name: "big.iso" }),
      await client.ask({ ...HOLDING, of: other }),
      await client.ask(readOf(1, 1, other)),
      await client.ask(readOf(1, 1, version)),
      await client.ask({ kind: "readMany", request: 2, of: [OF] }),
      await client.ask({ kind: "describe", request: 2, of: OF }),
    ],
    ["not_found", "gone", "gone", "gone", "skipped", "gone"],
  );
  await client.channel.send({ kind: "browse", request: 2, prefix: "" });
  const answer = await client.next();
  assertEquals(answer.kind === "files" && answer.files, []);
});

Deno.test("A holder does not confirm a piece that its disk has lost", async () => {
  await using stack = new AsyncDisposableStack();
  const { asker: client, path } = await asker([1, 2], stack);
  using file = await Deno.open(path, { write: true });
  await file.seek(PIECE + 7, Deno.SeekMode.Start);
  await file.write(Uint8Array.of(CONTENT.bytes[PIECE + 7]! ^ 1));
  assertEquals(await client.read(readOf(1)), "unreadable");
  assert(typeof await client.read(readOf(2)) !== "string", "the others go on");
});

Deno.test("A holder that ends refuses further requests, and reports nothing more", async () => {
  using time = new FakeTime();
  await using stack = new AsyncDisposableStack();
  const { asker: client, holding, files } = await asker([1], stack);
  assertEquals(await client.ask(HOLDING), "has");
  holding.gain({ first: 3, count: 1 });
  files.remove(holding);
  holding[Symbol.dispose]();
  const refusal = client.ask(readOf(1));
  await time.advance(10 * LIMITS.gainedQuietMs);
  assertEquals(await refusal, "gone");
});

Deno.test("A holding that ends during a read closes its file after the read", async () => {
  const { manifest, bytes } = CONTENT;
  await using folder = await tempShare({ partial: bytes, other: "other" });
  const descriptor = openSync(join(folder.path, "partial"), "r");
  const held = { name: "big.iso", manifest, descriptor, have: [1] };
  const holding = new Holding(held, LIMITS);
  let now = 0;
  const speed = new DiskSpeed(LIMITS, () => now);
  speed.time(() => now += 1_000); // so slow that reads are asynchronous
  const { read } = holding.opened(speed);
  const reading = read(new Uint8Array(PIECE), PIECE);
  assert(reading instanceof Promise);
  holding[Symbol.dispose]();
  const other = openSync(join(folder.path, "other"), "r");
  assertNotEquals(other, descriptor, "its number is still in use");
  closeSync(other);
  assertEquals(await reading, 0, "nothing is sent of it any more");
  assertEquals(await openFileCount(folder.path), 0);
});

Deno.test("A client that reads nothing does not keep a holder from serving others", async () => {
  await using stack = new AsyncDisposableStack();
  const have = [...Array(COUNT).keys()];
  const holder = await holderOf(CONTENT, { have }, stack);
  const stuck = new Asker(holder, stack);
  await stuck.channel.send(readOf(0, COUNT)); // more than the line takes
  const client = new Asker(holder, stack);
  const bytes = await client.read(readOf(4, 3));
  assert(typeof bytes !== "string", String(bytes));
  assertEquals(bytes, CONTENT.bytes.subarray(4 * PIECE, 7 * PIECE));
});
