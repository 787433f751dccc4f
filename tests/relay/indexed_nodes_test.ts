/**
 * What a relay holds of its nodes' indexes, and what it does with those of
 * nodes that mean no good.
 */

import { assert, assertEquals } from "@std/assert";
import type { Channel } from "../../lib/protocol/channel.ts";
import { encodeFingerprints } from "../../lib/content/fingerprints.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { DIRECTION, type MessageOf } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { IndexedNodes } from "../../lib/relay/indexed_nodes.ts";
import { AddressTurns } from "../../lib/relay/address_turns.ts";
import { ListRequest } from "../../lib/relay/list_request.ts";
import { FakeTime } from "../_fake_time.ts";
import { openChannel, startRelay, type TestRelay } from "../_network.ts";
import { seededRandom } from "../_random.ts";

/** Registers nodes "a", "b" and so on, and has them send their indexes. */
function nodesWith(
  indexes: readonly (readonly number[] | null)[],
  limits: Partial<typeof LIMITS> = {},
) {
  const nodes = new IndexedNodes({ ...LIMITS, ...limits });
  const ids = indexes.map((_, n) => String.fromCharCode(97 + n));
  for (const [n, added] of indexes.entries()) {
    const id = ids[n]!;
    nodes.registered(id, { instance: "1", source: id });
    if (added !== null) sendIndex(nodes, id, { added, begin: true });
  }
  return nodes;
}

function sendIndex(
  nodes: IndexedNodes,
  id: string,
  { added = [], removed = [], ...message }: {
    added?: readonly number[];
    removed?: readonly number[];
    version?: number;
    instance?: string;
    begin?: boolean;
    more?: boolean;
    epoch?: string;
    key?: string;
  },
) {
  return nodes.take(id, {
    ...{ instance: "1", epoch: "e", version: 1 },
    ...message,
    ...{ added, removed },
  }, 0);
}

Deno.test("IndexedNodes names the nodes that have a fingerprint, and those without an index", () => {
  const nodes = nodesWith([[1, 2], null, [2, 3]]);
  assertEquals(nodes.mayHave([1]).ids, ["a", "b"]);
  assertEquals(nodes.mayHave([3, 1]).ids, ["a", "b", "c"]);
  assertEquals(nodes.mayHave([9]).ids, ["b"]);
  const { entries, nodes: count } = nodes.stats;
  assertEquals([entries, count, nodes.unindexedCount()], [4, 2, 1]);
});

Deno.test("IndexedNodes takes additions and removals in the order of their versions, and no others", () => {
  const nodes = nodesWith([[1, 2]]);
  const change = { version: 2, added: [3], removed: [1] };
  assertEquals(sendIndex(nodes, "a", { ...change, version: 3 }), "unknown");
  assertEquals(sendIndex(nodes, "a", { ...change, epoch: "f" }), "unknown");
  assertEquals(sendIndex(nodes, "a", { ...change, instance: "2" }), "unknown");
  assertEquals(sendIndex(nodes, "z", change), "unknown");
  assertEquals([nodes.mayHave([1]).ids, nodes.mayHave([3]).ids], [["a"], []]);
  assertEquals(sendIndex(nodes, "a", change), "taken");
  assertEquals([nodes.mayHave([1]).ids, nodes.mayHave([3]).ids], [[], ["a"]]);
  assertEquals(sendIndex(nodes, "a", change), "unknown", "not twice");
  const { epoch, version } = nodes.registered("a", {
    ...{ instance: "1", source: "a" },
  });
  assertEquals([epoch, version], ["e", 2]);
});

Deno.test("IndexedNodes counts nodes with another key than the request's as ones that may have any name", () => {
  const nodes = nodesWith([[1], null, null, null]);
  const under = (id: string, key: string, added: readonly number[]) =>
    sendIndex(nodes, id, { added, begin: true, key });
  assertEquals(under("b", "K", [1, 2]), "taken");
  assertEquals(under("c", "K", [3]), "taken");
  assertEquals(under("d", "L", [3]), "taken");
  assertEquals(nodes.mayHave([1]).ids, ["a", "b", "c", "d"]);
  assertEquals(nodes.mayHave([1], "K").ids, ["a", "b", "d"]);
  assertEquals(nodes.mayHave([9], "K").ids, ["a", "d"]);
  assertEquals(nodes.mayHave([9], "M").ids, ["a", "b", "c", "d"]);
  const counts = ["", "K", "L", "M"].map((key) => nodes.unindexedCount(key));
  assertEquals(counts, [3, 2, 3, 4]);
  // A later part belongs to the same key, whatever it says.
  sendIndex(nodes, "b", { version: 2, added: [4], key: "L" });
  assertEquals(nodes.mayHave([4], "K").ids, ["a", "b", "d"]);
  // The node has another key from now on, and then it leaves.
  under("b", "", [1]);
  assertEquals(nodes.mayHave([9]).ids, ["c", "d"]);
  assertEquals(nodes.mayHave([9], "K").ids, ["a", "b", "d"]);
  nodes.left("c");
  assertEquals(nodes.mayHave([9], "K").ids, ["a", "b", "d"]);
  assertEquals([nodes.unindexedCount("K"), nodes.stats.unindexed], [3, 0]);
});

Deno.test("IndexedNodes lists all nodes if more than indexAnswerCount have another key", () => {
  const nodes = nodesWith([[1], [2], null], { indexAnswerCount: 2 });
  sendIndex(nodes, "c", { added: [1], begin: true, key: "K" });
  assertEquals(nodes.mayHave([1]).ids, ["a", "c"]);
  assertEquals(nodes.mayHave([1], "K").ids, undefined);
});

Deno.test("IndexedNodes counts a node as one that may have any name until all of its index has arrived", () => {
  const nodes = nodesWith([null]);
  const part = { begin: true, more: true, added: [1] };
  assertEquals(sendIndex(nodes, "a", part), "taken");
  assertEquals(nodes.mayHave([2]).ids, ["a"]);
  assertEquals(sendIndex(nodes, "a", { added: [2] }), "taken");
  assertEquals([nodes.mayHave([3]).ids, nodes.mayHave([1]).ids], [[], ["a"]]);
  sendIndex(nodes, "a", { begin: true, more: true, added: [7], epoch: "f" });
  assertEquals(nodes.mayHave([3]).ids, ["a"], "it sends all of it again");
});

Deno.test("IndexedNodes forgets the index of a node that withdraws, or that is another process", () => {
  const nodes = nodesWith([[1], [1]]);
  nodes.left("a");
  assertEquals(nodes.mayHave([1]).ids, ["b"]);
  nodes.registered("b", { instance: "2", source: "b" });
  assertEquals([nodes.mayHave([9]).ids, nodes.stats.entries], [["b"], 0]);
  nodes.left("b");
  assertEquals(nodes.mayHave([1]).ids, []);
});

Deno.test("IndexedNodes lists all nodes if more than indexAnswerCount may have a name", () => {
  const limits = { indexAnswerCount: 2 };
  const three = nodesWith([[1], [1], [1, 2]], limits);
  assertEquals(three.mayHave([1]).ids, undefined);
  assertEquals(three.mayHave([2]).ids, ["c"]);
  assertEquals(
    nodesWith([null, null, null], limits).mayHave([]).ids,
    undefined,
  );
  const most = LIMITS.indexAnswerCount;
  const nodes = new IndexedNodes(LIMITS);
  for (let n = 0; n <= most; n++) {
    nodes.registered(`${n}`, { instance: "1", source: `${n}` });
    if (n === most - 1) assertEquals(nodes.mayHave([]).ids?.length, most);
  }
  assertEquals(nodes.mayHave([]).ids, undefined);
});

Deno.test("IndexedNodes drops an index that exceeds a limit, and leaves room for others", () => {
  const nodes = nodesWith([[1]], {
    indexEntriesPerNodeCount: 3,
    indexEntryCount: 4,
  });
  nodes.registered("z", { instance: "1", source: "z" });
  const added = [1, 2, 3, 4];
  assertEquals(sendIndex(nodes, "z", { added, begin: true }), "node_full");
  assertEquals([nodes.mayHave([9]).ids, nodes.stats.entries], [["z"], 1]);
  assertEquals(sendIndex(nodes, "z", { version: 2 }), "unknown");
  const two = [1, 2];
  assertEquals(sendIndex(nodes, "z", { added: two, begin: true }), "taken");
  assertEquals(nodes.mayHave([2]).ids, ["z"]);
});

/** A small index, with the proportions of a real one. */
const SMALL = {
  indexEntryCount: 24_000,
  indexEntriesPerNodeCount: 4_000,
  indexEntriesPerAddressCount: 8_000,
};

/** A relay whose index three hostile addresses have filled, two nodes each. */
function filledByThree() {
  const nodes = new IndexedNodes({ ...LIMITS, ...SMALL });
  const random = seededRandom(3);
  const names = (count: number) =>
    Array.from({ length: count }, () => Math.floor(random() * 2 ** 40));
  const evils = [0, 1, 2, 3, 4, 5].map((n) => ({
    id: `evil ${n}`,
    added: names(4_000),
  }));
  for (const [n, { id }] of evils.entries()) {
    nodes.registered(id, { instance: "1", source: `evil ${n % 3}` });
  }
  /** All of it again, in messages of 500. */
  const sendAll = ({ id, added }: { id: string; added: readonly number[] }) => {
    for (let at = 0; at < added.length; at += 500) {
      const outcome = sendIndex(nodes, id, {
        added: added.slice(at, at + 500),
        begin: at === 0,
        more: at + 500 < added.length,
      });
      if (outcome !== "taken") return outcome;
    }
    return "taken";
  };
  const fill = () => {
    for (const evil of evils) sendAll(evil);
    while (nodes.tidy(LIMITS.indexTidyCount));
  };
  fill();
  return { nodes, names, sendAll, fill };
}

Deno.test("Three addresses that fill the index keep no node elsewhere out of it, however often they send theirs again", () => {
  const { nodes, names, sendAll, fill } = filledByThree();
  const full = nodes.stats.entries;
  assert(full >= 20_000, `${full}`);
  const honest = Array.from({ length: 30 }, (_, n) => ({
    id: `honest ${n}`,
    added: names(n === 0 ? 3_000 : 300),
  }));
  for (const { id } of honest) {
    nodes.registered(id, { instance: "1", source: id });
  }
  let left = honest;
  for (let round = 0; left.length > 0 && round < 4; round++) {
    left = left.filter((one) => sendAll(one) !== "taken");
    fill();
  }
  assertEquals(left.map(({ id }) => id), []);
  for (let round = 0; round < 4; round++) fill();
  for (const { id, added } of honest) {
    for (const fingerprint of [added[0]!, added.at(-1)!]) {
      assertEquals(nodes.mayHave([fingerprint]).ids?.includes(id), true);
    }
  }
  const unindexed = nodes.mayHave([2 ** 40 - 1]).ids ?? [];
  assertEquals(unindexed.filter((id) => id.startsWith("honest")), []);
  assert(nodes.stats.entries <= SMALL.indexEntryCount);
});

Deno.test("Nodes with equally large indexes at many addresses fill the whole index, and none replaces another", () => {
  const nodes = new IndexedNodes({ ...LIMITS, ...SMALL });
  const outcomes = Array.from({ length: 26 }, (_, n) => {
    const id = String.fromCharCode(97 + n);
    nodes.registered(id, { instance: "1", source: id });
    const added = Array.from({ length: 1_000 }, (_, m) => m * 100 + n);
    return sendIndex(nodes, id, { added, begin: true });
  });
  assertEquals(outcomes.filter((outcome) => outcome === "taken").length, 24);
  assertEquals(nodes.stats.entries, 24_000);
  assertEquals(nodes.stats.nodes, 24);
});

Deno.test("IndexedNodes tidies at most indexTidyCount fingerprints in a call, and a block more", () => {
  const nodes = nodesWith([null, null]);
  const random = seededRandom(1);
  const added = Array.from(
    { length: 3 * LIMITS.indexTidyCount },
    () => Math.floor(random() * 2 ** 40),
  );
  for (const id of ["a", "b"]) sendIndex(nodes, id, { added, begin: true });
  nodes.left("a");
  let calls = 1;
  while (nodes.tidy(LIMITS.indexTidyCount)) calls++;
  assert(calls >= 5, `${calls} calls`);
  assert(nodes.stats.bytes < added.length * 12, `${nodes.stats.bytes} bytes`);
  assertEquals(nodes.mayHave([added[0]!]).ids, ["b"]);
});

Deno.test("Fingerprints of one address wait for their turn, 500 of them like one request", async () => {
  using time = new FakeTime();
  const stop = new AbortController();
  const limits = limitsWith({
    requestRatePerSecond: 10,
    requestBurstCount: 20,
  });
  const turns = new AddressTurns(limits, stop.signal);
  const remote = { host: "192.0.2.7", port: 1 };
  const reported: number[] = [];
  const count = 10_000 / LIMITS.indexPerRequestCount;
  const waits = [1, 2].map(async (n) => {
    await turns.next(remote, count);
    reported.push(n);
  });
  await time.advance(0);
  assertEquals(reported, [1]);
  await time.advance(100);
  await Promise.all(waits);
  assertEquals(reported, [1, 2]);
});

Deno.test("A request to the index is charged once, by the fingerprints that it reads", () => {
  const nodes = nodesWith([[1, 2, 3], [2, 3], null], { indexAnswerCount: 3 });
  assertEquals(
    [[1], [2], [1, 2, 3], [9]].map((all) => nodes.mayHave(all).workCount),
    [2, 3, 6, 1],
  );
  const request = new ListRequest({ names: nodes });
  const fingerprints = encodeFingerprints([1, 2, 3]);
  const ask = (cursor?: string) =>
    request.answer({
      kind: "list",
      fingerprints,
      ...(cursor === undefined ? {} : { cursor }),
    });
  const answers = [undefined, "a", "b"].map(ask);
  assertEquals(answers.map(({ ids }) => ids), Array(3).fill(["a", "b", "c"]));
  const charged = answers.map(({ workCount }) => workCount);
  assertEquals(charged, [6, 0, 0], "its pages are free");
  request.end();
  assertEquals(ask("zzz").workCount, 6, "a cursor that nobody offered is not");
});

/** A node that has registered, and says whatever a test wants. */
async function registered(relay: TestRelay): Promise<Channel> {
  const { address } = relay.server;
  const channel = await openChannel(address, relay.identity);
  const outcome = await greet(channel, { role: "node" });
  assert(outcome.kind !== "refused");
  const { id = "", nonce = "" } = outcome.hello;
  const signed = await signRegistration({
    ...{ purpose: "register", relay: id, nonce, instance: "evil-evil" },
    ...{ sequence: 1, name: "evil", addresses: [{ ...address, port: 9 }] },
  }, await createIdentity());
  await channel.send({ kind: "register", ...signed });
  const answer = await channel.receive(DIRECTION.relayToNode);
  assertEquals(answer?.kind, "registered");
  return channel;
}

const MESSAGE = {
  ...{ kind: "index", epoch: "e", version: 1, add: "", remove: "" },
  begin: true,
} as const satisfies MessageOf<"index">;

/** The relay's answer, or the code with which it closed the connection. */
async function answerTo(
  relay: TestRelay,
  message: MessageOf<"index">,
): Promise<string> {
  await using channel = await registered(relay);
  try {
    await channel.send(message);
    const answer = await channel.receive(DIRECTION.relayToNode);
    return answer?.kind === "indexed" ? answer.outcome : answer?.kind ?? "end";
  } catch {
    return "end"; // it closed the connection
  }
}

Deno.test("A relay closes a connection with unsorted, double, cut or too many fingerprints, and serves others", async () => {
  await using relay = await startRelay();
  const many = Array.from(
    { length: LIMITS.indexMessageCount + 1 },
    (_, n) => n,
  );
  const wrong = {
    unsorted: encodeFingerprints([2, 1]),
    double: encodeFingerprints([1, 1]),
    torn: "AAAA",
    "no base64": "!",
    "too many": encodeFingerprints(many),
  };
  for (const [name, text] of Object.entries(wrong)) {
    const add = await answerTo(relay, { ...MESSAGE, add: text });
    const remove = await answerTo(relay, { ...MESSAGE, remove: text });
    assert(
      [add, remove].every((answer) => answer === "end" || answer === "refused"),
      `${name}: ${add}, ${remove}`,
    );
  }
  const most = encodeFingerprints(many.slice(1));
  const both = { ...MESSAGE, add: most, remove: most };
  assertEquals(await answerTo(relay, both), "taken");
  assertEquals(await answerTo(relay, { ...MESSAGE, begin: false }), "unknown");
});

Deno.test("A relay without an index, or a node without a registration, gets no fingerprints", async () => {
  await using relay = await startRelay({ indexBytes: 0 });
  const answer = await answerTo(relay, MESSAGE);
  assert(answer !== "taken" && answer !== "unknown", answer);
  await using indexed = await startRelay();
  const { address } = indexed.server;
  await using channel = await openChannel(address, indexed.identity);
  await greet(channel, { role: "node" });
  await channel.send(MESSAGE);
  const said = await channel.receive(DIRECTION.relayToNode).catch(() => null);
  assert(said?.kind !== "indexed", said?.kind ?? "end");
});
