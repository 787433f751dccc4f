/**
 * Lists of many names: how far they are made for readers that read slowly or
 * not at all, and which snapshots they keep.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { othersTurn } from "../../lib/base/waiting.ts";
import type { FileListings } from "../../lib/client/listing.ts";
import { FileIndex, type Snapshot } from "../../lib/gateway/file_index.ts";
import type { Gateway } from "../../lib/gateway/gateway.ts";
import { ListReaders } from "../../lib/gateway/list_readers.ts";
import { Lists } from "../../lib/gateway/lists.ts";
import { Login } from "../../lib/gateway/login.ts";
import type { PageEntry } from "../../lib/gateway/page_model.ts";
import { answerTo } from "../../lib/gateway/routes.ts";
import { type GatewayEvent, serveGateway } from "../../lib/gateway/server.ts";
import { Transfers } from "../../lib/gateway/transfers.ts";
import type { BodyStream } from "../../lib/http/answer.ts";
import type { WebRequest } from "../../lib/http/web_server.ts";
import { EventLog } from "../_event_log.ts";
import { staySilent } from "../_evil_node.ts";
import { WebClient } from "../http/_web_client.ts";
import { startNode, startRelay } from "../_network.ts";
import { startLyingNode } from "../client/_setting.ts";

const COUNT = 100_000;

/**
 * A gateway with COUNT entries in one folder, and how many rows were made, names
 * read, and contents compared.
 */
async function flat({ below = "" } = {}) {
  const made = { rows: 0, names: 0, compared: 0 };
  const nameAt = (place: number) => {
    made.names++;
    return `flat/${String(place).padStart(6, "0")}${below}`;
  };
  const briefAt = (place: number) => {
    made.rows++;
    const [size, modifiedMs] = [place, 1_700_000_000_000];
    return {
      ...{ name: nameAt(place), size, modifiedMs },
      ...{ nodes: ["n"], differs: false, nodeCount: 1 },
      offers: [{ node: "n" }],
    };
  };
  const files = await FileIndex.of({
    places: () => Array.from({ length: COUNT }, (_, place) => place),
    nameAt,
    briefAt,
    at: briefAt,
    hasContentAt: () => {
      made.compared++;
      return false;
    },
  } as unknown as FileListings);
  made.rows = made.names = 0;
  const snapshot: Snapshot = {
    ...{ files, nodes: [], listed: new Map(), greeting: "" },
    ...{ complete: true, at: performance.now() },
  };
  const readers = new ListReaders(LIMITS);
  const gateway = {
    lists: {
      latest: () => Promise.resolve(snapshot),
      toSend: () => Promise.resolve({ snapshot, readers }),
    },
    transfers: new Transfers(1),
    login: new Login({ token: undefined, isSecure: false, failureCount: 5 }),
    ...{ names: [], origins: [], pageEntryCount: LIMITS.gatewayPageEntryCount },
  } as unknown as Gateway;
  return { gateway, made, readers };
}

function requestFor(line: string): WebRequest {
  const [method = "", target = ""] = line.split(" ");
  const [path = "", query = ""] = target.split("?");
  return {
    ...{ method, path, query, isOld: false, body: new Uint8Array() },
    headers: new Map([["host", "127.0.0.1"], ["depth", "1"]]),
    remote: { host: "127.0.0.1", port: 1 },
    signal: new AbortController().signal,
  } as WebRequest;
}

for (
  const line of [
    "PROPFIND /dav/flat/",
    "GET /?json",
    "GET /?simple",
    "GET /api/files",
    "GET /files/flat/",
  ]
) {
  Deno.test(`${line} of 100,000 names is written only as far as its readers read it`, async () => {
    const { gateway, made } = await flat();
    const request = requestFor(line);
    if (line === "GET /api/files") {
      await answerTo(request, gateway); // makes its tag, once for a list
      made.rows = 0;
    }
    let held = 0;
    const taken: unknown[] = [];
    const readers = 24;
    for (let n = 0; n < readers; n++) {
      const { status, body = "" } = await answerTo(request, gateway);
      assert(status === 200 || status === 207);
      if (typeof body === "string" || body instanceof Uint8Array) {
        held += body.length;
        continue;
      }
      const parts = (body.parts() as AsyncIterable<Uint8Array>)
        [Symbol.asyncIterator]();
      const { value } = await parts.next();
      held += value.length;
      taken.push(parts);
    }
    assert(made.rows <= readers * 2_000, `${made.rows} rows`);
    assert(held <= readers * 320_000, `${held} bytes`);
  });
}

for (const line of ["PROPFIND /dav/flat/", "GET /?json", "GET /api/files"]) {
  Deno.test(`${line} of 100,000 names gives others a turn after each part, and is whole`, async () => {
    const { gateway, made, readers } = await flat();
    let turns = 0;
    let most = 0;
    let before = 0;
    const timer = setInterval(() => {
      turns++;
      most = Math.max(most, made.rows - before);
      before = made.rows;
    }, 0);
    let last: Uint8Array | undefined;
    try {
      const { body } = await answerTo(requestFor(line), gateway);
      const stream = body as BodyStream;
      for await (const part of stream.parts()) last = part.slice();
      stream.close?.();
    } finally {
      clearInterval(timer);
    }
    assert(turns > 0);
    assert(most < COUNT / 4, `${most} rows without a turn`);
    const end = new TextDecoder().decode(last);
    assert(/<\/D:multistatus>\n$|files_listed.*\n$|\n\]\}\n$/.test(end), end);
    assertEquals(readers.snapshotCount, 0);
  });
}

Deno.test("A content that no node has is looked for in turns with others", async () => {
  const { gateway, made } = await flat();
  let most = 0;
  let before = 0;
  const timer = setInterval(() => {
    most = Math.max(most, made.compared - before);
    before = made.compared;
  }, 0);
  try {
    const { files } = await gateway.lists.latest();
    assertEquals(await files.namesWith("0".repeat(64), { most: 16 }), []);
  } finally {
    clearInterval(timer);
  }
  assertEquals([made.rows, made.compared], [0, COUNT]);
  assert(0 < most && most < COUNT / 4, `${most} contents without a turn`);
});

Deno.test("A folder of 100,000 folders is walked once, in turns with others, and reads few names for each", async () => {
  const { gateway, made } = await flat({ below: "/x" });
  let most = 0;
  let before = 0;
  const timer = setInterval(() => {
    most = Math.max(most, made.names - before);
    before = made.names;
  }, 0);
  try {
    const answers = [1, 2, 3].map((page) =>
      answerTo(requestFor(`GET /files/flat/?page=${page}`), gateway)
    );
    for (const answer of answers) assertEquals((await answer).status, 200);
  } finally {
    clearInterval(timer);
  }
  assert(made.names < 3 * COUNT, `${made.names} names`);
  assert(0 < most && most < COUNT / 2, `${most} names without a turn`);
  made.names = 0;
  const { body } = await answerTo(requestFor("GET /files/flat/"), gateway);
  assertMatch(String(body), /href="001499\/"/);
  assertEquals(String(body).includes('href="001500/"'), false);
  assert(made.names < COUNT / 10, `${made.names} names`);
});

Deno.test("FileIndex finds the entries of a folder, whatever the number of files below each", async () => {
  const counts = [1, 2, 3, 4, 5, 8, 9, 17, 1, 1];
  const names = counts.flatMap((count, n) =>
    n === 4
      ? ["flat/4"]
      : Array.from({ length: count }, (_, m) => `flat/${n}/${m}`).sort()
  );
  const files = await FileIndex.of({
    places: () => names.keys(),
    nameAt: (place: number) => names[place]!,
    briefAt: (place: number) => ({ name: names[place]!, nodes: ["n"] }),
  } as unknown as FileListings);
  assertEquals([...files.counts], [["n", names.length]]);
  const said = (entries: Iterable<PageEntry>) =>
    Array.from(entries, ({ href, files }) => [href, files] as const);
  const inOrder = counts.map((count, n) =>
    n === 4 ? ["4", 1] as const : [`${n}/`, count] as const
  );
  assertEquals(said(files.entriesIn("flat/")), inOrder);
  const [file] = inOrder.splice(4, 1);
  const foldersFirst = [...inOrder, file!];
  for (const skip of [0, 3, 8, 9, 10]) {
    const { entries, entryCount } = await files.folder("flat/", {
      ...{ skip, most: 2 },
    });
    assertEquals(said(entries), foldersFirst.slice(skip, skip + 2));
    assertEquals(entryCount, counts.length);
  }
});

Deno.test("A node that stalls delays a list for gatewayListPatienceMs once, and not each request", async () => {
  await using relay = await startRelay();
  let times = 0;
  await using _node = await startLyingNode(relay, {}, {
    browse: (channel, { request }) =>
      ++times === 1
        ? channel.send({ kind: "files", request, files: [], more: false })
        : staySilent(channel),
  });
  await using closing = new AsyncDisposableStack();
  const stopped = new AbortController();
  const lists = new Lists({
    client: { relay: relay.server.address, signal: stopped.signal },
    emit: () => {},
    limits: { ...LIMITS, gatewayListFreshMs: 0, gatewayListPatienceMs: 100 },
  });
  closing.defer(() => lists.settled());
  closing.defer(() => stopped.abort(new Error("the test is over")));
  const first = await lists.latest();
  for (let n = 0; n < 2; n++) await lists.latest(); // a timer may be early
  for (let n = 0; n < 3; n++) {
    const list = await Promise.race([lists.latest(), othersTurn()]);
    assertEquals(list === first, true, "a request that comes later waits");
  }
});

Deno.test("Lists shows what has arrived while a node stalls, and adds the rest later", async () => {
  await using relay = await startRelay();
  let times = 0;
  const gates = [1, 2].map(() => Promise.withResolvers<void>());
  await using _node = await startLyingNode(relay, {}, {
    browse: async (channel, { request }) => {
      await gates[times++]?.promise;
      const file = {
        ...{ name: `slow-${Math.min(times, 2)}`, size: 1, modifiedMs: 1 },
        version: "0".repeat(32),
      };
      await channel.send({
        kind: "files",
        request,
        files: [file],
        more: false,
      });
    },
  });
  await using _honest = await startNode(relay, { "a.txt": "here" });
  await using closing = new AsyncDisposableStack();
  const stopped = new AbortController();
  const lists = new Lists({
    client: { relay: relay.server.address, signal: stopped.signal },
    emit: () => {},
    limits: {
      ...{ ...LIMITS, gatewayListFreshMs: 0, gatewayListPatienceMs: 100 },
      ...{ listingMs: 600_000, gatewayWholeListMs: 600_000 },
    },
  });
  closing.defer(() => lists.settled());
  closing.defer(() => stopped.abort(new Error("the test is over")));
  closing.defer(() => gates.forEach(({ resolve }) => resolve()));
  const namesOf = (list: Snapshot) =>
    Array.from(list.files, ({ name }) => name);
  const next = async () => {
    await othersTurn();
    return await lists.latest();
  };
  const early = await lists.latest();
  assertEquals(namesOf(early), ["a.txt"]);
  assertEquals(early.complete, false);
  const slow = early.nodes.find(({ name }) => name === "mallory");
  assertMatch(slow?.error ?? "", /not listed/);
  const waiting = lists.whole();
  const first = await Promise.race([waiting, othersTurn()]);
  assertEquals(first, undefined, "a program gets a list that is not whole");
  gates[0]!.resolve();
  const whole = await waiting;
  assertEquals(namesOf(whole), ["a.txt", "slow-1"]);
  assertEquals(whole.complete, true);
  // The second time a node stalls, it keeps its files of before.
  let again = await next();
  while (again.complete) again = await next();
  assertEquals(namesOf(again), ["a.txt", "slow-1"]);
  assertEquals(namesOf(await lists.whole()), ["a.txt", "slow-1"]);
  gates[1]!.resolve();
  while (!namesOf(again).includes("slow-2")) again = await next();
  assertEquals(namesOf(again), ["a.txt", "slow-2"]);
});

Deno.test("Lists gives programs a list that is not whole after gatewayWholeListMs", async () => {
  await using relay = await startRelay();
  await using _stalling = await startLyingNode(relay, {}, {
    browse: (channel) => staySilent(channel),
  });
  await using _node = await startNode(relay, { "a.txt": "here" });
  await using closing = new AsyncDisposableStack();
  const stopped = new AbortController();
  const lists = new Lists({
    client: { relay: relay.server.address, signal: stopped.signal },
    emit: () => {},
    limits: {
      ...{ ...LIMITS, listingMs: 600_000 },
      ...{ gatewayListPatienceMs: 100, gatewayWholeListMs: 200 },
    },
  });
  closing.defer(() => lists.settled());
  closing.defer(() => stopped.abort(new Error("the test is over")));
  const { snapshot: { files, complete } } = await lists.toSend({
    isWhole: true,
  });
  assertEquals([files.count, complete], [1, false]);
});

Deno.test("Gateway serves a file while a node stalls that delays the first list", async () => {
  await using relay = await startRelay();
  await using _stalling = await startLyingNode(relay, {}, {
    browse: (channel) => staySilent(channel),
  });
  await using _node = await startNode(relay, { "a.txt": "here" });
  const log = new EventLog<GatewayEvent>();
  const stopped = new AbortController();
  await using gateway = await serveGateway({
    relay: { ...relay.server.address, id: relay.identity.id },
    signal: stopped.signal,
    onEvent: log.onEvent,
    listen: { host: "127.0.0.1", port: 0 },
    limits: { listingMs: 600_000, gatewayListPatienceMs: 100 },
  });
  using closing = new DisposableStack();
  closing.defer(() => stopped.abort(new Error("the test is over")));
  using client = await WebClient.to(gateway.address);
  const { status, text } = await client.ask("GET /files/a.txt");
  assertEquals([status, text], [200, "here"]);
  const isListed = log.events.some(({ event }) => event === "node_trouble");
  assertEquals(isListed, false, "it has waited for the list");
  assertEquals((await client.ask("GET /files/b.txt")).status, 404);
});

Deno.test("Lists keeps two snapshots in memory, and ends the readers of older ones", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "1": "" });
  const lists = new Lists({
    client: { relay: relay.server.address },
    emit: () => {},
    limits: { ...LIMITS, gatewayListFreshMs: 0, gatewayListKeptMs: 0 },
  });
  const bodies: BodyStream[] = [];
  for (let n = 0; n < 4; n++) {
    const { snapshot, readers } = await lists.toSend();
    bodies.push(readers.bodyOf(snapshot, () => []));
    assert(readers.snapshotCount <= 2);
  }
  const ended = bodies.map(({ signal }) => signal!.aborted);
  assertEquals(ended, [true, true, false, false]);
  for (const body of bodies) body.close!();
  assertEquals(lists.readers.snapshotCount, 0);
});

Deno.test("Lists keeps readers of the previous snapshot for gatewayListKeptMs, and makes no third one meanwhile", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "1": "" });
  const lists = new Lists({
    client: { relay: relay.server.address },
    emit: () => {},
    limits: { ...LIMITS, gatewayListFreshMs: 0, gatewayListKeptMs: 600_000 },
  });
  const first = lists.readers.bodyOf(await lists.latest(), () => []);
  const second = await lists.latest();
  assertEquals(await lists.latest(), second);
  assertEquals(first.signal!.aborted, false);
  first.close!();
  assert(await lists.latest() !== second);
});
