/** A channel that answers messages: in which writes, and in which order. */

import { assertEquals, assertRejects } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { type Conn, writeAll } from "../../lib/base/conn.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { within } from "../_event_log.ts";
import { memoryPair } from "../_memory_conn.ts";
import { find, OPTIONS } from "./_channel.ts";

/** Counts the writes of a conn. */
function countWrites(conn: Conn): { count: number } {
  const writes = { count: 0 };
  const { write } = conn;
  conn.write = (bytes) => {
    writes.count++;
    return write.call(conn, bytes);
  };
  return writes;
}

/** An answer to `find`, as a frame: another one will do. */
const answerTo = (request: number) => encodeMessage(find(request));

Deno.test("Channel sends the answers to messages that came together in one write, in order", async () => {
  const [near, far] = memoryPair();
  const alice = new Channel(near, OPTIONS);
  const bob = new Channel(far, OPTIONS);
  const writes = countWrites(far);
  await writeAll(
    near,
    new Uint8Array([1, 2, 3, 4].flatMap((n) => [...encodeMessage(find(n))])),
  );
  const answering = bob.answerAll(
    ["find"],
    ({ request }) => request === 4 ? null : answerTo(request),
  );
  for (const request of [1, 2, 3]) {
    const answer = await within(alice.receive(["find"]), "an answer");
    assertEquals(answer?.request, request);
  }
  await answering;
  assertEquals(writes.count, 1);
  near.close();
  far.close();
});

Deno.test("Channel delays no answer after a frame of an unknown kind", async () => {
  const [near, far] = memoryPair();
  const alice = new Channel(near, OPTIONS);
  const bob = new Channel(far, OPTIONS);
  const unknown = encodeFrame(0xee, new Uint8Array(3));
  await writeAll(near, new Uint8Array([...encodeMessage(find(1)), ...unknown]));
  const answering = bob.answerAll(["find"], ({ request }) => answerTo(request));
  const answer = await within(alice.receive(["find"]), "an answer");
  assertEquals(answer?.request, 1);
  await alice.close();
  await answering;
  far.close();
});

Deno.test("Channel sends 100 small answers to messages that came together", async () => {
  const [near, far] = memoryPair();
  const alice = new Channel(near, OPTIONS);
  const bob = new Channel(far, { ...OPTIONS, readAheadBytes: 1 << 16 });
  const requests = [...Array(100).keys()];
  await writeAll(
    near,
    new Uint8Array(requests.flatMap((n) => [...encodeMessage(find(n))])),
  );
  const answering = bob.answerAll(["find"], ({ request }) => answerTo(request));
  for (const request of requests) {
    const answer = await within(alice.receive(["find"]), "an answer");
    assertEquals(answer?.request, request);
  }
  await alice.close();
  await answering;
  far.close();
});

Deno.test("Channel holds back no answer for one that takes time", async () => {
  const [near, far] = memoryPair();
  const alice = new Channel(near, OPTIONS);
  const bob = new Channel(far, OPTIONS);
  const slow = Promise.withResolvers<Uint8Array>();
  await writeAll(
    near,
    new Uint8Array([1, 2, 3].flatMap((n) => [...encodeMessage(find(n))])),
  );
  const answering = bob.answerAll(
    ["find"],
    ({ request }) => request === 2 ? slow.promise : answerTo(request),
  );
  const next = async () =>
    (await within(alice.receive(["find"]), "an answer"))?.request;
  assertEquals(await next(), 1);
  slow.resolve(answerTo(2));
  assertEquals([await next(), await next()], [2, 3]);
  await alice.close();
  await answering;
  far.close();
});

Deno.test("Channel sends a refusal after the held answers, and reports a failure once", async () => {
  const [near, far] = memoryPair();
  const alice = new Channel(near, OPTIONS);
  const bob = new Channel(far, OPTIONS);
  await writeAll(
    near,
    new Uint8Array([1, 2, 3].flatMap((n) => [...encodeMessage(find(n))])),
  );
  const answering = bob.answerAll(["find"], ({ request }) => {
    if (request === 2) throw new ProtocolError("bad_message", "no");
    return answerTo(request);
  });
  await assertRejects(() => answering, ProtocolError, "no");
  await bob.send({ kind: "refused", code: "bad_message", text: "no" });
  const kinds: (string | undefined)[] = [];
  for (let n = 0; n < 2; n++) {
    const answered = alice.receive(["find", "refused"]);
    kinds.push((await within(answered, "an answer"))?.kind);
  }
  assertEquals(kinds, ["find", "refused"]);
  near.close();
  far.close();
});
