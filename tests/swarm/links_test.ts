import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  requestPauseMs,
  type KnownHolder,
  SwarmLinks,
} from "../../lib/swarm/links.ts";
import { seededRandom } from "../_random.ts";

const HOLDERS = Array.from({ length: 50 }, (_, n) => `h${n}`);
const { swarmDialCount, swarmFirstDialCount, swarmLinkIdleMs } = LIMITS;
const { swarmAcceptCount, swarmFirstRetryMs, swarmRetryMs } = LIMITS;

function newLinks(id = "me", seed = 1): SwarmLinks {
  return new SwarmLinks({ id, numbers: LIMITS, random: seededRandom(seed) });
}

/** Holders of as many addresses. */
function apart(ids: readonly string[]): KnownHolder[] {
  return ids.map((id) => ({ id, group: id }));
}

/** The relay names these as often as it takes to dial all that are wanted. */
function learnAll(links: SwarmLinks, holders: readonly string[]): void {
  for (let n = 0; n < swarmDialCount; n += swarmFirstDialCount) {
    links.learned(apart(holders));
  }
}

Deno.test("SwarmLinks dials swarmDialCount of the holders that the relay named, and others when these end", () => {
  const links = newLinks();
  learnAll(links, ["me", ...HOLDERS]);
  const ids = links.toDial(0);
  assertEquals(new Set(ids).size, swarmDialCount);
  assert(ids.every((id) => HOLDERS.includes(id)), "never itself");
  assertEquals(links.toDial(0), []);
  links.closed(ids[0]!, 1);
  const [next, ...more] = links.toDial(1);
  assertEquals(more, []);
  assert(next !== undefined && !ids.includes(next));
});

Deno.test("SwarmLinks dials swarmFirstDialCount holders at first, and then prefers those that were named last", () => {
  const links = newLinks();
  const [old, fresh] = [HOLDERS.slice(0, 10), HOLDERS.slice(10)];
  links.learned(apart([]));
  assertEquals(links.toDial(0), []);
  links.learned(apart(old));
  const first = links.toDial(0);
  assertEquals(first.length, swarmFirstDialCount);
  links.learned(apart([...old, ...fresh]));
  const second = links.toDial(1);
  assertEquals(second.length, swarmDialCount - swarmFirstDialCount);
  assert(second.every((id) => fresh.includes(id)), String(second));
});

Deno.test("SwarmLinks gives about the same number of readers to clients that begin one after the other", () => {
  const readers = new Map(HOLDERS.map((id) => [id, 0]));
  const all = HOLDERS.map((id, n) => newLinks(id, n));
  const dial = (links: SwarmLinks, known: readonly string[]) => {
    links.learned(apart(known));
    for (const id of links.toDial(0)) readers.set(id, readers.get(id)! + 1);
  };
  // Each finds those that began before it, and then all.
  for (const [n, links] of all.entries()) dial(links, HOLDERS.slice(0, n));
  for (let round = 0; round < 2; round++) {
    for (const links of all) dial(links, HOLDERS);
  }
  const counts = [...readers.values()];
  assert(Math.min(...counts) >= 1, String(counts));
  assert(Math.max(...counts) <= swarmAcceptCount, String(counts));
});

Deno.test("SwarmLinks of different clients dial different holders", () => {
  const all = Array.from({ length: 20 }, (_, seed) => {
    const links = newLinks("me", seed);
    learnAll(links, HOLDERS);
    return links.toDial(0);
  });
  assert(new Set(all.flat()).size > 40);
});

Deno.test("SwarmLinks dials a holder again after swarmFirstRetryMs, and then after twice as long each time, up to swarmRetryMs", () => {
  const links = newLinks();
  links.learned(apart(["a"]));
  assertEquals(links.toDial(0), ["a"]);
  let now = 0;
  for (const times of [1, 2, 4, 8, 16, 32]) {
    links.closed("a", now);
    const restMs = Math.min(swarmRetryMs, times * swarmFirstRetryMs);
    assertEquals(links.toDial(now + restMs - 1), []);
    now += restMs;
    assertEquals(links.toDial(now), ["a"]);
  }
  links.closed("a", now);
  links.learned(apart([]));
  now += 2 * swarmRetryMs;
  assertEquals(links.toDial(now), []);
  links.learned(apart(["a"]));
  assertEquals(links.toDial(now), ["a"]);
  links.closed("a", now);
  now += swarmFirstRetryMs;
  assertEquals(
    links.toDial(now),
    ["a"],
    "one that failed long ago begins again",
  );
});

Deno.test("SwarmLinks dials nobody once this client is complete", () => {
  const links = newLinks();
  learnAll(links, HOLDERS);
  const [first] = links.toDial(0);
  links.completed();
  links.closed(first!, 1);
  assertEquals(links.toDial(1), []);
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
  assertEquals(requestPauseMs(swarmRequestSoonMs - 1, LIMITS), swarmRequestEveryMs);
  assertEquals(requestPauseMs(swarmRequestSoonMs, LIMITS), swarmRequestLaterMs);
});

Deno.test("SwarmLinks dials one holder of each address group before a second one, however many ids one address has", () => {
  const honest = apart(HOLDERS.slice(0, swarmDialCount - 2));
  for (let seed = 0; seed < 50; seed++) {
    const links = newLinks("me", seed);
    const ids = new Set<string>();
    for (let answer = 0; answer < 3; answer++) {
      const others = HOLDERS.slice(honest.length).map((id) => ({
        id: `${id} ${answer}`, // which it has never named before
        group: "192.0.2.1",
      }));
      links.learned([...others, ...honest]);
      for (const id of links.toDial(answer)) ids.add(id);
    }
    assertEquals(ids.size, swarmDialCount);
    assert(honest.every(({ id }) => ids.has(id)), `seed ${seed}`);
    // One that ends makes room for the one group that has fewer links.
    links.closed(honest[0]!.id, 10);
    links.learned([...apart(["another"]), ...honest]);
    assertEquals(links.toDial(10), ["another"]);
  }
});

Deno.test("SwarmLinks ends the idlest link that sent nothing for swarmLinkIdleMs, only while another holder is known", () => {
  const links = newLinks();
  const known = HOLDERS.slice(0, swarmDialCount);
  learnAll(links, known);
  const [first, second, ...busy] = links.toDial(0);
  links.brought(second!, 1);
  for (const id of busy) links.brought(id, 2);
  const late = swarmLinkIdleMs + 1;
  assertEquals(links.toEnd(late), undefined, "there is no other");
  links.learned(apart([...known, "another"]));
  assertEquals(links.toEnd(swarmLinkIdleMs - 1), undefined);
  assertEquals(links.toEnd(late), first);
  links.closed(first!, late);
  assertEquals(links.toEnd(late), undefined, "there is room");
  assertEquals(links.toDial(late), ["another"]);
  links.learned(apart([...known, "third"]));
  assertEquals(links.toEnd(late), second);
});
