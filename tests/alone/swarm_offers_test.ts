/** Clients that nobody can dial, and give their pieces nonetheless. */

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { LIMITS } from "../../lib/base/limits.ts";
import { Reach } from "../../lib/client/reach.ts";
import { NodeSession } from "../../lib/transfer/session.ts";
import { HolderLease } from "../../lib/uplink/holder_lease.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { within } from "../_event_log.ts";
import { startRelay, type TestRelay } from "../_network.ts";
import { PIECE } from "../swarm/_holding.ts";
import { CONTENT, COUNT, startClient } from "../swarm/_member.ts";

const HALF = COUNT / 2;
/** Where the relay does not dial: it sees all come from 127.0.0.1. */
const HIDDEN_HOST = "127.0.0.2";
const limits = { swarmNearOfferMs: 0 };

Deno.test("A client that nobody can dial gives its pieces over connections that it opened", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const first = [...Array(HALF).keys()];
  const hiddenOne = await startClient(relay, {
    ...{ have: first, seed: 1, host: HIDDEN_HOST, limits },
  }, stack);
  const hidden = new Set([hiddenOne.member.holder.id]);
  const open = await startClient(relay, {
    ...{ have: first.map((piece) => HALF + piece), seed: 2, hidden, limits },
  }, stack);
  const reached = await within(
    hiddenOne.log.until("holder_reached"),
    "what the relay says",
  );
  assertEquals(reached.outcome, "gone");
  await Promise.all([hiddenOne.receive(), open.receive()]);
  assertEquals(hiddenOne.member.holder.sentBytes, HALF * PIECE);
  assertEquals([...open.from.values()], [HALF * PIECE]);
  assert([...open.from.keys()].every((id) => id.startsWith("offer ")));
});

Deno.test("A client that nobody can dial, and that has all pieces, gives them to one that starts later", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const hiddenOne = await startClient(relay, {
    ...{ have: [...Array(COUNT).keys()], seed: 1, host: HIDDEN_HOST, limits },
  }, stack);
  await within(hiddenOne.log.until("holder_reached"), "what the relay says");
  const hidden = new Set([hiddenOne.member.holder.id]);
  const open = await startClient(relay, { seed: 2, hidden, limits }, stack);
  await open.receive();
  assertEquals(hiddenOne.member.holder.sentBytes, COUNT * PIECE);
});

/** Offers again and again, and says nothing when the offer is taken. */
async function startSilent(
  relay: TestRelay,
  onTaken: () => void,
): Promise<AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  const options = { plaintext: false, limits: LIMITS };
  const dialer = new RelayDialer(relay.server.address, {
    ...{ role: "client", access: {}, onEvent: () => {} },
    ...options,
  });
  const reach = stack.use(new Reach({ dialers: [dialer], ...options }));
  const lease = stack.use(new HolderLease({ dialer, limits: LIMITS }));
  const of = CONTENT.manifest.contentId;
  const [holder] = await lease.requestHolders(of);
  const stop = new AbortController();
  const offer = async (id: string) => {
    const { channel } = await reach.open(holder!, stop.signal);
    const { session } = await NodeSession.open(channel, {
      ...{ id: holder!.id, path: "direct" },
    });
    await using _session = session;
    session.endOn(stop.signal);
    while (!stop.signal.aborted) {
      const answer = await session.offer(of, id);
      if (!("kind" in answer)) {
        onTaken();
        while (await answer.receive(["hello"]) !== null);
        return;
      }
      await delay(20, { signal: stop.signal });
    }
  };
  const again = async (id: string) => {
    while (!stop.signal.aborted) await offer(id).catch(() => {});
  };
  const ids = Array.from({ length: 12 }, (_, n) => `${n}`.padStart(52, "s"));
  const silent = Promise.all(ids.map(again));
  stack.defer(async () => {
    stop.abort(new Error("the test has ended"));
    await silent;
  });
  return stack;
}

Deno.test("A client that nobody can dial gives its pieces although silent ones of as many addresses as there are places offer again and again", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const hidden = { has: () => true };
  const retries = { swarmFirstRetryMs: 50, swarmRetryMs: 500 };
  const quick = { swarmOfferIdleMs: 3_000, swarmNowhereMs: 60_000, ...retries };
  const numbers = { ...limits, ...quick };
  const options = { seed: 2, hidden, limits: numbers };
  const open = await startClient(relay, options, stack);
  await within(open.log.until("holder_listed"), "the first client");
  let takenCount = 0;
  const areTaken = Promise.withResolvers<void>();
  stack.use(
    // All of one machine count as addresses of their own.
    await startSilent(relay, () => {
      if (++takenCount === LIMITS.swarmOfferCount) areTaken.resolve();
    }),
  );
  await within(areTaken.promise, "offers of the silent ones");
  const hiddenOne = await startClient(relay, {
    ...{ have: [...Array(COUNT).keys()], seed: 1, host: HIDDEN_HOST },
    limits: numbers,
  }, stack);
  await open.receive();
  assertEquals(hiddenOne.member.holder.sentBytes, COUNT * PIECE);
});

Deno.test("A client offers its pieces to others at its own address only if nobody has dialled it for swarmNearOfferMs", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const limits = { swarmNearOfferMs: 1_000 };
  const openedAt = performance.now();
  const hiddenOne = await startClient(relay, {
    ...{ have: [0], seed: 1, host: HIDDEN_HOST, limits },
  }, stack);
  const hidden = new Set([hiddenOne.member.holder.id]);
  const open = await startClient(
    relay,
    { have: [1], seed: 2, hidden },
    stack,
  );
  const receiving = hiddenOne.receive().catch(() => {});
  await within(open.offered, "the offer");
  assert(performance.now() - openedAt >= limits.swarmNearOfferMs);
  await stack.disposeAsync();
  await receiving;
});
