/** Clients that nobody can dial, and give their pieces nonetheless. */

import { assert, assertEquals } from "@std/assert";
import { within } from "../_event_log.ts";
import { startRelay } from "../_network.ts";
import { PIECE } from "../swarm/_holding.ts";
import { COUNT, startClient } from "../swarm/_member.ts";

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
  const hidden = new Set([hiddenOne.member.id]);
  const open = await startClient(relay, {
    ...{ have: first.map((piece) => HALF + piece), seed: 2, hidden, limits },
  }, stack);
  const reached = await within(
    hiddenOne.log.until("holder_reached"),
    "what the relay says",
  );
  assertEquals(reached.outcome, "gone");
  await Promise.all([hiddenOne.receive(), open.receive()]);
  assertEquals(hiddenOne.member.sentBytes, HALF * PIECE);
  assertEquals([...open.from.values()], [HALF * PIECE]);
  assert([...open.from.keys()].every((id) => id.startsWith("offer ")));
});

Deno.test("A client offers nothing to those at its own address before nobody has dialled it for swarmNearOfferMs", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  const limits = { swarmNearOfferMs: 1_000 };
  const openedAt = performance.now();
  const hiddenOne = await startClient(relay, {
    ...{ have: [0], seed: 1, host: HIDDEN_HOST, limits },
  }, stack);
  const hidden = new Set([hiddenOne.member.id]);
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
