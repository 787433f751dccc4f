import { assert, assertEquals, assertExists, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import type { Access } from "../../lib/access/credentials.ts";
import {
  formatGrant,
  isContentGranted,
  openGrant,
} from "../../lib/access/grant.ts";
import { NodeAccess } from "../../lib/access/node_access.ts";
import { tokenOf } from "../../lib/access/token.ts";
import { Slept } from "../../lib/base/clock_watch.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import { listen } from "../../lib/transport/listen.ts";
import {
  type HolderEvent,
  HolderLease,
} from "../../lib/uplink/holder_lease.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import {
  linkTo,
  MEMBER,
  NEXT_SECRET,
  SECRET,
  startMember,
  startPrivate,
} from "../access/_private.ts";
import { EventLog } from "../_event_log.ts";
import { startRelay, type TestRelay } from "../_network.ts";
import { ownAddress } from "../_own_address.ts";
import { startScriptedRelay } from "../_scripted_relay.ts";

const CONTENT = "cd".repeat(32);
const OTHER = "ab".repeat(32);
// On a busy machine even a dial on loopback may take long.
const SLOW = { reachMs: 60_000 };

interface TestHolder extends AsyncDisposable {
  readonly lease: HolderLease;
  readonly identity: Identity;
  readonly log: EventLog<HolderEvent>;
  readonly keys: string[][];
}

/** A client that can be dialled, and takes part in swarms. */
async function startHolder(
  relay: TestRelay,
  { access = {}, limits = {}, clock }: {
    clock?: { readonly wake: AbortSignal };
    access?: Access;
    limits?: Partial<typeof LIMITS>;
  } = {},
): Promise<TestHolder> {
  const identity = await createIdentity();
  const log = new EventLog<HolderEvent>();
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: 8,
    incidents: new Incidents(0, () => {}),
    handle: () => Promise.resolve(),
  });
  const keys: string[][] = [];
  const all = { ...LIMITS, ...limits };
  const lease = new HolderLease({
    dialer: dialerFor(relay, access),
    serving: {
      identity,
      addressesFrom: () => [listener.address],
      onGrantKeys: (given) => keys.push([...given.keys]),
    },
    limits: all,
    clock,
    onEvent: log.onEvent,
  });
  return {
    lease,
    identity,
    log,
    keys,
    [Symbol.asyncDispose]: async () => {
      await lease[Symbol.asyncDispose]();
      await listener.close();
    },
  };
}

function dialerFor(relay: TestRelay, access: Access = {}): RelayDialer {
  return new RelayDialer(relay.server.address, {
    role: "client",
    plaintext: false,
    access,
    limits: LIMITS,
    onEvent: () => {},
  });
}

/** A relay that says hello, and then nothing. */
async function silentRelay(identity: Identity) {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const relay = await startScriptedRelay(identity, {
    talk: async (channel) => {
      await channel.receive(["holders"]);
      resolve();
      await channel.receive(["holders"]);
    },
  });
  return Object.assign(relay, { asked });
}

/** Waits until something is so. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await delay(5);
}

function asker(relay: TestRelay, access: Access = {}): HolderLease {
  return new HolderLease({ dialer: dialerFor(relay, access), limits: LIMITS });
}

Deno.test("HolderLease lists a client to another that asks for the same content, and withdraws it at its end", async () => {
  await using relay = await startRelay({ limits: SLOW });
  await using one = await startHolder(relay);
  await using other = asker(relay);
  assert(one.lease.hold(CONTENT));
  await one.log.until("holder_listed");
  const [listed, ...more] = await other.requestHolders(CONTENT);
  assertEquals(more, []);
  assertEquals(listed?.id, one.identity.id);
  assertEquals(listed?.addresses.length, 1);
  assertEquals(await other.requestHolders(OTHER), []);
  assertEquals(await one.lease.requestHolders(CONTENT), [], "not itself");
  assertEquals(relay.server.nodeCount, 0, "it is no node");
  await one.lease[Symbol.asyncDispose]();
  await until(() => relay.server.stats().holderCount === 0);
  assertEquals(await other.requestHolders(CONTENT), []);
});

Deno.test("HolderLease reports held and released contents at once, and keeps one connection for all", async () => {
  await using relay = await startRelay({ limits: SLOW });
  await using one = await startHolder(relay);
  await using other = asker(relay);
  assert(one.lease.hold(CONTENT));
  assert(one.lease.hold(CONTENT), "twice is once");
  await one.log.until("holder_reached");
  assertEquals(one.lease.reached, "alive");
  assert(one.lease.hold(OTHER));
  await until(async () => (await other.requestHolders(OTHER)).length === 1);
  one.lease.release(CONTENT);
  await until(async () => (await other.requestHolders(CONTENT)).length === 0);
  assertEquals((await other.requestHolders(OTHER)).length, 1);
  assertEquals(relay.server.connectionCount, 2);
  assertEquals(relay.server.stats().heldContentCount, 1);
});

Deno.test("HolderLease holds 64 contents, and has room again for one that is released", async () => {
  await using relay = await startRelay({ limits: SLOW });
  await using one = await startHolder(relay);
  const ids = Array.from({ length: 65 }, (_, n) => `${n}`.padStart(64, "0"));
  const held = ids.map((id) => one.lease.hold(id));
  assertEquals(held.indexOf(false), 64);
  await until(() => relay.server.stats().heldContentCount === 64);
  one.lease.release(ids[0]!);
  assert(one.lease.hold(ids[64]!));
});

Deno.test("HolderLease is listed again by a relay that returns, and reports once why it was not", async () => {
  const at = ownAddress();
  const first = await startRelay(at);
  await using one = await startHolder(first, { limits: { retryMaxMs: 50 } });
  one.lease.hold(CONTENT);
  await one.log.until("holder_listed");
  await first.server.close();
  assertEquals(await one.lease.requestHolders(CONTENT), []);
  await one.log.until("holder_refused");
  assertEquals(await one.lease.requestHolders(CONTENT), []);
  one.lease.hold(OTHER);
  await using second = await startRelay({ ...at, identity: first.identity });
  await one.log.until("holder_listed", ({ contents }) => contents === 2);
  await using other = asker(second);
  assertEquals((await other.requestHolders(OTHER))[0]?.id, one.identity.id);
});

Deno.test("HolderLease gives up a relay that does not answer after holderAnswerMs, and the client continues without holders", async () => {
  const identity = await createIdentity();
  const listener = await silentRelay(identity);
  await using _listener = listener;
  const lease = new HolderLease({
    dialer: new RelayDialer({ ...listener.address, id: identity.id }, {
      role: "client",
      plaintext: false,
      limits: LIMITS,
      onEvent: () => {},
    }),
    limits: { ...LIMITS, holderAnswerMs: 100 },
  });
  await using _lease = lease;
  assertEquals(await lease.requestHolders(CONTENT), []);
});

Deno.test("HolderLease stops asking when aborted, even in the middle of a question", async () => {
  const identity = await createIdentity();
  const listener = await silentRelay(identity);
  await using _listener = listener;
  const lease = new HolderLease({
    dialer: new RelayDialer({ ...listener.address, id: identity.id }, {
      role: "client",
      plaintext: false,
      limits: LIMITS,
      onEvent: () => {},
    }),
    limits: { ...LIMITS, holderAnswerMs: 60_000 },
  });
  const stop = new AbortController();
  const asking = lease.requestHolders(CONTENT, { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assertRejects(() => asking, Error, "enough");
  const other = lease.requestHolders(CONTENT);
  await listener.asked;
  await lease[Symbol.asyncDispose]();
  assertEquals(await other, []);
});

Deno.test("On a private relay a client token holds any content, with keys of its own relay, and grants are for the content asked for", async () => {
  await using relay = await startPrivate();
  await using one = await startHolder(relay, { access: MEMBER });
  one.lease.hold(CONTENT);
  one.lease.hold(OTHER);
  await one.log.until("holder_listed");
  await using other = asker(relay, MEMBER);
  await until(async () => (await other.requestHolders(OTHER)).length === 1);
  const [listed] = await other.requestHolders(CONTENT);
  const { text = "" } = listed?.grant ?? {};
  const [key = ""] = one.keys[0] ?? [];
  const grant = openGrant(text, [Uint8Array.fromBase64(key)]);
  assertExists(grant);
  const relayId = relay.identity.id;
  assert(isContentGranted(grant, { content: CONTENT, relayId }));
  assert(!isContentGranted(grant, { content: OTHER, relayId }));
  // Only a gate for holders takes it.
  const moment = { now: 0, unixMs: Date.now() };
  for (const isHolder of [true, false]) {
    const access = new NodeAccess(LIMITS, { isHolder });
    access.setKeys([{ key: Uint8Array.fromBase64(key) }]);
    const { kind } = access.admit(text, "192.0.2.7", moment);
    assertEquals(kind === "admitted", isHolder);
    const plain = formatGrant({ expires: 4e9 }, Uint8Array.fromBase64(key));
    const node = access.admit(plain, "192.0.2.8", moment);
    assertEquals(node.kind === "admitted", !isHolder);
  }

  await using stranger = asker(relay);
  assertEquals(await stranger.requestHolders(CONTENT), []);
  await using outside = await startHolder(relay, {
    access: { token: tokenOf(NEXT_SECRET, "client") },
  });
  outside.lease.hold(CONTENT);
  const { why } = await outside.log.until("holder_refused");
  assert(why.includes("rejects this token"), why);
});

Deno.test("On a private relay a link takes part in the swarm of its own content, and in no other", async () => {
  await using relay = await startPrivate();
  await using _node = await startMember(relay, { "a.txt": "hello" });
  const { content, access } = await linkTo(relay, "a.txt");
  await using guest = await startHolder(relay, { access: access() });
  guest.lease.hold(content);
  await guest.log.until("holder_listed");
  assertEquals(guest.keys[0]?.length, 1);
  await using member = asker(relay, MEMBER);
  assertEquals(
    (await member.requestHolders(content))[0]?.id,
    guest.identity.id,
  );

  await using one = await startHolder(relay, { access: MEMBER });
  one.lease.hold(OTHER);
  one.lease.hold(content);
  await one.log.until("holder_listed");
  const [listed] = await guest.lease.requestHolders(content);
  const [key = ""] = one.keys[0] ?? [];
  const grant = openGrant(listed?.grant?.text ?? "", [
    Uint8Array.fromBase64(key),
  ]);
  assertEquals([grant?.content, grant?.prefix], [content, "a.txt"]);
  assertEquals(await guest.lease.requestHolders(OTHER), []);
  guest.lease.hold(OTHER);
  const { why } = await guest.log.until("holder_refused");
  assert(why.includes("rejects it"), why);
  assertEquals(
    (await member.requestHolders(OTHER)).map(({ id }) => id),
    [one.identity.id],
  );
});

Deno.test("HolderLease gets the keys of a new secret with its next renewal", async () => {
  await using relay = await startPrivate();
  await using one = await startHolder(relay, { access: MEMBER });
  one.lease.hold(CONTENT);
  await one.log.until("holder_listed");
  assertEquals(one.keys.at(-1)?.length, 1);
  relay.server.replaceSecrets({
    current: NEXT_SECRET,
    previous: { secret: SECRET, overlapMs: 60_000 },
  });
  one.lease.hold(OTHER); // at once
  await until(() => one.keys.at(-1)?.length === 2);
  await using other = asker(relay, { token: tokenOf(NEXT_SECRET, "client") });
  const [listed] = await other.requestHolders(CONTENT);
  const keys = one.keys.at(-1)!.map((key) => Uint8Array.fromBase64(key));
  assertExists(openGrant(listed?.grant?.text ?? "", keys));
});

Deno.test("HolderLease that the relay refuses as a holder still asks for others, and is listed when there is room", async () => {
  await using relay = await startRelay({ limits: { ...SLOW, holderCount: 1 } });
  const first = await startHolder(relay);
  await using second = await startHolder(relay, { limits: { retryMaxMs: 50 } });
  first.lease.hold(CONTENT);
  await first.log.until("holder_listed");
  second.lease.hold(CONTENT);
  const { why } = await second.log.until("holder_refused");
  assert(why.includes("reached its limit of holders"), why);
  const [listed] = await second.lease.requestHolders(CONTENT);
  assertEquals(listed?.id, first.identity.id);
  await first[Symbol.asyncDispose]();
  await second.log.until("holder_listed");
  await using other = asker(relay);
  const ids = (await other.requestHolders(CONTENT)).map(({ id }) => id);
  assertEquals(ids, [second.identity.id]);
});

Deno.test("HolderLease is listed again at once if a question finds that its connection is lost", async () => {
  const at = ownAddress();
  await using relay = await startRelay({ ...at, limits: SLOW });
  await using one = await startHolder(relay);
  one.lease.hold(CONTENT);
  await one.log.until("holder_reached");
  const before = one.log.names.filter((name) => name === "holder_listed");
  assertEquals(before.length, 1);
  await relay.server.close();
  await using again = await startRelay({ ...at, identity: relay.identity });
  assertEquals(await one.lease.requestHolders(CONTENT), []);
  await until(() => again.server.stats().heldContentCount === 1);
  await using other = asker(again);
  assertEquals((await other.requestHolders(CONTENT)).length, 1);
});

Deno.test("A HolderLease connects again at once after a sleep", async () => {
  await using relay = await startRelay({ limits: SLOW });
  const sleep = new AbortController();
  const clock = { wake: sleep.signal };
  // Nothing else would make it say anything for as long as a test takes.
  await using holder = await startHolder(relay, { clock });
  holder.lease.hold("a".repeat(64));
  await holder.log.until("holder_reached");
  const before = holder.log.events.length;
  clock.wake = new AbortController().signal;
  sleep.abort(new Slept());
  await until(() => holder.log.events.length > before);
  assertEquals(holder.log.names.slice(before)[0], "holder_listed");
});
