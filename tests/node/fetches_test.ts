import { assertEquals } from "@std/assert";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import type { FetchEvent } from "../../lib/node/fetch_types.ts";
import { Fetches } from "../../lib/node/fetches.ts";
import type { ShareFile } from "../../lib/share/shared_file.ts";

const PIECE = 256 * 1024;
const LARGE = LIMITS.fetchAloneBytes;
const LARGE_PIECES = LARGE / PIECE;

function fileOf(name: string, size: number): ShareFile {
  const unused = { modifiedMs: 0, isExecutable: false, changedAt: 0 };
  const nowhere = { device: 0, inode: null, path: "" };
  return { name, size, version: `${name}, ${size}`, ...unused, ...nowhere };
}

/** Fetches whose clock a test moves. */
function fetchesAt(limits: Partial<Limits> = {}) {
  const reported: FetchEvent[] = [];
  const clock = { now: 1_000 };
  let activeCount = 0;
  const fetches = new Fetches({
    limits: { ...LIMITS, ...limits },
    now: () => clock.now,
    lacksOnlyZeros: (fetch) => fetch.lacksOnly([3]),
    onEvent: (event) => reported.push(event),
    onActive: () => activeCount++,
  });
  return { fetches, reported, clock, activeCount: () => activeCount };
}

/** Sends pieces of a file as a node does. */
function send(
  visit: ReturnType<Fetches["enter"]>,
  file: ShareFile,
  { first = 0, count = 1 } = {},
): void {
  visit.begin(file);
  visit.sent(Math.min(file.size, (first + count) * PIECE) - first * PIECE);
  visit.took(file, first, count);
  visit.rest();
}

/** Another connection of the client, which was sent the first piece. */
function send2(fetches: Fetches, file: ShareFile) {
  const visit = fetches.enter("a");
  send(visit, file);
  return visit;
}

const namesOf = (reported: readonly FetchEvent[]) =>
  reported.map(({ event }) => event);

Deno.test("Fetches reports the start of a fetch, its progress and its end", () => {
  const { fetches, reported, clock } = fetchesAt();
  using visit = fetches.enter("192.0.2.7");
  const file = fileOf("report.pdf", 4 * PIECE);
  send(visit, file, { count: 2 });
  const of = { name: "report.pdf", to: "192.0.2.7", size: 4 * PIECE };
  assertEquals(reported, [{ event: "fetch_started", ...of }]);
  clock.now += 1_000;
  fetches.check();
  assertEquals(fetches.running(), [{
    ...of,
    ...{ files: 1, bytes: 2 * PIECE, bytesPerSecond: 2 * PIECE },
  }]);
  send(visit, file, { first: 2, count: 2 });
  assertEquals(reported.slice(1), [{
    event: "fetch_ended",
    ...{ ...of, bytes: 4 * PIECE, ms: 1_000, isWhole: true },
  }]);
  assertEquals(fetches.running(), []);
  assertEquals(fetches.totals, { files: 1, clients: 1, isMore: false });
});

Deno.test("Fetches counts the connections of a client together, and a piece once", () => {
  const { fetches, reported } = fetchesAt();
  const file = fileOf("f", 4 * PIECE);
  {
    using one = fetches.enter("a");
    using two = fetches.enter("a");
    send(one, file, { count: 2 });
    send(two, file, { count: 2 });
    assertEquals(namesOf(reported), ["fetch_started"]);
    send(two, file, { first: 2, count: 2 });
    assertEquals(namesOf(reported), ["fetch_started", "fetch_ended"]);
    send(one, file, { first: 3, count: 1 }); // asked for twice, at the end
  }
  assertEquals(namesOf(reported), ["fetch_started", "fetch_ended"]);
  assertEquals(fetches.totals.files, 1);
});

Deno.test("Fetches counts bytes for each of several clients at one address, and no piece of a client twice", () => {
  const { fetches, reported } = fetchesAt();
  const size = 64 * PIECE - 1;
  const file = fileOf("f", size);
  const visits = Array.from({ length: 7 }, () => fetches.enter("127.0.0.1"));
  for (let first = 0; first < 64; first += 4) {
    // All are answered at once: no request has ended when the next one begins.
    for (const visit of visits) visit.begin(file);
    const bytes = Math.min(size - first * PIECE, 4 * PIECE);
    for (const visit of visits) visit.sent(bytes);
    for (const visit of visits) visit.took(file, first, 4);
    for (const visit of visits) visit.rest();
  }
  const ended = reported.flatMap((one) =>
    one.event === "fetch_ended" ? [[one.bytes, one.isWhole]] : []
  );
  // At one time fetchBurstCount of them are reported, and the others together.
  const each = Array.from(
    { length: LIMITS.fetchBurstCount },
    () => [size, true],
  );
  assertEquals(ended, each);
  for (const visit of visits) visit[Symbol.dispose]();
  const rest = 7 - LIMITS.fetchBurstCount;
  assertEquals(reported.at(-1), {
    event: "files_sent",
    ...{ to: "127.0.0.1", clients: 1, files: rest, bytes: rest * size, ms: 0 },
  });
  assertEquals(fetches.totals.files, 7);
  assertEquals(fetches.isActive, false);
});

Deno.test("Fetches counts two clients at one address that fetch in tasks of different lengths, over several connections", () => {
  const { fetches, reported } = fetchesAt();
  const file = fileOf("f", 12 * PIECE);
  using a = fetches.enter("a");
  using lane = fetches.enter("a");
  using b = fetches.enter("a");
  send(a, file, { first: 0, count: 3 });
  send(b, file, { first: 0, count: 5 });
  send(lane, file, { first: 3, count: 4 });
  send(b, file, { first: 5, count: 7 });
  send(a, file, { first: 7, count: 5 });
  assertEquals(
    reported.map((one) => one.event === "fetch_ended" ? one.bytes : one.event),
    ["fetch_started", 12 * PIECE, 12 * PIECE],
  );
});

Deno.test("Fetches recognises a second client at one address when more is sent than one client requests twice", () => {
  const { fetches, reported } = fetchesAt();
  const pieces = LIMITS.windowBytes / PIECE;
  const file = fileOf("f", 2 * pieces * PIECE);
  {
    using one = fetches.enter("a");
    using two = fetches.enter("a");
    send(one, file, { count: pieces + 1 });
    send(two, file, { count: pieces });
    assertEquals(namesOf(reported), ["fetch_started"]);
    send(two, file, { first: pieces, count: 1 });
    assertEquals(namesOf(reported), ["fetch_started", "fetch_started"]);
    assertEquals(fetches.running().length, 2);
  }
  assertEquals(
    reported.flatMap((one) => one.event === "fetch_ended" ? [one.bytes] : []),
    [(pieces + 1) * PIECE, (pieces + 1) * PIECE],
  );
});

Deno.test("Fetches keeps at most one fetch of a file for each connection of an address, even if a piece is requested often", () => {
  const { fetches, reported } = fetchesAt();
  const file = fileOf("f", LARGE);
  {
    using one = fetches.enter("a");
    using _two = send2(fetches, file);
    for (let time = 0; time < 1_000; time++) send(one, file);
    assertEquals(fetches.running().length, 2);
  }
  const bytes = reported.flatMap((one) =>
    one.event === "fetch_ended" ? [one.bytes] : []
  );
  assertEquals(bytes, [PIECE, 1_000 * PIECE]);
});

Deno.test("Fetches reports a partial fetch when the client leaves, and a complete one if the rest is zeros", () => {
  for (const [count, isWhole] of [[2, false], [3, true]] as const) {
    const { fetches, reported } = fetchesAt();
    {
      using visit = fetches.enter("a");
      send(visit, fileOf("f", 4 * PIECE), { count });
    }
    const [, ended] = reported;
    assertEquals(ended?.event === "fetch_ended" && ended.isWhole, isWhole);
  }
});

Deno.test("Fetches ends a fetch that is quiet for fetchQuietMs, unless a request is in progress", () => {
  const { fetches, reported, clock } = fetchesAt();
  using visit = fetches.enter("a");
  const file = fileOf("f", 4 * PIECE);
  visit.begin(file);
  visit.sent(PIECE);
  clock.now += LIMITS.fetchCheckMs;
  fetches.check();
  clock.now += LIMITS.fetchQuietMs;
  fetches.check();
  assertEquals(namesOf(reported), ["fetch_started"]);
  visit.took(file, 0, 1);
  visit.rest();
  fetches.check();
  assertEquals(namesOf(reported), ["fetch_started", "fetch_ended"]);
  assertEquals(fetches.isActive, false);
});

Deno.test("Fetches sums up small files of a client after fetchBurstCount, and still reports a large one", () => {
  const { fetches, reported, clock, activeCount } = fetchesAt();
  const small = Array.from({ length: 10_000 }, (_, n) => fileOf(`${n}`, 10));
  {
    using visit = fetches.enter("a");
    for (const file of small) send(visit, file);
    clock.now += LIMITS.fetchRefillMs;
    fetches.check();
    assertEquals(fetches.running().length, 1);
    send(visit, fileOf("large", LARGE), { count: LARGE_PIECES });
    send(visit, fileOf("photo", LARGE - 1), { count: LARGE_PIECES });
  }
  const burst = LIMITS.fetchBurstCount;
  assertEquals(
    namesOf(reported),
    Array.from({ length: burst + 1 }, () => ["fetch_started", "fetch_ended"])
      .flat().concat("files_sent"),
  );
  const files = 10_000 - burst + 1;
  assertEquals(reported.at(-1), {
    event: "files_sent",
    ...{ to: "a", clients: 1, files },
    bytes: (files - 1) * 10 + LARGE - 1,
    ms: LIMITS.fetchRefillMs,
  });
  assertEquals(fetches.totals.files, 10_002);
  assertEquals(activeCount(), burst + 1);
});

Deno.test("Fetches of many clients are reported fetchNodeBurstCount at once, one more each fetchNodeRefillMs, and the rest summed up", () => {
  const { fetches, reported, clock } = fetchesAt();
  for (let client = 0; client < 100; client++) {
    using visit = fetches.enter(`192.0.2.${client}`);
    send(visit, fileOf("f", 10));
  }
  const most = LIMITS.fetchNodeBurstCount;
  assertEquals(reported.length, 2 * most);
  clock.now += LIMITS.fetchNodeRefillMs;
  fetches.check();
  const rest = 100 - most;
  assertEquals(reported.slice(2 * most), [{
    event: "files_sent",
    ...{ clients: rest, files: rest, bytes: 10 * rest, ms: 0 },
  }]);
  assertEquals(fetches.isActive, false);
  assertEquals(fetches.totals.files, 100);
});

Deno.test("Fetches reports fetchCount fetches separately at once, and further ones summed up", () => {
  const { fetches, reported } = fetchesAt({
    fetchBurstCount: 1_000,
    fetchNodeBurstCount: 1_000,
  });
  using visit = fetches.enter("a");
  for (let file = 0; file <= LIMITS.fetchCount; file++) {
    send(visit, fileOf(`${file}`, LARGE));
  }
  assertEquals(reported.length, LIMITS.fetchCount);
  assertEquals(fetches.running().at(-1)?.name, String(LIMITS.fetchCount));
});

Deno.test("Fetches counts servedAddressCount addresses, and reports that there were more", () => {
  const { fetches } = fetchesAt();
  for (let client = 0; client <= LIMITS.servedAddressCount; client++) {
    using visit = fetches.enter(`${client}`);
    send(visit, fileOf("f", 10));
    if (client + 1 !== LIMITS.servedAddressCount) continue;
    assertEquals(fetches.totals.isMore, false);
  }
  const { clients, isMore } = fetches.totals;
  assertEquals([clients, isMore], [LIMITS.servedAddressCount, true]);
});
