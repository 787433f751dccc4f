import { assert, assertEquals, assertRejects } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { ProtocolError } from "../../lib/base/errors.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { PROTOCOL_VERSION } from "../../lib/base/version.ts";
import {
  DIRECTION,
  type MessageOf,
  type RelayToNode,
} from "../../lib/protocol/messages.ts";
import type { RelaySession } from "../../lib/uplink/relay_dialer.ts";
import { RelayCalls } from "../../lib/uplink/relay_calls.ts";
import { within } from "../_event_log.ts";
import { memoryPair } from "../_memory_conn.ts";

const KEY = "AAECAwQFBgcICQoLDA0ODw";
const INVITE = { kind: "invite", key: KEY, from: "192.0.2.7" } as const;

interface Setting extends AsyncDisposable {
  readonly visit: RelayCalls;
  /** The relay's end. */
  readonly relay: Channel;
  readonly invites: MessageOf<"invite">[];
}

/** A visit to a relay that is played by hand. */
function start({ answerMs = 5_000, limits = LIMITS } = {}): Setting {
  const [near, far] = memoryPair();
  const options = { limits: LIMITS, writeStallMs: 20_000, idleMs: 60_000 };
  const relay = new Channel(far, options);
  relay.openUp();
  const channel = new Channel(near, options);
  channel.openUp();
  const session: RelaySession = {
    channel,
    id: "",
    isPrivate: false,
    isEncrypted: true,
    nonce: "",
    greeting: "",
    entrances: [],
    zeroUnixMs: undefined,
    hello: { kind: "hello", protocol: PROTOCOL_VERSION, role: "relay" },
  };
  const invites: MessageOf<"invite">[] = [];
  const visit = new RelayCalls(session, {
    answerMs,
    limits,
    onInvite: (invite) => void invites.push(invite),
  });
  return {
    visit,
    relay,
    invites,
    [Symbol.asyncDispose]: async () => {
      await visit[Symbol.asyncDispose]();
      await relay.close();
    },
  };
}

Deno.test("RelayCalls matches answers to questions in their order, with pings and invitations in between", async () => {
  await using setting = start();
  const { visit, relay, invites } = setting;
  const first = visit.request({ kind: "reach" });
  const second = visit.request({ kind: "attach" });
  for (const kind of ["reach", "attach"]) {
    assertEquals((await relay.receive(DIRECTION.nodeToRelay))?.kind, kind);
  }
  await relay.send(
    { kind: "ping" },
    { kind: "reached", outcome: "gone" },
    INVITE,
    { kind: "attached" },
    { kind: "ping" },
  );
  assertEquals(await first, { kind: "reached", outcome: "gone" });
  assertEquals(await second, { kind: "attached" });
  for (let n = 0; n < 2; n++) {
    assertEquals(await relay.receive(DIRECTION.nodeToRelay), { kind: "pong" });
  }
  assertEquals(invites, [INVITE]);
});

Deno.test("RelayCalls gives a refusal to the request that it answers", async () => {
  await using setting = start();
  const { visit, relay } = setting;
  const asking = visit.request({ kind: "attach" });
  await relay.receive(DIRECTION.nodeToRelay);
  const refused = {
    kind: "refused",
    code: "registry_full",
    text: "full",
  } as const;
  await relay.send(refused);
  assertEquals(await asking, refused);
});

for (
  const [what, message, words] of [
    [
      "an answer to nothing",
      { kind: "attached" },
      "attached without a request",
    ],
    [
      "that the node was replaced",
      { kind: "refused", code: "replaced", text: "again" },
      "refused: replaced",
    ],
  ] satisfies [string, RelayToNode, string][]
) {
  Deno.test(`RelayCalls ends when the relay sends ${what}`, async () => {
    await using setting = start();
    const { visit, relay } = setting;
    await relay.send(message);
    const ended = within(visit.ended, "the end");
    const error = await assertRejects(() => ended, ProtocolError, words);
    assertEquals(error.code, "wrong_phase");
    // Nor is anything asked any more.
    await assertRejects(() => visit.request({ kind: "reach" }), ProtocolError);
  });
}

Deno.test("RelayCalls fails all pending requests when the relay closes the connection", async () => {
  await using setting = start();
  const { visit, relay } = setting;
  const asked = [
    visit.request({ kind: "reach" }),
    visit.request({ kind: "attach" }),
  ];
  await relay.receive(DIRECTION.nodeToRelay);
  await relay.close();
  for (const asking of asked) {
    const failed = within(asking, "the answer");
    await assertRejects(() => failed, ProtocolError, "closed the connection");
  }
  const error = await assertRejects(() => visit.ended, ProtocolError);
  assertEquals(error.code, "truncated");
});

Deno.test("RelayCalls waits for an answer no longer than its timeout", async () => {
  await using setting = start({ answerMs: 30 });
  const { visit, relay } = setting;
  const asking = visit.request({ kind: "reach" });
  // What is said meanwhile is none.
  await relay.send({ kind: "ping" }, INVITE);
  await assertRejects(() => within(asking, "the end"));
  await assertRejects(() => within(visit.ended, "the end of the visit"));
});

Deno.test("RelayCalls stays connected without requests, and disconnects when disposed of", async () => {
  const { visit, relay } = start({ answerMs: 1 });
  // Longer than an answer may take.
  for (let n = 0; n < 20; n++) {
    await relay.send({ kind: "ping" });
    assertEquals(await relay.receive(DIRECTION.nodeToRelay), { kind: "pong" });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await visit[Symbol.asyncDispose]();
  assertEquals(await within(relay.receive([]), "parting"), null);
  await relay.close();
  assert(await visit.ended.catch(() => true));
});

Deno.test("RelayCalls handles a flood of unsolicited messages no faster than its rate, and can be closed meanwhile", async () => {
  const limits = limitsWith({
    unsolicitedRatePerSecond: 0.001,
    unsolicitedBurstCount: 3,
  });
  const setting = start({ limits });
  const { visit, relay, invites } = setting;
  const flood = Array.from({ length: 20 }, () => INVITE);
  const answered = visit.request({ kind: "reach" });
  await relay.receive(DIRECTION.nodeToRelay);
  await relay.send({ kind: "reached", outcome: "gone" }, ...flood);
  await answered;
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals(invites.length, 3);
  await setting[Symbol.asyncDispose]();
  await assertRejects(() => within(visit.ended, "the end"));
});

Deno.test("RelayCalls handles all invitations of a burst, the later ones at its rate", async () => {
  const limits = limitsWith({
    unsolicitedRatePerSecond: 500,
    unsolicitedBurstCount: 2,
  });
  await using setting = start({ limits });
  const { visit, relay, invites } = setting;
  const answered = visit.request({ kind: "reach" });
  await relay.receive(DIRECTION.nodeToRelay);
  const flood = Array.from({ length: 20 }, () => INVITE);
  await relay.send(...flood, { kind: "reached", outcome: "gone" });
  await answered;
  assertEquals(invites.length, 20);
});
