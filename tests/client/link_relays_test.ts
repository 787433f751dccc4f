/** Links that are made and opened by clients of several relays. */

import { assertEquals, assertRejects } from "@std/assert";
import { parseLink } from "../../lib/access/link.ts";
import { tokenOf } from "../../lib/access/token.ts";
import type { ClientEvent } from "../../lib/client/events.ts";
import { fetchFile } from "../../lib/client/fetch.ts";
import { linkTo, makeLink } from "../../lib/client/link.ts";
import { Failure } from "../../lib/base/errors.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { contentOf } from "./_outcomes.ts";

/** An address at which nobody listens. */
function away() {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { host: "127.0.0.1", port: listener.addr.port };
}

/** What a client that has nothing but the link gets by it. */
async function fetched(text: string, fetch = "a".repeat(22)): Promise<string> {
  const { relay, others = [], name, content, pass } = parseLink(text);
  const link = { pass, name, fetch };
  await using file = await fetchFile({
    ...{ relay, relays: others, name, content, access: { link } },
  });
  return new TextDecoder().decode(await contentOf(file));
}

Deno.test("makeLink names the relay that made it when the first of several is down, and the file arrives through it", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { f: "hello" });
  const { text } = await makeLink({
    ...{ name: "f", relay: away() },
    relays: [{ address: relay.server.address }],
  });
  const link = parseLink(text);
  assertEquals(link.relay.port, relay.server.address.port);
  assertEquals(link.relay.id, relay.identity.id);
  assertEquals(link.others, undefined);
  assertEquals(await fetched(text), "hello");
});

Deno.test("makeLink names all relays that list a node with the file, and no other, and any of them opens it", async () => {
  const first = await startRelay();
  await using second = await startRelay({ identity: IDENTITIES[1]! });
  await using other = await startRelay({ identity: IDENTITIES[2]! });
  await using _node = await startNode(first, { f: "hello" }, {
    relays: [{ address: second.server.address }],
  });
  await using _other = await startNode(other, { g: "another" });
  const relays = [other, second].map(({ server }) => server.address);
  const { text, relays: named, isHeld } = await makeLink({
    ...{ name: "f", relay: first.server.address },
    relays: relays.map((address) => ({ address })),
  });
  const ids = [first, second].map(({ identity }) => identity.id);
  assertEquals(new Set(named.map(({ id }) => id)), new Set(ids));
  assertEquals(isHeld, false);
  assertEquals(await fetched(text), "hello");
  await first[Symbol.asyncDispose]();
  assertEquals(await fetched(text), "hello");
});

Deno.test("A link of two private relays has a pass of each, spends one use at each that answers, and opens by either", async () => {
  const secrets = [1, 2].map((n) => new Uint8Array(32).fill(n));
  const [first, second] = await Promise.all(
    secrets.map((current, n) =>
      startRelay({ secrets: { current }, identity: IDENTITIES[n]! })
    ),
  ) as [
    Awaited<ReturnType<typeof startRelay>>,
    Awaited<ReturnType<typeof startRelay>>,
  ];
  await using _second = second;
  const tokens = (role: "node" | "client") =>
    secrets.map((secret) => tokenOf(secret, role)) as [
      ReturnType<typeof tokenOf>,
      ReturnType<typeof tokenOf>,
    ];
  const [nodeToken, otherNodeToken] = tokens("node");
  const [token, otherToken] = tokens("client");
  const address = second.server.address;
  await using _node = await startNode(first, { f: "hello" }, {
    token: nodeToken,
    relays: [{ address, token: otherNodeToken }],
  });
  const options = {
    ...{ name: "f", relay: first.server.address, access: { token } },
    relays: [{ address, token: otherToken }],
  };
  const { text, isHeld } = await makeLink(options);
  assertEquals(isHeld, true);
  assertEquals(await fetched(text), "hello");
  const usedUp = await assertRejects(
    () => fetched(text, "b".repeat(22)),
    Failure,
  );
  assertEquals(usedUp.kind, "not_allowed");
  assertEquals(await fetched(text), "hello", "the same fetch goes on");
  const late = await makeLink(options);
  await first[Symbol.asyncDispose]();
  assertEquals(await fetched(late.text), "hello");
});

Deno.test("linkTo names all relays that answer, in their order, and reports which does not", async () => {
  await using first = await startRelay();
  await using second = await startRelay({ identity: IDENTITIES[1]! });
  const events: ClientEvent[] = [];
  const gone = away();
  const { text } = await linkTo({
    ...{ name: "f", content: "0".repeat(64) },
    relay: first.server.address,
    relays: [{ address: gone }, { address: second.server.address }],
    onEvent: (event) => events.push(event),
  });
  const { relay, others } = parseLink(text);
  assertEquals(relay.id, first.identity.id);
  assertEquals(others?.map(({ address }) => address.id), [second.identity.id]);
  const failed = events.flatMap((event) =>
    event.event === "relay_failed" ? [event.relay] : []
  );
  assertEquals(failed, [`127.0.0.1:${gone.port}`]);
});

Deno.test("A link that would be too long names the relays that fit, and says which do not", async () => {
  await using first = await startRelay();
  await using second = await startRelay({ identity: IDENTITIES[1]! });
  const options = {
    content: "0".repeat(64),
    relay: first.server.address,
    relays: [{ address: second.server.address }],
  };
  const short = await linkTo({ ...options, name: "f" });
  assertEquals(short.leftOut, []);
  const name = "f".repeat(255);
  const { text, relays, leftOut } = await linkTo({
    ...options,
    name: `${name.slice(0, 100)}/${name}`,
  });
  assertEquals(parseLink(text).others, undefined);
  assertEquals(relays.map(({ id }) => id), [first.identity.id]);
  assertEquals(leftOut.map(({ id }) => id), [second.identity.id]);
});
