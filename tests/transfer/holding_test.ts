/**
 * What a client receives about the pieces that a peer has, and what it refuses.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ProtocolError } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { type PieceRun, PieceSet } from "../../lib/content/piece_set.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { serviceOf, TIMING } from "../_client_service.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { asked, IDLE_MS, openSessionPair } from "../_session.ts";

const CONTENT = "c".repeat(64);
const PIECES = 20;

/** A session that follows a holder of the first two pieces. */
async function following(stack: AsyncDisposableStack) {
  const { session, node } = stack.use(await openSessionPair());
  const received: string[] = [];
  let news = Promise.withResolvers<void>();
  const outcome = session.holding(CONTENT, {
    pieceCount: PIECES,
    onGained: (runs: readonly PieceRun[]) => {
      received.push(...runs.map(({ first, count }) => `${first}+${count}`));
      news.resolve();
      news = Promise.withResolvers();
    },
  });
  const { request, of } = await asked(node, "holding");
  assertEquals(of, CONTENT);
  const bitmap = new PieceSet(PIECES, [0, 1]).format();
  await node.send({ kind: "has", request, bitmap });
  const found = await within(outcome, "the answer");
  assert(found.kind === "has");
  return { session, node, request, received, found, news: () => news.promise };
}

Deno.test("NodeSession.holding returns the pieces of the holder, and each new piece", async () => {
  await using stack = new AsyncDisposableStack();
  const { node, request, found, received, news } = await following(stack);
  assertEquals([...found.pieces.pieces()], [0, 1]);
  let reported = news();
  await node.send({ kind: "gained", request, runs: [[2, 3], [9, 1]] });
  await within(reported, "news without another request");
  reported = news();
  await node.send({ kind: "gained", request, runs: [[19, 1]] });
  await within(reported, "more news");
  assertEquals(received, ["2+3", "9+1", "19+1"]);
  assertEquals([...found.pieces.pieces()], [0, 1, 2, 3, 4, 9, 19]);
});

Deno.test("NodeSession.holding believes a complete holder, and waits for no news of it", async () => {
  using time = new FakeTime();
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const onGained = () => assert(false, "there is nothing to gain");
  const holdingRequest = { pieceCount: PIECES, onGained };
  const outcome = session.holding(CONTENT, holdingRequest);
  await time.advance(0);
  const { request } = await asked(node, "holding");
  await node.send({ kind: "has", request, complete: true });
  const found = await outcome;
  assert(found.kind === "has" && found.pieces.isComplete);
  assertEquals(time.timerCount, 0);
  await time.advance(10 * IDLE_MS);
  const finding = session.find("a");
  const asking = await asked(node, "find");
  await node.send({
    ...{ kind: "refused", code: "not_found", text: "" },
    request: asking.request,
  });
  assertEquals((await finding).kind, "refused", "the session goes on");
});

Deno.test("NodeSession.holding returns the refusal of a node without the content", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const holdingRequest = { pieceCount: PIECES, onGained: () => {} };
  const outcome = session.holding(CONTENT, holdingRequest);
  const { request } = await asked(node, "holding");
  await node.send({ kind: "refused", code: "gone", text: "", request });
  const found = await within(outcome, "the refusal");
  assertEquals(found.kind === "refused" && found.code, "gone");
});

Deno.test("NodeSession receives news of a holder between the answers to other requests", async () => {
  await using stack = new AsyncDisposableStack();
  const { session, node, request, received } = await following(stack);
  const finding = session.find("a");
  const asking = await asked(node, "find");
  await node.send(
    { kind: "gained", request, runs: [[7, 1]] },
    { kind: "refused", code: "not_found", text: "", request: asking.request },
  );
  await within(finding, "the answer");
  assertEquals(received, ["7+1"]);
});

for (
  const [what, runs] of [
    ["a piece that it had", [[1, 1]]],
    ["a piece twice", [[4, 1], [4, 1]]],
    ["overlapping runs", [[4, 3], [6, 1]]],
    ["a piece after the last", [[20, 1]]],
    ["a run beyond the last", [[18, 65_536]]],
  ] as [string, [number, number][]][]
) {
  Deno.test(`NodeSession disconnects from a holder that announces ${what}`, async () => {
    await using stack = new AsyncDisposableStack();
    const { session, node, request } = await following(stack);
    const failed = assertRejects(
      () => session.find("a"),
      ProtocolError,
      "pieces that it cannot have gained",
    );
    await asked(node, "find");
    await node.send({ kind: "gained", request, runs });
    await within(failed, "the end");
  });
}

for (
  const [what, has] of [
    ["of another length", { bitmap: "gA==" }],
    ["with a piece behind the last", { bitmap: "AAAB" }],
    ["that is missing", {}],
  ] as const
) {
  Deno.test(`NodeSession disconnects from a holder with a bitmap ${what}`, async () => {
    await using talking = await openSessionPair();
    const { session, node } = talking;
    const holdingRequest = { pieceCount: PIECES, onGained: () => {} };
    const failed = assertRejects(
      () => session.holding(CONTENT, holdingRequest),
      ProtocolError,
      "a bitmap that does not fit the file",
    );
    const { request } = await asked(node, "holding");
    await node.send({ kind: "has", request, ...has });
    await within(failed, "the end");
  });
}

Deno.test("NodeSession disconnects from a node that reports pieces without a request", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const failed = assertRejects(
    () => session.find("a"),
    ProtocolError,
    "not requested",
  );
  const { request } = await asked(node, "find");
  await node.send({ kind: "gained", request, runs: [[0, 1]] });
  await within(failed, "the end");
});

Deno.test("NodeSession disconnects from a holder that floods it with empty announcements", async () => {
  await using stack = new AsyncDisposableStack();
  const { session, node, request } = await following(stack);
  const failed = assertRejects(
    () => session.find("a"),
    ProtocolError,
    "not requested",
  );
  const end = within(failed, "the end");
  let isOver = false;
  for (let n = 0; n <= LIMITS.workingBurstCount + 1 && !isOver; n++) {
    await node.send({ kind: "gained", request, runs: [] })
      .catch(() => isOver = true); // it closed the connection
  }
  await end;
});

Deno.test("NodeSession gives up a silent holder, and keeps one that reports that it is there", async () => {
  using time = new FakeTime();
  await using stack = new AsyncDisposableStack();
  const talking = stack.use(await openSessionPair());
  const { session, node } = talking;
  const holdingRequest = { pieceCount: PIECES, onGained: () => {} };
  const outcome = session.holding(CONTENT, holdingRequest);
  await time.advance(0);
  const { request } = await asked(node, "holding");
  const bitmap = new PieceSet(PIECES).format();
  await node.send({ kind: "has", request, bitmap });
  await outcome;
  for (let n = 0; n < 20; n++) {
    await time.advance(IDLE_MS - 1);
    await node.send({ kind: "gained", request, runs: [] });
  }
  await time.advance(0);
  let ended = "";
  const asking = () => session.find("a").catch(({ code }) => ended = code);
  await time.advance(IDLE_MS);
  await asking();
  assertEquals(ended, "idle");
});

Deno.test("A node reports all pieces of a content that it shares, and none of another", async () => {
  await using stack = new AsyncDisposableStack();
  const { conn, client: service, share, digests, hash } = await serviceOf(
    { "a.txt": "abc", "b.txt": "other" },
    stack,
  );
  await hash();
  const contentOf = (name: string) => digests.of(share.named(name)!)!.content;
  await using client = new Channel(conn, TIMING);
  const grant = { expires: 2_000_000_000, prefix: "a.txt" };
  const served = service.run(grant);
  const answers: string[] = [];
  const contents = [contentOf("a.txt"), contentOf("b.txt"), CONTENT];
  for (const content of contents) {
    await client.send({ kind: "holding", request: 1, of: content });
    const answer = await within(client.receive(["has", "refused"]), "it");
    answers.push(
      answer?.kind === "refused" ? answer.code : JSON.stringify(answer),
    );
  }
  assertEquals(answers, [
    '{"request":1,"complete":true,"kind":"has"}',
    "gone", // it is outside the grant
    "gone",
  ]);
  await client.close();
  await served;
});
