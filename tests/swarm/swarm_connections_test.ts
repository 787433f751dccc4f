import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  type KnownHolder,
  requestPauseMs,
  SwarmConnections,
} from "../../lib/swarm/swarm_connections.ts";
import { seededRandom } from "../_random.ts";

const HOLDERS = Array.from({ length: 50 }, (_, n) => `h${n}`);
const { swarmDialCount, swarmFirstDialCount, swarmConnectionIdleMs } = LIMITS;
const { swarmAcceptCount, swarmFirstRetryMs, swarmRetryMs } = LIMITS;

function newConnections(id = "me", seed = 1): SwarmConnections {
  return new SwarmConnections({
    id,
    numbers: LIMITS,
    random: seededRandom(seed),
  });
}

/** Holders of as many addresses. */
function apart(ids: readonly string[]): KnownHolder[] {
  return ids.map((id) => ({ id, group: id }));
}

/** The relay names these as often as it takes to dial all that are wanted. */
function learnAll(
  connections: SwarmConnections,
  holders: readonly string[],
): void {
  for (let n = 0; n < swarmDialCount; n += swarmFirstDialCount) {
    connections.learned(apart(holders));
  }
}

Deno.test("SwarmConnections dials swarmDialCount of the holders that the relay named, and others when these end", () => {
  const connections = newConnections();
  learnAll(connections, ["me", ...HOLDERS]);
  const ids = connections.toDial(0);
  assertEquals(new Set(ids).size, swarmDialCount);
  assert(ids.every((id) => HOLDERS.includes(id)), "never itself");
  assertEquals(connections.toDial(0), []);
  connections.closed(ids[0]!, 1);
  const [next, ...more] = connections.toDial(1);
  assertEquals(more, []);
  assert(next !== undefined && !ids.includes(next));
});

Deno.test("SwarmConnections dials swarmFirstDialCount holders at first, and then prefers those that were named last", () => {
  const connections = newConnections();
  const [old, fresh] = [HOLDERS.slice(0, 10), HOLDERS.slice(10)];
  connections.learned(apart([]));
  assertEquals(connections.toDial(0), []);
  connections.learned(apart(old));
  const first = connections.toDial(0);
  assertEquals(first.length, swarmFirstDialCount);
  connections.learned(apart([...old, ...fresh]));
  const second = connections.toDial(1);
  assertEquals(second.length, swarmDialCount - swarmFirstDialCount);
  assert(second.every((id) => fresh.includes(id)), String(second));
});

Deno.test("SwarmConnections gives about the same number of readers to clients that begin one after the other", () => {
  const readers = new Map(HOLDERS.map((id) => [id, 0]));
  const all = HOLDERS.map((id, n) => newConnections(id, n));
  const dial = (connections: SwarmConnections, known: readonly string[]) => {
    connections.learned(apart(known));
    for (const id of connections.toDial(0)) {
      readers.set(id, readers.get(id)! + 1);
    }
  };
  // Each finds those that began before it, and then all.
  for (const [n, connections] of all.entries()) {
    dial(connections, HOLDERS.slice(0, n));
  }
  for (let round = 0; round < 2; round++) {
    for (const connections of all) dial(connections, HOLDERS);
  }
  const counts = [...readers.values()];
  assert(Math.min(...counts) >= 1, String(counts));
  assert(Math.max(...counts) <= swarmAcceptCount, String(counts));
});

Deno.test("SwarmConnections of different clients dial different holders", () => {
  const all = Array.from({ length: 20 }, (_, seed) => {
    const connections = newConnections("me", seed);
    learnAll(connections, HOLDERS);
    return connections.toDial(0);
  });
  assert(new Set(all.flat()).size > 40);
});

Deno.test("SwarmConnections dials a holder again after swarmFirstRetryMs, and then after twice as long each time, up to swarmRetryMs", () => {
  const connections = newConnections();
  connections.learned(apart(["a"]));
  assertEquals(connections.toDial(0), ["a"]);
  let now = 0;
  for (const times of [1, 2, 4, 8, 16, 32]) {
    connections.closed("a", now);
    const restMs = Math.min(swarmRetryMs, times * swarmFirstRetryMs);
    assertEquals(connections.toDial(now + restMs - 1), []);
    now += restMs;
    assertEquals(connections.toDial(now), ["a"]);
  }
  connections.closed("a", now);
  connections.learned(apart([]));
  now += 2 * swarmRetryMs;
  assertEquals(connections.toDial(now), []);
  connections.learned(apart(["a"]));
  assertEquals(connections.toDial(now), ["a"]);
  connections.closed("a", now);
  now += swarmFirstRetryMs;
  assertEquals(
    connections.toDial(now),
    ["a"],
    "one that failed long ago begins again",
  );
});

Deno.test("SwarmConnections dials nobody once this client is complete", () => {
  const connections = newConnections();
  learnAll(connections, HOLDERS);
  const [first] = connections.toDial(0);
  connections.completed();
  connections.closed(first!, 1);
  assertEquals(connections.toDial(1), []);
});

Deno.test("A client asks for holders again after swarmRequestFirstMs, then every swarmRequestEveryMs, and every swarmRequestLaterMs after swarmRequestSoonMs", () => {
  const { swarmRequestFirstMs, swarmRequestSoonMs } = LIMITS;
  const { swarmRequestEveryMs, swarmRequestLaterMs } = LIMITS;
  const asked: number[] = [];
  for (let now = 0; now < 10_000; now += requestPauseMs(now, LIMITS)) {
    asked.push(now);
  }
  assertEquals(asked, [0, 1_000, 2_000, 4_000, 7_000]);
  assertEquals(requestPauseMs(0, LIMITS), swarmRequestFirstMs);
  assertEquals(
    requestPauseMs(swarmRequestSoonMs - 1, LIMITS),
    swarmRequestEveryMs,
  );
  assertEquals(requestPauseMs(swarmRequestSoonMs, LIMITS), swarmRequestLaterMs);
});

Deno.test("SwarmConnections dials one holder of each address group before a second one, however many ids one address has", () => {
  const honest = apart(HOLDERS.slice(0, swarmDialCount - 2));
  for (let seed = 0; seed < 50; seed++) {
    const connections = newConnections("me", seed);
    const ids = new Set<string>();
    for (let answer = 0; answer < 3; answer++) {
      const others = HOLDERS.slice(honest.length).map((id) => ({
        id: `${id} ${answer}`, // which it has never named before
        group: "192.0.2.1",
      }));
      connections.learned([...others, ...honest]);
      for (const id of connections.toDial(answer)) ids.add(id);
    }
    assertEquals(ids.size, swarmDialCount);
    assert(honest.every(({ id }) => ids.has(id)), `seed ${seed}`);
    // One that ends makes room for the one group that has fewer connections.
    connections.closed(honest[0]!.id, 10);
    connections.learned([...apart(["another"]), ...honest]);
    assertEquals(connections.toDial(10), ["another"]);
  }
});

Deno.test("SwarmConnections ends the idlest connection that sent nothing for swarmConnectionIdleMs, only while another holder is known", () => {
  const connections = newConnections();
  const known = HOLDERS.slice(0, swarmDialCount);
  learnAll(connections, known);
  const [first, second, ...busy] = connections.toDial(0);
  connections.brought(second!, 1);
  for (const id of busy) connections.brought(id, 2);
  const late = swarmConnectionIdleMs + 1;
  assertEquals(connections.toEnd(late), undefined, "there is no other");
  connections.learned(apart([...known, "another"]));
  assertEquals(connections.toEnd(swarmConnectionIdleMs - 1), undefined);
  assertEquals(connections.toEnd(late), first);
  connections.closed(first!, late);
  assertEquals(connections.toEnd(late), undefined, "there is room");
  assertEquals(connections.toDial(late), ["another"]);
  connections.learned(apart([...known, "third"]));
  assertEquals(connections.toEnd(late), second);
});
