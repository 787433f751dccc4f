/** The offers that a client takes of others, which it cannot dial. */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { NodeSession } from "../../lib/transfer/session.ts";
import type { HolderSource } from "../../lib/swarm/holder_search.ts";
import { TakenOffers } from "../../lib/swarm/taken_offers.ts";
import { memoryPair } from "../_memory_conn.ts";
import { within } from "../_event_log.ts";
import { runHolder } from "./_holders.ts";
import { contentOf } from "./_holding.ts";

const CONTENT = contentOf(4);
const OF = CONTENT.manifest.contentId;
const { swarmOfferCount, swarmOffersPerAddressCount, swarmRetryMs } = LIMITS;

/** What a client takes that has dialled the holders `linked`. */
function taking({ linked = [], retryMs = swarmRetryMs }: {
  linked?: readonly string[];
  retryMs?: number;
} = {}) {
  const found = Promise.withResolvers<HolderSource>();
  const offers = new TakenOffers({
    content: OF,
    limits: { ...LIMITS, swarmRetryMs: retryMs },
    isLinked: (id) => linked.includes(id),
    onSource: found.resolve,
  });
  let count = 0;
  const take = (group: string, id = idOf(`${count++}`)) =>
    offers.take({ of: OF, id }, group);
  return { offers, take, found: found.promise };
}

function idOf(text: string): string {
  return text.padStart(52, "i");
}

Deno.test("TakenOffers takes swarmOfferCount offers, swarmOffersPerAddressCount of one address, and one more when one ends", () => {
  const { take } = taking();
  const first = take("192.0.2.1");
  assert(first !== undefined);
  for (let n = 1; n < swarmOffersPerAddressCount; n++) {
    assert(take("192.0.2.1") !== undefined);
  }
  assertEquals(take("192.0.2.1"), undefined);
  for (let n = swarmOffersPerAddressCount; n < swarmOfferCount; n++) {
    assert(take(`192.0.2.${n}`) !== undefined);
  }
  assertEquals(take("192.0.2.100"), undefined);
  first[Symbol.dispose]();
  assert(take("192.0.2.1") !== undefined);
});

Deno.test("TakenOffers accepts no offer twice, none of a dialled holder, and none when the file is complete", () => {
  const { offers, take } = taking({ linked: [idOf("dialled")] });
  assert(take("192.0.2.1", idOf("one")) !== undefined);
  assertEquals(take("192.0.2.2", idOf("one")), undefined);
  assertEquals(take("192.0.2.3", idOf("dialled")), undefined);
  offers.completed();
  assertEquals(take("192.0.2.4"), undefined);
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
  holder.add(held);
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
  for (const  of of[OF, other]) {
    const refused = await within(session.offer(of, holder.id), "an answer");
    assert("kind" in refused);
    assertEquals(refused.code, "not_wanted");
  }
  const question = { pieceCount: 4, onGained: () => {} };
  const has = await within(session.holding(OF, question), "what it has");
  assertEquals(has.kind, "has", "the connection goes on");
});
