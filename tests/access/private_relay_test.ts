/**
 * A private relay: who gets in, who does not, and what those learn.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import { type Access, accessFailure } from "../../lib/access/credentials.ts";
import { keysProofOf, tokenOf } from "../../lib/access/token.ts";
import { makeLink } from "../../lib/client/link.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { Failure } from "../../lib/base/errors.ts";
import type { RemedyCode } from "../../lib/base/remedy_code.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { encodeMessage, type Message } from "../../lib/protocol/messages.ts";
import { type NodeEvent, serveNode } from "../../lib/node/server.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { EventLog } from "../_event_log.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { fetch } from "../client/_outcomes.ts";
import {
  authenticate,
  GRANT_KEY,
  greetedBy,
  linkTo,
  listedBy,
  MEMBER,
  NEXT_SECRET,
  NODE_TOKEN,
  SECRET,
  startImpostor,
  startMember,
  startPrivate,
} from "./_private.ts";

Deno.test("With its tokens, a private relay works like any other", async () => {
  await using relay = await startPrivate();
  await using _node = await startMember(relay, { "a.txt": "abc" });
  const { content, log } = await fetch(relay, "a.txt", { access: MEMBER });
  assertEquals(new TextDecoder().decode(content!), "abc");
  assertEquals(log.of("nodes_listed")[0]!.nodes.length, 1);
  const listening = await relay.log.until("relay_listening");
  assertEquals(listening.private, true);
});

const WITHOUT: readonly [string, Access, string, RemedyCode?][] = [
  ["without a token", {}, "it is private", "give_client_token"],
  [
    "with the token of another secret",
    { token: tokenOf(NEXT_SECRET, "client") },
    "it rejects this token",
  ],
  [
    "with a link of an open relay",
    { link: { name: "a.txt", fetch: "fetch-number-one-" } },
    "it is private now, and the link was made while it was open",
    "give_client_token",
  ],
  [
    "with a link that nobody made",
    { link: { pass: "AQHN", name: "a", fetch: "fetch-number-one-" } },
    "the relay rejects it; ask the sender",
  ],
];

for (const [what, access, why, remedyCode] of WITHOUT) {
  Deno.test(`A client ${what} is not allowed at a private relay`, async () => {
    await using relay = await startPrivate();
    await using _node = await startMember(relay, { "a.txt": "abc" });
    const listing = () => listNodes({ relay: relay.server.address, access });
    const error = await assertRejects(listing, Failure, why);
    assertEquals([error.exitCode, error.parts.remedyCode], [7, remedyCode]);
    assert(!error.message.includes("\n"));
  });
}

/** What becomes of a node that starts with a token, or without. */
async function turnedAway(
  at: { host: string; port: number },
  token?: typeof NODE_TOKEN,
  identity = IDENTITIES[1]!,
): Promise<Failure> {
  const log = new EventLog<NodeEvent>();
  await using _node = await serveNode({
    relay: at,
    host: "127.0.0.1",
    port: 0,
    directory: "files/one",
    identity,
    onEvent: log.onEvent,
    ...(token === undefined ? {} : { token }),
  });
  return (await log.until("turned_away")).error;
}

Deno.test("A node that a private relay refuses ends, and does not ask again", async () => {
  await using relay = await startPrivate();
  const { address } = relay.server;
  const without = await turnedAway(address);
  assertEquals(without.exitCode, 7);
  assert(without.message.includes("it is private"));
  assertEquals(without.parts.remedyCode, "give_node_token");
  const wrong = await turnedAway(address, tokenOf(NEXT_SECRET, "node"));
  assertEquals(wrong.exitCode, 7);
  assert(wrong.message.includes("it rejects this token"));
  assertEquals(relay.server.nodeCount, 0);
});

Deno.test("A node that is refused before it has asked ends too", async () => {
  await using relay = await startPrivate();
  // It signs slowly: the refusal of its proof is there first.
  const identity = IDENTITIES[1]!;
  const slow = {
    ...identity,
    sign: async (bytes: Uint8Array<ArrayBuffer>) => {
      await relay.log.until("refused");
      // Another conversation with the relay takes longer than a word of it.
      const { channel } = await greetedBy(relay, "client");
      await channel.close();
      return await identity.sign(bytes);
    },
  };
  const token = tokenOf(NEXT_SECRET, "node");
  const error = await turnedAway(relay.server.address, token, slow);
  assert(error.message.includes("it rejects this token"));
});

Deno.test("A node that was given a token registers with no open relay", async () => {
  await using relay = await startRelay();
  const error = await turnedAway(relay.server.address, NODE_TOKEN);
  assertEquals(error.exitCode, 7);
  assert(
    error.message.includes(
      "this relay is open: anyone could reach this node through it",
    ),
  );
  assertEquals(relay.server.nodeCount, 0);
});

for (
  const [what, proof] of [
    ["no proof", {}],
    ["a wrong one", { proof: new Uint8Array(32).toBase64() }],
    ["that of another relay", {
      proof: keysProofOf([GRANT_KEY], {
        token: NODE_TOKEN,
        relayId: IDENTITIES[3]!.id,
        nonce: "AAAA",
      }),
    }],
    ["that of another token", {
      proof: keysProofOf([GRANT_KEY], {
        token: tokenOf(NEXT_SECRET, "node"),
        relayId: IDENTITIES[2]!.id,
        nonce: "AAAA",
      }),
    }],
    ["that of other keys", {
      proof: keysProofOf([], {
        token: NODE_TOKEN,
        relayId: IDENTITIES[2]!.id,
        nonce: "AAAA",
      }),
    }],
  ] as const
) {
  Deno.test(`A node accepts no keys of a relay that accepts every token and shows ${what}`, async () => {
    await using relay = await startImpostor(proof);
    const error = await turnedAway(relay.address, NODE_TOKEN);
    assertEquals(error.exitCode, 7);
    assert(error.message.includes("it does not know this node's token"));
  });
}

Deno.test("A client with a token uses an open relay too", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "a.txt": "abc" });
  const { kind } = await fetch(relay, "a.txt", { access: MEMBER });
  assertEquals(kind, null);
});

const registration = await signRegistration({
  purpose: "register",
  relay: IDENTITIES[0]!.id,
  nonce: "AAAA",
  instance: "instance",
  sequence: 1,
  name: "n",
  addresses: [{ host: "127.0.0.1", port: 1 }],
}, IDENTITIES[1]!);

const FIRST: readonly [string, Uint8Array][] = ([
  ["list", { kind: "list" }],
  ["report", { kind: "report", ids: ["a".repeat(52)] }],
  ["register", { kind: "register", ...registration }],
  ["withdraw", { kind: "withdraw", ...registration }],
  ["mint", {
    kind: "mint",
    name: "a",
    content: "ab".repeat(32),
    expiresSeconds: 1,
    uses: 1,
  }],
  ["find", { kind: "find", request: 1, name: "a.txt" }],
  ["a proof that is none", { kind: "authenticate", proof: "" }],
  ["a link that is none", {
    kind: "redeem",
    pass: "",
    name: "",
    fetch: "fetch-number-one-",
  }],
] satisfies [string, Message][]).map((
  [what, message],
): [string, Uint8Array] => [
  what,
  encodeMessage(message),
]).concat([
  ["a proof that is a number", encodeFrame(7, new TextEncoder().encode("7"))],
  ["no JSON", encodeFrame(7, new Uint8Array([0xff]))],
]);

for (const role of ["node", "client"] as const) {
  for (const [what, frame] of FIRST) {
    Deno.test(`A private relay says nothing but "unauthorized" to a ${role} that begins with ${what}`, async () => {
      await using relay = await startPrivate();
      await using _node = await startMember(relay, { "a.txt": "abc" });
      const { channel } = await greetedBy(relay, role);
      await channel.sendFrames(frame, frame);
      assertEquals(await channel.receive(["refused"]), {
        kind: "refused",
        code: "unauthorized",
        text: "not authorized",
      });
      assertEquals(await channel.receive(["refused"]), null);
      await relay.log.until(
        "refused",
        ({ reason }) => reason === "unauthorized",
      );
      await channel.close();
    });
  }
}

Deno.test("A private relay waits only a short time for credentials", async () => {
  await using relay = await startPrivate({ limits: { handshakeMs: 10_000 } });
  const { channel } = await greetedBy(relay, "client");
  await channel.receive(["refused"]).catch(() => null); // it may arrive
  await relay.log.until("refused", ({ reason }) => reason === "timed_out");
  channel.conn.close();
});

/** What a relay answers to a first message and a list. */
async function answerTo(
  channel: Awaited<ReturnType<typeof greetedBy>>["channel"],
  message: Message,
): Promise<string | undefined> {
  await channel.send(message, { kind: "list" });
  const answer = await channel.receive(["nodes", "refused"]);
  await channel.close();
  return answer?.kind === "refused" ? answer.code : answer?.kind;
}

Deno.test("A captured proof is useless on another connection, to another relay, or for the other role", async () => {
  await using relay = await startPrivate();
  await using other = await startPrivate({ identity: IDENTITIES[3]! });
  const first = await greetedBy(relay, "client");
  const captured = authenticate(relay, { role: "client", nonce: first.nonce });
  assertEquals(await answerTo(first.channel, captured), "nodes");
  const again = await greetedBy(relay, "client");
  assertEquals(await answerTo(again.channel, captured), "unauthorized");
  // An impostor that is given a proof for itself can show it to nobody.
  const { channel, nonce } = await greetedBy(relay, "client");
  const forImpostor = authenticate(other, { role: "client", nonce });
  assertEquals(await answerTo(channel, forImpostor), "unauthorized");
  const asNode = await greetedBy(relay, "client");
  const nodeProof = authenticate(relay, { role: "node", nonce: asNode.nonce });
  assertEquals(await answerTo(asNode.channel, nodeProof), "unauthorized");
});

Deno.test("After five failures a private relay does not look at proofs of that address for a minute", async () => {
  await using relay = await startPrivate();
  const from = "127.0.0.2";
  for (let n = 0; n < LIMITS.proofFailureCount; n++) {
    const { channel, nonce } = await greetedBy(relay, "client", from);
    const secret = NEXT_SECRET;
    const wrong = authenticate(relay, { role: "client", nonce, secret });
    assertEquals(await answerTo(channel, wrong), "unauthorized");
  }
  const { channel, nonce } = await greetedBy(relay, "client", from);
  const right = authenticate(relay, { role: "client", nonce });
  assertEquals(await answerTo(channel, right), "too_many_failures");
  const refused = { code: "too_many_failures" };
  const error = accessFailure(refused, { where: "relay", access: MEMBER })!;
  assert(error.message.includes("wait a minute"), error.message);
  assertEquals(error.exitCode, 7);
});

Deno.test("Wrong tokens that arrive through a local proxy do not block other clients of that proxy", async () => {
  await using relay = await startPrivate();
  await using node = await startMember(relay, { "a.txt": "abc" });
  for (let n = 0; n < 2 * LIMITS.proofFailureCount; n++) {
    const { channel, nonce } = await greetedBy(relay, "client");
    const secret = NEXT_SECRET;
    const wrong = authenticate(relay, { role: "client", nonce, secret });
    assertEquals(await answerTo(channel, wrong), "unauthorized");
  }
  const [listed] = await listedBy(relay);
  assertEquals(listed?.id, node.server.id);
});

Deno.test("A long listing of a private relay brings every node its own grant", async () => {
  await using relay = await startPrivate({ limits: { listingPageCount: 1 } });
  await using stack = new AsyncDisposableStack();
  const nodes = [];
  for (const which of [0, 1, 2]) {
    const files = { "a.txt": "the same at all" };
    nodes.push(stack.use(await startMember(relay, files, { which })));
  }
  const listed = await listedBy(relay);
  assertEquals(listed.length, 3);
  assertEquals(new Set(listed.map(({ grant }) => grant?.text)).size, 3);
  const { log, kind } = await fetch(relay, "a.txt", {
    access: MEMBER,
    nodes: listed,
    prefer: "newest", // each has another content
  });
  assertEquals(kind, null);
  assertEquals(log.answers.toSorted(), ["1 found", "2 found", "3 found"]);
});

Deno.test("A private relay offers tunnels, and nodes check clients in them as any other", async () => {
  await using relay = await startPrivate();
  await using node = await startMember(relay, { "a.txt": "abc" }, {
    tunnels: "always",
    advertise: { host: "127.0.0.1", port: 9 },
  });
  await node.log.until("attached");
  const { access, content } = await linkTo(relay, "a.txt");
  const one = await fetch(relay, "a.txt", { access: access(), content });
  assertEquals(one.kind, null, one.message);
  const other = await fetch(relay, "b.txt", { access: access() });
  assertEquals(other.kind, "not_allowed", other.message);
});

Deno.test("A relay that is open has no secrets to replace, and makes no passes", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "a.txt": "abc" });
  try {
    relay.server.replaceSecrets({ current: SECRET });
    throw new Error("it did");
  } catch (error) {
    assert(error instanceof TypeError);
  }
  const { channel } = await greetedBy(relay, "client");
  await channel.send({
    kind: "mint",
    name: "a.txt",
    content: "ab".repeat(32),
    expiresSeconds: 1,
    uses: 1,
  });
  assertEquals((await channel.receive(["refused"]))?.code, "bad_request");
  await channel.close();
});

Deno.test("A link cannot make links, and a client learns the limits of a link", async () => {
  await using relay = await startPrivate();
  await using _node = await startMember(relay, { "a.txt": "abc" });
  const { access } = await linkTo(relay, "a.txt");
  const make = (options: { access: Access; uses?: number }) =>
    makeLink({ relay: relay.server.address, name: "a.txt", ...options });
  const denied = await assertRejects(
    () => make({ access: access() }),
    Failure,
    "Cannot use link",
  );
  assertEquals(denied.exitCode, 7);
  const wrong = await assertRejects(
    () => make({ access: MEMBER, uses: LIMITS.linkUsesCount + 1 }),
    Failure,
    "uses: over 1000",
  );
  assertEquals(wrong.exitCode, 3);
});

for (
  const [what, limits] of [
    ["takes longer than a second", { partingMs: 1 }],
    ["sends more than 64 KiB", { partingMs: 3_600_000 }],
  ] as const
) {
  Deno.test(`A relay disconnects a refused peer that ${what}`, async () => {
    await using relay = await startPrivate({ limits });
    const { channel } = await greetedBy(relay, "client");
    const frame = encodeMessage({ kind: "list" });
    await channel.sendFrames(frame);
    assertEquals((await channel.receive(["refused"]))?.kind, "refused");
    if (limits.partingMs > 1) {
      assertEquals(relay.server.connectionCount, 1);
      const most = LIMITS.partingBytes + 16 * 1024;
      for (let sent = 0; sent < most; sent += frame.length) {
        await channel.sendFrames(frame).catch(() => {}); // it has ended
      }
    }
    while (relay.server.connectionCount > 0) await delay(1);
    channel.conn.close();
  });
}
