import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { askAgainMs, SwarmLinks } from "../../lib/swarm/links.ts";
import { seededRandom } from "../_random.ts";

const HOLDERS = Array.from({ length: 50 }, (_, n) => `h${n}`);
const { swarmDialCount, swarmAcceptCount, swarmIdleMs, swarmRetryMs } = LIMITS;

function newLinks(id = "me", seed = 1): SwarmLinks {
  return new SwarmLinks({ id, numbers: LIMITS, random: seededRandom(seed) });
}

/** Links to so many holders that were dialled, open since 0. */
function dialled(links: SwarmLinks): string[] {
  links.learned(HOLDERS);
  const ids = links.toDial(0);
  for (const id of ids) assertEquals(links.opened(id, 0), true);
  return ids;
}

Deno.test("SwarmLinks dials swarmDialCount holders of those that the relay named, and others when these end", () => {
  const links = newLinks();
  links.learned(["me", ...HOLDERS]);
  const ids = links.toDial(0);
  assertEquals(new Set(ids).size, swarmDialCount);
  assert(ids.every((id) => HOLDERS.includes(id)), "never itself");
  assertEquals(links.toDial(0), []);
  links.closed(ids[0]!, 1);
  const [next, ...more] = links.toDial(1);
  assertEquals(more, []);
  assert(next !== undefined && !ids.includes(next));
});

Deno.test("SwarmLinks of different clients dial different holders", () => {
  const all = Array.from({ length: 20 }, (_, seed) => {
    const links = newLinks("me", seed);
    links.learned(HOLDERS);
    return links.toDial(0);
  });
  assert(new Set(all.flat()).size > 40);
});

Deno.test("SwarmLinks dials a holder again after swarmRetryMs", () => {
  const links = newLinks();
  links.learned(["a"]);
  assertEquals(links.toDial(0), ["a"]);
  links.closed("a", 5);
  assertEquals(links.toDial(5 + swarmRetryMs - 1), []);
  assertEquals(links.toDial(5 + swarmRetryMs), ["a"]);
});

Deno.test("SwarmLinks accepts swarmAcceptCount clients, and drops idle ones when all places are taken", () => {
  const links = newLinks();
  for (let n = 0; n < swarmAcceptCount; n++) {
    assertEquals(links.toDrop(swarmIdleMs), [], "there is room");
    assertEquals(links.accept(`c${n}`, 0), undefined);
  }
  assertEquals(links.accept("late", 0), "full");
  assertEquals(links.openCount, swarmAcceptCount);
  for (let n = 1; n < swarmAcceptCount; n++) links.moved(`c${n}`, 1);
  assertEquals(links.toDrop(swarmIdleMs), ["c0"]);
  links.closed("c0", swarmIdleMs);
  assertEquals(links.accept("late", swarmIdleMs), undefined);
});

Deno.test("SwarmLinks drops a link that has been idle for swarmIdleMs, if another can take its place", () => {
  const links = newLinks();
  const ids = dialled(links);
  for (const id of ids.slice(2)) links.moved(id, 1);
  assertEquals(links.toDrop(swarmIdleMs - 1), []);
  assertEquals(links.toDrop(swarmIdleMs), ids.slice(0, 2));
  links.learned(ids);
  assertEquals(links.toDrop(swarmIdleMs), [], "nobody else is known");
  links.learned([...ids, "other"]);
  assertEquals(links.toDrop(swarmIdleMs), ids.slice(0, 1));
});

Deno.test("SwarmLinks keeps one link of two clients that dial each other", () => {
  const [a, b] = ["a", "b"].map((id) => newLinks(id)) as [
    SwarmLinks,
    SwarmLinks,
  ];
  a.learned(["b"]);
  b.learned(["a"]);
  assertEquals([a.toDial(0), b.toDial(0)], [["b"], ["a"]]);
  assertEquals(a.accept("b", 1), "double");
  assertEquals(b.accept("a", 1), undefined);
  assertEquals(b.opened("a", 2), false, "its dial came second");
  assertEquals(a.opened("b", 2), true);
  assertEquals([a.openCount, b.openCount], [1, 1]);
  assertEquals(b.accept("a", 3), "double");
});

Deno.test("SwarmLinks parts from complete clients once this one is complete, and dials nobody", () => {
  const links = newLinks();
  const [first, second] = dialled(links);
  links.isComplete(first!);
  assertEquals(links.toDrop(1), []);
  links.completed();
  assertEquals(links.toDrop(1), [first]);
  links.closed(second!, 1);
  assertEquals(links.toDial(1), []);
});

Deno.test("A client asks for holders every swarmAskEveryMs at first, and every swarmAskLaterMs after swarmAskSoonMs", () => {
  const { swarmAskSoonMs, swarmAskEveryMs, swarmAskLaterMs } = LIMITS;
  assertEquals(askAgainMs(0, LIMITS), swarmAskEveryMs);
  assertEquals(askAgainMs(swarmAskSoonMs - 1, LIMITS), swarmAskEveryMs);
  assertEquals(askAgainMs(swarmAskSoonMs, LIMITS), swarmAskLaterMs);
});
