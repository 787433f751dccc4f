import { assert, assertEquals } from "@std/assert";
import type { DescribeOutcome } from "../../lib/share/digesting.ts";
import type { Share } from "../../lib/share/share.ts";
import type { ShareFile } from "../../lib/share/shared_file.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import {
  describedOf,
  type Files,
  gate,
  holdReads,
  MIB,
  PIECE,
  setUp,
} from "./_digests.ts";

/** The background begins with `file`; the others come behind it. */
function hashFirst(share: Share, file: ShareFile): void {
  const unhashedFrom = share.unhashedFrom.bind(share);
  let isFirst = true;
  share.unhashedFrom = (number) => {
    if (!isFirst) return unhashedFrom(number);
    isFirst = false;
    return { file, next: 0 };
  };
}

/** Counts the files that are open at once. */
function countOpen(share: Share): { readonly most: number } {
  const counts = { open: 0, most: 0 };
  const original = share.open.bind(share);
  share.open = (file) => {
    const opening = original(file);
    if (opening.kind === "refused") return opening;
    counts.most = Math.max(counts.most, ++counts.open);
    const { opened } = opening;
    const close = opened[Symbol.dispose].bind(opened);
    return {
      kind: "opened",
      opened: {
        ...opened,
        [Symbol.dispose]: () => {
          counts.open--;
          close();
        },
      },
    };
  };
  return counts;
}

Deno.test("Digests hashes for one address group after one file of another, however many that asks for", async () => {
  const files: Record<string, string> = { honest: "honest" };
  for (let n = 0; n < 20; n++) files[`greedy ${n}`] = "greedy".repeat(n + 1);
  await using setup = await setUp(files);
  const { digests, file } = setup;
  const order: string[] = [];
  const all = await Promise.all(
    Object.keys(files).map(async (name) => [name, await file(name)] as const),
  );
  const wanted = new Map(all);
  const described = [...wanted].toReversed().map(async ([name, found]) => {
    await digests.describe(found, name === "honest" ? "b" : "a");
    order.push(name);
  });
  await within(Promise.all(described), "all described");
  // One was begun before the others were there, and then it was one each.
  assertEquals(order.indexOf("honest"), 2);
  assertEquals(order.length, 21);
});

Deno.test("Digests continue with a large file after each smaller one that a client requests", async () => {
  const large = randomBytes(4 * MIB, seededRandom(7));
  const files: Record<string, string | Uint8Array<ArrayBuffer>> = { large };
  for (let n = 0; n < 40; n++) files[`small ${n}`] = `${n}`;
  await using setup = await setUp(files);
  const { digests, file, share } = setup;
  const order: string[] = [];
  const wanted: [string, ShareFile][] = [];
  for (const name of Object.keys(files)) wanted.push([name, await file(name)]);
  const begun = gate();
  const hold = gate();
  holdReads(share, wanted[0]![1], () => {
    begun.resolve();
    return hold.promise;
  });
  const described = [];
  for (const [name, found] of wanted) {
    described.push(digests.describe(found, "a").then(() => order.push(name)));
    if (name === "large") await begun.promise;
  }
  hold.resolve();
  await within(Promise.all(described), "all described");
  assert(order.indexOf("large") <= large.length / PIECE, order.join());
});

/** A share with one large file whose reads wait until they are released. */
async function setUpHeld(files: Files, name: string) {
  const setup = await setUp(files);
  const begun = gate();
  const hold = gate();
  const large = await setup.file(name);
  holdReads(setup.share, large, () => {
    begun.resolve();
    return hold.promise;
  });
  return { ...setup, large, begun: begun.promise, goOn: hold.resolve };
}

Deno.test("Digests hash small files in the background while a large one is hashed that no client requested", async () => {
  const files: Record<string, string | Uint8Array<ArrayBuffer>> = {
    "a large": new Uint8Array(8 * MIB),
  };
  for (let n = 0; n < 20; n++) files[`small ${n}`] = `${n}`;
  await using setup = await setUpHeld(files, "a large");
  const { digests, share, large } = setup;
  hashFirst(share, large);
  const order: string[] = [];
  const learn = share.learn.bind(share);
  share.learn = (file, digest) => {
    order.push(file.name);
    learn(file, digest);
  };
  const idle = setup.idle();
  digests.refresh();
  await within(setup.begun, "the large file");
  setup.goOn();
  assertEquals(await idle, 21);
  assertEquals(order.at(-1), "a large", order.join());
  assertEquals(new Set(order).size, 21);
});

Deno.test("Digests open no more files at once than halve in size, whatever the order of the requests", async () => {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (let n = 0; n < 24; n++) {
    files[`${n}`] = new Uint8Array((48 - n) * PIECE / 2);
  }
  await using setup = await setUp(files);
  const { digests, file, share } = setup;
  const open = countOpen(share);
  const wanted = [];
  for (const name of Object.keys(files)) wanted.push(await file(name));
  // The largest first: each of the others is smaller than what is left.
  const all = wanted.map((each) => digests.describe(each, "a"));
  for (const outcome of await within(Promise.all(all), "all")) {
    describedOf(outcome);
  }
  assert(open.most <= 4, `${open.most} files were open at once`);
});

Deno.test("Digests open no more files at once than halve in size while one requester asks for large files and disconnects", async () => {
  const LARGE_COUNT = 12;
  const files: Record<string, Uint8Array<ArrayBuffer>> = {
    "background": new Uint8Array(4 * MIB),
  };
  for (let n = 0; n < LARGE_COUNT; n++) {
    files[`large ${n}`] = new Uint8Array(2 * MIB);
    files[`small ${n}`] = new Uint8Array(PIECE + 1);
  }
  await using setup = await setUp(files);
  const { digests, file, share } = setup;
  hashFirst(share, await file("background"));
  const large: ShareFile[] = [];
  for (let n = 0; n < LARGE_COUNT; n++) large.push(await file(`large ${n}`));
  const open = countOpen(share);
  const left: Promise<DescribeOutcome>[] = [];
  let leaver = new AbortController();
  for (const name of Object.keys(files)) {
    holdReads(share, await file(name), () => {
      // Leaves each large file when it is begun, and asks for the next one
      // when the background has begun another.
      if (name.startsWith("large")) leaver.abort();
      else if (leaver.signal.aborted || left.length === 0) {
        const next = large[left.length];
        leaver = new AbortController();
        if (next) left.push(digests.describe(next, "a", leaver.signal));
      }
      return Promise.resolve();
    });
  }
  const idle = setup.idle();
  digests.refresh();
  await idle;
  assertEquals(left.length, LARGE_COUNT);
  for (const outcome of await within(Promise.all(left), "leaving")) {
    assertEquals(outcome.kind, "refused");
  }
  assert(open.most <= 4, `${open.most} files were open at once`);
  // None is forgotten.
  for (const name of Object.keys(files)) {
    describedOf(await within(digests.describe(await file(name)), name));
  }
});

for (const isWaitedFor of [true, false]) {
  Deno.test(
    `Digests ${
      isWaitedFor ? "put a large file off" : "finish a large file"
    } whose only requester has disconnected, if ${
      isWaitedFor ? "somebody" : "nobody"
    } waits for the file that it interrupted`,
    async () => {
      await using setup = await setUpHeld({
        "background": new Uint8Array(4 * MIB),
        "large": new Uint8Array(8 * MIB),
      }, "large");
      const { digests, share, large } = setup;
      const background = await setup.file("background");
      hashFirst(share, background);
      const begun = gate();
      const hold = gate();
      holdReads(share, background, () => {
        begun.resolve();
        return hold.promise;
      });
      const order: string[] = [];
      const learn = share.learn.bind(share);
      share.learn = (file, digest) => {
        order.push(file.name);
        learn(file, digest);
      };
      const idle = setup.idle();
      digests.refresh();
      await within(begun.promise, "the background file");
      const leaver = new AbortController();
      const left = digests.describe(large, "a", leaver.signal);
      hold.resolve();
      await within(setup.begun, "the large file");
      const waited = isWaitedFor && digests.describe(background, "b");
      leaver.abort();
      assertEquals((await within(left, "leaving")).kind, "refused");
      setup.goOn();
      if (waited) describedOf(await within(waited, "the background file"));
      await idle;
      const expected = ["background", "large"];
      assertEquals(order, isWaitedFor ? expected : expected.toReversed());
    },
  );
}

Deno.test("Digests put a file off whose only requester has disconnected, if somebody waits for another", async () => {
  await using setup = await setUpHeld({
    "large": new Uint8Array(4 * MIB),
    "other": new Uint8Array(4 * MIB - 1),
  }, "large");
  const { digests, share, large } = setup;
  const order: string[] = [];
  const learn = share.learn.bind(share);
  share.learn = (file, digest) => {
    order.push(file.name);
    learn(file, digest);
  };
  const leaver = new AbortController();
  const left = digests.describe(large, "a", leaver.signal);
  await within(setup.begun, "the large file");
  const other = digests.describe(await setup.file("other"), "b");
  leaver.abort();
  assertEquals((await within(left, "leaving")).kind, "refused");
  setup.goOn();
  describedOf(await within(other, "the other"));
  assertEquals(order, ["other"]);
  // It is not forgotten: the background has it again.
  describedOf(await within(digests.describe(large, "c"), "the large file"));
});

Deno.test("Digests remove a file from the queue when no client waits for it any more", async () => {
  await using setup = await setUpHeld({
    "large": new Uint8Array(MIB),
    "one": new Uint8Array(MIB),
    "two": new Uint8Array(MIB),
    "three": new Uint8Array(MIB),
  }, "large");
  const { digests, share, large } = setup;
  const order: string[] = [];
  const learn = share.learn.bind(share);
  share.learn = (file, digest) => {
    order.push(file.name);
    learn(file, digest);
  };
  const first = digests.describe(large, "a");
  await within(setup.begun, "the large file");
  const leaver = new AbortController();
  const { signal } = leaver;
  const one = await setup.file("one");
  const two = await setup.file("two");
  const gone = [
    digests.describe(one, "a", signal),
    digests.describe(two, "a", signal),
  ];
  const stays = digests.describe(two, "b");
  const three = digests.describe(await setup.file("three"), "b");
  leaver.abort();
  assertEquals((await within(gone[0]!, "leaving")).kind, "refused");
  setup.goOn();
  for (const described of [first, stays, three]) {
    describedOf(await within(described, "those who stay"));
  }
  assertEquals(order.slice(0, 3), ["large", "two", "three"]);
});

/**
 * A clock that jumps ten minutes each time it is looked at, as if every read took
 * that long; notes for how long somebody wanted to wait, and does not.
 */
function jumpingClock(waits: number[]): Disposable {
  const { setTimeout } = globalThis;
  const { now } = performance;
  let time = 0;
  performance.now = () => time += 600_000;
  const wait = (call: () => void, ms = 0) => {
    if (ms < 600_000) return setTimeout(call, ms);
    waits.push(ms);
    return setTimeout(call, 0);
  };
  Object.assign(globalThis, { setTimeout: wait });
  return {
    [Symbol.dispose]: () => {
      performance.now = now;
      Object.assign(globalThis, { setTimeout });
    },
  };
}

for (const isBusy of [true, false]) {
  Deno.test(
    `Digests ${isBusy ? "" : "do not "}pause in the background when ${
      isBusy ? "" : "no "
    }files are being sent`,
    async () => {
      await using setup = await setUp({ "a": "one" }, { isBusy: () => isBusy });
      const waits: number[] = [];
      using _clock = jumpingClock(waits);
      const idle = setup.idle();
      setup.digests.refresh();
      await idle;
      assertEquals(waits.length, isBusy ? 1 : 0);
      // A fifth of the time is left to it.
      if (isBusy) assert(waits[0]! >= 4 * 600_000, `${waits}`);
    },
  );
}

Deno.test("Digests that a client waits for do not pause for sending", async () => {
  await using setup = await setUp({ "a": "one" }, { isBusy: () => true });
  const waits: number[] = [];
  using _clock = jumpingClock(waits);
  const file = await setup.file("a");
  describedOf(await setup.digests.describe(file));
  assertEquals(waits, []);
});

Deno.test("Digests that wait for sending can be disposed of at once", async () => {
  const busy = Promise.withResolvers<void>();
  await using setup = await setUp({ "a": "one" }, {
    isBusy: () => {
      busy.resolve();
      return true;
    },
  });
  const { now } = performance;
  let time = 0;
  performance.now = () => time += 600_000; // and so it waits for forty minutes
  try {
    setup.digests.refresh();
    await within(busy.promise, "hashing");
    await within(setup.digests[Symbol.asyncDispose](), "disposing");
  } finally {
    performance.now = now;
  }
});
