import { assertEquals, assertRejects } from "@std/assert";
import { ProtocolError } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { type ClientToNode, DIRECTION } from "../../lib/protocol/messages.ts";
import type { NodeSession } from "../../lib/transfer/session.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { asked, IDLE_MS, openSessionPair } from "../_session.ts";
import { Keeper, refused, VERSION } from "./_session.ts";

const ONE_PIECE = { of: VERSION, first: 0, count: 1 };

Deno.test("NodeSession waits while the node says that it is working, and no longer", async () => {
  using time = new FakeTime();
  await using talking = await openSessionPair();
  const { session, node } = talking;
  let outcome = "pending";
  const describing = session.describe(VERSION).catch((error) =>
    outcome = error.code
  );
  await time.advance(0);
  const { request } = await asked(node, "describe");
  for (let n = 0; n < 10; n++) {
    await time.advance(IDLE_MS - 1);
    await node.send({ kind: "working", request });
  }
  await time.advance(IDLE_MS - 1);
  assertEquals(outcome, "pending");
  await time.advance(1);
  await describing;
  assertEquals(outcome, "idle");
  assertEquals(time.timerCount, 0);
});

for (
  const [what, ask] of [
    ["find", (session) => session.find("f")],
    ["read", (session) => session.read(ONE_PIECE, new Keeper())],
  ] satisfies [string, (session: NodeSession) => Promise<unknown>][]
) {
  Deno.test(`NodeSession disconnects from a node that reports work on a ${what}, which takes no time`, async () => {
    await using talking = await openSessionPair();
    const { session, node } = talking;
    const answer = assertRejects(
      () => ask(session),
      ProtocolError,
      "not requested",
    );
    const message = await within(node.receive(DIRECTION.clientToNode), what);
    const { request } = message as ClientToNode;
    await node.send({ kind: "working", request });
    await within(answer, "the end");
  });
}

Deno.test("NodeSession waits for its turn at a node while others fetch the same file, if it asked which pieces are held", async () => {
  using time = new FakeTime();
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const holdingRequest = { pieceCount: 1, onGained: () => {} };
  const holding = session.holding("cd".repeat(32), holdingRequest);
  await time.advance(0);
  const has = { kind: "has", complete: true } as const;
  const { request: first } = await asked(node, "holding");
  await node.send({ ...has, request: first });
  assertEquals((await holding).kind, "has");
  const reading = session.read(ONE_PIECE, new Keeper());
  await time.advance(0);
  const { request } = await asked(node, "read");
  for (let n = 0; n < 10; n++) {
    await time.advance(IDLE_MS - 1);
    await node.send({ kind: "working", request });
  }
  await time.advance(0);
  await node.send(refused(request));
  assertEquals((await reading)?.kind, "refused");
});

Deno.test("NodeSession waits for a node that hashes before it reports to a client with a grant what it found", async () => {
  await using talking = await openSessionPair({ grant: "g" });
  const { session, node } = talking;
  const finding = session.find("f");
  const { request } = await asked(node, "find");
  await node.send({ kind: "working", request });
  await node.send(refused(request));
  assertEquals((await within(finding, "the answer")).kind, "refused");
});

Deno.test("NodeSession disconnects from a node that reports work too often", async () => {
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const describing = assertRejects(
    () => session.describe(VERSION),
    ProtocolError,
    "not requested",
  );
  const { request } = await asked(node, "describe");
  let isOver = false;
  const end = describing.then(() => isOver = true);
  for (let n = 0; n < 1_000 && !isOver; n++) {
    await node.send({ kind: "working", request })
      .catch(() => isOver = true); // it closed the connection
  }
  await within(end, "the end");
});

Deno.test("NodeSession lets a node say for hours, every 5 s, that it works", async () => {
  using time = new FakeTime();
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const describing = session.describe(VERSION);
  await time.advance(0);
  const { request } = await asked(node, "describe");
  for (let n = 0; n < 5 * LIMITS.workingBurstCount; n++) {
    await time.advance(5_000);
    await node.send({ kind: "working", request });
  }
  await node.send(refused(request));
  assertEquals((await describing).kind, "refused");
});

Deno.test("NodeSession disconnects from a node that says for more than two hours that it works", async () => {
  using time = new FakeTime();
  await using talking = await openSessionPair();
  const { session, node } = talking;
  const describing = session.describe(VERSION);
  describing.catch(() => {});
  await time.advance(0);
  const { request } = await asked(node, "describe");
  let count = 0;
  for (; session.failure === null && count < 2_000; count++) {
    await time.advance(5_000);
    await node.send({ kind: "working", request });
    await time.advance(0);
  }
  assertEquals(count, LIMITS.workingCount + 1);
  await assertRejects(() => describing, ProtocolError, "requested");
});
