/**
 * What there is: nodes, and the files on them.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { delay } from "@std/async/delay";
import type { Offer } from "../../lib/content/choice.ts";
import { Catalogue } from "../../lib/client/catalogue.ts";
import { Turns } from "../../lib/base/turns.ts";
import type { Selection } from "../../lib/client/get.ts";
import {
  type FileListing,
  listFiles,
  type ListFilesOptions,
  listNodes,
} from "../../lib/client/listing.ts";
import { parseSelection } from "../../lib/cli/options/selection.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import type { ListedFile, MessageOf } from "../../lib/protocol/messages.ts";
import {
  type Lie,
  registerNode,
  saysNothing,
  startEvilNode,
  VERSION,
} from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { describeBytes, honestBut } from "../_lies.ts";
import { seededRandom } from "../_random.ts";
import {
  IDENTITIES,
  startNode,
  startRelay,
  type TestRelay,
} from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { ClientLog, get, pinned } from "./_outcomes.ts";

const [, mallory, trudy] = IDENTITIES as [Identity, Identity, Identity];

Deno.test("listNodes tells the greeting and the nodes in the order they came", async () => {
  await using relay = await startRelay({ greeting: "good day" });
  await using alpha = await startNode(relay, {}, { name: "alpha" });
  await using beta = await startNode(relay, {}, { name: "beta" });
  const listing = await listNodes({ relay: relay.server.address });
  assertEquals(listing.greeting, "good day");
  assertEquals(listing.relayId, relay.identity.id);
  assertEquals(
    listing.nodes.map((
      { number, id, name, addresses },
    ) => [number, id, name, addresses]),
    [
      [1, alpha.server.id, "alpha", [alpha.server.address]],
      [2, beta.server.id, "beta", [beta.server.address]],
    ],
  );
});

Deno.test("listNodes tells that there is none", async () => {
  await using relay = await startRelay();
  assertEquals((await listNodes({ relay: relay.server.address })).nodes, []);
});

Deno.test("listNodes goes through all pages", async () => {
  await using relay = await startRelay({
    limits: { listingPageCount: 2, reregisterCount: 9 },
  });
  const identities = await Promise.all(
    Array.from({ length: 5 }, createIdentity),
  );
  for (const identity of identities) {
    const addresses = [{ host: "127.0.0.1", port: 9 }];
    await registerNode(relay, { identity, name: "n", addresses });
  }
  const { nodes } = await listNodes({ relay: relay.server.address });
  assertEquals(nodes.map(({ number }) => number), [1, 2, 3, 4, 5]);
  assertEquals(
    nodes.map(({ id }) => id).toSorted(),
    identities.map(({ id }) => id).toSorted(),
  );
  const few = await listNodes({
    relay: relay.server.address,
    limits: { listingCount: 3 },
  });
  assertEquals(few.nodes.length, 3);
});

/** Lists files, and what was told on the way. */
async function list(
  relay: TestRelay,
  options: Partial<ListFilesOptions> = {},
): Promise<{ files: FileListing[]; log: ClientLog }> {
  const log = new ClientLog();
  const files = await listFiles({
    relay: pinned(relay),
    onEvent: log.onEvent,
    ...options,
  });
  return { files, log };
}

/** Name, size, number of nodes, and whether they differ. */
function rows(files: readonly FileListing[]): string[] {
  return files.map(({ name, size, nodeCount, differs }) =>
    `${name} ${size} ${nodeCount}${differs ? " differs" : ""}`
  );
}

Deno.test("listFiles gives each name once, with all that nodes have under it", async () => {
  await using relay = await startRelay();
  const start = async (name: string, files: Record<string, string>) => {
    const node = await startNode(relay, files, { name });
    await node.log.until("hashed");
    return node;
  };
  await using alpha = await start("alpha", {
    "both": "same",
    "differs": "one",
    "sub/only": "x",
  });
  await using beta = await start("beta", {
    "both": "same",
    "differs": "two",
    "sizes": "1",
  });
  await using _gamma = await start("gamma", {
    "differs": "one",
    "sizes": "12",
    "\u00e9": "",
  });
  const { files } = await list(relay);
  assertEquals(rows(files), [
    "both 4 2",
    "differs 3 3 differs",
    "sizes 2 2 differs",
    "sub/only 1 1",
    "\u00e9 0 1",
  ]);
  const [both, differs] = files;
  const same = describeBytes("both", new TextEncoder().encode("same"));
  assertEquals(
    both?.offers.map(({ node, content, size }) => ({ node, content, size }))
      .toSorted((a, b) => a.node < b.node ? -1 : 1),
    [alpha, beta].map(({ server }) => server.id).toSorted().map((node) => ({
      node,
      content: same.manifest.contentId,
      size: 4,
    })),
  );
  assertEquals(differs?.offers.length, 3);
});

Deno.test("listFiles tells the size and time of the content that would be fetched", async () => {
  await using relay = await startRelay();
  await using stack = new AsyncDisposableStack();
  const hosts: [string, number][] = [["one", 5], ["three", 1], ["three", 2]];
  for (const [content, day] of hosts) {
    const identity = await createIdentity();
    const bytes = new TextEncoder().encode(content);
    const { listed } = describeBytes("f", bytes);
    const file = { ...listed, modifiedMs: day };
    stack.use(
      await startEvilNode(relay, {
        identity,
        lie: honestBut({ "f": bytes }, {
          browse: (channel, { request }) =>
            channel.send({
              kind: "files",
              request,
              files: [file],
              more: false,
            }),
        }),
      }),
    );
  }
  const { files } = await list(relay);
  // What two of the three have, and when the later of them was written.
  assertEquals([files[0]?.size, files[0]?.modifiedMs], [5, 2]);
});

Deno.test("listFiles asks for what begins so, and gives what matches", async () => {
  await using relay = await startRelay();
  const names = ["a/1.jpg", "a/2.txt", "a/b/3.jpg", "b/4.jpg"];
  await using _node = await startNode(
    relay,
    Object.fromEntries(names.map((name) => [name, name])),
  );
  const inFolder = await list(relay, { prefix: "a/" });
  assertEquals(inFolder.files.map(({ name }) => name), names.slice(0, 3));
  const pictures = await list(relay, {
    prefix: "a/",
    matches: (name) => name.endsWith(".jpg"),
  });
  assertEquals(pictures.files.map(({ name }) => name), [
    "a/1.jpg",
    "a/b/3.jpg",
  ]);
  const none = await list(relay, { matches: () => false });
  assertEquals(none.files, []);
});

Deno.test("listFiles leaves out a node that cannot be asked, and names it", async () => {
  await using relay = await startRelay();
  const addresses = [{ host: "127.0.0.1", port: 1 }];
  await registerNode(relay, { identity: mallory, name: "dead", addresses });
  await using _node = await startNode(relay, { "f": "x" });
  const { files, log } = await list(relay);
  assertEquals(rows(files), ["f 1 1"]);
  assertEquals(log.trouble, ["dead broke_off, out"]);
  assertEquals(log.of("node_trouble")[0]?.cause, "connection refused");
  // As everybody does who finds a node dead.
  const left = await relay.log.until("node_left");
  assertEquals([left.id, left.how], [mallory.id, "found_dead"]);
});

Deno.test("listFiles takes no hostile name or size, and no name twice from one node", async () => {
  await using relay = await startRelay();
  const listed = (name: string, size = 1): ListedFile => ({
    name,
    size,
    modifiedMs: -(2 ** 52),
    version: VERSION,
  });
  const files = [
    listed("good"),
    listed("good", 2),
    listed("../escaped"),
    listed("/etc/passwd"),
    listed("a\x1b[2J"),
    listed("e\u0301"),
    listed(""),
    listed("huge", 2 ** 40 + 1),
  ];
  await using _evil = await startEvilNode(relay, {
    identity: mallory,
    lie: honestBut({}, {
      browse: (channel, { request }) =>
        channel.send({ kind: "files", request, files, more: false }),
    }),
  });
  const outcome = await list(relay);
  assertEquals(rows(outcome.files), ["good 1 1"]);
});

Deno.test("listFiles counts a node once, however often it lists a file", async () => {
  await using relay = await startRelay();
  const listed = { name: "f", size: 1, modifiedMs: 0, version: VERSION };
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  await using _stuffs = await startEvilNode(relay, {
    identity: mallory,
    lie: honestBut({}, {
      browse: async (channel, { request }) => {
        const files = [listed];
        const page = { kind: "files" as const, request, files };
        await channel.send({ ...page, more: true });
        first.resolve();
        await second.promise;
        await channel.send({ ...page, more: true }, { ...page, more: false });
      },
    }),
  });
  await using _honest = await startEvilNode(relay, {
    identity: trudy,
    lie: honestBut({}, {
      browse: async (channel, { request }) => {
        await first.promise;
        const files = [{ ...listed, size: 2 }];
        await channel.send({ kind: "files", request, files, more: true });
        // Once this is on its way, the other goes on.
        second.resolve();
        await channel.send({ kind: "files", request, files: [], more: false });
      },
    }),
  });
  const { files } = await list(relay);
  assertEquals(files[0]?.nodeCount, 2);
  const nodes = files[0]?.offers.map(({ node }) => node).toSorted();
  assertEquals(nodes, [mallory.id, trudy.id].toSorted());
});

Deno.test("listFiles ends with a node whose listing does not", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "f": "x" });
  for (const isEmpty of [true, false]) {
    let count = 0;
    await using _evil = await startEvilNode(relay, {
      identity: isEmpty ? mallory : await createIdentity(),
      lie: honestBut({}, {
        browse: async (channel, { request }) => {
          for (;;) {
            const name = `f${count++}`;
            const files = isEmpty
              ? []
              : [{ name, size: 1, modifiedMs: 0, version: VERSION }];
            await channel.send({ kind: "files", request, files, more: true });
          }
        },
      }),
    });
    const listing = list(relay, { limits: { listingCount: 1_000 } });
    const { files } = await within(listing, "the end of the listing");
    assertEquals(files.length <= 1_001, true, `${files.length} files`);
    assertEquals(files.some(({ name }) => name === "f"), true);
  }
});

Deno.test("listFiles goes through all pages of a node", async () => {
  await using relay = await startRelay();
  const names = Array.from({ length: 500 }, (_, n) => `f${1_000 + n}`);
  await using _node = await startNode(
    relay,
    Object.fromEntries(names.map((name) => [name, ""])),
    { limits: { listingPageCount: 7 } },
  );
  const { files } = await list(relay);
  assertEquals(files.map(({ name }) => name), names);
});

Deno.test("listFiles asks no relay for nodes that are known, and lists nothing without nodes", async () => {
  const relay = await startRelay();
  assertEquals((await list(relay)).files, []);
  await using _node = await startNode(relay, { "f": "x" });
  const { nodes } = await listNodes({ relay: pinned(relay) });
  await relay.server.close();
  const { files, log } = await list(relay, { nodes });
  assertEquals(rows(files), ["f 1 1"]);
  assertEquals(log.of("nodes_listed"), []);
});

/** Lists one file, and says nothing more. */
const stalls: Lie<MessageOf<"browse">> = async (channel, { request }) => {
  const files = [{ name: "f", size: 1, modifiedMs: 0, version: VERSION }];
  await channel.send({ kind: "files", request, files, more: true });
  await saysNothing(channel);
};

/** Says one page of a list after the other, without end. */
function endless(filesAPage: number): Lie<MessageOf<"browse">> {
  return async (channel, { request }) => {
    for (let page = 0;; page++) {
      const files = Array.from({ length: filesAPage }, (_, n) => ({
        name: `f${page}-${n}`,
        size: 1,
        modifiedMs: 0,
        version: VERSION,
      }));
      await channel.send({ kind: "files", request, files, more: true });
      await new Turns(0).give();
    }
  };
}

Deno.test("listFiles does not wait for nodes that list a file now and then, and names them", async () => {
  await using relay = await startRelay({ limits: { reregisterCount: 99 } });
  await using stack = new AsyncDisposableStack();
  for (let n = 0; n < 8; n++) {
    stack.use(
      await startEvilNode(relay, {
        identity: await createIdentity(),
        name: `slow${n}`,
        lie: honestBut({}, { browse: stalls }),
      }),
    );
  }
  await using _good = await startNode(relay, { "good": "x" });
  // Time enough for the good one to answer on a busy machine.
  const listing = list(relay, {
    limits: { listingMs: 4_000, askingPatienceMs: 50 },
  });
  const { files, log } = await within(listing, "the listing");
  // What had come of the others is there as well.
  assertEquals(rows(files), ["f 1 8", "good 1 1"]);
  assertEquals(
    log.trouble.toSorted(),
    Array.from({ length: 8 }, (_, n) => `slow${n} slow, out`),
  );
  const [first] = log.of("node_trouble");
  assertMatch(first!.cause, /^its list came too slowly, 1 file in \d+ s$/);
});

Deno.test("listFiles does not wait for a node that only says that it works, once another has listed", async () => {
  await using relay = await startRelay();
  await using _good = await startNode(relay, { "good": "x" });
  const over = new AbortController();
  await using _evil = await startEvilNode(relay, {
    identity: mallory,
    name: "mallory",
    lie: honestBut({}, {
      browse: async (channel, { request }) => {
        while (!over.signal.aborted) {
          await channel.send({ kind: "working", request });
          await delay(2_600, over).catch(() => {});
        }
      },
    }),
  });
  // Time enough for the good one to answer on a busy machine.
  const listing = list(relay, { limits: { listingMs: 4_000 } });
  const { files, log } = await within(listing, "the listing")
    .finally(() => over.abort());
  assertEquals(rows(files), ["good 1 1"]);
  assertEquals(log.trouble, ["mallory slow, out"]);
});

/** Hears when a timer of just so many milliseconds has run. */
function timersOf(ms: number): Disposable & { looked(): Promise<void> } {
  const { setTimeout } = globalThis;
  let next = Promise.withResolvers<void>();
  const noting = (call: () => void, afterMs?: number) =>
    setTimeout(() => {
      call();
      if (afterMs !== ms) return;
      next.resolve();
      next = Promise.withResolvers();
    }, afterMs);
  Object.assign(globalThis, { setTimeout: noting });
  return {
    looked: () => next.promise,
    [Symbol.dispose]: () => void Object.assign(globalThis, { setTimeout }),
  };
}

Deno.test("listFiles waits for a list that comes quickly enough", async () => {
  const listingMs = 977; // of no other timer
  using clock = timersOf(listingMs);
  await using relay = await startRelay();
  await using _node = await startEvilNode(relay, {
    identity: mallory,
    lie: honestBut({}, {
      browse: async (channel, { request }) => {
        const file = { size: 1, modifiedMs: 0, version: VERSION };
        const page = (name: string, more: boolean) =>
          channel.send({
            kind: "files",
            request,
            files: [{ ...file, name: name.repeat(200) }],
            more,
          });
        await page("a", true);
        await clock.looked(); // a slow list is stopped by that
        await page("b", false);
      },
    }),
  });
  const limits = { listingMs, listingBytesPerSecond: 50 };
  const { files } = await list(relay, { limits });
  assertEquals(files.length, 2);
  const slow = await list(relay, {
    limits: { ...limits, listingBytesPerSecond: 1e5 },
  });
  assertEquals(slow.log.trouble.length, 1);
});

Deno.test("listFiles stops a list that never ends, however quickly it comes", async () => {
  await using relay = await startRelay();
  await using _node = await startEvilNode(relay, {
    identity: mallory,
    name: "mallory",
    lie: honestBut({}, { browse: endless(5) }),
  });
  // Never too slow, also on a busy machine: only `listingMostMs` ends it.
  const limits = {
    listingMs: 50,
    listingMostMs: 2_000,
    listingBytesPerSecond: 0,
  };
  const { files, log } = await within(list(relay, { limits }), "the end");
  assertEquals(files.length > 0, true);
  assertEquals(log.trouble, ["mallory slow, out"]);
});

Deno.test("A search for longer names ends for all nodes after listingMs, and takes what came", async () => {
  await using relay = await startRelay();
  await using _good = await startNode(relay, { "sub/wanted": "x" });
  await using _node = await startEvilNode(relay, {
    identity: mallory,
    name: "mallory",
    lie: honestBut({}, { browse: endless(5) }),
  });
  await using folder = await tempShare();
  // Never too slow, and no list is too long: only the search has an end.
  const limits = { listingMs: 3_000, listingBytesPerSecond: 0 };
  const { saved, log } = await within(
    get(relay, folder.path, ["wanted"], { anywhere: true, limits }),
    "the end",
  );
  assertEquals(Object.keys(saved), ["sub/wanted"]);
  assertEquals(log.trouble, ["mallory slow, out"]);
});

for (const isSame of [true, false]) {
  const which = isSame ? "the same name for ever" : "names for ever";
  Deno.test(`listFiles keeps so much of one node's list, and continues with the others, where it lists ${which}`, async () => {
    await using relay = await startRelay();
    await using _good = await startNode(relay, { "good": "x" });
    const file = { size: 1, modifiedMs: 0, version: VERSION };
    let count = 0;
    await using _evil = await startEvilNode(relay, {
      identity: mallory,
      name: "mallory",
      lie: honestBut({}, {
        browse: async (channel, { request }) => {
          for (;;) {
            const files = Array.from({ length: 100 }, () => ({
              ...file,
              name: isSame ? "same" : `n${count++}`,
            }));
            await channel.send({ kind: "files", request, files, more: true });
          }
        },
      }),
    });
    const { files, log } = await within(
      list(relay, { limits: { listingNodeBytes: 100_000 } }),
      "the end",
    );
    assertEquals(files.some(({ name }) => name === "good"), true);
    assertEquals(files.length <= (isSame ? 2 : 1_300), true);
    assertEquals(log.trouble, ["mallory slow, out"]);
    assertMatch(
      log.of("node_trouble")[0]!.cause,
      /more than there is room for/,
    );
  });
}

Deno.test("listFiles adds up files of a node asked alone, which then take no room in its list", async () => {
  await using relay = await startRelay();
  const contents = Object.fromEntries(
    Array.from({ length: 40 }, (_, n) => [`folder/f${n}`, "four"]),
  );
  await using one = await startNode(relay, { ...contents, "file": "x" });
  const limits = { listingNodeBytes: 500 };
  const whole = await list(relay, { limits });
  assertEquals(whole.files.length < 10, true);
  assertEquals(whole.log.trouble.length, 1);
  let sum = 0;
  const addUp = ({ name, size }: { name: string; size: number }) => {
    if (!name.includes("/")) return undefined;
    sum += size;
    return 0;
  };
  const added = await list(relay, { limits, addUp });
  assertEquals(rows(added.files), ["file 1 1"]);
  assertEquals(added.log.trouble, []);
  assertEquals(sum, 160);
  const growing = await list(relay, {
    limits,
    addUp: (file) => addUp(file) === undefined ? undefined : 100,
  });
  assertEquals(growing.log.trouble.length, 1, "sums may take as much");
  await using _two = await startNode(relay, contents);
  sum = 0;
  const both = await list(relay, { addUp });
  assertEquals(both.files.length, 41, "several nodes have the same files");
  assertEquals(sum, 0);
  await one.log.until("hashed");
});

Deno.test("listFiles keeps so much of all lists together", async () => {
  await using relay = await startRelay();
  const files = Object.fromEntries(
    Array.from({ length: 40 }, (_, n) => [`f${n}`, ""]),
  );
  await using _one = await startNode(relay, files);
  await using _two = await startNode(relay, files);
  const all = await list(relay);
  assertEquals(all.files.map(({ nodeCount }) => nodeCount), Array(40).fill(2));
  const some = await list(relay, { limits: { listingBytes: 5_000 } });
  const offers = some.files.reduce((sum, { nodeCount }) => sum + nodeCount, 0);
  assertEquals(offers > 50 && offers < 70, true, `${offers} offers`);
  assertEquals(some.log.of("node_trouble").map(({ cause }) => cause), [
    "all nodes together list more than there is room for",
  ]);
});

Deno.test("listFiles counts what a pattern leaves out", async () => {
  await using relay = await startRelay();
  const files = { ".profile": "x", ".ssh/key": "x", "a": "x" };
  await using _one = await startNode(relay, files, { hidden: true });
  await using _two = await startNode(relay, files, { hidden: true });
  const { matches, leavesOut } = parseSelection("**") as Selection & {
    kind: "matching";
  };
  const outcome = await list(relay, { matches, leavesOut: leavesOut! });
  assertEquals(rows(outcome.files), ["a 1 2"]);
  assertEquals(outcome.log.of("names_left_out").map(({ names }) => names), [2]);
});

Deno.test("Catalogue gives back what was added, in the order of code points", () => {
  const catalogue = new Catalogue();
  const random = seededRandom(3);
  const names = [
    "\u{1f600}",
    "\uffee",
    "z",
    "a/b",
    "a",
    "é",
    "n".repeat(1_000),
  ];
  const added = Array.from({ length: 20_000 }, (_, n) => ({
    name: names[n] ?? `n${Math.floor(random() * 15_000)}`,
    size: n * 2 ** 20,
    modifiedMs: n - 2 ** 40,
    version: VERSION,
    ...(n % 2 === 0 ? { content: "ab".repeat(32) } : {}),
  }));
  for (const [n, file] of added.entries()) {
    catalogue.add({ node: `node ${n % 3}`, votesAs: "x" }, file);
  }
  const entries = [...catalogue];
  const points = (text: string) => [...text].map((one) => one.codePointAt(0)!);
  const sorted = entries.toSorted((a, b) => {
    const [x, y] = [points(a.name), points(b.name)];
    const at = x.findIndex((point, n) => point !== y[n]);
    return at < 0 ? x.length - y.length : x[at]! - (y[at] ?? -1);
  });
  assertEquals(entries.map(({ name }) => name), sorted.map(({ name }) => name));
  assertEquals(entries.length, new Set(added.map(({ name }) => name)).size);
  const places = [...catalogue.places()];
  assertEquals(entries.map(({ name }) => catalogue.placeOf(name)), places);
  assertEquals(
    places.map((at) => catalogue.nameAt(at)),
    entries.map((e) => e.name),
  );
  assertEquals(catalogue.entryAt(places[7]!), entries[7]);
  for (const name of ["", "a/", "n", "\u{1f601}"]) {
    assertEquals(catalogue.placeOf(name), undefined);
  }
  for (const { name, offers } of entries) {
    // Of each node the first.
    const wanted = new Map<string, Offer>();
    for (const [n, { name: other, ...file }] of added.entries()) {
      const node = `node ${n % 3}`;
      if (other !== name || wanted.has(node)) continue;
      const offerer = { node, votesAs: "x" };
      wanted.set(node, { ...offerer, content: undefined, ...file });
    }
    assertEquals(offers, [...wanted.values()]);
    if (added.indexOf(added.find((one) => one.name === name)!) > 200) break;
  }
});
