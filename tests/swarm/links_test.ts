import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { askAgainMs, SwarmLinks } from "../../lib/swarm/links.ts";
import { seededRandom } from "../_random.ts";

const HOLDERS = Array.from({ length: 50 }, (_, n) => `h${n}`);
const { swarmDialCount, swarmFirstDialCount } = LIMITS;
const { swarmAcceptCount, swarmFirstRetryMs, swarmRetryMs } = LIMITS;

function newLinks(id = "me", seed = 1): SwarmLinks {
  return new SwarmLinks({ id, numbers: LIMITS, random: seededRandom(seed) });
}

/** The relay names these as often as it takes to dial all that are wanted. */
function learnAll(links: SwarmLinks, holders: readonly string[]): void {
  for (let n = 0; n < swarmDialCount; n += swarmFirstDialCount) {
    links.learned(holders);
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

Deno.test("SwarmLinks dials swarmFirstDialCount holders at first, and then first those that were named last", () => {
  const links = newLinks();
  const [old, fresh] = [HOLDERS.slice(0, 10), HOLDERS.slice(10)];
  links.learned([]);
  assertEquals(links.toDial(0), []);
  links.learned(old);
  const first = links.toDial(0);
  assertEquals(first.length, swarmFirstDialCount);
  links.learned([...old, ...fresh]);
  const second = links.toDial(1);
  assertEquals(second.length, swarmDialCount - swarmFirstDialCount);
  assert(second.every((id) => fresh.includes(id)), String(second));
});

Deno.test("SwarmLinks gives about the same number of readers to clients that begin one after the other", () => {
  const readers = new Map(HOLDERS.map((id) => [id, 0]));
  const all = HOLDERS.map((id, n) => newLinks(id, n));
  const dial = (links: SwarmLinks, known: readonly string[]) => {
    links.learned(known);
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
  links.learned(["a"]);
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
  links.learned([]);
  now += 2 * swarmRetryMs;
  assertEquals(links.toDial(now), []);
  links.learned(["a"]);
  assertEquals(links.toDial(now), ["a"]);
  links.closed("a", now);
  now += swarmFirstRetryMs;
  assertEquals(
    links.toDial(now),
    ["a"],
    "one that failed long ago begins anew",
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

Deno.test("A client asks for holders again after swarmAskFirstMs, then every swarmAskEveryMs, and every swarmAskLaterMs after swarmAskSoonMs", () => {
  const { swarmAskFirstMs, swarmAskSoonMs } = LIMITS;
  const { swarmAskEveryMs, swarmAskLaterMs } = LIMITS;
  const asked: number[] = [];
  for (let now = 0; now < 10_000; now += askAgainMs(now, LIMITS)) {
    asked.push(now);
  }
  assertEquals(asked, [0, 1_000, 2_000, 4_000, 7_000]);
  assertEquals(askAgainMs(0, LIMITS), swarmAskFirstMs);
  assertEquals(askAgainMs(swarmAskSoonMs - 1, LIMITS), swarmAskEveryMs);
  assertEquals(askAgainMs(swarmAskSoonMs, LIMITS), swarmAskLaterMs);
});
