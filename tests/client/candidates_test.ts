/**
 * Which nodes a client asks, with a relay that knows fingerprints of names.
 */

import { assertEquals, assertLess } from "@std/assert";
import { join } from "@std/path";
import { parseSelection } from "../../lib/cli/options/selection.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Candidates } from "../../lib/client/candidates.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { Peers } from "../../lib/client/peers.ts";
import {
  encodeFingerprints,
  fingerprintOf,
} from "../../lib/content/fingerprints.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { DIRECTION } from "../../lib/protocol/messages.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { makeLink } from "../../lib/client/link.ts";
import {
  openChannel,
  startNode,
  startRelay,
  type TestRelay,
} from "../_network.ts";
import { registerNode } from "../_evil_node.ts";
import { ownAddress } from "../_own_address.ts";
import { tempShare } from "../_temp_share.ts";
import { ClientLog, fetch, filesIn, get, pinned } from "./_outcomes.ts";
import {
  askedIn,
  BY_INDEX,
  listed,
  listedIn,
  QUICK,
  QUICK_RELAY,
  registerMany,
  runSums,
  SHARES,
  startAll,
  startIndexed,
} from "./_indexed.ts";

Deno.test("A client of a large relay asks only the nodes that may have a name", async () => {
  await using relay = await startRelay();
  await using _nodes = await startAll(relay, SHARES);
  const one = await fetch(relay, "b", BY_INDEX);
  assertEquals(one.message, "");
  assertEquals(askedIn(one.log), ["n1"]);
  assertEquals(listedIn(one.log), [["n1"], 4]);
  await using folder = await tempShare();
  const two = await get(relay, folder.path, ["a", "c"], BY_INDEX);
  assertEquals(Object.keys(two.saved).sort(), ["a", "c"]);
  assertEquals(listedIn(two.log), [["n0", "n2", "n3"], 4]);
});

Deno.test("A client of a small relay asks all nodes, as it does with the option for it", async () => {
  await using relay = await startRelay();
  await using _nodes = await startAll(relay, SHARES);
  const all = ["n0", "n1", "n2", "n3"];
  for (const options of [{}, { ...BY_INDEX, askAll: true }]) {
    const { log } = await fetch(relay, "b", options);
    assertEquals(listedIn(log), [all, undefined]);
  }
});

Deno.test("A client finds folders, patterns and parts of names by the index", async () => {
  await using relay = await startRelay();
  await using _nodes = await startAll(relay, SHARES);
  const cases = [
    ["photos/", ["photos/x.jpg"], ["n1"]],
    ["photos/*.jpg", ["photos/x.jpg"], ["n1"]],
    ["work/d*/x.jpg", ["work/deep/x.jpg"], ["n2"]],
    ["**/x.jpg", ["photos/x.jpg", "work/deep/x.jpg"], ["n1", "n2"]],
    ["deep/x.jpg", ["work/deep/x.jpg"], ["n1", "n2"]],
    ["photos", ["photos/x.jpg"], ["n1"]],
    ["*.jpg", [], ["n0", "n1", "n2", "n3"]],
  ] as const;
  for (const [wanted, files, nodes] of cases) {
    await using folder = await tempShare();
    const { log } = await get(relay, folder.path, [
      parseSelection(wanted),
    ], { ...BY_INDEX, anywhere: true });
    assertEquals(filesIn(folder.path), [...files], wanted);
    assertEquals(listedIn(log)[0], [...nodes], wanted);
  }
});

Deno.test("If no index has a name, the failure says how many nodes were not asked", async () => {
  await using relay = await startRelay();
  await using _nodes = await startAll(relay, SHARES);
  const { kind, message, log } = await fetch(relay, "nowhere", {
    ...BY_INDEX,
    anywhere: true,
  });
  assertEquals([kind, askedIn(log)], ["not_found", []]);
  assertEquals(
    message,
    "Cannot find file (nowhere): the relay's index lists it at none of 4 nodes",
  );
  const near = await fetch(relay, "other/x.jpg", BY_INDEX);
  assertEquals(
    near.message,
    "Cannot find file (other/x.jpg): none of 2 nodes has it, and the relay's " +
      "index lists it at none of 2 others",
  );
});

Deno.test("Lists and sums of a folder ask only the nodes that may have some of it", async () => {
  await using relay = await startRelay();
  await using _nodes = await startAll(relay, SHARES);
  const all = ["n0", "n1", "n2", "n3"];
  const cases = [
    ["photos/", ["photos/x.jpg"], ["n1"]],
    ["photos/*.jpg", ["photos/x.jpg"], ["n1"]],
    ["**/x.jpg", ["photos/x.jpg", "work/deep/x.jpg"], ["n1", "n2"]],
    ["*", ["a", "b", "c", "d"], all],
    ["*/x.jpg", ["photos/x.jpg"], all],
  ] as const;
  for (const [wanted, files, nodes] of cases) {
    const list = await listed(relay, wanted, BY_INDEX);
    const plain = await listed(relay, wanted, { askAll: true });
    assertEquals(list.names.map((name) => name.split(" ")[0]), [...files]);
    assertEquals([list.names, list.nodes], [plain.names, [...nodes]], wanted);
    assertEquals(list.unaskedCount, 4 - nodes.length);
    const { sums, nodes: asked } = await runSums(relay, wanted, BY_INDEX);
    assertEquals([sums.length, asked], [files.length, [...nodes]], wanted);
  }
  const { sums, nodes } = await runSums(relay, "d", BY_INDEX);
  assertEquals([sums.length, nodes], [1, ["n3"]]);
});

Deno.test("Lists and sums without a match in any index say how many nodes were not asked", async () => {
  await using relay = await startRelay();
  await using _nodes = await startAll(relay, SHARES);
  const list = await listed(relay, "nowhere/", BY_INDEX);
  assertEquals([list.names, list.nodes, list.unaskedCount], [[], [], 4]);
  const { message } = await runSums(relay, "nowhere/", BY_INDEX);
  assertEquals(
    message,
    "Cannot find files (nowhere/): the relay's index lists no matching file at " +
      "4 nodes",
  );
  assertEquals((await runSums(relay, "nowhere/")).message, "");
});

Deno.test("A link is made by the index, and fetched by it", async () => {
  await using relay = await startRelay();
  await using _nodes = await startAll(relay, SHARES);
  const log = new ClientLog();
  const { name } = await makeLink({
    ...{ relay: pinned(relay), name: "d", onEvent: log.onEvent },
    ...BY_INDEX,
  });
  assertEquals([name, askedIn(log)], ["d", ["n3"]]);
});

Deno.test("A file that appears is found by its name, and one that is removed is not asked for", async () => {
  await using relay = await startRelay(QUICK_RELAY);
  await using node = await startIndexed(relay, { "old": "old" }, QUICK);
  await using _other = await startIndexed(relay, { "x": "x" });
  // Of each file its name, the last part of that, and its content.
  await node.log.until("indexed", (event) => event.fingerprints === 3);
  await Deno.writeTextFile(join(node.directory, "new"), "new");
  await node.log.until("indexed", (event) => event.fingerprints === 6);
  const found = await fetch(relay, "new", BY_INDEX);
  assertEquals(found.message, "");
  await Deno.remove(join(node.directory, "old"));
  await Deno.remove(join(node.directory, "new"));
  await node.log.until("indexed", (event) => event.fingerprints === 0);
  const gone = await fetch(relay, "old", BY_INDEX);
  assertEquals([gone.kind, askedIn(gone.log)], ["not_found", []]);
});

Deno.test("A file that appears is found by its name, and one that is removed is not asked for, with no limit changed", async () => {
  await using relay = await startRelay();
  await using node = await startIndexed(relay, { "old": "old" });
  await using _other = await startIndexed(relay, { "x": "x" });
  await node.log.until("indexed", (event) => event.fingerprints === 3);
  const { length } = node.log.events;
  await Deno.writeTextFile(join(node.directory, "new"), "new");
  await Deno.remove(join(node.directory, "old"));
  await node.log.until(
    "indexed",
    (event) =>
      event.fingerprints === 3 && node.log.events.indexOf(event) >= length,
  );
  assertEquals((await fetch(relay, "new", BY_INDEX)).message, "");
  const gone = await fetch(relay, "old", BY_INDEX);
  assertEquals([gone.kind, askedIn(gone.log)], ["not_found", []]);
});

Deno.test("A killed node costs one dial, and hides no other node", async () => {
  await using relay = await startRelay();
  await using _node = await startIndexed(relay, { "a": "a" }, { name: "n0" });
  await registerNode(relay, {
    ...{ name: "killed", identity: await createIdentity() },
    addresses: [ownAddress()],
    index: (key) => [fingerprintOf(key, "name", "a")],
  });
  const { message, log } = await fetch(relay, "a", BY_INDEX);
  assertEquals([message, listedIn(log)], ["", [["killed", "n0"], 2]]);
  const killed = log.of("node_answered").filter(({ node }) =>
    node.name === "killed"
  );
  assertEquals(killed.map(({ answer }) => answer.kind), ["unreachable"]);
});

Deno.test("A node without an index, or with one that is too large, is asked for every name", async () => {
  await using relay = await startRelay({
    limits: { indexEntriesPerNodeCount: 6 },
  });
  await using _none = await startIndexed(relay, { "a": "a" }, {
    index: false,
    name: "none",
  });
  await using large = await startNode(relay, {
    ...{ "b": "b", "c": "c", "d": "d", "e": "e" },
  }, { name: "large", identity: await createIdentity() });
  const { why } = await large.log.until("index_refused");
  assertEquals(why, "node_full");
  await using _small = await startIndexed(relay, { "f": "f" });
  for (const name of ["a", "e"]) {
    const { message, log } = await fetch(relay, name, BY_INDEX);
    assertEquals(message, "");
    assertEquals(listedIn(log), [["large", "none"], 3]);
  }
});

Deno.test("A relay without an index lists all nodes", async () => {
  await using relay = await startRelay({ limits: { indexEntryCount: 0 } });
  await using _one = await startIndexed(relay, { "a": "a" }, { index: false });
  await using _two = await startNode(relay, { "b": "b" }, {
    identity: await createIdentity(),
  });
  const { message, log } = await fetch(relay, "b", BY_INDEX);
  assertEquals([message, listedIn(log)[0].length], ["", 2]);
});

Deno.test("A node that no longer has a file of its index costs one dial, and hides no other node", async () => {
  await using relay = await startRelay();
  await using _node = await startIndexed(relay, { "a": "a" }, { name: "n0" });
  await using stale = await startIndexed(relay, { "a": "a", "b": "b" }, {
    name: "n1",
    limits: { indexPauseMs: 600_000 },
  });
  await Deno.remove(join(stale.directory, "a"));
  const { message, log } = await fetch(relay, "a", BY_INDEX);
  assertEquals([message, askedIn(log)], ["", ["n0", "n1"]]);
});

/** The nodes that a client lists for some names, and how many there are. */
async function listedFor(
  relay: TestRelay,
  names: readonly string[],
): Promise<[string[], number | undefined]> {
  const log = new ClientLog();
  await using peers = new Peers({ relay: pinned(relay) }, log.onEvent);
  const selections = names.map((name) => ({ kind: "name", name } as const));
  await Candidates.of(peers, selections, {});
  return listedIn(log);
}

Deno.test("A client of a relay with askAllCount nodes asks all of them, and of one with more those in the index", async () => {
  await using relay = await startRelay({
    limits: { nodesPerAddressCount: 100 },
  });
  const count = LIMITS.askAllCount;
  const names = Array.from({ length: count }, (_, n) => [`f${n}`]);
  await registerMany(relay, names);
  const [all, countOfAll] = await listedFor(relay, ["f3"]);
  assertEquals([all.length, countOfAll], [count, undefined]);
  await registerMany(relay, [["last"]]);
  assertEquals(await listedFor(relay, ["f3"]), [["f3"], count + 1]);
  assertEquals(await listedFor(relay, ["f3", "no", "f31", "last"]), [
    ["f3", "f31", "last"],
    count + 1,
  ]);

  // As many names as it asks for, in several requests, and one more.
  const many = Array.from(
    { length: LIMITS.indexAskedMostCount - 1 },
    (_, n) => `g${n}`,
  );
  assertEquals((await listedFor(relay, ["f5", ...many]))[0], ["f5"]);
  const [whole] = await listedFor(relay, ["f5", "f6", ...many]);
  assertEquals(whole.length, count + 1);
});

Deno.test("A client requests the index entries of indexLookupCount nodes at once, and a relay answers about no more", async () => {
  await using relay = await startRelay({
    limits: { nodesPerAddressCount: 100 },
  });
  await using _none = await startIndexed(relay, {}, {
    ...{ index: false, name: "none" },
  });
  await registerMany(relay, [["a", "b"], ["c"], ["d", "e", "f"]]);
  for (const indexLookupCount of [LIMITS.indexLookupCount, 3, 1]) {
    const { nodes } = await listNodes({
      ...{ relay: pinned(relay), indexes: true, limits: { indexLookupCount } },
    });
    const known = nodes.map(({ name, index }) => [name, index?.fingerprints]);
    assertEquals(known.sort(), [
      ["a,b", 2],
      ["c", 1],
      ["d,e,f", 3],
      ["none", undefined],
    ]);
    assertLess(nodes.find(({ index }) => index)!.index!.seconds, 60);
  }
  const { nodes: [plain] } = await listNodes({ relay: pinned(relay) });
  assertEquals(plain?.index, undefined, "nobody asked");

  const { address } = relay.server;
  for (const more of [0, 1]) {
    await using channel = await openChannel(address, relay.identity);
    await greet(channel, { role: "client" });
    const ids = Array(LIMITS.indexLookupCount + more).fill(relay.identity.id);
    await channel.send({ kind: "lookup", ids });
    const answer = await channel.receive(DIRECTION.relayToClient)
      .catch(() => null);
    assertEquals(answer?.kind === "looked", more === 0);
  }
});

Deno.test("A client asks for indexAskedCount fingerprints at once, and a relay takes no more", async () => {
  await using relay = await startRelay();
  const { address } = relay.server;
  for (const more of [0, 1]) {
    await using channel = await openChannel(address, relay.identity);
    await greet(channel, { role: "client" });
    const list = Array.from(
      { length: LIMITS.indexAskedCount + more },
      (_, n) => n,
    );
    const fingerprints = encodeFingerprints(list);
    await channel.send({ kind: "list", most: 0, fingerprints });
    const answer = await channel.receive(DIRECTION.relayToClient)
      .catch(() => null);
    assertEquals(answer?.kind === "nodes", more === 0);
  }
});
