/**
 * A node of a private relay: whom it serves, and what those see who may have one
 * file only.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { formatGrant, grantKeyOf } from "../../lib/access/grant.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { sha256 } from "../../lib/base/hash.ts";
import { Manifest } from "../../lib/content/manifest.ts";
import type {
  ClientToNode,
  NodeToClient,
} from "../../lib/protocol/messages.ts";
import { within } from "../_event_log.ts";
import type { Channel } from "../../lib/protocol/channel.ts";
import {
  IDENTITIES,
  openChannel,
  openChannelFrom,
  type TestNode,
} from "../_network.ts";
import { replaced } from "../_replaced.ts";
import { fetch } from "../client/_outcomes.ts";
import {
  linkTo,
  listedBy,
  MEMBER,
  NEXT_SECRET,
  SECRET,
  startMember,
  startPrivate,
} from "./_private.ts";

const IDENTITY = IDENTITIES[1]!;
const ANSWERS = ["found", "files", "manifest", "pieces", "refused"] as const;

type Answer = NodeToClient | string | null;

/** What a node answers to a client that shows a grant and asks one thing. */
async function answerOf(
  node: TestNode,
  grant: string | undefined,
  question: ClientToNode,
  from?: string,
): Promise<Answer> {
  const { address } = node.server;
  const channel = from === undefined
    ? await openChannel(address, IDENTITY)
    : await openChannelFrom(from, address);
  try {
    const shown = grant === undefined ? {} : { grant };
    await greet(channel, { role: "client", ...shown }, question);
    const message = await channel.receiveOrData(ANSWERS);
    if (message?.kind === "data") return "data";
    return message?.kind === "refused" ? message.code : message;
  } finally {
    await channel.close();
  }
}

const FIND = { kind: "find", request: 1, name: "a.txt" } as const;

function contentIdOf(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return new Manifest(bytes.length, sha256(bytes)).contentId;
}

const NOW = () => Math.floor(Date.now() / 1_000);
const KEY = grantKeyOf(SECRET, IDENTITY.id);

Deno.test("A node of a private relay serves nobody without a grant of that relay for itself", async () => {
  await using relay = await startPrivate();
  await using node = await startMember(relay, { "a.txt": "abc" });
  await using _other = await startMember(relay, {}, { which: 1 });
  const [own, others] = (await listedBy(relay))
    .toSorted((a) => a.id === IDENTITY.id ? -1 : 1)
    .map(({ grant }) => grant!.text);
  const good = await answerOf(node, own, FIND) as NodeToClient;
  assertEquals(good.kind, "found");
  assertEquals(await answerOf(node, undefined, FIND), "unauthorized");
  assertEquals(await answerOf(node, others, FIND), "unauthorized");
  assertEquals(await answerOf(node, own!.slice(1), FIND), "unauthorized");
  const foreign = grantKeyOf(SECRET.toReversed(), IDENTITY.id);
  const forged = formatGrant({ expires: NOW() + 60 }, foreign);
  assertEquals(await answerOf(node, forged, FIND), "unauthorized");
});

Deno.test("A node refuses an expired grant, except for the time by which clocks may differ", async () => {
  await using relay = await startPrivate();
  await using node = await startMember(relay, { "a.txt": "abc" });
  const { clockToleranceMs } = LIMITS;
  const grantOf = (expires: number) => formatGrant({ expires }, KEY);
  const late = grantOf(NOW() - clockToleranceMs / 1_000 - 1);
  assertEquals(await answerOf(node, late, FIND), "expired");
  const within = grantOf(NOW() - clockToleranceMs / 1_000 + 60);
  const answer = await answerOf(node, within, FIND) as NodeToClient;
  assertEquals(answer.kind, "found");
});

for (const aheadMs of [-24 * 3_600_000, 24 * 3_600_000]) {
  const how = aheadMs < 0 ? "behind" : "ahead";
  Deno.test(`A node whose clock is a day ${how} ends grants by the clock of its relay`, async () => {
    await using relay = await startPrivate();
    await using node = await startMember(relay, { "a.txt": "abc" });
    const [late, within] = [-360, 60].map((seconds) =>
      formatGrant({ expires: NOW() + seconds }, KEY)
    );
    using _clock = replaced(Date, "now", (now) => () => now() + aheadMs);
    assertEquals(await answerOf(node, late!, FIND), "expired");
    const answer = await answerOf(node, within!, FIND) as NodeToClient;
    assertEquals(answer.kind, "found");
  });
}

Deno.test("After five failures a node does not look at grants of that address for a minute", async () => {
  await using relay = await startPrivate();
  await using node = await startMember(relay, { "a.txt": "abc" });
  const from = "127.0.0.2";
  for (let n = 0; n < LIMITS.proofFailureCount; n++) {
    assertEquals(await answerOf(node, "x.y", FIND, from), "unauthorized");
  }
  const good = formatGrant({ expires: NOW() + 60 }, KEY);
  assertEquals(await answerOf(node, good, FIND, from), "too_many_failures");
});

Deno.test("Wrong grants that arrive through a local proxy do not block other clients of that proxy", async () => {
  await using relay = await startPrivate();
  await using node = await startMember(relay, { "a.txt": "abc" });
  for (let n = 0; n < 2 * LIMITS.proofFailureCount; n++) {
    assertEquals(await answerOf(node, "x.y", FIND), "unauthorized");
  }
  const { kind, message } = await fetch(relay, "a.txt", { access: MEMBER });
  assertEquals(kind, null, message);
});

/** A connection of a member that has been answered once. */
async function memberAt(node: TestNode, expires: number, key = KEY) {
  const channel = await openChannel(node.server.address, IDENTITY);
  const grant = formatGrant({ expires }, key);
  await greet(channel, { role: "client", grant }, FIND);
  assertEquals((await channel.receive(["found"]))?.kind, "found");
  return channel;
}

/** How a connection ends: at once, and not after it was idle. */
async function endOf(channel: Channel): Promise<unknown> {
  const ended = channel.receive(ANSWERS).catch(() => null);
  return await within(ended, "the end of the connection");
}

Deno.test("A connection to a node ends with the grant that opened it", async () => {
  await using relay = await startPrivate();
  await using node = await startMember(relay, { "a.txt": "abc" }, {
    limits: { clockToleranceMs: 0 },
  });
  await using channel = await memberAt(node, NOW() + 5);
  await node.log.until("refused", ({ reason }) => reason === "grant_ended");
  assertEquals(await endOf(channel), null);
});

Deno.test("A connection to a node ends after the longest time of a grant, even if its grant is longer", async () => {
  await using relay = await startPrivate();
  await using node = await startMember(relay, { "a.txt": "abc" }, {
    limits: { grantSeconds: 4 },
  });
  await using channel = await memberAt(node, NOW() + 86_400);
  await node.log.until("refused", ({ reason }) => reason === "grant_ended");
  assertEquals(await endOf(channel), null);
});

Deno.test("A new secret reaches a node at its next renewal: earlier connections end, and their grants open no new ones", async () => {
  const limits = { renewSeconds: 1 };
  await using relay = await startPrivate({ limits });
  await using node = await startMember(relay, { "a.txt": "abc" }, {
    limits: { renewMinSeconds: 1 },
  });
  await using staying = await memberAt(node, NOW() + 3_000);
  const previous = { secret: SECRET, overlapMs: 6_000 };
  relay.server.replaceSecrets({ current: NEXT_SECRET, previous });
  // The node's token comes from the secret before: it is let in for 6 s more.
  await node.log.until("renewed");
  await staying.send(FIND);
  assertEquals((await staying.receive(["found"]))?.kind, "found");
  await node.log.until("refused", ({ reason }) => reason === "grant_ended");
  assertEquals(await endOf(staying), null);
  const old = formatGrant({ expires: NOW() + 3_000 }, KEY);
  assertEquals(await answerOf(node, old, FIND), "unauthorized");
});

Deno.test("A node that stays connected follows the clock of its relay when that is set", async () => {
  const hour = 3_600_000;
  const limits = { renewSeconds: 1 };
  await using relay = await startPrivate({ limits });
  const ahead = replaced(Date, "now", (now) => () => now() + 2 * hour);
  await using node = await startMember(relay, { "a.txt": "abc" }, {
    limits: { renewMinSeconds: 1 },
  });
  ahead[Symbol.dispose]();
  await node.log.until("renewed");
  await node.log.until("renewed");
  const grant = formatGrant({ expires: NOW() + 3_600 }, KEY);
  const answer = await answerOf(node, grant, FIND) as NodeToClient;
  assertEquals(answer.kind ?? answer, "found");
});

Deno.test("A node whose relay is down, or is another, continues with the grants that it knows", async () => {
  const relay = await startPrivate({ limits: { renewSeconds: 1 } });
  await using node = await startMember(relay, { "a.txt": "abc" }, {
    limits: { renewMinSeconds: 1 },
  });
  await using channel = await memberAt(node, NOW() + 3_000);
  const { address } = relay.server;
  await relay[Symbol.asyncDispose]();
  await node.log.until("registration_failed");
  const { port } = address;
  const identity = IDENTITIES[3]!;
  await using other = await startPrivate({
    port,
    identity,
    secrets: { current: NEXT_SECRET },
  });
  await other.log.until("refused", ({ reason }) => reason === "unauthorized");
  await channel.send(FIND);
  assertEquals((await channel.receive(["found"]))?.kind, "found");
});

/** A node with some files, all hashed. */
async function nodeWithFiles(relay: Awaited<ReturnType<typeof startPrivate>>) {
  const node = await startMember(relay, {
    "a.txt": "abc",
    "copy.txt": "abc",
    "b/secret.txt": "top",
    "b/c/deep.txt": "deep",
  });
  await node.log.until("hashed", ({ files }) => files === 4);
  return node;
}

Deno.test("A grant for one name and content: find, browse, describe and read go no further", async () => {
  await using relay = await startPrivate();
  await using node = await nodeWithFiles(relay);
  const content = contentIdOf("abc");
  const secret = contentIdOf("top");
  const member = formatGrant({ expires: NOW() + 60 }, KEY);
  const browse = { kind: "browse", request: 1, prefix: "" } as const;
  const all = await answerOf(node, member, browse) as NodeToClient;
  const files = all.kind === "files" ? all.files : [];
  const versionOf = (name: string) =>
    files.find((file) => file.name === name)!.version;
  assertEquals(files.length, 4);

  const grant = formatGrant({
    expires: NOW() + 60,
    prefix: "a.txt",
    content,
  }, KEY);
  const ask = (question: ClientToNode) => answerOf(node, grant, question);
  const kindOf = (answer: Answer) =>
    typeof answer === "string" ? answer : answer?.kind;
  const find = (name: string) => ask({ kind: "find", request: 1, name });
  const describe = (of: string) => ask({ kind: "describe", request: 1, of });
  const read = (of: string) =>
    ask({ kind: "read", request: 1, of, first: 0, count: 1 });

  assertEquals(kindOf(await find("a.txt")), "found");
  // What is there and what is not look the same.
  assertEquals(await find("b/secret.txt"), "unauthorized");
  assertEquals(await find("b/missing.txt"), "unauthorized");
  assertEquals(await find("copy.txt"), "unauthorized");
  const seen = await ask(browse) as NodeToClient;
  assertEquals(
    seen.kind === "files" && seen.files.map(({ name }) => name),
    ["a.txt"],
  );
  for (const inside of [content, versionOf("a.txt")]) {
    assertEquals(kindOf(await describe(inside)), "manifest");
    assertEquals(await read(inside), "data");
  }
  const outside = [
    secret,
    versionOf("b/secret.txt"),
    versionOf("copy.txt"),
    "f".repeat(64),
    "f".repeat(32),
  ];
  for (const of of outside) {
    assertEquals(await describe(of), "gone", of);
    assertEquals(await read(of), "gone", of);
  }
});

Deno.test("A grant for a folder allows the names below it, and nothing else", async () => {
  await using relay = await startPrivate();
  await using node = await nodeWithFiles(relay);
  const grant = formatGrant({ expires: NOW() + 60, prefix: "b/" }, KEY);
  const ask = (question: ClientToNode) => answerOf(node, grant, question);
  const seen = await ask({ kind: "browse", request: 1, prefix: "" });
  assertEquals(
    (seen as { files: { name: string }[] }).files.map(({ name }) => name)
      .toSorted(),
    ["b/c/deep.txt", "b/secret.txt"],
  );
  assertEquals(await ask(FIND), "unauthorized");
  const missing = { kind: "find", request: 1, name: "b/no" } as const;
  assertEquals(await ask(missing), "not_found");
  const read = (of: string) =>
    ask({ kind: "read", request: 1, of, first: 0, count: 1 });
  assertEquals(await read(contentIdOf("top")), "data");
  assertEquals(await read(contentIdOf("abc")), "gone");
});

Deno.test("A content under a granted name can be read, even if it was found by another name first", async () => {
  await using relay = await startPrivate();
  await using node = await nodeWithFiles(relay);
  for (const prefix of ["a.txt", "copy.txt"]) {
    const grant = formatGrant({ expires: NOW() + 60, prefix }, KEY);
    const of = contentIdOf("abc");
    const read = { kind: "read", request: 1, of, first: 0, count: 1 } as const;
    assertEquals(await answerOf(node, grant, read), "data", prefix);
  }
});

Deno.test("A grant for a content that the name no longer has is useless, and says so", async () => {
  await using relay = await startPrivate();
  await using node = await nodeWithFiles(relay);
  const content = contentIdOf("what it was");
  const grant = formatGrant(
    { expires: NOW() + 60, prefix: "a.txt", content },
    KEY,
  );
  assertEquals(await answerOf(node, grant, FIND), "other_content");
});

Deno.test("A node refuses a fetch beyond the uses of a link, even if the relay allows it", async () => {
  await using relay = await startPrivate();
  await using node = await startMember(relay, { "a.txt": "abc" });
  const { access } = await linkTo(relay, "a.txt");
  const grantFor = (fetch: string) =>
    formatGrant({
      expires: NOW() + 60,
      prefix: "a.txt",
      content: contentIdOf("abc"),
      serial: "AAECAwQFBgcICQoL",
      uses: 1,
      fetch,
    }, KEY);
  const first = await answerOf(node, grantFor("first"), FIND) as NodeToClient;
  assertEquals(first.kind, "found");
  assertEquals(await answerOf(node, grantFor("second"), FIND), "used_up");
  const [listed] = await listedBy(relay, access());
  const linked = await answerOf(node, listed!.grant!.text, FIND);
  assertEquals((linked as NodeToClient).kind, "found");
});

Deno.test("A copied grant of a guest opens only that file at that node for that fetch, and nothing if a byte of it differs", async () => {
  await using relay = await startPrivate();
  const files = { "a.txt": "abc", "b.txt": "b" };
  await using node = await startMember(relay, files);
  await using _other = await startMember(relay, files, { which: 1 });
  const { access } = await linkTo(relay, "a.txt");
  const guest = await listedBy(relay, access());
  const grantOf = (isHere: boolean) =>
    guest.find(({ id }) => (id === IDENTITY.id) === isHere)!.grant!.text;
  const own = grantOf(true);
  // The relay counts the link as used up; a replay is the same fetch.
  for (let n = 0; n < 2; n++) {
    const again = await answerOf(node, own, FIND) as NodeToClient;
    assertEquals(again.kind, "found");
  }
  assertEquals(await answerOf(node, grantOf(false), FIND), "unauthorized");
  const other = { ...FIND, name: "b.txt" };
  assertEquals(await answerOf(node, own, other), "unauthorized");
  const bytes = [...own];
  for (let at = 0; at < bytes.length; at += 7) {
    const altered = bytes.with(at, bytes[at] === "A" ? "B" : "A").join("");
    assertEquals(await answerOf(node, altered, FIND), "unauthorized", altered);
  }
  // Another fetch by the same link gets no grant, with or without a token.
  await assertRejects(
    () => listedBy(relay, access("another-fetch-by-it")),
    Failure,
    "it has no uses left",
  );
});

Deno.test("A link has no effect at another private relay, nor at the same one with another secret", async () => {
  await using relay = await startPrivate();
  await using _node = await startMember(relay, { "a.txt": "abc" });
  const { access, content } = await linkTo(relay, "a.txt");
  await using elsewhere = await startPrivate({
    secrets: { current: NEXT_SECRET },
  });
  const { kind } = await fetch(elsewhere, "a.txt", {
    access: access(),
    content,
  });
  assertEquals(kind, "not_allowed");
});
