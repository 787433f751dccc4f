/**
 * Fingerprints under a key that nodes and clients have, and the relay has not.
 */

import { assertEquals } from "@std/assert";
import {
  encodeFingerprints,
  fingerprintOf,
  indexKeyId,
} from "../../lib/content/fingerprints.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { DIRECTION } from "../../lib/protocol/messages.ts";
import { openChannel, startRelay } from "../_network.ts";
import { fetch } from "./_outcomes.ts";
import {
  askedIn,
  BY_INDEX,
  indexKeyOf,
  listedIn,
  startIndexed,
} from "./_indexed.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, n) => (n * 37) % 256);
const OTHER = KEY.map((byte) => 255 - byte);

Deno.test("A client asks the nodes that may have a name under its key, and those with another key", async () => {
  await using relay = await startRelay();
  const files = { "a.txt": "a" };
  const keyed = { indexKey: KEY };
  await using _n0 = await startIndexed(relay, files, { name: "n0", ...keyed });
  await using _n1 = await startIndexed(relay, { b: "b" }, {
    ...{ name: "n1", ...keyed },
  });
  await using _n2 = await startIndexed(relay, { b: "b" }, { name: "n2" });
  await using _n3 = await startIndexed(relay, { c: "c" }, {
    ...{ name: "n3", indexKey: OTHER },
  });
  // The relay gives each the answer to its own request, also the second time.
  for (const _ of [1, 2]) {
    const own = await fetch(relay, "a.txt", { ...BY_INDEX, indexKey: KEY });
    assertEquals(own.message, "");
    assertEquals(listedIn(own.log), [["n0", "n2", "n3"], 4]);
    const relays = await fetch(relay, "a.txt", BY_INDEX);
    assertEquals(relays.message, "");
    assertEquals(listedIn(relays.log), [["n0", "n1", "n3"], 4]);
    const wrong = KEY.map((byte) => byte ^ 1);
    const unknown = await fetch(relay, "a.txt", {
      ...{ ...BY_INDEX, indexKey: wrong },
    });
    assertEquals(unknown.message, "");
    assertEquals(listedIn(unknown.log), [["n0", "n1", "n2", "n3"], 4]);
    assertEquals(askedIn(unknown.log), ["n0", "n1", "n2", "n3"]);
  }
});

Deno.test("A relay cannot test a guess of a name under a key that it does not have", async () => {
  await using relay = await startRelay();
  await using _node = await startIndexed(relay, { "salary.pdf": "s" }, {
    indexKey: KEY,
  });
  const relayKey = await indexKeyOf(relay);
  await using channel = await openChannel(
    ...[relay.server.address, relay.identity] as const,
  );
  await greet(channel, { role: "client" });
  const named = async (key: Uint8Array, id?: string) => {
    await channel.send({
      ...{ kind: "list", most: 0 },
      fingerprints: encodeFingerprints([
        fingerprintOf(key, "name", "salary.pdf"),
      ]),
      ...(id === undefined ? {} : { key: id }),
    });
    const answer = await channel.receive(DIRECTION.relayToClient);
    if (answer?.kind !== "nodes") throw new Error("no list");
    return { nodes: answer.nodes.length, unindexed: answer.index?.unindexed };
  };
  // The node is listed because its key is another, and not because of a match.
  assertEquals(await named(relayKey), { nodes: 1, unindexed: 1 });
  const id = indexKeyId(KEY);
  assertEquals(await named(KEY, id), { nodes: 1, unindexed: 0 });
  assertEquals(await named(relayKey, id), { nodes: 0, unindexed: 0 });
});
