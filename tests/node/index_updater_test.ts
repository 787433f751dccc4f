/**
 * When a node sends its index to its relay, and what.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { decodeFingerprints } from "../../lib/content/fingerprints.ts";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import type { MessageOf } from "../../lib/protocol/messages.ts";
import { type IndexEvent, IndexUpdater } from "../../lib/node/index_updater.ts";
import { FileTable } from "../../lib/share/file_table.ts";
import type { NameListener } from "../../lib/share/index_marks.ts";
import type { Share } from "../../lib/share/share.ts";
import type { RelayCalls } from "../../lib/uplink/relay_calls.ts";
import { FakeTime } from "../_fake_time.ts";
import { EventLog } from "../_event_log.ts";
import { replaced } from "../_replaced.ts";

const KEY = new Uint8Array(32).toBase64();
const OTHER_KEY = new Uint8Array(32).fill(1).toBase64();
const NOTHING = { key: KEY, epoch: "", version: 0 };

/** A updater of a table of files, and a relay that takes what it is sent. */
function setUp(names: readonly string[], limits: Partial<Limits> = {}) {
  const table = new FileTable("/");
  let versions = 0;
  const put = (name: string) =>
    table.put({
      ...{ name, path: `/${name}`, size: 1, modifiedMs: 0, changedAt: 0 },
      ...{ device: 1, inode: 1, isExecutable: false },
      version: (++versions).toString(16).padStart(32, "0"),
    });
  for (const name of names) put(name);
  const share = {
    isScanned: true,
    scanned: () => Promise.resolve(),
    addIndex: (listener: NameListener) => table.addIndex(listener),
    takeUnindexed: (index: number) => table.takeUnindexed(index),
    unindexAll: (index: number) => table.unindexAll(index),
  };
  const log = new EventLog<IndexEvent>();
  const sent: MessageOf<"index">[] = [];
  const state = { outcome: "taken" };
  const calls = {
    request: (message: MessageOf<"index">) => {
      sent.push(message);
      return Promise.resolve({ kind: "indexed", outcome: state.outcome });
    },
  } as unknown as RelayCalls;
  const updater = new IndexUpdater(share as unknown as Share, {
    relay: "nas:1700",
    limits: { ...LIMITS, ...limits },
    onEvent: log.onEvent,
    signal: new AbortController().signal,
  });
  return { table, put, share, log, sent, state, calls, updater };
}

/** How many fingerprints each message adds and removes. */
function countsOf(sent: readonly MessageOf<"index">[]): number[][] {
  return sent.map(({ add, remove }) =>
    [add, remove].map((text) => decodeFingerprints(text)!.length)
  );
}

Deno.test("A node sends all fingerprints once, and then only changed ones", async () => {
  const { put, table, sent, calls, updater, log } = setUp(["a", "d/a", "d/b"]);
  updater.noteHeld(NOTHING);
  await updater.update(calls);
  // Three names, "a" and "b", and one folder.
  assertEquals(countsOf(sent.splice(0)), [[6, 0]]);
  await updater.update(calls);
  assertEquals(sent, []);
  put("d/c");
  table.delete("a");
  put("d/b");
  await updater.update(calls);
  assertEquals(countsOf(sent), [[2, 1]]);
  assertEquals(sent[0]?.version, 2);
  table.delete("d/c");
  put("d/c");
  await updater.update(calls);
  assertEquals(sent.length, 1, "nothing is different");
  const { fingerprints } = log.events.at(-1) as IndexEvent & {
    event: "indexed";
  };
  assertEquals(fingerprints, 7);
});

Deno.test("A node reports a content when it is hashed, and its removal when the last file with it is removed", async () => {
  const { put, table, sent, calls, updater } = setUp(["a", "b"]);
  const versionOf = (name: string) => table.named(name)!.version;
  const learn = (name: string, content: string) =>
    table.learn(versionOf(name), { content, sha256: "cd".repeat(32) });
  learn("a", "ab".repeat(32));
  updater.noteHeld(NOTHING);
  await updater.update(calls);
  assertEquals(countsOf(sent.splice(0)), [[5, 0]], "names and one content");
  learn("b", "ab".repeat(32));
  await updater.update(calls);
  assertEquals(sent, [], "the same content");
  table.delete("a");
  await updater.update(calls);
  assertEquals(countsOf(sent.splice(0)), [[0, 2]], "the name alone is gone");
  put("b");
  await updater.update(calls);
  assertEquals(countsOf(sent.splice(0)), [[0, 1]], "the content is another");
  learn("b", "ef".repeat(32));
  await updater.update(calls);
  assertEquals(countsOf(sent.splice(0)), [[1, 0]]);
  updater.noteHeld({ ...NOTHING, key: OTHER_KEY });
  await updater.update(calls);
  assertEquals(countsOf(sent), [[3, 0]], "all of it under another key");
});

Deno.test("The index that a node sends contains no name", async () => {
  const names = ["secret plans/report.pdf", "secret plans/salaries.ods"];
  const { sent, calls, updater } = setUp(names);
  updater.noteHeld(NOTHING);
  await updater.update(calls);
  assertEquals(countsOf(sent), [[5, 0]]);
  const bytes = sent.map(({ add }) => Uint8Array.fromBase64(add));
  const text = JSON.stringify(sent) +
    bytes.map((part) => new TextDecoder("latin1").decode(part)).join();
  const parts = names.flatMap((name) => name.split(/[ /.]/));
  assertEquals(parts.filter((part) => text.includes(part)), []);
});

Deno.test("A node sends its whole index again if the relay has another version or another key", async () => {
  const { sent, calls, updater } = setUp(["a"]);
  updater.noteHeld(NOTHING);
  await updater.update(calls);
  const [{ epoch, version, add } = MESSAGE] = sent.splice(0);
  updater.noteHeld({ key: KEY, epoch, version });
  await updater.update(calls);
  assertEquals(sent, []);
  updater.noteHeld({ key: KEY, epoch, version: version + 1 });
  await updater.update(calls);
  const [again = MESSAGE] = sent.splice(0);
  assertEquals([again.begin, again.add], [true, add]);
  updater.noteHeld({
    key: OTHER_KEY,
    epoch: again.epoch,
    version: again.version,
  });
  await updater.update(calls);
  assertEquals(sent.length, 1);
  assertEquals([sent[0]?.begin, sent[0]?.add === add], [true, false]);
});

const MESSAGE: MessageOf<"index"> = {
  ...{ kind: "index", epoch: "", version: 0, add: "", remove: "" },
};

Deno.test("A node sends a large index in parts of indexMessageCount", async () => {
  const names = Array.from({ length: 3_000 }, (_, n) => `d/${n}`);
  const { sent, calls, updater } = setUp(names);
  updater.noteHeld(NOTHING);
  await updater.update(calls);
  assertEquals(countsOf(sent), [[LIMITS.indexMessageCount, 0], [1_501, 0]]);
  assertEquals(sent.map(({ begin, more }) => [begin, more]), [
    ...[[true, true], [undefined, undefined]],
  ]);
});

Deno.test("A node sends all names again when more than indexChangeCount have changed", async () => {
  const { put, sent, calls, updater } = setUp(["a"], { indexChangeCount: 2 });
  updater.noteHeld(NOTHING);
  await updater.update(calls);
  const beginnings = () => sent.splice(0).map(({ begin }) => begin);
  assertEquals(beginnings(), [true]);
  // A name that is not in a folder changes two: that of its path and its own.
  put("b");
  await updater.update(calls);
  assertEquals(beginnings(), [undefined]);
  put("c");
  put("d");
  await updater.update(calls);
  assertEquals(beginnings(), [true]);
});

Deno.test("A node sends no index before its share is scanned, or to a relay without an index", async () => {
  const { share, sent, calls, updater } = setUp(["a"]);
  share.isScanned = false;
  updater.noteHeld(NOTHING);
  await updater.update(calls);
  share.isScanned = true;
  updater.noteHeld(undefined);
  await updater.update(calls);
  assertEquals(sent, []);
});

Deno.test("A node reports a change at once after a quiet time, otherwise after indexPauseMs or an eighth of the time between renewals", async () => {
  using time = new FakeTime();
  const { put, calls, updater } = setUp(["a"]);
  const { signal } = new AbortController();
  const dueAfter = async (renewSeconds: number): Promise<number> => {
    let isDue = false;
    const due = updater.due(renewSeconds, signal).then(() => isDue = true);
    await time.advance(0);
    let ms = 0;
    for (; !isDue; ms += 500) await time.advance(500);
    await due;
    return ms;
  };
  updater.noteHeld(NOTHING);
  await updater.update(calls);
  put("b");
  assertEquals(await dueAfter(20), LIMITS.indexPauseMs);
  await updater.update(calls);
  put("c");
  assertEquals(await dueAfter(100), 12_500);
  await updater.update(calls);
  await time.advance(60_000);
  put("d");
  assertEquals(await dueAfter(20), 0);
});

Deno.test("A new or removed name is sent to the relay within half of the 5 s in which others must notice it", async () => {
  using time = new FakeTime();
  const { put, table, calls, updater, sent, log } = setUp(["first"]);
  const { signal } = new AbortController();
  updater.noteHeld(NOTHING);
  await updater.update(calls);
  /** Milliseconds until a change is sent; a renewal each 20 s, as usual. */
  const sentAfter = async (change: () => void): Promise<number> => {
    const before = sent.length;
    change();
    const updating = updater.due(20, signal).then(() => updater.update(calls));
    let ms = 0;
    await time.advance(0);
    for (; sent.length === before && ms < 60_000; ms += 100) {
      await time.advance(100);
    }
    await updating;
    return ms;
  };
  let latest = 0;
  for (const quietMs of [0, 1, 1_700, 2_499, 2_500, 60_000]) {
    await time.advance(quietMs);
    latest = Math.max(latest, await sentAfter(() => put(`new ${quietMs}`)));
    assertEquals(countsOf(sent.slice(-1)), [[2, 0]]); // whole name, last part
    await time.advance(quietMs);
    latest = Math.max(
      latest,
      await sentAfter(() => table.delete(`new ${quietMs}`)),
    );
    assertEquals(countsOf(sent.slice(-1)), [[0, 2]]);
  }
  assertEquals(latest, 2_500);
  assertEquals(log.events.length, sent.length);
});

Deno.test("A node has nothing due for a relay without an index, or before its share is scanned", async () => {
  using time = new FakeTime();
  const { put, share, updater } = setUp(["a"]);
  const stop = new AbortController();
  let dueCount = 0;
  const due = async () => {
    for (;;) {
      await updater.due(20, stop.signal);
      if (++dueCount > 10) return;
    }
  };
  updater.noteHeld(undefined);
  const first = due();
  for (const name of ["b", "c"]) {
    put(name);
    await time.advance(60_000);
  }
  updater.noteHeld(NOTHING);
  share.isScanned = false;
  put("d");
  await time.advance(60_000);
  assertEquals(dueCount, 0);
  share.isScanned = true;
  put("e");
  await time.advance(60_000);
  assert(dueCount > 0);
  stop.abort(new Error("over"));
  await first.catch(() => {});
  await assertRejects(() => updater.due(20, stop.signal), Error, "over");
});

Deno.test("A node whose index is refused reports why, and sends it again after indexRetryMs", async () => {
  using time = new FakeTime();
  const { sent, log, state, calls, updater } = setUp(["a"]);
  updater.noteHeld(NOTHING);
  state.outcome = "node_full";
  await updater.update(calls);
  assertEquals(log.events, [
    { event: "index_refused", relay: "nas:1700", why: "node_full" },
  ]);
  state.outcome = "taken";
  await time.advance(LIMITS.indexRetryMs - 1);
  await updater.update(calls);
  assertEquals(sent.length, 1);
  await time.advance(1);
  await updater.update(calls);
  assertEquals([sent.length, log.names.at(-1)], [2, "indexed"]);
});

Deno.test("A node sends a relay all names at most indexAnewCount times in indexRetryMs, for any keys and epochs", async () => {
  using time = new FakeTime();
  const { put, sent, log, calls, updater } = setUp(["a"]);
  const relay = "nas:1700";
  const keyOf = (n: number) => new Uint8Array(32).fill(n).toBase64();
  for (let n = 0; n < 9; n++) {
    // Another key each time, or another epoch.
    updater.noteHeld({ ...NOTHING, ...(n % 2 ? { key: keyOf(n) } : {}) });
    await updater.update(calls);
    await time.advance(10_000);
  }
  const beginnings = () => sent.splice(0).map(({ begin }) => begin);
  assertEquals(beginnings(), Array(LIMITS.indexAnewCount).fill(true));
  assertEquals(log.events.at(-1), {
    ...{ event: "index_refused", relay, why: "too_often" },
  });
  await time.advance(LIMITS.indexRetryMs);
  updater.noteHeld(NOTHING);
  await updater.update(calls);
  const [{ epoch, version } = MESSAGE] = sent.splice(0);
  // One that holds what it was sent gets the changes, however often.
  for (let n = 0; n < 9; n++) {
    put(`b${n}`);
    updater.noteHeld({ ...NOTHING, epoch, version: version + n });
    await updater.update(calls);
  }
  assertEquals(beginnings(), Array(9).fill(undefined));
});

/** How a relay gets all names again: it says this, or answers that. */
const LIES: Readonly<
  Record<string, (last: MessageOf<"index">) => { version: number }>
> = {
  "an old version": ({ version }) => ({ version: version - 1 }),
  "a version to come": ({ version }) => ({ version: version + 7 }),
};

for (const [what, lie] of Object.entries(LIES)) {
  Deno.test(`A node sends a relay that claims ${what} all names at most indexAnewCount times in indexRetryMs`, async () => {
    using time = new FakeTime();
    const { sent, calls, updater } = setUp(["a"]);
    updater.noteHeld(NOTHING);
    await updater.update(calls);
    for (let n = 0; n < 9; n++) {
      const last = sent.at(-1)!;
      updater.noteHeld({ ...NOTHING, epoch: last.epoch, ...lie(last) });
      await updater.update(calls);
      await time.advance(10_000);
    }
    const begun = sent.filter(({ begin }) => begin);
    assertEquals(begun.length, LIMITS.indexAnewCount);
  });
}

Deno.test("A node sends a relay that never accepts them all names at most indexAnewCount times in indexRetryMs", async () => {
  using time = new FakeTime();
  const { updater } = setUp(["a"]);
  let begunCount = 0;
  let held = NOTHING;
  const calls = {
    request: ({ begin, epoch, version }: MessageOf<"index">) => {
      if (begin) begunCount++;
      held = { ...NOTHING, epoch, version }; // so it claims
      return Promise.resolve({ kind: "indexed", outcome: "unknown" });
    },
  } as unknown as RelayCalls;
  for (let n = 0; n < 9; n++) {
    updater.noteHeld(held);
    await updater.update(calls);
    await time.advance(10_000);
  }
  assertEquals(begunCount, LIMITS.indexAnewCount);
});

Deno.test("A node sends its index again if the relay closes the connection in the middle", async () => {
  const { sent, calls, updater } = setUp(["a"]);
  updater.noteHeld(NOTHING);
  const broken = {
    request: () => Promise.reject(new Deno.errors.ConnectionReset("gone")),
  } as unknown as RelayCalls;
  await updater.update(broken);
  await updater.update(calls);
  assertEquals(sent.map(({ begin }) => begin), [true]);
});

Deno.test("A change while a node sends all its names is sent once, and not missed", async () => {
  const names = Array.from({ length: 6_000 }, (_, n) => `f${n}`);
  const { put, table, sent, calls, updater } = setUp(names);
  updater.noteHeld(NOTHING);
  const held = new Set<number>();
  const take = ({ add, remove }: MessageOf<"index">) => {
    for (const one of decodeFingerprints(remove)!) {
      assert(held.delete(one), "removed what was sent");
    }
    for (const one of decodeFingerprints(add)!) {
      assert(!held.has(one), "sent once");
      held.add(one);
    }
  };
  let left = 20;
  const busy = {
    request: (message: MessageOf<"index">) => {
      take(message);
      // Names from all over the index come and go between two messages.
      for (; left > 0 && message.more; left--) {
        table.delete(`f${left * 7}`);
        put(`new${left}`);
      }
      return calls.request(message);
    },
  } as unknown as RelayCalls;
  await updater.update(busy);
  assertEquals(sent.length > 1, true);
  await updater.update(busy);
  const other = setUp([...table.stretch({ prefix: "", most: 9_000 })].map(
    ({ name }) => name,
  ));
  other.updater.noteHeld(NOTHING);
  await other.updater.update(other.calls);
  const all = other.sent.flatMap(({ add }) => [...decodeFingerprints(add)!]);
  assertEquals([...held].sort((a, b) => a - b), all.sort((a, b) => a - b));
});

Deno.test("A node sorts a small part of its index at a time", async () => {
  const names = Array.from({ length: 6_000 }, (_, n) => `f${n}`);
  const { calls, updater, log } = setUp(names);
  updater.noteHeld(NOTHING);
  const sizes: number[] = [];
  using _sort = replaced(
    Float64Array.prototype,
    "sort",
    (original) =>
      function (this: Float64Array, compare) {
        sizes.push(this.length);
        return original.call(this, compare);
      } as typeof original,
  );
  await updater.update(calls);
  const { fingerprints } = log.events.find(({ event }) =>
    event === "indexed"
  ) as
    & IndexEvent
    & { event: "indexed" };
  assertEquals(sizes.reduce((sum, size) => sum + size, 0), fingerprints);
  assert(Math.max(...sizes) <= fingerprints / 64, `${Math.max(...sizes)}`);
});
