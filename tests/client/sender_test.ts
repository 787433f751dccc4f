/**
 * Links that name their sender: while it is there, the relay lists no other node.
 */

import { assertEquals } from "@std/assert";
import { SENDER_LENGTH } from "../../lib/access/link.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { DIRECTION } from "../../lib/protocol/messages.ts";
import { openChannel, startRelay } from "../_network.ts";
import { fetch } from "./_outcomes.ts";
import { askedIn, listedIn, startIndexed } from "./_indexed.ts";

Deno.test("The relay lists only the sender to the holder of its link, and all nodes once the sender has stopped", async () => {
  await using relay = await startRelay();
  const files = { a: "same" };
  await using _other = await startIndexed(relay, files, { name: "other" });
  const node = await startIndexed(relay, files, { name: "sender" });
  const sender = node.server.id.slice(0, SENDER_LENGTH);
  const there = await fetch(relay, "a", { sender });
  assertEquals([there.message, listedIn(there.log)[0]], ["", ["sender"]]);
  assertEquals(askedIn(there.log), ["sender"]);
  await node[Symbol.asyncDispose]();
  const gone = await fetch(relay, "a", { sender });
  assertEquals([gone.message, listedIn(gone.log)[0]], ["", ["other"]]);
});

Deno.test("A relay answers a request for a sender with one page, even if there is no such sender", async () => {
  await using relay = await startRelay();
  await using node = await startIndexed(relay, { a: "a" });
  const { id } = node.server;
  await using channel = await openChannel(
    ...[relay.server.address, relay.identity] as const,
  );
  await greet(channel, { role: "client" });
  for (
    const [sender, count] of [
      [id.slice(0, SENDER_LENGTH), 1],
      ["a".repeat(SENDER_LENGTH), 0],
    ] as const
  ) {
    await channel.send({ kind: "list", sender });
    const page = await channel.receive(DIRECTION.relayToClient);
    const { nodes, cursor, index } = page as never as Record<string, unknown>;
    assertEquals((nodes as unknown[]).length, count);
    // The holder of a link learns no key of fingerprints.
    assertEquals([cursor, index], [undefined, undefined]);
  }
});
