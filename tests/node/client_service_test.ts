/**
 * What a node does for a client beyond what it answers: how much it looks at.
 */

import { assert, assertEquals } from "@std/assert";
import type { Grant } from "../../lib/access/grant.ts";
import { writeAll } from "../../lib/base/conn.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import {
  type ClientToNode,
  encodeMessage,
} from "../../lib/protocol/messages.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import type { ReadTurn } from "../../lib/node/served.ts";
import { serviceOf, TIMING } from "../_client_service.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";

const FILES = { "a.txt": "abc", "empty": "", "other/empty": "" };

/** The last answers to requests within a grant, and the walks they took. */
async function asked(
  grant: Grant | undefined,
  requests: (contentOf: (name: string) => string) => ClientToNode[],
): Promise<{ answers: string[]; walkCount: number }> {
  await using stack = new AsyncDisposableStack();
  const { conn, client: service, share, digests, hash } = await serviceOf(
    FILES,
    stack,
  );
  await hash();
  const contentOf = (name: string) => {
    const file = share.named(name);
    assert(file !== undefined);
    return digests.of(file)!.content;
  };
  let walkCount = 0;
  const browse = share.browse.bind(share);
  share.browse = (prefix, after) => {
    walkCount++;
    return browse(prefix, after);
  };
  await using client = new Channel(conn, { ...TIMING, acceptsData: true });
  const served = service.run(grant);
  const answers: string[] = [];
  for (const request of requests(contentOf)) {
    await client.send(request);
    const answer = await client.receive(["files", "manifest", "refused"]);
    answers.push(
      answer?.kind === "files"
        ? answer.files.map(({ name }) => name).toSorted().join(" ")
        : answer?.kind === "refused"
        ? answer.code
        : answer?.kind ?? "nothing",
    );
  }
  await client.close();
  await served;
  return { answers, walkCount };
}

const BROWSE = { kind: "browse", request: 1, prefix: "" } as const;

Deno.test("A client with a grant for one file makes the node check only that file, whatever it asks", async () => {
  const grant = { expires: 2_000_000_000, prefix: "a.txt" };
  const { answers, walkCount } = await asked(grant, (contentOf) => [
    BROWSE,
    { ...BROWSE, prefix: "o" },
    // A content that is there under names outside the grant, and one inside.
    { kind: "describe", request: 1, of: contentOf("empty") },
    {
      kind: "read",
      request: 1,
      of: contentOf("empty"),
      first: 0,
      count: 1,
    },
    { kind: "describe", request: 1, of: contentOf("a.txt") },
  ]);
  assertEquals(answers, ["a.txt", "", "gone", "gone", "manifest"]);
  assertEquals(walkCount, 0);
});

Deno.test("A client with a grant for all files makes the node check each file once for each listing", async () => {
  const { answers, walkCount } = await asked(undefined, () => [BROWSE, BROWSE]);
  const all = "a.txt empty other/empty";
  assertEquals(answers, [all, all]);
  assertEquals(walkCount, 2);
});

/** A service whose share is being scanned for the first time, in fake time. */
async function scanning(stack: AsyncDisposableStack) {
  const made = await serviceOf(FILES, stack);
  await made.hash();
  const { share, conn } = made;
  const scan = Promise.withResolvers<void>();
  const awaited = Promise.withResolvers<void>();
  let isScanned = false;
  Object.defineProperty(share, "isScanned", { get: () => isScanned });
  share.scanned = () => {
    awaited.resolve();
    return scan.promise.then(() => void (isScanned = true));
  };
  const time = stack.use(new FakeTime());
  const requester = new Channel(conn, { ...TIMING, idleMs: Infinity });
  stack.use(requester);
  return { ...made, scan, awaited: awaited.promise, time, requester };
}

Deno.test("A client that disconnects while its list waits for the first scan frees its place", async () => {
  await using stack = new AsyncDisposableStack();
  const { client: service, awaited, time, requester, conn, ...made } =
    await scanning(stack);
  const served = service.run().then(() => "served", () => "left");
  await requester.send(BROWSE);
  await awaited;
  assertEquals([made.service.clientCount, made.service.busyCount], [1, 1]);
  conn.close();
  await time.advance(60_000);
  const waits = Promise.resolve("waits");
  assertEquals(await Promise.race([served, waits]), "left");
  assertEquals([made.service.clientCount, made.service.busyCount], [0, 0]);
});

Deno.test("A node that works on one request has sent all earlier answers, and reports in order that it is working", async () => {
  await using stack = new AsyncDisposableStack();
  const { client: service, scan, awaited, time, requester, conn } =
    await scanning(
      stack,
    );
  // In one write: the node has the second when it answers the first.
  await writeAll(
    conn,
    new Uint8Array([
      ...encodeMessage({ kind: "find", request: 1, name: "a.txt" }),
      ...encodeMessage({ ...BROWSE, request: 2 }),
    ]),
  );
  const next = async () => {
    const answer = await requester.receive(["found", "working", "files"]);
    return `${answer?.kind} ${answer?.request}`;
  };
  const served = service.run().catch(() => {}); // when the test ends
  assertEquals(await next(), "found 1", "before it works");
  await awaited;
  for (let reported = 0; reported < 2; reported++) {
    await time.advance(5_000);
    assertEquals(await next(), "working 2");
  }
  scan.resolve();
  assertEquals(await next(), "files 2");
  conn.close();
  await served;
});

Deno.test("A node delays no answer after a frame of an unknown kind", async () => {
  await using stack = new AsyncDisposableStack();
  const { conn, client: service, hash } = await serviceOf(FILES, stack);
  await hash();
  await using client = new Channel(conn, { ...TIMING, acceptsData: true });
  await writeAll(
    conn,
    new Uint8Array([
      ...encodeMessage({ kind: "find", request: 1, name: "a.txt" }),
      ...encodeFrame(0xee, new Uint8Array(3)),
    ]),
  );
  const served = service.run(undefined);
  const answer = await within(client.receive(["found"]), "an answer");
  assertEquals(answer?.request, 1);
  await client.close();
  await served;
});

Deno.test("A client of a swarm gets a message every 5 s while it must wait, and then gets its piece", async () => {
  await using stack = new AsyncDisposableStack();
  const turn = Promise.withResolvers<ReadTurn>();
  const waits = Promise.withResolvers<void>();
  const readTurns = {
    join: () => ({ [Symbol.dispose]: () => {} }),
    isNeededFor: () => true,
    take: () => {
      waits.resolve();
      return turn.promise;
    },
  };
  const made = await serviceOf(FILES, stack, { readTurns });
  await made.hash();
  const of = made.digests.of(made.share.named("a.txt")!)!.content;
  const time = stack.use(new FakeTime());
  const requester = stack.use(
    new Channel(made.conn, { ...TIMING, idleMs: Infinity, acceptsData: true }),
  );
  const served = made.client.run().catch(() => {}); // when the test ends
  await requester.send({ kind: "holding", request: 1, of });
  assertEquals((await requester.receive(["has"]))?.kind, "has");
  await requester.send({ kind: "read", request: 2, of, first: 0, count: 1 });
  await waits.promise;
  for (let reported = 0; reported < 3; reported++) {
    await time.advance(5_000);
    assertEquals((await requester.receive(["working"]))?.request, 2);
  }
  time[Symbol.dispose](); // a disk takes real time
  turn.resolve({ sent: () => {}, [Symbol.dispose]: () => {} });
  const answer = await requester.receiveOrData(["pieces"]);
  assertEquals([answer?.kind, answer?.request], ["data", 2]);
  made.conn.close();
  await served;
});
