/**
 * How long a list is waited for, and how much of it is kept.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { delay } from "@std/async/delay";
import { Turns } from "../../lib/base/turns.ts";
import type { Selection } from "../../lib/client/get.ts";
import { parseSelection } from "../../lib/cli/options/selection.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import type { MessageOf } from "../../lib/protocol/messages.ts";
import { type Lie, startEvilNode, staySilent, VERSION } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import { honestExcept } from "../_lies.ts";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { get } from "./_outcomes.ts";
import { list, mallory, rows, trudy } from "./_listing.ts";

/** Lists one file, and says nothing more. */
const stalls: Lie<MessageOf<"browse">> = async (channel, { request }) => {
  const files = [{ name: "f", size: 1, modifiedMs: 0, version: VERSION }];
  await channel.send({ kind: "files", request, files, more: true });
  await staySilent(channel);
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

Deno.test("listFiles does not wait for nodes that list too slowly, and names them", async () => {
  await using relay = await startRelay({ limits: { reregisterCount: 99 } });
  await using stack = new AsyncDisposableStack();
  for (let n = 0; n < 8; n++) {
    stack.use(
      await startEvilNode(relay, {
        identity: await createIdentity(),
        name: `slow${n}`,
        lie: honestExcept({}, { browse: stalls }),
      }),
    );
  }
  await using _good = await startNode(relay, { "good": "x" });
  // Time enough for the good one to answer on a busy machine.
  const listing = list(relay, {
    limits: { listingMs: 10_000, queryPatienceMs: 50 },
  });
  const { files, log } = await within(listing, "the listing");
  // What had come of the others is there as well.
  assertEquals(rows(files), ["f 1 8", "good 1 1"]);
  assertEquals(
    log.trouble.toSorted(),
    Array.from({ length: 8 }, (_, n) => `slow${n} slow, out`),
  );
  const [first] = log.of("node_trouble");
  assertMatch(first!.cause, /^its list arrived too slowly, 1 file in \d+ s$/);
});

Deno.test("listFiles does not wait for a node that only says that it works when another has listed", async () => {
  await using relay = await startRelay();
  await using _good = await startNode(relay, { "good": "x" });
  const over = new AbortController();
  await using _evil = await startEvilNode(relay, {
    identity: mallory,
    name: "mallory",
    lie: honestExcept({}, {
      browse: async (channel, { request }) => {
        while (!over.signal.aborted) {
          await channel.send({ kind: "working", request });
          await delay(2_600, over).catch(() => {});
        }
      },
    }),
  });
  // Time enough for the good one to answer on a busy machine.
  const listing = list(relay, { limits: { listingMs: 10_000 } });
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

Deno.test("listFiles waits for a list that arrives quickly enough", async () => {
  // Of no other timer, and time for the first page on a machine that stands still.
  const listingMs = 6_977;
  using clock = timersOf(listingMs);
  await using relay = await startRelay();
  await using _node = await startEvilNode(relay, {
    identity: mallory,
    lie: honestExcept({}, {
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
  const limits = { listingMs, listingBytesPerSecond: 5 };
  const { files } = await list(relay, { limits });
  assertEquals(files.length, 2);
  const slow = await list(relay, {
    limits: { ...limits, listingBytesPerSecond: 1e5 },
  });
  assertEquals(slow.log.trouble.length, 1);
});

Deno.test("listFiles stops a list that never ends, even if it arrives quickly", async () => {
  await using relay = await startRelay();
  await using _node = await startEvilNode(relay, {
    identity: mallory,
    name: "mallory",
    lie: honestExcept({}, { browse: endless(5) }),
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
    lie: honestExcept({}, { browse: endless(5) }),
  });
  await using folder = await tempShare();
  // Never too slow, and no list is too long: only the search has an end.
  const limits = { listingMs: 10_000, listingBytesPerSecond: 0 };
  const { saved, log } = await within(
    get(relay, folder.path, ["wanted"], { anywhere: true, limits }),
    "the end",
  );
  assertEquals(Object.keys(saved), ["sub/wanted"]);
  assertEquals(log.trouble, ["mallory slow, out"]);
});

for (const isSame of [true, false]) {
  const which = isSame ? "the same name forever" : "names forever";
  Deno.test(`listFiles keeps listingNodeBytes of one node's list, and continues with the others, if it lists ${which}`, async () => {
    await using relay = await startRelay();
    await using _good = await startNode(relay, { "good": "x" });
    const file = { size: 1, modifiedMs: 0, version: VERSION };
    let count = 0;
    await using _evil = await startEvilNode(relay, {
      identity: mallory,
      name: "mallory",
      lie: honestExcept({}, {
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

Deno.test("listFiles adds up the files of a single node, so that they take no room in its list", async () => {
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

Deno.test("listFiles keeps listingBytes of all lists together", async () => {
  await using relay = await startRelay();
  const files = Object.fromEntries(
    Array.from({ length: 40 }, (_, n) => [`f${n}`, ""]),
  );
  await using _one = await startNode(relay, files);
  await using _two = await startNode(relay, files);
  const all = await list(relay);
  assertEquals(all.files.map(({ nodeCount }) => nodeCount), Array(40).fill(2));
  const some = await list(relay, { limits: { listingBytes: 5_500 } });
  const offers = some.files.reduce((sum, { nodeCount }) => sum + nodeCount, 0);
  assertEquals(offers > 50 && offers < 70, true, `${offers} offers`);
  assertEquals(some.log.of("node_trouble").map(({ cause }) => cause), [
    "all nodes together list more than there is room for",
  ]);
});

Deno.test("listFiles keeps a whole list although others have filled listingBytes, and names those that list most", async () => {
  await using relay = await startRelay();
  await using stack = new AsyncDisposableStack();
  const filled = Promise.withResolvers<void>();
  const file = { size: 1, modifiedMs: 0, version: VERSION };
  const names = (from: string, length: number) =>
    Array.from({ length }, (_, n) => ({ ...file, name: `${from}${n}` }));
  const asked: string[] = [];
  for (const [identity, name] of [[mallory, "a"], [trudy, "b"]] as const) {
    stack.use(
      await startEvilNode(relay, {
        ...{ identity, name },
        lie: honestExcept({}, {
          browse: async (channel, { request }) => {
            const files = names(name, 200);
            await channel.send({ kind: "files", request, files, more: false });
            asked.push(name);
            if (asked.length === 2) filled.resolve();
          },
        }),
      }),
    );
  }
  stack.use(
    await startEvilNode(relay, {
      identity: await createIdentity(),
      name: "good",
      lie: honestExcept({}, {
        browse: async (channel, { request }) => {
          await filled.promise;
          const files = names("good", 20);
          await channel.send({ kind: "files", request, files, more: false });
        },
      }),
    }),
  );
  const limits = { listingBytes: 200 * 84 };
  const { files, log } = await within(list(relay, { limits }), "the listing");
  const good = files.filter(({ name }) => name.startsWith("good"));
  assertEquals(good.length, 20);
  assertEquals(log.trouble.toSorted(), ["a slow, out", "b slow, out"]);
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
