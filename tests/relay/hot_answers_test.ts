/**
 * Answers from the index that many clients get: encoded once, and never a moment
 * longer than they are true.
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { Channel } from "../../lib/protocol/channel.ts";
import { encodeFingerprints } from "../../lib/content/fingerprints.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { limitsWith } from "../../lib/base/limits.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { Entries } from "../../lib/relay/entries.ts";
import { HotAnswers } from "../../lib/relay/hot_answers.ts";
import { IndexedNodes } from "../../lib/relay/indexed_nodes.ts";
import { Listings } from "../../lib/relay/listings.ts";
import { Registry } from "../../lib/relay/registry.ts";
import {
  IDENTITIES,
  openChannel,
  startRelay,
  type TestRelay,
} from "../_network.ts";

const FOREVER = { workCount: 0, trueUntil: Infinity };

function answerOf(bytes: number) {
  return { ...FOREVER, frame: new Uint8Array(bytes) };
}

Deno.test("HotAnswers keeps an answer until something changes, or a lease in it ends", () => {
  const hot = new HotAnswers(limitsWith({ hotAnswerBytes: 10_000 }));
  const answer = { ...answerOf(10), trueUntil: 5 };
  hot.keep("a", answer, 1);
  assertStrictEquals(hot.find("a", { changes: 1, now: 4.9 }), answer);
  assertEquals(hot.find("a", { changes: 1, now: 5 }), undefined);
  assertEquals(hot.find("a", { changes: 2, now: 0 }), undefined);
  assertEquals(hot.find("b", { changes: 1, now: 0 }), undefined);
  hot.keep("b", answerOf(10), 2);
  assertEquals(hot.find("a", { changes: 2, now: 0 }), undefined);
});

Deno.test("HotAnswers holds at most hotAnswerBytes, and drops the oldest", () => {
  const hot = new HotAnswers(limitsWith({ hotAnswerBytes: 3_000 }));
  const isKept = (request: string) =>
    hot.find(request, { changes: 0, now: 0 }) !== undefined;
  for (const request of ["a", "b", "a", "c"]) {
    hot.keep(request, answerOf(1_000), 0);
  }
  assertEquals(["a", "b", "c"].map(isKept), [true, false, true]);
  hot.keep("huge", answerOf(3_000), 0);
  assertEquals(["a", "c", "huge"].map(isKept), [false, false, false]);
  assertEquals(hot.bytes, 0);
});

Deno.test("A kept answer ends with the first lease in it", async () => {
  const identity = await createIdentity();
  const entries = await Entries.of(identity);
  const limits = limitsWith({});
  const registry = new Registry(limits, () => {});
  const names = new IndexedNodes(limits);
  const listings = new Listings(identity.id, {
    ...{ registry, entries, names, limits, tunnels: null, indexKey: "" },
    random: Math.random,
  });
  const signed = await signRegistration({
    ...{ purpose: "register", relay: identity.id, nonce: "n", sequence: 1 },
    ...{ instance: "instance", name: "a", addresses: [] },
  }, identity);
  for (const [id, at] of [["a", 0], ["b", 30_000]] as const) {
    registry.register({
      ...{ id, instance: "instance", sequence: 1, source: id },
      ...entries.pack({ signed, observed: [] }),
      observedHost: "192.0.2.1",
    }, at);
  }
  const page = listings.narrowed({ ids: ["a", "b"] }, 30_000);
  assertEquals([page.hasMore, page.trueUntil], [false, 60_000]);
  const changes = listings.answerChanges(30_000);
  const answer = { ...page, workCount: 2 };
  listings.keep("q", answer, { changes: changes - 1, now: 30_000 });
  assertEquals(listings.hot("q", 30_000), undefined, "changed meanwhile");
  listings.keep("q", answer, { changes, now: 30_000 });
  assertStrictEquals(listings.hot("q", 59_999)?.frame, page.frame);
  assertEquals(listings.hot("q", 60_000), undefined);
});

/**
 * A node that registers, sends its index and withdraws when a test wants it.
 */
class IndexedNode implements AsyncDisposable {
  readonly #channel: Channel;
  readonly #sign: (purpose: "register" | "withdraw") => ReturnType<
    typeof signRegistration
  >;
  #version = 0;

  private constructor(
    channel: Channel,
    sign: (purpose: "register" | "withdraw") => ReturnType<
      typeof signRegistration
    >,
  ) {
    this.#channel = channel;
    this.#sign = sign;
  }

  static async with(relay: TestRelay, which: number): Promise<IndexedNode> {
    const { address } = relay.server;
    const channel = await openChannel(address, relay.identity);
    await channel.send({ kind: "hello", protocol: 1, role: "node" });
    const { nonce = "" } = (await channel.receive(["hello"]))!;
    channel.openUp();
    return new IndexedNode(channel, (purpose) =>
      signRegistration({
        ...{ purpose, nonce, instance: "instance", sequence: 1 },
        ...{ relay: relay.server.id, name: `${which}` },
        addresses: [{ host: "127.0.0.1", port: 1500 }],
      }, IDENTITIES[which]!));
  }

  async say(purpose: "register" | "withdraw"): Promise<void> {
    await this.#channel.send({ kind: purpose, ...await this.#sign(purpose) });
    assert(await this.#channel.receive(["registered", "withdrawn"]));
  }

  async sendIndex(add: number[], remove: number[] = []): Promise<void> {
    const version = ++this.#version;
    await this.#channel.send({
      ...{ kind: "index", epoch: "e", version, begin: version === 1 },
      ...{
        add: encodeFingerprints(add),
        remove: encodeFingerprints(remove),
      },
    });
    const answer = await this.#channel.receive(["indexed"]);
    assertEquals(answer?.outcome, "taken");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#channel.close();
  }
}

Deno.test("Clients that ask again and again see changes at once", async () => {
  await using relay = await startRelay();
  await using client = await openChannel(
    relay.server.address,
    relay.identity,
  );
  await client.send({ kind: "hello", protocol: 1, role: "client" });
  await client.receive(["hello"]);
  client.openUp();
  const fingerprints = encodeFingerprints([7]);
  const ask = async () => {
    const names: string[][] = [];
    for (let n = 0; n < 2; n++) {
      await client.send({ kind: "list", most: 0, fingerprints });
      const nodes = (await client.receive(["nodes"]))?.nodes ?? [];
      names.push(nodes.map(({ record }) => JSON.parse(record).name).sort());
    }
    assertEquals(names[0], names[1]);
    return names[0];
  };
  await using first = await IndexedNode.with(relay, 1);
  await using second = await IndexedNode.with(relay, 2);
  await first.say("register");
  assertEquals(await ask(), ["1"], "it may have any name");
  await first.sendIndex([7]);
  assertEquals(await ask(), ["1"]);
  await second.say("register");
  assertEquals(await ask(), ["1", "2"], "a node came");
  await second.sendIndex([8]);
  assertEquals(await ask(), ["1"], "it does not have the name");
  await second.sendIndex([7]);
  assertEquals(await ask(), ["1", "2"], "now it has");
  await first.sendIndex([], [7]);
  assertEquals(await ask(), ["2"], "the name is gone");
  await second.say("withdraw");
  assertEquals(await ask(), [], "the node is gone");
  assertEquals(relay.server.stats().indexLookups, { some: 14, all: 0 });
});
