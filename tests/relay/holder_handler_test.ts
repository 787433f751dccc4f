/**
 * Clients that take part in swarms, at a relay on loopback: what they get, and
 * what those get who lie, flood or guess. Addresses of 127.0.0.0/8 stand for
 * machines; all limits apply to them.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import { Admittance } from "../../lib/access/gate.ts";
import { addressGroup } from "../../lib/base/address.ts";
import { Counts } from "../../lib/guard/counts.ts";
import type { RelayContext } from "../../lib/relay/context.ts";
import { Entries } from "../../lib/relay/entries.ts";
import { Holders } from "../../lib/relay/holders.ts";
import { HolderHandler } from "../../lib/relay/holder_handler.ts";
import { messageIn } from "../bench/_big_relay.ts";
import { type Endpoint, formatEndpoint } from "../../lib/base/conn.ts";
import { contentFingerprint } from "../../lib/content/fingerprints.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import type { Channel } from "../../lib/protocol/channel.ts";
import {
  DIRECTION,
  type Message,
  type MessageOf,
  type RelayToClient,
} from "../../lib/protocol/messages.ts";
import {
  type NodeRecord,
  signRegistration,
} from "../../lib/protocol/signed_record.ts";
import { listen } from "../../lib/transport/listen.ts";
import { listedHolders } from "../../lib/uplink/listed_holders.ts";
import { greetedBy } from "../access/_private.ts";
import { IDENTITIES, startRelay, type TestRelay } from "../_network.ts";

const CONTENT = "cd".repeat(32);
// On a busy machine even a dial on loopback may take long.
const SLOW = { reachMs: 60_000 };

interface Client extends AsyncDisposable {
  readonly channel: Channel;
  readonly identity: Identity;
  readonly nonce: string;
  ask(message: Message): Promise<RelayToClient | null>;
}

/** A client after its hello, from another address than others. */
async function clientOf(
  relay: TestRelay,
  from: string,
  identity?: Identity,
): Promise<Client> {
  const { channel, nonce } = await greetedBy(relay, "client", from);
  return {
    channel,
    nonce,
    identity: identity ?? await createIdentity(),
    ask: async (message) => {
      await channel.send(message);
      return await channel.receive(DIRECTION.relayToClient);
    },
    [Symbol.asyncDispose]: () => channel.close(),
  };
}

/** What a client says to enter. */
async function entering(
  relay: TestRelay,
  { identity, nonce }: Client,
  record: Partial<NodeRecord> = {},
): Promise<MessageOf<"enter">> {
  const signed = await signRegistration({
    purpose: "hold",
    relay: relay.identity.id,
    nonce,
    instance: "AAECAwQFBgcICQoL",
    sequence: 0,
    name: "",
    addresses: [],
    ...record,
  }, identity);
  return { kind: "enter", ...signed };
}

function fingerprintAt(relay: TestRelay, content = CONTENT): string {
  return contentFingerprint(relay.identity.id, content);
}

/**
 * A client that holds the content. Without addresses it gives one where it can
 * be dialled.
 */
async function holderOf(
  relay: TestRelay,
  from: string,
  { addresses, content = CONTENT }: {
    addresses?: Endpoint[];
    content?: string;
  } = {},
): Promise<Client> {
  const client = await clientOf(relay, from);
  const home = addresses === undefined
    ? await door(from, client.identity)
    : undefined;
  const entered = await client.ask(
    await entering(relay, client, { addresses: addresses ?? [home!.address] }),
  );
  assertEquals(entered?.kind, "entered");
  const contents = [fingerprintAt(relay, content)];
  const held = await client.ask({ kind: "hold", contents });
  assertEquals(held?.kind, "held");
  return {
    ...client,
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await home?.[Symbol.asyncDispose]();
    },
  };
}

/** Says again what a client holds, until the relay has tried to dial it. */
async function reachOf(relay: TestRelay, client: Client): Promise<string> {
  const contents = [fingerprintAt(relay)];
  for (;;) {
    const held = await client.ask({ kind: "hold", contents });
    assert(held?.kind === "held");
    if (held.outcome !== "unchecked") return held.outcome;
    await delay(50);
  }
}

async function listFor(
  relay: TestRelay,
  client: Client,
  { content = CONTENT, most }: { content?: string; most?: number } = {},
): Promise<MessageOf<"holderList">> {
  const answer = await client.ask({
    kind: "holders",
    content: fingerprintAt(relay, content),
    ...most === undefined ? {} : { most },
  });
  assert(answer?.kind === "holderList", answer?.kind);
  return answer;
}

function idsIn(relay: TestRelay, list: MessageOf<"holderList">): string[] {
  return listedHolders(list, relay.identity.id).map(({ id }) => id);
}

function refusalIn(answer: RelayToClient | null): string | undefined {
  return answer?.kind === "refused" ? answer.code : undefined;
}

/** A place where anybody may knock; it counts. */
async function door(host: string, identity: Identity) {
  let knocks = 0;
  const listener = await listen({
    at: { host, port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: 64,
    incidents: new Incidents(0, () => knocks++),
    handle: () => {
      knocks++;
      return Promise.resolve();
    },
  });
  return {
    address: listener.address,
    get knocks() {
      return knocks;
    },
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

Deno.test("A relay lists a holder that it can dial to all clients that ask for the content, until its connection ends", async () => {
  await using relay = await startRelay({ limits: SLOW });
  await using asker = await clientOf(relay, "127.0.0.3");
  assertEquals(await listFor(relay, asker), {
    kind: "holderList",
    count: 0,
    holders: [],
  });
  await using holder = await holderOf(relay, "127.0.0.2");
  assertEquals(await reachOf(relay, holder), "alive");
  const list = await listFor(relay, asker);
  assertEquals([list.count, idsIn(relay, list)], [1, [holder.identity.id]]);
  assertEquals(list.holders[0]?.near, undefined);
  const [listed] = listedHolders(list, relay.identity.id);
  assertEquals(listed?.addresses.map(({ host }) => host), ["127.0.0.2"]);

  await asker.channel.send({ kind: "list" });
  const nodes = await asker.channel.receive(DIRECTION.relayToClient);
  assertEquals(nodes, { kind: "nodes", count: 0, nodes: [] });

  await holder.channel.close();
  while (relay.server.stats().holderCount > 0) {
    await delay(5);
  }
  assertEquals((await listFor(relay, asker)).holders, []);
});

Deno.test("A relay dials a holder only at the address from which it came, so no holder can make it dial others", async () => {
  await using relay = await startRelay();
  await using victim = await door("127.0.0.9", IDENTITIES[1]!);
  await using liar = await holderOf(relay, "127.0.0.2", {
    addresses: [victim.address, { host: "127.0.0.2", port: 9 }],
  });
  assertEquals(await reachOf(relay, liar), "gone");
  await using near = await holderOf(relay, "127.0.0.3", {
    addresses: [victim.address],
  });
  assertEquals(await reachOf(relay, near), "gone");
  assertEquals(victim.knocks, 0);
});

Deno.test("A holder that cannot be dialled is listed only to clients at its own address", async () => {
  await using relay = await startRelay();
  const elsewhere = { host: "192.168.7.7", port: 4_000 };
  await using holder = await holderOf(relay, "127.0.0.2", {
    addresses: [elsewhere, { host: "127.0.0.2", port: 9 }],
  });
  await using far = await clientOf(relay, "127.0.0.3");
  // Until the relay knows, only the address that it saw is dialled.
  for (
    const holder of listedHolders(await listFor(relay, far), relay.identity.id)
  ) {
    assertEquals(holder.addresses.map(formatEndpoint), ["127.0.0.2:9"]);
  }
  assertEquals(await reachOf(relay, holder), "gone");
  assertEquals((await listFor(relay, far)).holders, []);
  await using beside = await clientOf(relay, "127.0.0.2");
  const list = await listFor(relay, beside);
  assertEquals(list.holders[0]?.near, true);
  const [listed] = listedHolders(list, relay.identity.id);
  assertEquals(listed?.id, holder.identity.id);
  assertEquals(listed?.addresses.map(formatEndpoint), [
    "127.0.0.2:9",
    "192.168.7.7:4000",
  ]);
});

Deno.test("A relay refuses a record that was signed for another connection, purpose or place, and a forged one", async () => {
  await using relay = await startRelay();
  await using one = await clientOf(relay, "127.0.0.2");
  const enter = await entering(relay, one);
  assertEquals((await one.ask(enter))?.kind, "entered");
  await using thief = await clientOf(relay, "127.0.0.3");
  assertEquals(refusalIn(await thief.ask(enter)), "replayed");
  const stolen = {
    ...enter,
    record: enter.record.replace(one.nonce, thief.nonce),
  };
  for (
    const [record, code] of [
      [{ purpose: "register" }, "bad_record"],
      [{
        addresses: ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
          .map((host) => ({ host, port: 1 })),
      }, "bad_address"],
      [{ relay: one.identity.id }, "replayed"],
    ] satisfies [Partial<NodeRecord>, string][]
  ) {
    const message = await entering(relay, thief, record);
    assertEquals(refusalIn(await thief.ask(message)), code);
  }
  // The signature is checked last, and once.
  assertEquals(refusalIn(await thief.ask(stolen)), "bad_signature");
  await thief.channel.send(await entering(relay, thief));
  await assertRejects(async () => {
    while (await thief.channel.receive([]) !== null);
    throw new Error("closed the connection");
  });
  assertEquals(relay.server.stats().holderCount, 1);
});

Deno.test("A node cannot register with a holder's record, and a holder is not listed as a node", async () => {
  await using relay = await startRelay();
  const { channel, nonce } = await greetedBy(relay, "node", "127.0.0.2");
  await using _channel = channel;
  const identity = IDENTITIES[1]!;
  const addresses = [{ host: "127.0.0.2", port: 9 }];
  const { kind: _, ...signed } = await entering(
    relay,
    { identity, nonce } as Client,
    { addresses },
  );
  await channel.send({ kind: "register", ...signed });
  const answer = await channel.receive(DIRECTION.relayToNode);
  assertEquals(answer?.kind === "refused" && answer.code, "bad_record");
  assertEquals(relay.server.nodeCount, 0);
});

Deno.test("A client must enter before it can report what it holds", async () => {
  await using relay = await startRelay();
  await using client = await clientOf(relay, "127.0.0.2");
  await client.channel.send({ kind: "hold", contents: [] });
  const said = await client.channel.receive(["refused"]);
  assertEquals(said?.code, "wrong_phase");
});

Deno.test("A client that reports 10,000 contents is listed with 64 of them", async () => {
  await using relay = await startRelay();
  await using greedy = await holderOf(relay, "127.0.0.2");
  const contents = (from: number, count: number) =>
    Array.from(
      { length: count },
      (_, n) => fingerprintAt(relay, `${from + n}`),
    );
  for (let from = 0; from < 10_000; from += 640) {
    const hold = { kind: "hold", contents: contents(from, 64) } as const;
    assertEquals((await greedy.ask(hold))?.kind, "held");
  }
  assertEquals(relay.server.stats().heldContentCount, 64);
  await greedy.channel.send({ kind: "hold", contents: contents(0, 65) });
  const said = await greedy.channel.receive(["refused"]);
  assertEquals(said?.code, "bad_message");
});

Deno.test("A relay limits the holders of one address, and has room for others", async () => {
  await using relay = await startRelay({
    limits: { ...SLOW, holdersPerAddressCount: 2, holdersAnswerCount: 3 },
  });
  await using _one = await holderOf(relay, "127.0.0.2");
  await using _two = await holderOf(relay, "127.0.0.2");
  await using third = await clientOf(relay, "127.0.0.2");
  const refused = await third.ask(await entering(relay, third));
  assertEquals(refusalIn(refused), "too_many_holders_for_address");
  await using honest = await holderOf(relay, "127.0.0.3");
  await using _last = await holderOf(relay, "127.0.0.4");
  await using asker = await clientOf(relay, "127.0.0.5");
  const list = await listFor(relay, asker);
  assertEquals([list.count, list.holders.length], [4, 3]);
  assert(idsIn(relay, list).includes(honest.identity.id));
  assertEquals((await listFor(relay, asker, { most: 1 })).holders.length, 1);
});

Deno.test("Requests for holders wait for their turn, ten listed holders count as one request, and delay nobody elsewhere", async () => {
  await using relay = await startRelay({
    limits: {
      ...SLOW,
      holdersPerRequestCount: 1,
      requestBurstCount: 5,
      requestRatePerSecond: 0.001,
    },
  });
  await using _one = await holderOf(relay, "127.0.0.2");
  await using _two = await holderOf(relay, "127.0.0.3");
  await using flooder = await clientOf(relay, "127.0.0.4");
  // A request and two holders take 3 turns, of which 5 are there; the last of
  // them may begin what takes more.
  for (let n = 0; n < 2; n++) {
    assertEquals((await listFor(relay, flooder)).holders.length, 2);
  }
  let isAnswered = false;
  const third = listFor(relay, flooder).then(() => isAnswered = true);
  third.catch(() => {}); // the relay closes
  await using other = await clientOf(relay, "127.0.0.5");
  assertEquals((await listFor(relay, other)).holders.length, 2);
  assertEquals(isAnswered, false);
  await relay.server.close();
  await third.catch(() => {});
});

Deno.test("Fingerprints of a content differ between relays, and do not confirm a wrong guess", async () => {
  await using relay = await startRelay();
  await using _holder = await holderOf(relay, "127.0.0.2");
  await using guesser = await clientOf(relay, "127.0.0.3");
  const own = fingerprintAt(relay);
  assertEquals(own.length, 22);
  const [other] = [IDENTITIES[1]!.id];
  assert(contentFingerprint(other, CONTENT) !== own);
  const near = own.slice(0, -1) + (own.endsWith("A") ? "Q" : "A");
  for (const content of [contentFingerprint(other, CONTENT), near]) {
    assertEquals(await guesser.ask({ kind: "holders", content }), {
      kind: "holderList",
      count: 0,
      holders: [],
    });
  }
  await guesser.channel.send({ kind: "holders", content: own.slice(0, 7) });
  const said = await guesser.channel.receive(["refused"]);
  assertEquals(said?.code, "bad_message");
});

Deno.test("80 clients of one office hold a content at once, beside its other connections", async () => {
  await using relay = await startRelay({
    limits: { connectBurstCount: 80, connectRatePerSecond: 0.001 },
  });
  await using stack = new AsyncDisposableStack();
  for (let n = 0; n < 80; n++) {
    stack.use(await holderOf(relay, "127.0.0.2", { addresses: [] }));
  }
  assertEquals(relay.server.stats().holderCount, 80);
  // 64 connections of others, and their turns to connect, are still there.
  for (let n = 0; n < 64; n++) {
    const { channel } = await greetedBy(relay, "client", "127.0.0.2");
    stack.defer(() => channel.close());
  }
  assertEquals(relay.server.connectionCount, 144);
});

Deno.test("A holder that cannot be dialled is near to clients in the same /56 of IPv6, and listed to no others", async () => {
  const holders = new Holders(LIMITS);
  const [holder, relayIdentity] = IDENTITIES as [Identity, Identity];
  const entries = await Entries.of(relayIdentity);
  const signed = await signRegistration({
    purpose: "hold",
    relay: relayIdentity.id,
    nonce: "AAAA",
    instance: "AAECAwQFBgcICQoL",
    sequence: 0,
    name: "",
    addresses: [{ host: "2001:db8:1:2::b", port: 9 }],
  }, holder);
  const group = addressGroup("2001:db8:1:2::b");
  const packed = entries.pack({ signed, observed: [0] });
  const entrant = { id: holder.id, ...packed, group, source: group };
  const outcome = holders.enter(entrant, performance.now());
  assert(!("refusal" in outcome));
  const content = contentFingerprint(relayIdentity.id, CONTENT);
  holders.hold(outcome, [content], performance.now());
  outcome.reached = "gone";
  const relay = {
    ...{ holders, entries, limits: LIMITS },
    requests: new Counts([]),
  } as unknown as RelayContext;
  const listFrom = async (host: string) => {
    const channel = { conn: { remote: { host, port: 1 } } };
    using talk = new HolderHandler(channel as unknown as Channel, {
      relay,
      nonce: "",
      admittance: new Admittance(null),
      countApart: () => true,
    });
    const frame = await talk.answer({ kind: "holders", content });
    return messageIn(frame, "holderList").holders;
  };
  const [near] = await listFrom("2001:db8:1:2::a");
  assertEquals([near?.record, near?.near], [signed.record, true]);
  assertEquals(await listFrom("2001:db8:1:102::a"), []);
});
