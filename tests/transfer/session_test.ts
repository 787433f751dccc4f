import { assertEquals, assertRejects } from "@std/assert";
import type { Channel } from "../../lib/protocol/channel.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { sha256 } from "../../lib/base/hash.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Manifest } from "../../lib/content/manifest.ts";
import { DIRECTION, type ListedFile } from "../../lib/protocol/messages.ts";
import {
  ListingAnswer,
  type PieceReceiver,
} from "../../lib/transfer/answers.ts";
import { NodeSession } from "../../lib/transfer/session.ts";
import { sendData } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { describeBytes, sendManifest } from "../_lies.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { asked, channels, ID, openSessionPair } from "../_session.ts";
import { found, Keeper, piecesOf, refused, VERSION } from "./_session.ts";

const PIECE = 256 * 1024;

async function sayText(
  node: Channel,
  { request }: { request: number },
  text: string,
): Promise<void> {
  await sendData(node, { request }, new TextEncoder().encode(text));
  await node.send(piecesOf(request));
}

Deno.test("NodeSession says hello and asks for a file in one write", async () => {
  const { client, node, conns } = channels();
  const opening = NodeSession.open(client, {
    id: ID,
    path: "direct",
    find: "f",
  });
  // Both are here before the node has said a word.
  await node.receive(["hello"]);
  const { request, name } = await asked(node, "find");
  assertEquals(name, "f");
  await node.send(
    { kind: "hello", protocol: 1, role: "node", id: ID },
    found(request),
  );
  assertEquals((await opening).found, found(request));
  for (const conn of conns) conn.close();
});

for (
  const [what, hello, code] of [
    [
      "has another id",
      { role: "node", id: "b".repeat(52) },
      "identity_mismatch",
    ],
    ["has no id", { role: "node" }, "identity_mismatch"],
    ["is a relay", { role: "relay", id: ID }, "identity_mismatch"],
  ] as const
) {
  Deno.test(`NodeSession refuses a peer that ${what}`, async () => {
    const { client, node, conns } = channels();
    const opening = NodeSession.open(client, { id: ID, path: "direct" });
    const failing = assertRejects(() => opening, ProtocolError);
    await node.send({ kind: "hello", protocol: 1, ...hello });
    assertEquals((await failing).code, code);
    for (const conn of conns) conn.close();
  });
}

Deno.test("NodeSession reports that the node refuses to talk", async () => {
  const { client, node, conns } = channels();
  const opening = NodeSession.open(client, { id: ID, path: "direct" });
  const failing = assertRejects(() => opening, ProtocolError, "refused: no");
  await node.send({ kind: "refused", code: "wrong_service", text: "no" });
  assertEquals((await failing).code, "wrong_service");
  for (const conn of conns) conn.close();
});

Deno.test("NodeSession sends requests without waiting, and takes the answers in order", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const file = describeBytes("f", randomBytes(2 * PIECE, seededRandom(1)));
  const first = new Keeper();
  const last = new Keeper();
  const { contentId } = file.manifest;
  const all = Promise.all([
    session.read({ of: contentId, first: 0, count: 2 }, first),
    session.describe(contentId),
    session.find("f"),
    Array.fromAsync(session.browse("p")),
    session.read({ of: VERSION, first: 7, count: 1 }, last),
  ]);
  // All of them are here before any of them is answered.
  const read = await asked(node, "read");
  const describe = await asked(node, "describe");
  const find = await asked(node, "find");
  const browse = await asked(node, "browse");
  const again = await asked(node, "read");
  assertEquals([read.of, read.first, read.count], [contentId, 0, 2]);
  assertEquals([again.of, again.first, again.count], [VERSION, 7, 1]);
  const requests = [read, describe, find, browse, again].map(({ request }) =>
    request
  );
  assertEquals(new Set(requests).size, 5);
  await sayText(node, read, "one");
  await sayText(node, read, "two");
  await sendManifest(node, describe, file);
  await node.send(found(find.request));
  await node.send({
    kind: "files",
    request: browse.request,
    files: [],
    more: false,
  });
  await sayText(node, again, "eight");
  const [, described, size] = await within(all, "the answers");
  assertEquals(
    described.kind === "described" && described.manifest.contentId,
    contentId,
  );
  assertEquals(size.kind, "found");
  assertEquals(first.runs, ["one ab x1", "two ab x1"]);
  assertEquals(last.runs, ["eight ab x1"]);
});

Deno.test("NodeSession continues with the next answer after a refusal", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const keeper = new Keeper();
  const all = Promise.all([
    session.read({ of: VERSION, first: 0, count: 3 }, keeper),
    session.describe(VERSION),
    session.find("f"),
  ]);
  const read = await asked(node, "read");
  await sayText(node, read, "one");
  await node.send(refused(read.request));
  await node.send(refused((await asked(node, "describe")).request));
  await node.send(refused((await asked(node, "find")).request));
  for (const answer of await within(all, "the answers")) {
    assertEquals(answer?.kind === "refused" && answer.code, "gone");
  }
  assertEquals(keeper.runs, ["one ab x1"]);
});

Deno.test("NodeSession.describe gives the manifest, by content id or version, of an empty file too", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  for (const size of [0, 3, 2 * PIECE + 1, 9_000 * PIECE]) {
    // Not of real bytes: a manifest is what it is.
    const hashes = randomBytes(
      Math.ceil(size / PIECE) * 32,
      seededRandom(size),
    );
    const known = new Manifest(size, hashes);
    for (const id of [known.contentId, VERSION]) {
      const describing = session.describe(id);
      const request = await asked(node, "describe");
      assertEquals(request.of, id);
      const sending = sendManifest(node, request, {
        manifest: known,
        sha256: "0".repeat(64),
      });
      const answer = await within(describing, "the manifest");
      await sending;
      assertEquals(
        answer.kind === "described" &&
          [answer.manifest.contentId, answer.manifest.size, answer.sha256],
        [known.contentId, size, "0".repeat(64)],
      );
    }
  }
});

Deno.test("NodeSession.describe refuses a manifest of another content than was asked for", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const wanted = describeBytes("f", randomBytes(3 * PIECE, seededRandom(1)));
  const other = describeBytes("f", randomBytes(3 * PIECE, seededRandom(2)));
  const { contentId } = wanted.manifest;
  const describing = assertRejects(
    () => session.describe(contentId),
    ProtocolError,
    "a manifest of another content",
  );
  const { request } = await asked(node, "describe");
  // It says the right content id, and sends the hashes of another.
  await node.send({
    kind: "manifest",
    request,
    size: 3 * PIECE,
    content: contentId,
    sha256: wanted.sha256,
  });
  await sendData(node, { request }, other.manifest.hashes);
  assertEquals((await describing).code, "corrupt_piece");
});

Deno.test("NodeSession.browse goes from page to page, and no further than the last", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const listed = (name: string): ListedFile => ({
    name,
    size: 1,
    modifiedMs: 2,
    version: VERSION,
  });
  const pages = [[listed("a"), listed("b")], [listed("c")], []];
  const browsing = Array.fromAsync(session.browse("photos/"));
  const { request, prefix } = await asked(node, "browse");
  assertEquals(prefix, "photos/");
  for (const [at, files] of pages.entries()) {
    await node.send({ kind: "files", request, files, more: at < 2 });
  }
  assertEquals(await within(browsing, "the pages"), pages);
  const again = Array.fromAsync(session.browse(""));
  await node.send(refused((await asked(node, "browse")).request));
  assertEquals(await within(again, "the refusal"), []);
});

Deno.test("NodeSession keeps no timer of a listing that is broken off, wherever its next page is", async () => {
  const files = [{ name: "f", size: 1, modifiedMs: 0, version: VERSION }];
  for (let turns = 0; turns < 40; turns++) {
    await using talking = await openSessionPair();
    const { session, node } = talking;
    const pages = session.browse("");
    const first = pages.next();
    const { request } = await asked(node, "browse");
    const page = { kind: "files", request, files, more: true } as const;
    await node.send(...Array(2 * LIMITS.listingPagesAheadCount).fill(page));
    await first;
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    session.abort(new Error("broken off"));
  }
  // The test fails if a timer is left.
});

Deno.test("NodeSession accepts all messages that arrive together after its network failed for a minute", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const describing = session.describe(VERSION);
  const { request } = await asked(node, "describe");
  for (let n = 0; n < LIMITS.workingBurstCount; n++) {
    await node.send({ kind: "working", request });
  }
  await node.send(refused(request));
  assertEquals((await within(describing, "the answer")).kind, "refused");
});

Deno.test("NodeSession.abort rejects all waiting calls with its reason, and frees the conn", async () => {
  await using talking = await openSessionPair();
  const { session, node, conns } = talking;
  const waiting = [
    session.read({ of: VERSION, first: 0, count: 1 }, new Keeper()),
    session.describe(VERSION),
    session.find("f"),
    Array.fromAsync(session.browse("")),
  ].map((answer) => assertRejects(() => answer, Error, "enough"));
  await asked(node, "read");
  session.abort(new Error("enough"));
  await within(Promise.all(waiting), "the end");
  await assertRejects(() => session.find("g"), Error, "enough");
  await assertRejects(() => conns[0].write(Uint8Array.of(0)));
  // Once more is of no effect.
  session.abort(new Error("other"));
  await assertRejects(() => session.find("g"), Error, "enough");
  await session[Symbol.asyncDispose]();
});

Deno.test("NodeSession closes gracefully when idle, and aborts pending requests", async () => {
  {
    await using talking = await openSessionPair();
    await talking.session[Symbol.asyncDispose]();
    assertEquals(await talking.node.receive(DIRECTION.clientToNode), null);
    await assertRejects(() => talking.session.find("f"), Error, "closed");
  }
  await using talking = await openSessionPair();
  const finding = assertRejects(
    () => talking.session.find("f"),
    Error,
    "closed",
  );
  await asked(talking.node, "find");
  await talking.session[Symbol.asyncDispose]();
  await within(finding, "the end");
});

Deno.test("NodeSession reads no more than the receiver has room for", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const room = Promise.withResolvers<void>();
  const waits = Promise.withResolvers<void>();
  const keeper = new Keeper();
  const receiver: PieceReceiver = {
    target: async (length) => {
      waits.resolve();
      await room.promise;
      return await keeper.target(Math.min(length, PIECE));
    },
    filled: () => {},
    pieces: () => {},
  };
  const reading = session.read({ of: VERSION, first: 0, count: 1 }, receiver);
  const { request } = await asked(node, "read");
  let sent = 0;
  const sending = (async () => {
    for (; sent < 32; sent++) {
      await sendData(node, { request }, new Uint8Array(PIECE));
    }
    await node.send(piecesOf(request));
  })();
  await waits.promise;
  // What is between the two ends is all that can have left.
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  assertEquals(sent < 8, true, `${sent} frames`);
  room.resolve();
  await within(reading, "the piece");
  await sending;
  assertEquals(sent, 32);
});

Deno.test("NodeSession ends with what its receiver throws", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const receiver: PieceReceiver = {
    target: () => Promise.reject(new RangeError("no room")),
    filled: () => {},
    pieces: () => {},
  };
  const reading = assertRejects(
    () => session.read({ of: VERSION, first: 0, count: 1 }, receiver),
    RangeError,
    "no room",
  );
  await sendData(node, await asked(node, "read"), sha256(new Uint8Array()));
  await within(reading, "the end");
});

Deno.test("ListingAnswer requests no more pages than are read", async () => {
  const answer = new ListingAnswer(1, "a node");
  const files = [{ name: "f", size: 1, modifiedMs: 0, version: VERSION }];
  const take = () =>
    answer.take({ kind: "files", request: 1, files, more: true });
  const most = LIMITS.listingPagesAheadCount;
  const rooms = Array.from({ length: most }, take);
  assertEquals(rooms.slice(0, -1), Array(most - 1).fill(undefined));
  const room = rooms.at(-1);
  assertEquals(room instanceof Promise, true);
  const pages = answer.pages();
  assertEquals((await pages.next()).value, files);
  await within(room as Promise<void>, "room for another page");
  // Nobody waits for a listing that is broken off.
  const stuck = take() as Promise<void>;
  answer.fail(new Error("broken off"));
  await within(stuck, "the end");
  assertEquals(take(), undefined, "a page that was on its way");
});
