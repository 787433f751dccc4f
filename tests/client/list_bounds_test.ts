/**
 * A relay that lists without end, or one node now and then.
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ListBounds } from "../../lib/client/list_bounds.ts";
import { Stopped } from "../../lib/client/listing_clock.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { DIRECTION } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { listen } from "../../lib/transport/listen.ts";
import { identityMaker } from "../bench/_big_relay.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";
import { IDENTITIES } from "../_network.ts";

const identity = IDENTITIES[0]!;
const makeNode = await identityMaker();

/** A record of a node that nobody knows. */
async function record() {
  return await signRegistration({
    purpose: "register",
    relay: identity.id,
    nonce: "nonce",
    instance: "instance",
    sequence: 1,
    name: "many",
    addresses: [{ host: "192.0.2.7", port: 1 }],
  }, await makeNode());
}

/** Waits before a page; `over` resolves when the relay ends. */
type Next = (over: Promise<void>) => Promise<void>;

/** A relay whose list does not end. */
async function startEndlessRelay(next: Next) {
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: 8,
    incidents: new Incidents(0, () => {}),
    handle: async ({ conn, settle }) => {
      const times = { writeStallMs: 20_000, idleMs: 60_000 };
      const channel = new Channel(conn, { limits: LIMITS, ...times });
      settle();
      await channel.receive(["hello"]);
      const { id } = identity;
      const hello = { protocol: 1, role: "relay", id, nonce: "nonce" };
      await channel.send({ kind: "hello", ...hello });
      channel.openUp();
      for (let n = 0; await channel.receive(["list"]) !== null; n++) {
        await next(over);
        const nodes = [await record()];
        await channel.send({ kind: "nodes", count: 1, nodes, cursor: `${n}` });
      }
    },
  });
  return {
    relay: { ...listener.address, id: identity.id },
    [Symbol.asyncDispose]: () => {
      end();
      return listener.close();
    },
  };
}

/** What becomes of a list within these limits. */
async function failureOf(
  limits: Partial<Limits>,
  next: Next = () => Promise.resolve(),
): Promise<string> {
  await using endless = await startEndlessRelay(next);
  const error = await assertRejects(
    () => listNodes({ relay: endless.relay, limits }),
    Failure,
  );
  assertEquals(error.kind, "relay");
  return error.parts.why;
}

Deno.test("listNodes ends with a relay whose list is larger than relayListingBytes", async () => {
  assertEquals(
    await failureOf({ relayListingBytes: 4_096 }),
    "it lists more than 4.1 KB",
  );
});

Deno.test("listNodes ends with a relay that sends nodes too slowly", async () => {
  let pages = 0;
  const why = await failureOf(
    { listingMs: 400 },
    (over) => pages++ === 0 ? Promise.resolve() : over,
  );
  assertMatch(why, /^its list arrived too slowly, \d+ nodes? in \d+ s$/);
});

Deno.test("ListBounds gives a relay's list at most relayListingMostMs, if it arrives quickly enough", async () => {
  using time = new FakeTime();
  const [near] = memoryPair();
  const times = { writeStallMs: 1e9, idleMs: 1e9 };
  const channel = new Channel(near, { limits: LIMITS, ...times });
  channel.openUp();
  using bounds = new ListBounds(channel, LIMITS);
  const one = await record();
  const receiving = assertRejects(
    () => channel.receive(DIRECTION.relayToClient),
    Stopped,
    "its list arrived too slowly, 9000 nodes in 900 s",
  );
  for (let second = 0; second < LIMITS.relayListingMostMs / 1_000; second++) {
    bounds.arrived(Array(10).fill(one));
    await time.advance(1_000);
  }
  await receiving;
});
