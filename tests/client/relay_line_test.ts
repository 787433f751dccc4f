import { assertEquals, assertRejects } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { RelayLine } from "../../lib/client/relay_line.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { DIRECTION, type RelayToClient } from "../../lib/protocol/messages.ts";
import type { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { within } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";

type Answering = (id: string, there: Channel) => RelayToClient | null | "none";

/** A relay in memory that gives the answers of the test; `null` closes. */
function fakeRelay(answer: Answering, handshakeMs = LIMITS.handshakeMs) {
  const relay = { opened: 0, open: 0 };
  const link = {
    open: () => {
      const [near, far] = memoryPair();
      const options = { limits: LIMITS, writeStallMs: 1e6, idleMs: 1e6 };
      const there = new Channel(far, options);
      const channel = new Channel(near, options);
      there.openUp();
      channel.openUp();
      relay.opened++;
      relay.open++;
      (async () => {
        for (;;) {
          const message = await there.receive(DIRECTION.clientToRelay);
          if (message?.kind !== "tunnel") break;
          const said = answer(message.id, there);
          if (said === null) break;
          if (said !== "none") await there.send(said);
        }
      })().catch(() => {}).finally(() => {
        relay.open--;
        return there.close();
      });
      return Promise.resolve({ channel });
    },
  } as unknown as RelayDialer;
  return { relay, line: new RelayLine(link, { handshakeMs }) };
}

const ID = "a".repeat(51);
const never = new AbortController().signal;
const ask = (line: RelayLine, last: string, signal = never) =>
  line.request({ kind: "tunnel", id: ID + last }, signal)
    .then(({ answer }) => answer.kind === "refused" ? answer.code : "");
const echo = (id: string): RelayToClient => ({
  kind: "refused",
  code: id.slice(-1),
  text: "",
});

Deno.test("RelayLine sends many requests over one connection, each with its own answer, and closes it when it is quiet", async () => {
  using time = new FakeTime();
  const { relay, line } = fakeRelay(echo);
  const words = ["a", "b", "c", "d"];
  assertEquals(await Promise.all(words.map((word) => ask(line, word))), words);
  assertEquals(relay, { opened: 1, open: 1 });
  await time.advance(4_999);
  assertEquals(relay.open, 1);
  await time.advance(1);
  assertEquals(relay.open, 0);
  assertEquals(await ask(line, "e"), "e");
  assertEquals(relay, { opened: 2, open: 1 });
  await line[Symbol.asyncDispose]();
  await time.advance(0);
  assertEquals(relay.open, 0);
  assertEquals(time.timerCount, 0);
});

Deno.test("RelayLine never gives a caller the answer to an aborted request of another caller", async () => {
  const { relay, line } = fakeRelay(echo);
  const leaving = new AbortController();
  const given = ask(line, "a", leaving.signal);
  const kept = ask(line, "b");
  leaving.abort(new Error("no more"));
  await assertRejects(() => given, Error, "no more");
  assertEquals(await kept, "b");
  await assertRejects(() => ask(line, "c", leaving.signal), Error, "no more");
  assertEquals(relay.opened, 1);
  await line[Symbol.asyncDispose]();
});

Deno.test("RelayLine asks a restarted relay again, but not one that closes the connection at once", async () => {
  let left = 2;
  const { relay, line } = fakeRelay((id) => left-- > 0 ? echo(id) : null);
  assertEquals(await ask(line, "a"), "a");
  assertEquals(await ask(line, "b"), "b");
  await assertRejects(
    () => ask(line, "c"),
    ProtocolError,
    "closed the connection",
  );
  assertEquals(relay.opened, 2);
  left = 1;
  assertEquals(await ask(line, "d"), "d");
  left = 1; // this connection is dead, the next is not
  await line[Symbol.asyncDispose]();
});

Deno.test("RelayLine gives up a relay that sends only messages to skip, and fails all requests that wait for it", async () => {
  const skipped = encodeFrame(0x7e, new Uint8Array(1));
  let timer: ReturnType<typeof setInterval> | undefined;
  const { relay, line } = fakeRelay((_, there) => {
    timer = setInterval(() => there.sendFrames(skipped).catch(() => {}), 20);
    return "none";
  }, 200);
  const asked = ["a", "b", "c"].map((word) =>
    assertRejects(() => ask(line, word), ProtocolError, "took too long")
  );
  await within(Promise.all(asked), "the requests fail");
  clearInterval(timer);
  assertEquals(relay.opened, 1);
  await line[Symbol.asyncDispose]();
});

Deno.test("RelayLine waits for no answer when it is disposed of", async () => {
  const asked = Promise.withResolvers<void>();
  const { line } = fakeRelay(() => {
    asked.resolve();
    return "none";
  }, 1e6);
  const leaving = new AbortController();
  const given = ask(line, "a", leaving.signal);
  await asked.promise;
  leaving.abort(new Error("no more"));
  await assertRejects(() => given, Error, "no more");
  await within(line[Symbol.asyncDispose](), "the line ends");
});
