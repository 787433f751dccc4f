import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { FRAME_HEADER_BYTES } from "../../lib/protocol/frame.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { decodeMessage, type MessageOf } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { Registry } from "../../lib/relay/registry.ts";
import { Entries } from "../../lib/relay/entries.ts";
import { Listings } from "../../lib/relay/listings.ts";
import { AddressTurns } from "../../lib/relay/address_turns.ts";
import { Turns } from "../../lib/base/turns.ts";
import { seededRandom } from "../_random.ts";
import { FakeTime } from "../_fake_time.ts";

const identity = await createIdentity();
const entries = await Entries.of(identity);

/** The listings of a registry, and what changes them. */
function setUp(overrides: { listingPageCount?: number } = {}) {
  const limits = limitsWith(overrides);
  const registry = new Registry(limits, () => {});
  const attached = new Set<string>();
  const tunnels = {
    changes: 0,
    isAttached: (id: string) => attached.has(id),
  };
  const attach = (id: string) => {
    attached.add(id);
    tunnels.changes++;
  };
  const random = seededRandom(5);
  const listings = new Listings(identity.id, {
    ...{ registry, entries, tunnels, limits, random },
    ...{ names: null, indexKey: "" },
  });
  return { registry, listings, attach };
}

async function add(
  registry: Registry,
  id: string,
  now: number,
  sequence = 1,
): Promise<void> {
  const signed = await signRegistration({
    purpose: "register",
    relay: identity.id,
    nonce: "n",
    instance: "instance",
    sequence,
    name: id,
    addresses: [{ host: "192.0.2.1", port: 1 }],
  }, identity);
  registry.register({
    ...{ id, instance: "instance", sequence, source: id },
    ...entries.pack({ signed, observed: [0] }),
    observedHost: "192.0.2.1",
  }, now);
}

function read(frame: Uint8Array): MessageOf<"nodes"> {
  const body = frame.subarray(FRAME_HEADER_BYTES);
  return decodeMessage({ type: 0x25, body }, ["nodes"]) as MessageOf<"nodes">;
}

function namesIn(frame: Uint8Array): string[] {
  return read(frame).nodes.map(({ record }) => JSON.parse(record).name);
}

Deno.test("Listings give all clients the same first page, as long as it is valid", async () => {
  const { registry, listings, attach } = setUp();
  await add(registry, "a", 0);
  const first = listings.page({}, 0);
  assertEquals(namesIn(first.frame), ["a"]);
  assertStrictEquals(listings.page({}, 99).frame, first.frame);
  await add(registry, "b", 99);
  const second = listings.page({}, 99);
  assertEquals(namesIn(second.frame), ["a", "b"], "a node came");
  assertStrictEquals(listings.page({}, 100).frame, second.frame);
  attach("b");
  const third = listings.page({}, 100);
  assertEquals(read(third.frame).nodes.map(({ tunnel }) => tunnel), [
    undefined,
    true,
  ]);
  await add(registry, "a", 150, 2);
  const fourth = listings.page({}, 150);
  assertEquals(
    read(fourth.frame).nodes.map(({ record }) => JSON.parse(record).sequence),
    [2, 1],
    "a node renewed",
  );
  registry.withdraw({ id: "a", instance: "instance", sequence: 2 }, 160);
  assertEquals(namesIn(listings.page({}, 160).frame), ["b"], "a node left");
  // And not a moment longer than a lease.
  const last = listings.page({}, 60_050);
  assertStrictEquals(listings.page({}, 60_098).frame, last.frame);
  assertEquals(namesIn(listings.page({}, 60_099).frame), []);
});

Deno.test("Listings start at another place of a long listing every 100 ms", async () => {
  const { registry, listings } = setUp({ listingPageCount: 1 });
  for (let n = 0; n < 20; n++) await add(registry, `${n}`, 0);
  const begins = new Set<string>();
  for (let now = 0; now < 2_000; now += 100) {
    const page = listings.page({}, now);
    assert(page.hasMore);
    assertStrictEquals(listings.page({}, now + 99).frame, page.frame);
    begins.add(namesIn(page.frame).join());
  }
  assert(begins.size > 5, `${begins.size} of 20`);
});

Deno.test("Listings make a page for each peer that needs grants, and for each cursor", async () => {
  const { registry, listings } = setUp({ listingPageCount: 1 });
  await add(registry, "a", 0);
  await add(registry, "b", 0);
  const shared = listings.page({}, 0);
  const granter = (id: string) => `grant for ${id.slice(0, 1)}`;
  const granted = listings.page({ granter }, 0);
  const [name = ""] = namesIn(granted.frame);
  assertEquals(read(granted.frame).grants, [`grant for ${name}`]);
  const { cursor } = read(shared.frame);
  const next = listings.page({ cursor }, 0);
  assertEquals(
    [...namesIn(shared.frame), ...namesIn(next.frame)].toSorted(),
    ["a", "b"],
  );
  assertEquals(next.hasMore, false);
  assertStrictEquals(listings.page({}, 0).frame, shared.frame);
});

Deno.test("Turns serve others between two requests of one address", async () => {
  const stop = new AbortController();
  const turns = new AddressTurns(LIMITS, stop.signal);
  const order: string[] = [];
  const ask = async (host: string, name: string) => {
    await turns.next({ host, port: 1 });
    order.push(name);
  };
  const busy = [1, 2, 3].map((n) => ask("192.0.2.7", `busy ${n}`));
  // It comes later, as from a socket that is read in the next turn.
  const other = new Turns(0).give().then(() => ask("198.51.100.7", "other"));
  await Promise.all([...busy, other]);
  const isBusy = (name: string) => name.startsWith("busy");
  assertEquals(order.filter(isBusy), ["busy 1", "busy 2", "busy 3"]);
  assert(order.indexOf("other") < order.indexOf("busy 3"), order.join());
  stop.abort();
});

Deno.test("Turns never delay an address that has not asked in the same round, and need no turn of the loop for it", async () => {
  const stop = new AbortController();
  const turns = new AddressTurns(LIMITS, stop.signal);
  for (let n = 0; n < 200; n++) {
    assertEquals(turns.next({ host: `192.0.2.${n}`, port: 1 }), undefined);
  }
  const second = turns.next({ host: "192.0.2.7", port: 1 });
  assert(second !== undefined, "one request of an address in a round");
  await second;
  stop.abort();
  assertEquals(turns.next({ host: "192.0.2.7", port: 1 }), undefined);
});

Deno.test("Turns limit the requests of one address over all its connections, and do not affect others", async () => {
  using time = new FakeTime();
  const stop = new AbortController();
  const limits = limitsWith({
    requestRatePerSecond: 10,
    requestBurstCount: 2,
  });
  const turns = new AddressTurns(limits, stop.signal);
  const answered: string[] = [];
  const ask = async (host: string, what: string) => {
    await turns.next({ host, port: 1 });
    answered.push(what);
  };
  const asked = [1, 2, 3, 4].map((n) => ask("192.0.2.7", `${n}`));
  for (let n = 0; n < 3; n++) asked.push(ask("127.0.0.1", "proxy"));
  asked.push(ask("2001:db8:1:2::1", "other"));
  await Promise.all([...asked.slice(0, 2), ...asked.slice(4)]);
  assertEquals(answered.toSorted(), [
    ...["1", "2", "other", "proxy", "proxy", "proxy"],
  ]);
  await time.advance(99);
  assertEquals(answered.length, 6);
  await time.advance(1);
  await asked[2];
  assertEquals(answered.at(-1), "3");
  stop.abort();
  await Promise.all(asked);
  assertEquals(answered.at(-1), "4", "a relay that closes holds nobody back");
});
