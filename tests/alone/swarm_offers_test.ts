/** Clients that nobody can dial, and give their pieces nonetheless. */

import { assert } from "@std/assert";
import { within } from "../_event_log.ts";
import { startRelay } from "../_network.ts";
import { startClient } from "../swarm/_member.ts";

/** Where the relay does not dial: it sees all come from 127.0.0.1. */
const HIDDEN_HOST = "127.0.0.2";

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
