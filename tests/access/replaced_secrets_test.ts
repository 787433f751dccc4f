/**
 * What becomes of peers when a secret is replaced, or a link ends.
 */

import { assert, assertEquals } from "@std/assert";
import type { Access } from "../../lib/access/credentials.ts";
import { tokenOf } from "../../lib/access/token.ts";
import { fetch } from "../client/_outcomes.ts";
import {
  authenticate,
  greetedBy,
  linkTo,
  listedBy,
  MEMBER,
  NEXT_SECRET,
  SECRET,
  startMember,
  startPrivate,
} from "./_private.ts";

Deno.test("A secret is changed at run time: the old tokens work for a while, and nodes stay listed and served", async () => {
  const limits = { renewSeconds: 1, leaseMaxSeconds: 60 };
  await using relay = await startPrivate({ limits });
  await using node = await startMember(relay, { "a.txt": "abc" }, {
    limits: { renewMinSeconds: 1 },
  });
  const before = await listedBy(relay);
  const previous = { secret: SECRET, overlapMs: 60_000 };
  relay.server.replaceSecrets({ current: NEXT_SECRET, previous });
  const next = { token: tokenOf(NEXT_SECRET, "client") };
  const works = async (access: Access, nodes = before) => {
    const { kind, message } = await fetch(relay, "a.txt", { access, nodes });
    assertEquals(kind, null, message);
  };
  // The node knows nothing of it yet.
  await works(next, await listedBy(relay, next));
  await works(MEMBER, await listedBy(relay));
  await node.log.until("renewed");
  await works(next, await listedBy(relay, next));
  await works(MEMBER, await listedBy(relay));
  await works(MEMBER);
  assertEquals(node.log.names.includes("registration_failed"), false);
});

Deno.test("A listed node keeps trying when its token is no longer accepted", async () => {
  const limits = { renewSeconds: 1 };
  await using relay = await startPrivate({
    limits: { ...limits, refusalPauseMs: 0 },
  });
  await using node = await startMember(relay, {}, {
    limits: { renewMinSeconds: 1, unauthorizedRetryMs: 20 },
  });
  relay.server.replaceSecrets({ current: NEXT_SECRET });
  const failed = await node.log.until("registration_failed");
  const { message } = failed.error;
  assert(message.includes("it rejects this token"), message);
  const registered = () =>
    node.log.events.filter(({ event }) => event === "registered").length;
  assertEquals(registered(), 1);
  let attempts = 0;
  await relay.log.until(
    "refused",
    ({ reason }) => reason === "unauthorized" && ++attempts > 5,
  );
  assertEquals(node.log.names.includes("turned_away"), false);
});

Deno.test("An attached node and a waiting client are disconnected when their secret is replaced", async () => {
  const limits = { pingMs: 50 };
  await using relay = await startPrivate({ limits });
  await using node = await startMember(relay, { "a.txt": "abc" }, {
    tunnels: "always",
  });
  await node.log.until("attached");
  const { channel, nonce } = await greetedBy(relay, "client");
  await channel.send(authenticate(relay, { role: "client", nonce }), {
    kind: "list",
  });
  assertEquals((await channel.receive(["nodes"]))?.count, 1);
  relay.server.replaceSecrets({ current: NEXT_SECRET });
  await channel.send({ kind: "list" });
  assertEquals((await channel.receive(["refused"]))?.code, "unauthorized");
  await channel.close();
  await node.log.until("detached", ({ why }) => why === "lost");
});

Deno.test("A waiting guest is disconnected when the link expires", async () => {
  await using relay = await startPrivate();
  await using _node = await startMember(relay, { "a.txt": "abc" });
  const { access } = await linkTo(relay, "a.txt", { expiresSeconds: 60 });
  const { name, fetch, pass = "" } = access().link!;
  const { channel } = await greetedBy(relay, "client");
  await channel.send({ kind: "redeem", name, fetch, pass }, { kind: "list" });
  assertEquals((await channel.receive(["nodes"]))?.count, 1);
  const { now } = Date;
  try {
    Date.now = () => now() + 60_000;
    await channel.send({ kind: "list" });
    const answer = await channel.receive(["nodes", "refused"]);
    assertEquals(answer?.kind === "refused" && answer.code, "expired");
  } finally {
    Date.now = now;
    await channel.close();
  }
});
