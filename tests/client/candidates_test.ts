/**
 * Which nodes a client asks, with a relay that knows fingerprints of names.
 */

import { assertEquals, assertLess } from "@std/assert";
import { join } from "@std/path";
import { parseSelection } from "../../lib/cli/options/selection.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Candidates } from "../../lib/client/candidates.ts";
import { Peers } from "../../lib/client/peers.ts";
import {
  baseOf,
  encodeFingerprints,
  fingerprintOf,
  foldersOf,
} from "../../lib/content/fingerprints.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { DIRECTION } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { makeLink } from "../../lib/client/link.ts";
import type { NodeOptions } from "../../lib/node/server.ts";
import {
  openChannel,
  startNode,
  startRelay,
  type TestRelay,
} from "../_network.ts";
import { seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import {
  ClientLog,
  fetch,
  filesIn,
  get,
  type GetTestOptions,
  pinned,
} from "./_outcomes.ts";

/** Makes a client use the index of any relay, however small. */
const BY_INDEX = { limits: { askAllCount: 0 } };
/** Nodes report changes quickly, as far as the relay's renewals allow. */
const QUICK = { limits: { indexPauseMs: 1, renewMinSeconds: 1 } };
const QUICK_RELAY = { limits: { renewSeconds: 1, reregisterCount: 1_000 } };

type Files = Readonly<Record<string, string>>;

/** Starts a node that has told its index, if it has one. */
async function startIndexed(
  relay: TestRelay,
  files: Files,
  options: Partial<NodeOptions> = {},
) {
  const node = await startNode(relay, files, {
    identity: await createIdentity(),
    ...options,
  });
  if (options.index !== false) await node.log.until("indexed");
  return node;
}

/** Nodes "n0", "n1" and so on. */
async function startAll(relay: TestRelay, shares: readonly Files[]) {
  const stack = new AsyncDisposableStack();
  for (const [n, files] of shares.entries()) {
    stack.use(await startIndexed(relay, files, { name: `n${n}` }));
  }
  return stack;
}

/** The names of the nodes that were asked for a file. */
function askedIn(log: ClientLog): string[] {
  const names = log.of("node_answered").map(({ node }) => node.name);
  return [...new Set(names)].sort();
}

/** Nodes in the last list, and how many there were in all. */
function listedIn(log: ClientLog): [string[], number | undefined] {
  const { nodes, countOfAll } = log.of("nodes_listed").at(-1)!;
  return [nodes.map(({ name }) => name).sort(), countOfAll];
}

const SHARES = [
  { "a": "a" },
  { "b": "b", "photos/x.jpg": "x" },
  { "c": "c", "work/deep/x.jpg": "x" },
  { "a": "a", "d": "d" },
];

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

Deno.test("Where no index has a name, the failure says how many nodes were not asked", async () => {
  await using relay = await startRelay();
  await using _nodes = await startAll(relay, SHARES);
  const { kind, message, log } = await fetch(relay, "nowhere", {
    ...BY_INDEX,
    anywhere: true,
  });
  assertEquals([kind, askedIn(log)], ["not_found", []]);
  assertEquals(
    message,
    "Cannot find file (nowhere): the relay's index has it at none of 4 nodes",
  );
  const near = await fetch(relay, "other/x.jpg", BY_INDEX);
  assertEquals(
    near.message,
    "Cannot find file (other/x.jpg): none of 2 nodes has it, and the relay's " +
      "index has it at none of 2 others",
  );
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
  const { fingerprints } = await node.log.until("indexed");
  assertEquals(fingerprints, 2);
  await Deno.writeTextFile(join(node.directory, "new"), "new");
  await node.log.until("indexed", (event) => event.fingerprints === 4);
  const found = await fetch(relay, "new", BY_INDEX);
  assertEquals(found.message, "");
  await Deno.remove(join(node.directory, "old"));
  await Deno.remove(join(node.directory, "new"));
  await node.log.until("indexed", (event) => event.fingerprints === 0);
  const gone = await fetch(relay, "old", BY_INDEX);
  assertEquals([gone.kind, askedIn(gone.log)], ["not_found", []]);
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

Deno.test("A node that no longer has what its index says costs its dial, and hides nobody", async () => {
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

/** What a get saved, with contents, and the kinds of its failures. */
async function savedBy(
  relay: TestRelay,
  wanted: string,
  options: GetTestOptions,
) {
  await using folder = await tempShare();
  const { failed, log } = await get(relay, folder.path, [
    parseSelection(wanted),
  ], { anywhere: true, ...options });
  const files = filesIn(folder.path).map((name) =>
    `${name}: ${Deno.readTextFileSync(join(folder.path, name))}`
  );
  return { files, failed, count: listedIn(log)[0].length };
}

const CAP = 9;

/** Names, last parts and folders. */
function fingerprintCount(names: readonly string[]): number {
  return new Set(names.flatMap((name) => [
    `name ${name}`,
    `base ${baseOf(name)}`,
    ...foldersOf(name),
  ])).size;
}

for (const seed of [1, 2]) {
  Deno.test(`With any index, off, capped, stale or wrong, get saves the same files as without one: seed ${seed}`, async () => {
    const random = seededRandom(seed);
    const below = (most: number) => Math.floor(random() * most);
    const parts = ["a", "b", "c/a", "c/d/b", "d/a", "d/e"];
    await using relay = await startRelay({
      limits: { indexEntriesPerNodeCount: CAP, nodesPerAddressCount: 100 },
    });
    await using stack = new AsyncDisposableStack();
    for (let n = 0; n < 8; n++) {
      const names = parts.filter(() => below(5) < 2);
      // Nodes differ about "a" alone, and agree on the rest.
      const files = Object.fromEntries(names.map((name) => [
        name,
        name === "a" ? `a${below(2)}` : name,
      ]));
      const isOff = below(4) === 0;
      const node = stack.use(
        await startNode(relay, files, {
          identity: await createIdentity(),
          index: !isOff,
          limits: { indexPauseMs: 600_000 },
        }),
      );
      if (isOff) continue;
      const isCapped = fingerprintCount(names) > CAP;
      await node.log.until(isCapped ? "index_refused" : "indexed");
      // The index goes on to say that it has this one.
      const [gone] = names;
      if (gone !== undefined && below(3) === 0) {
        await Deno.remove(join(node.directory, gone));
      }
    }
    let counts = 0;
    const wanted = ["b", "c/a", "d/", "**/b", "e", "c", "nothing", "c/d/b"];
    for (const one of wanted) {
      const all = await savedBy(relay, one, { askAll: true });
      const some = await savedBy(relay, one, BY_INDEX);
      assertEquals([one, some.files, some.failed], [
        one,
        all.files,
        all.failed,
      ]);
      counts += some.count;
    }
    assertLess(counts, wanted.length * 8, "the index narrows some lists");
  });
}

/** Registers nodes that answer nobody, some with an index. */
async function registerMany(
  relay: TestRelay,
  names: readonly (readonly string[])[],
): Promise<void> {
  const { address } = relay.server;
  const key = await indexKeyOf(relay);
  for (const own of names) {
    await using channel = await openChannel(address, relay.identity);
    const { hello } = await greet(channel, { role: "node" }) as {
      hello: { id: string; nonce: string };
    };
    const signed = await signRegistration({
      ...{ purpose: "register", relay: hello.id, nonce: hello.nonce },
      ...{ instance: "test-test", sequence: 1, name: own.join() },
      addresses: [{ host: "127.0.0.1", port: 9 }],
    }, await createIdentity());
    await channel.send({ kind: "register", ...signed });
    await channel.receive(DIRECTION.relayToNode);
    const add = encodeFingerprints(
      own.map((name) => fingerprintOf(key, "name", name)).sort((a, b) => a - b),
    );
    await channel.send({
      ...{ kind: "index", epoch: "e", version: 1, add, remove: "" },
      begin: true,
    });
    const answer = await channel.receive(DIRECTION.relayToNode);
    assertEquals(answer, { kind: "indexed", outcome: "taken" });
  }
}

async function indexKeyOf({ identity }: TestRelay): Promise<Uint8Array> {
  const text = new TextEncoder().encode(`relay-p2p index 1\n${identity.id}`);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", text));
}

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
