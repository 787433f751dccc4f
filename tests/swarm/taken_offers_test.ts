/** The offers that a client takes of others, which it cannot dial. */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { NodeSession } from "../../lib/transfer/session.ts";
import type { HolderSource } from "../../lib/swarm/holder_search.ts";
import { TakenOffers } from "../../lib/swarm/taken_offers.ts";
import type { TakenOffer } from "../../lib/node/served.ts";
import { memoryPair } from "../_memory_conn.ts";
import { within } from "../_event_log.ts";
import { runHolder } from "./_holders.ts";
import { contentOf } from "./_holding.ts";

const CONTENT = contentOf(4);
const OF = CONTENT.manifest.contentId;
const { swarmOfferCount, swarmOfferIdleMs, swarmOfferWaitingCount } = LIMITS;
const { swarmRetryMs } = LIMITS;

/** What a client takes that has dialled the holders `linked`. */
function taking({ linked = [], retryMs = swarmRetryMs }: {
  linked?: readonly string[];
  retryMs?: number;
} = {}) {
  const found = Promise.withResolvers<HolderSource>();
  const sources: HolderSource[] = [];
  const clock = { ms: 0 };
  const offers = new TakenOffers({
    content: OF,
    limits: { ...LIMITS, swarmRetryMs: retryMs },
    isConnected: (id) => linked.includes(id),
    onSource: (source) => {
      sources.push(source);
      found.resolve(source);
    },
    now: () => clock.ms,
  });
  let count = 0;
  const take = (group: string, id = idOf(`${count++}`)) =>
    offers.take({ of: OF, id }, group);
  return { offers, take, found: found.promise, clock, sources };
}

function idOf(text: string): string {
  return text.padStart(52, "i");
}

Deno.test("TakenOffers takes swarmOfferCount offers, and one more when one ends", () => {
  const { take } = taking();
  const first = take("192.0.2.1");
  assert(first !== undefined);
  for (let n = 1; n < swarmOfferCount; n++) {
    assert(take("192.0.2.1") !== undefined);
  }
  assertEquals(take("192.0.2.1"), undefined);
  first[Symbol.dispose]();
  assert(take("192.0.2.1") !== undefined);
});

Deno.test("TakenOffers accepts no offer twice, none of a dialled holder, and none when the file is complete", () => {
  const { offers, take } = taking({ linked: [idOf("dialled")] });
  assert(take("192.0.2.1", idOf("one")) !== undefined);
  assertEquals(take("192.0.2.1", idOf("one")), undefined);
  assertEquals(take("192.0.2.3", idOf("dialled")), undefined);
  offers.completed();
  assertEquals(take("192.0.2.4"), undefined);
});

Deno.test("TakenOffers takes an offer although another address group has claimed its id", () => {
  const { take } = taking();
  assert(take("192.0.2.1", idOf("one")) !== undefined);
  assert(take("192.0.2.2", idOf("one")) !== undefined);
});

/** Whether the one that took a place learns that it has lost it. */
async function isReplaced(taken: TakenOffer): Promise<boolean> {
  const [near] = memoryPair();
  const options = { limits: LIMITS, writeStallMs: 30_000, idleMs: 30_000 };
  await using channel = new Channel(near, options);
  let hasEnded = false;
  const receiving = taken.receive(channel).then(() => hasEnded = true);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  if (!hasEnded) {
    channel.abort(new Error("the test has ended"));
    await receiving.catch(() => {});
  }
  return hasEnded;
}

Deno.test("TakenOffers lets a newcomer replace an offer of an address group that holds two places more, however fast that one returns", async () => {
  const { take } = taking();
  const silent = Array.from(
    { length: swarmOfferCount },
    () => take("192.0.2.1")!,
  );
  const honest = take("192.0.2.2");
  assert(honest !== undefined);
  assert(await isReplaced(silent[0]!));
  assertEquals(take("192.0.2.1"), undefined, "it has most places still");
  assert(!await isReplaced(honest));
});

Deno.test("TakenOffers shares its places out evenly among address groups that all want as many as they get", () => {
  const { take } = taking();
  const held = new Map<string, number>();
  const groups = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
  for (const group of groups) {
    let count = 0;
    while (take(group) !== undefined) count++;
    held.set(group, count);
  }
  assertEquals([...held.values()], [8, 4, 2, 2]);
  for (const group of groups) assertEquals(take(group), undefined, group);
});

Deno.test("TakenOffers replaces an offer that sent nothing for swarmOfferIdleMs by one of another group, first those that never sent anything", async () => {
  const { take, clock, sources } = taking();
  await using stack = new AsyncDisposableStack();
  // The first gives a piece, and then nothing for as long as the others.
  const { holder } = await runHolder(CONTENT, { have: [0] }, stack);
  const options = { limits: LIMITS, writeStallMs: 30_000, idleMs: 30_000 };
  const [near, far] = memoryPair().map((conn) =>
    stack.use(new Channel(conn, options))
  );
  const first = take("192.0.2.0", holder.id)!;
  const giving = holder.giveOver(far!, OF);
  const receiving = first.receive(near!);
  while (sources.length === 0) await new Promise((done) => setTimeout(done));
  sources[0]!.source.arrived!();
  const others = Array.from(
    { length: swarmOfferCount - 1 },
    (_, n) => take(`192.0.2.${n + 1}`)!,
  );
  clock.ms = swarmOfferIdleMs - 1;
  assertEquals(take("198.51.100.0"), undefined, "all may still be useful");
  clock.ms++;
  for (const [n, other] of others.entries()) {
    assert(take(`198.51.100.${n}`) !== undefined);
    assert(await isReplaced(other), "those that never gave are first");
  }
  assert(take("198.51.100.99") !== undefined, "then one that gives no longer");
  const { source } = sources[0]!;
  assert(source.session!.failure !== null);
  source.ended!({ mayReturn: true }); // as a download does then
  await within(receiving, "the end of the first");
  await near!.close();
  await within(giving, "the end of giving");
});

Deno.test("TakenOffers gives a place to the group that has waited longest, not to one that asks more often, and remembers swarmOfferWaitingCount of them", () => {
  const { take, clock } = taking();
  for (let n = 0; n < swarmOfferCount; n++) take(`192.0.2.${n}`);
  for (let n = 0; n < swarmOfferWaitingCount; n++) {
    assertEquals(take(`198.51.100.${n}`), undefined);
  }
  clock.ms = swarmOfferIdleMs;
  for (let times = 0; times < 10; times++) {
    assertEquals(take(`198.51.100.${swarmOfferCount}`), undefined);
    assertEquals(take("203.0.113.1"), undefined, "it was not remembered");
  }
  for (let n = swarmOfferCount - 1; n >= 0; n--) {
    assert(take(`198.51.100.${n}`) !== undefined, `${n}`);
  }
  assertEquals(take(`198.51.100.${swarmOfferCount}`), undefined);
  clock.ms += 2 * swarmRetryMs;
  assert(take("203.0.113.1") !== undefined, "the others wait no longer");
});

Deno.test("TakenOffers lets no group take a place of one that holds fewer, however idle that is", async () => {
  const { take, clock } = taking();
  const honest = take("192.0.2.1")!;
  for (let n = 1; n < swarmOfferCount; n++) take("192.0.2.2");
  clock.ms = swarmOfferIdleMs;
  for (let n = 1; n < swarmOfferCount; n++) {
    assert(take("192.0.2.2") !== undefined, "in place of one of its own");
  }
  assertEquals(take("192.0.2.2"), undefined);
  assert(!await isReplaced(honest));
});

Deno.test("TakenOffers takes the same offer again if the earlier one is idle", () => {
  const { take, clock } = taking();
  assert(take("192.0.2.1", idOf("one")) !== undefined);
  clock.ms = swarmOfferIdleMs;
  assert(take("192.0.2.1", idOf("one")) !== undefined);
  assertEquals(take("192.0.2.1", idOf("one")), undefined);
});

/** A client offers pieces, is asked for them, and is parted from. */
async function offered(
  { take, found }: ReturnType<typeof taking>,
  { mayReturn }: { mayReturn: boolean },
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const options = { limits: LIMITS, writeStallMs: 30_000, idleMs: 30_000 };
  const [near, far] = memoryPair().map((conn) =>
    stack.use(new Channel(conn, options))
  );
  const { holder } = await runHolder(CONTENT, { have: [0, 1] }, stack);
  using taken = take("192.0.2.1", holder.id);
  assert(taken !== undefined);
  const giving = holder.giveOver(far!, OF);
  const receiving = taken.receive(near!);
  const { source } = await within(found, "a source");
  const question = { pieceCount: 4, onGained: () => {} };
  const has = await within(source.session!.holding(OF, question), "pieces");
  assert(has.kind === "has");
  assertEquals([...has.pieces.pieces()], [0, 1]);
  source.ended!({ mayReturn });
  await within(receiving, "the end of receiving");
  await near!.close();
  await within(giving, "the end of giving");
}

Deno.test("TakenOffers asks for the pieces of an offer, and accepts none of that address for swarmRetryMs if it was useless", async () => {
  const useful = taking();
  await offered(useful, { mayReturn: true });
  assert(useful.take("192.0.2.1") !== undefined);
  const useless = taking();
  await offered(useless, { mayReturn: false });
  assertEquals(useless.take("192.0.2.1"), undefined);
  assert(useless.take("192.0.2.2") !== undefined);
  const rested = taking({ retryMs: 0 });
  await offered(rested, { mayReturn: false });
  assert(rested.take("192.0.2.1") !== undefined);
});

Deno.test("A client that serves over a connection that it opened serves only the content of its offer", async () => {
  await using stack = new AsyncDisposableStack();
  const options = { limits: LIMITS, writeStallMs: 30_000, idleMs: 30_000 };
  const [near, far] = memoryPair().map((conn) =>
    stack.use(new Channel(conn, { ...options, acceptsData: true }))
  );
  const have = [0, 1, 2, 3];
  const other = contentOf(4, 2);
  const { holder } = await runHolder(CONTENT, { have }, stack);
  const { held } = await runHolder(other, { have }, stack);
  holder.files.add(held);
  const giving = holder.giveOver(far!, OF);
  const { session } = await NodeSession.open(near!, {
    ...{ id: holder.id, path: "direct" },
  });
  const question = { pieceCount: 4, onGained: () => {} };
  const ask = (of: string) => within(session.holding(of, question), "it");
  assertEquals((await ask(OF)).kind, "has");
  const refused = await ask(other.manifest.contentId);
  assert(refused.kind === "refused");
  assertEquals(refused.code, "gone");
  await session[Symbol.asyncDispose]();
  await within(giving, "the end");
});

Deno.test("A holder refuses offers of contents that it does not receive", async () => {
  await using stack = new AsyncDisposableStack();
  const { meet, holder } = await runHolder(CONTENT, { have: [0] }, stack);
  const session = stack.use(await meet());
  const other = contentOf(4, 2).manifest.contentId;
  for (const wanted of [OF, other]) {
    const refused = await within(session.offer(wanted, holder.id), "an answer");
    assert("kind" in refused);
    assertEquals(refused.code, "not_wanted");
  }
  const question = { pieceCount: 4, onGained: () => {} };
  const has = await within(session.holding(OF, question), "what it has");
  assertEquals(has.kind, "has", "the connection goes on");
});
