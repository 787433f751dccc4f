/** Clients that find each other at a real relay, and help each other. */

import { assert, assertEquals } from "@std/assert";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { within } from "../_event_log.ts";
import { MEMBER, startPrivate } from "../access/_private.ts";
import { startRelay, type TestRelay } from "../_network.ts";
import { PIECE } from "./_holding.ts";
import { COUNT, startClient } from "./_member.ts";

/** A relay, as events name it. */
function addressOf({ server }: TestRelay): string {
  return formatEndpoint(server.address);
}

const ALL = [...Array(COUNT).keys()];

Deno.test("A client that joins after the first holder has stopped gets the whole file from the others", async () => {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await startRelay());
  await using first = new AsyncDisposableStack();
  const seed = await startClient(relay, { have: ALL, seed: 1 }, first);
  await within(seed.log.until("holder_listed"), "the lease");
  const others = [];
  for (const number of [2, 3]) {
    const other = await startClient(relay, { seed: number }, stack);
    await within(other.log.until("holder_listed"), "the lease");
    others.push(other);
  }
  await Promise.all(others.map((other) => other.receive()));
  await first[Symbol.asyncDispose]();
  const last = await startClient(relay, { seed: 4 }, stack);
  await last.receive();
  const ids = others.map(({ member }) => member.holder.id);
  assert(
    [...last.from.keys()].every((id) => ids.includes(id.split(" ")[0]!)),
  );
  const sum = [...last.from.values()].reduce((sum, bytes) => sum + bytes);
  assertEquals(sum, COUNT * PIECE);
  const given = others.reduce(
    (sum, { member }) => sum + member.holder.sentBytes,
    0,
  );
  assert(given >= COUNT * PIECE, `${given}`);
});

Deno.test("A client of several relays meets the clients of each, and only of the second when the first has stopped", async () => {
  await using stack = new AsyncDisposableStack();
  const first = await startRelay();
  const second = stack.use(await startRelay());
  const seed = await startClient(second, { have: ALL, seed: 1 }, stack);
  await within(seed.log.until("holder_listed"), "the lease");
  const both = await startClient([first, second], { seed: 2 }, stack);
  await both.receive();
  const idsOf = ({ from }: typeof both) =>
    new Set([...from.keys()].map((id) => id.split(" ")[0]!));
  assertEquals(idsOf(both), new Set([seed.member.holder.id]));
  const last = await startClient(first, { seed: 3 }, stack);
  await last.receive();
  assertEquals(idsOf(last), new Set([both.member.holder.id]));
  await first[Symbol.asyncDispose]();
  const late = await startClient([first, second], { seed: 4 }, stack);
  await late.receive();
  const others = [seed, both].map(({ member }) => member.holder.id);
  assert(idsOf(late).isSubsetOf(new Set(others)));
});

Deno.test("A client meets the clients of a relay whose answers always arrive later than those of another", async () => {
  await using stack = new AsyncDisposableStack();
  const gone = await startRelay();
  const slow = stack.use(await startRelay());
  const seed = await startClient(slow, { have: ALL, seed: 1 }, stack);
  await within(seed.log.until("holder_listed"), "the lease");
  await gone[Symbol.asyncDispose]();
  const limits = { relayGraceMs: 0 };
  const client = await startClient([gone, slow], { seed: 2, limits }, stack);
  await client.receive();
});

Deno.test("A client of an open and a private relay gives an open content to clients of both, and gets it from both", async () => {
  await using stack = new AsyncDisposableStack();
  const open = stack.use(await startRelay());
  const closed = stack.use(await startPrivate());
  const access = MEMBER;
  const seed = await startClient(open, { have: ALL, seed: 1 }, stack);
  await within(seed.log.until("holder_listed"), "the lease");
  const both = await startClient([open, closed], { seed: 2, access }, stack);
  await both.receive();
  await both.log.until(
    "holder_listed",
    ({ relay }) => relay === addressOf(open),
  );
  await both.log.until(
    "holder_listed",
    ({ relay }) => relay === addressOf(closed),
  );
  await seed.content[Symbol.dispose]();
  await seed.member[Symbol.asyncDispose]();
  for (
    const [relays, number] of [[[open], 3], [[closed], 4], [
      [open, closed],
      5,
    ]] as const
  ) {
    const other = await startClient(relays, { seed: number, access }, stack);
    await other.receive();
  }
});

Deno.test("A client of an open and a private relay lists a content of private nodes only at the private relay, and another member gets it", async () => {
  await using stack = new AsyncDisposableStack();
  const open = stack.use(await startRelay());
  const closed = stack.use(await startPrivate());
  const given = { access: MEMBER, isOpen: false };
  const both = await startClient(
    [open, closed],
    { ...given, have: ALL, seed: 1 },
    stack,
  );
  await within(both.log.until("holder_listed"), "the lease");
  const member = await startClient(
    [open, closed],
    { ...given, seed: 2 },
    stack,
  );
  await member.receive();
  assertEquals(open.server.stats().holderCount, 0);
  assert(closed.server.stats().holderCount > 0);
});
