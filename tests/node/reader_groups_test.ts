/** That address groups share the turns of a file, whatever one of them does. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import type { PieceRun } from "../../lib/content/piece_set.ts";
import { ReaderTurns } from "../../lib/node/reader_turns.ts";
import { Readers } from "../../lib/node/readers.ts";
import { FakeTime } from "../_fake_time.ts";

const { swarmReaderCount, swarmPassCount, swarmSlowMs } = LIMITS;

type PieceReaders = Readers<PieceRun>;

function at(first: number, count = 1): PieceRun {
  return { first, count };
}

/** The readers of all turns that can be given now. */
function turns(readers: PieceReaders): string[] {
  const all: string[] = [];
  for (let turn; (turn = readers.next());) all.push(turn.reader);
  return all;
}

Deno.test("Readers gives an address group one turn at a time while others wait, and a turn to each other group at once", () => {
  const readers: PieceReaders = new Readers(LIMITS);
  for (let n = 0; n < 250; n++) readers.request(`many${n}`, at(n), "many");
  // Alone, it has all places; they count once as soon as others ask.
  assertEquals(turns(readers).length, swarmReaderCount);
  for (let n = 1; n < swarmReaderCount; n++) {
    readers.request(`other${n}`, at(0));
    assertEquals(turns(readers), [`other${n}`]);
  }
  readers.request("last", at(0));
  assertEquals(turns(readers), [], "swarmReaderCount groups have turns");
  readers.sent("other1");
  assertEquals(turns(readers), ["last"]);
  for (let n = 0; n < swarmReaderCount; n++) readers.sent(`many${n}`);
  readers.request("other1", at(0));
  assertEquals(turns(readers), [`many${swarmReaderCount}`], "and no second");
  readers.sent("last");
  assertEquals(turns(readers), ["other1"]);
});

Deno.test("ReaderTurns serves one client without a wait, however many requests of another address take nothing", async () => {
  for (const count of [1, 24, 250]) {
    using time = new FakeTime();
    using turns = new ReaderTurns(LIMITS);
    const stuck: Disposable[] = [];
    for (let n = 0; n < count; n++) {
      turns.take("v", at(1_000 + 4 * n, 4), { group: "attacker" })
        .then((turn) => stuck.push(turn));
    }
    for (let n = 0; n < 40; n++) {
      await time.advance(swarmSlowMs / 4);
      let served = 0;
      for (let piece = 0; piece < 25; piece++) {
        turns.take("v", at(piece), { group: "honest" }).then((turn) => {
          turn.sent();
          served++;
        });
        await time.advance(0);
      }
      assertEquals(served, 25, `${count} requests, step ${n}`);
    }
    for (let turn; (turn = stuck.shift()) !== undefined;) {
      turn[Symbol.dispose]();
      await time.advance(0);
    }
  }
});

Deno.test("Readers serves slow groups separately, until they read something in time", () => {
  const readers: PieceReaders = new Readers(LIMITS);
  const slow = Array.from({ length: 50 }, (_, n) => `slow${n}`);
  for (const name of slow) {
    readers.request(name, at(0), name);
    readers.next();
    readers.late(name);
    readers.request(`${name}b`, at(0), name);
  }
  const apart = turns(readers).map((reader) => reader.slice(0, -1));
  assertEquals(apart.length, swarmReaderCount, "their own places");
  for (let n = 0; n < 100; n++) {
    readers.request(`quick${n}`, at(0), "quick");
    assertEquals(turns(readers), [`quick${n}`], "at once");
    readers.sent(`quick${n}`);
  }
  // Some end, and are in time with their second request.
  for (const name of apart) {
    readers.sent(name);
    readers.sent(`${name}b`);
    readers.request(`${name}c`, at(0), name);
  }
  const next = turns(readers);
  for (const name of apart) {
    assert(next.includes(`${name}c`), `${name} is quick again`);
  }
});

for (const groups of [1, 2, 7, 40]) {
  for (const isNewEachTime of [false, true]) {
    const who = isNewEachTime
      ? "new addresses each time"
      : "the same addresses";
    Deno.test(`Readers passes a group over at most twice for each other that waits: ${groups} of ${who}, with pieces that nobody has`, () => {
      const readers: PieceReaders = new Readers({
        ...LIMITS,
        swarmReaderCount: 1,
      });
      let fresh = 1_000;
      let count = 0;
      const ask = (slot: number) => {
        const name = `${slot}-${count++}`;
        readers.request(name, at(fresh++), isNewEachTime ? name : slot);
      };
      readers.request("first", at(0));
      readers.next();
      for (let slot = 0; slot < groups; slot++) ask(slot);
      readers.request("again", at(0), "honest"); // piece 0 was sent
      readers.sent("first");
      const mostPassed = Math.max(swarmPassCount, 2 * (groups + 1));
      let honest = 0;
      let passed = 0;
      for (let n = 0; n < 20 * mostPassed; n++) {
        const { reader } = readers.next()!;
        if (reader === "again") {
          honest++;
          passed = 0;
          readers.sent(reader);
          readers.request("again", at(0), "honest");
          continue;
        }
        assert(++passed <= mostPassed + 1, `passed over ${passed} times`);
        readers.sent(reader);
        ask(Number(reader.split("-")[0]));
      }
      assert(honest >= 15, `${honest} turns`);
    });
  }
}

Deno.test("Readers gives one turn of eight to groups that have waited for two turns of each other, and new pieces the others", () => {
  const readers: PieceReaders = new Readers({
    ...LIMITS,
    swarmReaderCount: 1,
  });
  const waiting = Array.from({ length: 40 }, (_, n) => `waits${n}`);
  readers.request("first", at(0));
  readers.next();
  for (const name of waiting) readers.request(name, at(0)); // it was sent
  readers.sent("first");
  const served: string[] = [];
  for (let piece = 1; served.length < 600; piece++) {
    readers.request("new", at(piece));
    const { reader } = readers.next()!;
    served.push(reader);
    readers.sent(reader);
    if (reader !== "new") readers.request(reader, at(0));
  }
  const mostPassed = 2 * (waiting.length + 1);
  const atFirst = served.slice(0, mostPassed);
  assertEquals(new Set(atFirst), new Set(["new"]));
  const later = served.slice(mostPassed + 1);
  const old = later.filter((reader) => reader !== "new");
  assertEquals(old.length, Math.ceil(later.length / (swarmPassCount + 1)));
  assertEquals(old.slice(0, waiting.length), waiting, "each in turn");
});

Deno.test("Readers remembers at most swarmLateGroupCount slow groups without a request", () => {
  const readers: PieceReaders = new Readers({
    ...LIMITS,
    swarmLateGroupCount: 10,
  });
  readers.request("stays", at(0));
  readers.next();
  for (let n = 0; n < 1_000; n++) {
    readers.request(`${n}`, at(0));
    readers.next();
    readers.late(`${n}`);
    readers.left(`${n}`);
    assert(readers.groupCount <= 10, `${readers.groupCount} groups`);
  }
  for (let n = 0; n < 1_000; n++) {
    readers.request(`quick${n}`, at(0));
    readers.next();
    readers.sent(`quick${n}`);
  }
  assert(readers.groupCount <= 10, "and none that was quick");
});

Deno.test("ReaderTurns forgets a request whose client disconnects while it waits", async () => {
  using turns = new ReaderTurns({ ...LIMITS, swarmReaderCount: 1 });
  const first = await turns.take("v", at(0));
  const left = new AbortController();
  const gone = turns.take("v", at(1), { signal: left.signal });
  const stays = turns.take("v", at(2));
  assertEquals(turns.waitingCount, 2);
  left.abort(new Error("it has left"));
  await assertRejects(() => gone, Error, "it has left");
  assertEquals(turns.waitingCount, 1);
  first.sent();
  (await stays).sent();
  assertEquals([turns.servedCount, turns.fileCount], [0, 0]);
});
