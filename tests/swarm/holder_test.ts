/** The serving end of a client in a swarm, over real sockets. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import { connect } from "node:net";
import { formatGrant, type Grant } from "../../lib/access/grant.ts";
import { HASH_BYTES, sha256 } from "../../lib/base/hash.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { PROTOCOL_VERSION } from "../../lib/base/version.ts";
import { contentFingerprint } from "../../lib/content/fingerprints.ts";
import type { IncidentEvent } from "../../lib/guard/incidents.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { writeBytes } from "../../lib/node/outbox.ts";
import type { HolderOptions } from "../../lib/swarm/holder.ts";
import type { PieceReceiver } from "../../lib/transfer/answers.ts";
import { EventLog, within } from "../_event_log.ts";
import { runHolder } from "./_holders.ts";
import { contentOf, PIECE } from "./_holding.ts";

const CONTENT = contentOf(4);
const OF = CONTENT.manifest.contentId;

/** Keeps the bytes that it is given. */
class Keeper implements PieceReceiver {
  readonly bytes = new Uint8Array(4 * PIECE);
  hashes = "";
  #filled = 0;

  target(length: number): Promise<Uint8Array> {
    const end = this.#filled + length;
    return Promise.resolve(this.bytes.subarray(this.#filled, end));
  }

  filled(length: number): void {
    this.#filled += length;
  }

  pieces(hashes: Uint8Array): void {
    assertEquals(hashes.length % HASH_BYTES, 0);
    this.hashes += hashes.toHex();
  }
}

/** A holder of all but the last piece, and a way to it. */
async function holding(
  stack: AsyncDisposableStack,
  options: Partial<HolderOptions> = {},
) {
  const have = [0, 1, 2];
  const running = await runHolder(CONTENT, { ...options, have }, stack);
  const meet = async (grant?: string) => stack.use(await running.meet(grant));
  return { ...running, meet };
}

Deno.test("A holder proves its key, and sends pieces to a client that knows the content id", async () => {
  await using stack = new AsyncDisposableStack();
  const { holder, meet } = await holding(stack);
  const session = await meet();
  const question = { pieceCount: 4, onGained: () => {} };
  const has = await within(session.holding(OF, question), "what it has");
  assert(has.kind === "has");
  assertEquals([...has.pieces.pieces()], [0, 1, 2]);
  const keeper = new Keeper();
  const task = { of: OF, first: 1, count: 2 };
  assertEquals(
    await within(session.read(task, keeper), "the pieces"),
    undefined,
  );
  const { bytes, manifest } = CONTENT;
  assertEquals(
    sha256(keeper.bytes.subarray(0, 2 * PIECE)),
    sha256(bytes.subarray(PIECE, 3 * PIECE)),
  );
  assertEquals(keeper.hashes, manifest.hashesOf(1, 2).toHex());
  assertEquals(holder.sentBytes, 2 * PIECE);
  const lacking = session.read({ of: OF, first: 3, count: 1 }, keeper);
  assertEquals((await within(lacking, "a refusal"))?.code, "gone");
});

const RELAY = "7".repeat(64);

/** A grant as a relay makes it for a holder: of a content, by its fingerprint. */
function grantFor(content: string, more: Partial<Grant> = {}): Grant {
  const expires = Math.floor(Date.now() / 1_000) + 600;
  return { expires, fingerprint: contentFingerprint(RELAY, content), ...more };
}

/** What a client with a grant gets of a holder of a private relay. */
async function privately(stack: AsyncDisposableStack) {
  const { holder, meet } = await holding(stack, { isPrivate: true });
  const key = crypto.getRandomValues(new Uint8Array(32));
  holder.setGrantKeys({ keys: [key.toBase64()] }, RELAY);
  const question = { pieceCount: 4, onGained: () => {} };
  return {
    holder,
    get: async (grant: Grant, under = key) => {
      const session = await meet(formatGrant(grant, under));
      const answer = await within(session.holding(OF, question), "an answer");
      const read = { of: OF, first: 0, count: 1 };
      const refused = await within(session.read(read, new Keeper()), "pieces");
      return [
        answer.kind === "refused" ? answer.code : answer.kind,
        refused?.code ?? "pieces",
      ];
    },
    meet,
  };
}

Deno.test("A holder of a private relay sends its content, under any name, to a member and to a link for it, and nothing with a grant for another", async () => {
  await using stack = new AsyncDisposableStack();
  const { get, holder } = await privately(stack);
  const link = { serial: "s", uses: 3, fetch: "f", prefix: "images/it.iso" };
  const other = "d".repeat(64);
  const has = ["has", "pieces"];
  const nothing = ["gone", "gone"];
  assertEquals(await get(grantFor(OF)), has, "a member");
  assertEquals(await get(grantFor(OF, { ...link, content: OF })), has);
  assertEquals(holder.sentBytes, 2 * PIECE);
  assertEquals(await get(grantFor(other)), nothing);
  assertEquals(await get(grantFor(OF, { content: other })), nothing);
  assertEquals(await get(grantFor(other, { content: OF })), nothing);
  assertEquals(holder.sentBytes, 2 * PIECE);
});

Deno.test("A holder of two private relays serves clients of both, each with grants of its own relay", async () => {
  await using stack = new AsyncDisposableStack();
  const { get, holder } = await privately(stack);
  const second = crypto.getRandomValues(new Uint8Array(32));
  const relay = "8".repeat(64);
  holder.setGrantKeys({ keys: [second.toBase64()] }, relay);
  const fingerprint = contentFingerprint(relay, OF);
  const has = ["has", "pieces"];
  assertEquals(await get(grantFor(OF)), has);
  assertEquals(await get(grantFor(OF, { fingerprint }), second), has);
  // Keys that a relay replaces are gone, and those of the other stay.
  holder.setGrantKeys({ keys: [] }, relay);
  assertEquals(await get(grantFor(OF)), has);
  await assertRejects(() => get(grantFor(OF, { fingerprint }), second));
});

Deno.test("A holder gives open contents to clients without a grant, and no other content", async () => {
  await using stack = new AsyncDisposableStack();
  const { get, meet, holder } = await privately(stack);
  const open = contentOf(4, 2);
  const openId = open.manifest.contentId;
  const options = { have: [0, 1, 2], isOpen: true };
  const { held } = await runHolder(open, options, stack);
  holder.files.add(held);
  const question = { pieceCount: 4, onGained: () => {} };
  const kindFor = async (content: string) => {
    const session = await meet();
    const answer = await within(session.holding(content, question), "it");
    return answer.kind === "refused" ? answer.code : answer.kind;
  };
  assertEquals(await kindFor(openId), "has");
  assertEquals(await kindFor(OF), "gone");
  const stranger = await meet();
  const read = { of: OF, first: 0, count: 1 };
  const refused = await within(stranger.read(read, new Keeper()), "a refusal");
  assertEquals(refused?.code, "gone");
  assertEquals(holder.sentBytes, 0);
  assertEquals(await get(grantFor(OF)), ["has", "pieces"], "a member");
  holder.files.remove(held);
  await assertRejects(() => kindFor(openId)); // nothing is open any more
});

Deno.test("A holder of a private relay sends nothing without a grant, with one of another key, or with one for a node", async () => {
  await using stack = new AsyncDisposableStack();
  const { get, meet, holder } = await privately(stack);
  const question = { pieceCount: 4, onGained: () => {} };
  const bare = await meet();
  await assertRejects(() => within(bare.holding(OF, question), "the end"));
  const wrong = crypto.getRandomValues(new Uint8Array(32));
  await assertRejects(() => get(grantFor(OF), wrong));
  const { expires } = grantFor(OF);
  await assertRejects(() => get({ expires, content: OF }));
  assertEquals(holder.sentBytes, 0);
});

Deno.test("A holder that ends closes its connections, including those of clients that wait for their turn", async () => {
  await using stack = new AsyncDisposableStack();
  const limits = { ...LIMITS, swarmReaderCount: 0 };
  const { holder, meet } = await holding(stack, { limits });
  const session = await meet();
  const read = session.read({ of: OF, first: 0, count: 1 }, new Keeper());
  read.catch(() => {}); // reported below
  const question = { pieceCount: 4, onGained: () => {} };
  const other = await meet(); // by then the first one waits
  await within(other.holding(OF, question), "what it has");
  await within(holder[Symbol.asyncDispose](), "the end");
  assertEquals(holder.connectionCount, 0);
  await within(read.then(() => {}, () => {}), "what was asked");
});

Deno.test("A holder gives each of many readers a part of swarmSendBytes", () => {
  const { swarmSendBytes, swarmAcceptCount } = LIMITS;
  const each = writeBytes(swarmSendBytes, swarmAcceptCount);
  assert(each >= 64 * 1024);
  // One that is filled, and one on its way, each with room for hashes.
  const all = 2 * swarmAcceptCount * (each + 4 * 1024);
  assert(all <= swarmSendBytes, `${all}`);
});

Deno.test("A holder accepts swarmAcceptCount clients, and one more when one of them disconnects", async () => {
  await using stack = new AsyncDisposableStack();
  const limits = { ...LIMITS, swarmAcceptCount: 2 };
  const { holder, meet } = await holding(stack, { limits });
  const question = { pieceCount: 4, onGained: () => {} };
  const first = await meet();
  const second = await meet();
  for (const one of [first, second]) {
    const has = await within(one.holding(OF, question), "what it has");
    assertEquals(has.kind, "has");
  }
  await assertRejects(() => within(meet(), "its end"));
  await first[Symbol.asyncDispose]();
  const left = async () => {
    while (holder.connectionCount === 2) await delay(5);
  };
  await within(left(), "room");
  const has = await (await meet()).holding(OF, question);
  assertEquals(has.kind, "has");
});

/** A connection to a holder on this machine, from one of its addresses. */
async function connectFrom(localAddress: string, { port }: { port: number }) {
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  const { promise, resolve } = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  socket.once("connect", resolve);
  socket.on("error", resolve);
  socket.once("close", () => ended.resolve());
  socket.resume();
  await within(promise, "connecting");
  return {
    socket,
    ended: ended.promise,
    [Symbol.dispose]: () => socket.destroy(),
  };
}

const { swarmAcceptCount } = LIMITS;

for (const isPrivate of [false, true]) {
  Deno.test(`A ${isPrivate ? "private " : ""}holder serves others while one address holds more silent connections than it has places`, async () => {
    await using stack = new AsyncDisposableStack();
    const { holder, get, meet } = isPrivate
      ? await privately(stack)
      : { get: undefined, ...await holding(stack) };
    for (let n = 0; n < 2 * swarmAcceptCount; n++) {
      stack.use(await connectFrom("127.0.0.2", holder.address));
    }
    if (get !== undefined) {
      assertEquals(await get(grantFor(OF)), ["has", "pieces"]);
      return;
    }
    const question = { pieceCount: 4, onGained: () => {} };
    const has = await (await meet()).holding(OF, question);
    assertEquals(has.kind, "has");
  });
}

Deno.test("A holder ends an idle connection of the address that has all places for one of another address", async () => {
  await using stack = new AsyncDisposableStack();
  const log = new EventLog<IncidentEvent>();
  const { holder, meet } = await holding(stack, {
    plaintext: true,
    onEvent: log.onEvent,
  });
  const hello = encodeMessage({
    kind: "hello",
    protocol: PROTOCOL_VERSION,
    role: "client",
  });
  const idle = [];
  for (let n = 0; n < swarmAcceptCount; n++) {
    const one = stack.use(await connectFrom("127.0.0.2", holder.address));
    one.socket.write(hello);
    idle.push(one);
  }
  const settled = async () => {
    while (holder.readerCount < swarmAcceptCount) await delay(5);
  };
  await within(settled(), "the hellos");
  const question = { pieceCount: 4, onGained: () => {} };
  const has = await (await meet()).holding(OF, question);
  assertEquals(has.kind, "has");
  await within(Promise.race(idle.map(({ ended }) => ended)), "an end");
  const { reason, from } = await log.until("refused");
  assertEquals([reason, from], ["connection_replaced", "127.0.0.2"]);
  assertEquals(holder.connectionCount, swarmAcceptCount);
});
