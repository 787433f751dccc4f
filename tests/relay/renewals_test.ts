/**
 * Renewals by token, as a relay answers them.
 */

import {
  assert,
  assertEquals,
  assertExists,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import type { Channel } from "../../lib/protocol/channel.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import type { MessageOf } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import {
  IDENTITIES,
  openChannel,
  openChannelFrom,
  startNode,
  startRelay,
  type TestRelay,
} from "../_network.ts";
import {
  listedBy,
  SECRET,
  startMember,
  startPrivate,
} from "../access/_private.ts";

const [, alice, bob] = IDENTITIES as [Identity, Identity, Identity];

/** A node's conversation with a relay, message by message. */
class Talk implements AsyncDisposable {
  readonly #channel: Channel;
  readonly #hello: MessageOf<"hello">;
  readonly #identity: Identity;

  private constructor(
    channel: Channel,
    { hello, identity }: { hello: MessageOf<"hello">; identity: Identity },
  ) {
    this.#channel = channel;
    this.#hello = hello;
    this.#identity = identity;
  }

  static async with(
    relay: TestRelay,
    { identity = alice, from, plaintext = false }: {
      identity?: Identity;
      from?: string;
      plaintext?: boolean;
    } = {},
  ): Promise<Talk> {
    const { address } = relay.server;
    const channel = from === undefined
      ? await openChannel(address, plaintext ? null : relay.identity)
      : await openChannelFrom(from, address);
    await channel.send({ kind: "hello", protocol: 1, role: "node" });
    const hello = await channel.receive(["hello"]);
    assertExists(hello);
    channel.openUp();
    return new Talk(channel, { hello, identity });
  }

  /** Signs, sends, and returns the answer. */
  async sign(
    sequence: number,
    purpose: "register" | "withdraw" = "register",
    instance = "instance 1",
  ) {
    const signed = await signRegistration({
      ...{ purpose, instance, sequence, name: "alpha" },
      relay: this.#hello.id ?? "",
      nonce: this.#hello.nonce ?? "",
      addresses: [{ host: "127.0.0.1", port: 1500 }],
    }, this.#identity);
    await this.#channel.send({ kind: purpose, ...signed });
    return await this.#channel.receive(["registered", "withdrawn", "refused"]);
  }

  /** Registers; returns the token. */
  async register(sequence = 1, instance?: string): Promise<string> {
    const answer = await this.sign(sequence, "register", instance);
    assert(answer?.kind === "registered", JSON.stringify(answer));
    assertExists(answer.renewal);
    return answer.renewal;
  }

  async renew(renewal: string, { id } = this.#identity) {
    await this.#channel.send({ kind: "renew", id, renewal });
    return await this.#channel.receive(["registered", "refused"]);
  }

  /** `registered`, or the code of the refusal. */
  async outcome(renewal: string, of?: Identity): Promise<string> {
    const answer = await this.renew(renewal, of);
    return answer?.kind === "refused" ? answer.code : answer?.kind ?? "left";
  }

  async attach() {
    await this.#channel.send({ kind: "attach" });
    return await this.#channel.receive(["attached"]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#channel.close();
  }
}

Deno.test("A relay renews by token over any connection, and hands out no second token", async () => {
  await using relay = await startRelay();
  await using talk = await Talk.with(relay);
  const token = await talk.register();
  await using other = await Talk.with(relay);
  for (const each of [talk, other]) {
    const answer = await each.renew(token);
    assert(answer?.kind === "registered", JSON.stringify(answer));
    const { leaseSeconds, renewSeconds, stay, renewal, index } = answer;
    assertEquals([leaseSeconds, renewSeconds, stay], [60, 20, true]);
    assertEquals(renewal, undefined);
    assertMatch(index?.key ?? "", /=$/);
  }
  assertEquals(relay.server.stats().registrations, 3);
  assertEquals(relay.server.nodeCount, 1);
  const joined = relay.log.names.filter((name) => name === "node_registered");
  assertEquals(joined.length, 1);
  assertExists(await other.attach(), "who renewed may attach");
});

Deno.test("A relay refuses a token after a restart, a withdrawal, a newer registration and another process", async () => {
  await using relay = await startRelay({ limits: { reregisterCount: 10 } });
  await using talk = await Talk.with(relay);
  const first = await talk.register(1);
  const second = await talk.register(2);
  assertEquals(await talk.outcome(first), "renewal_refused", "replaced");
  assertEquals(await talk.outcome(second), "registered");
  await using restarted = await startRelay();
  await using again = await Talk.with(restarted);
  assertEquals(await again.outcome(second), "renewal_refused", "unknown there");
  await again.register(1);
  assertEquals(await again.outcome(second), "renewal_refused", "of the former");
  await using rival = await Talk.with(relay);
  const taken = await rival.register(3, "instance 2");
  assertEquals(await talk.outcome(second), "renewal_refused", "taken over");
  assertEquals(
    (await rival.sign(3, "withdraw", "instance 2"))?.kind,
    "withdrawn",
  );
  assertEquals(await rival.outcome(taken), "renewal_refused", "withdrawn");
  assertEquals(relay.server.nodeCount, 0);
  assertEquals(relay.server.stats().refusals, {}, "nothing for the log");
});

Deno.test("A relay refuses a token of another node, from another host, expired or forged", async () => {
  await using relay = await startRelay({
    limits: { renewalTokenMs: 600_000, reregisterCount: 10 },
  });
  await using talk = await Talk.with(relay, { identity: bob });
  const foreign = await talk.register();
  await using own = await Talk.with(relay);
  const token = await own.register();
  assertEquals(await own.outcome(foreign), "renewal_refused");
  assertEquals(await own.outcome(token, bob), "renewal_refused");
  const forged = `${token[0] === "A" ? "B" : "A"}${token.slice(1)}`;
  assertEquals(await own.outcome(forged), "renewal_refused");
  await using elsewhere = await Talk.with(relay, { from: "127.1.0.1" });
  assertEquals(await elsewhere.outcome(token), "renewal_refused");
  assertEquals(await own.outcome(token), "registered");
  await using brief = await startRelay({ limits: { renewalTokenMs: 0 } });
  await using late = await Talk.with(brief);
  assertEquals(await late.outcome(await late.register()), "renewal_refused");
});

Deno.test("A relay counts renewals by token among the registrations of a node", async () => {
  await using relay = await startRelay({
    limits: { reregisterCount: 3, reregisterWindowMs: 600_000 },
  });
  await using talk = await Talk.with(relay);
  const token = await talk.register();
  const outcomes = [];
  for (let n = 0; n < 3; n++) outcomes.push(await talk.outcome(token));
  assertEquals(outcomes, ["registered", "registered", "registering_too_fast"]);
});

Deno.test("Without encryption a token renews only over its own connection", async () => {
  await using relay = await startRelay({ plaintext: true });
  await using talk = await Talk.with(relay, { plaintext: true });
  const token = await talk.register();
  assertEquals(await talk.outcome(token), "registered");
  await using thief = await Talk.with(relay, { plaintext: true });
  assertEquals(await thief.outcome(token), "renewal_refused");
});

/** The record of the only node, as the relay lists it. */
async function listedRecord(relay: TestRelay): Promise<string | undefined> {
  const { address } = relay.server;
  await using channel = await openChannel(address, relay.identity);
  await channel.send({ kind: "hello", protocol: 1, role: "client" });
  await channel.receive(["hello"]);
  channel.openUp();
  await channel.send({ kind: "list" });
  return (await channel.receive(["nodes"]))?.nodes[0]?.record;
}

Deno.test("A relay with a new secret refuses earlier tokens", async () => {
  const limits = { renewSeconds: 1, leaseSeconds: 60, reregisterCount: 100 };
  await using relay = await startPrivate({ limits });
  await using node = await startMember(relay, {}, {
    limits: { renewMinSeconds: 1 },
  });
  const record = async () => (await listedBy(relay))[0]?.signed.record;
  const first = await record();
  relay.server.replaceSecrets({ current: SECRET });
  await node.log.until("renewed");
  const second = await record();
  assertNotEquals(second, first, "it had to sign again");
  assertEquals(node.log.names.includes("registration_failed"), false);
});

for (
  const [what, renewalTokenMs, stayingNodeCount] of [
    ["with the token over the connection that it keeps", 600_000, 1],
    ["with the token over a new connection", 600_000, 0],
    ["with a new signature if the relay refuses the token", 0, 1],
  ] as const
) {
  Deno.test(`A node renews ${what}`, async () => {
    await using relay = await startRelay({
      limits: {
        ...{ renewSeconds: 1, leaseSeconds: 60, reregisterCount: 100 },
        ...{ renewalTokenMs, stayingNodeCount },
      },
    });
    await using node = await startNode(relay, {}, {
      identity: await createIdentity(),
      limits: { renewMinSeconds: 1 },
    });
    const before = await listedRecord(relay);
    await node.log.until("renewed");
    const isSame = await listedRecord(relay) === before;
    assertEquals(isSame, renewalTokenMs > 0);
    assertEquals(node.log.names.includes("registration_failed"), false);
  });
}
