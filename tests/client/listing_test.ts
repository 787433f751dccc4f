/**
 * What there is: nodes, and the files on them.
 */

import { assertEquals } from "@std/assert";
import type { Offer } from "../../lib/content/choice.ts";
import { Catalogue } from "../../lib/client/catalogue.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import type { ListedFile } from "../../lib/protocol/messages.ts";
import { registerNode, startEvilNode, VERSION } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { describeBytes, honestExcept } from "../_lies.ts";
import { seededRandom } from "../_random.ts";
import { startNode, startRelay } from "../_network.ts";
import { pinned } from "./_outcomes.ts";
import { list, mallory, rows, trudy } from "./_listing.ts";

Deno.test("listNodes returns the greeting and the nodes in the order of arrival", async () => {
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

Deno.test("listNodes reports that there is no node", async () => {
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

Deno.test("listFiles gives each name once, with all contents that nodes have under it", async () => {
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

Deno.test("listFiles gives the size and time of the content that would be fetched", async () => {
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
        lie: honestExcept({ "f": bytes }, {
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

Deno.test("listFiles asks for names with a prefix, and gives those that match", async () => {
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

Deno.test("listFiles ignores hostile names and sizes, and a name that one node lists twice", async () => {
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
    lie: honestExcept({}, {
      browse: (channel, { request }) =>
        channel.send({ kind: "files", request, files, more: false }),
    }),
  });
  const outcome = await list(relay);
  assertEquals(rows(outcome.files), ["good 1 1"]);
});

Deno.test("listFiles counts a node once, even if it lists a file often", async () => {
  await using relay = await startRelay();
  const listed = { name: "f", size: 1, modifiedMs: 0, version: VERSION };
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  await using _stuffs = await startEvilNode(relay, {
    identity: mallory,
    lie: honestExcept({}, {
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
    lie: honestExcept({}, {
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
      lie: honestExcept({}, {
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

Deno.test("listFiles asks no relay if the nodes are given, and lists nothing without nodes", async () => {
  const relay = await startRelay();
  assertEquals((await list(relay)).files, []);
  await using _node = await startNode(relay, { "f": "x" });
  const { nodes } = await listNodes({ relay: pinned(relay) });
  await relay.server.close();
  const { files, log } = await list(relay, { nodes });
  assertEquals(rows(files), ["f 1 1"]);
  assertEquals(log.of("nodes_listed"), []);
});

Deno.test("Catalogue returns what was added, in the order of code points", () => {
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
