import { assertEquals, assertRejects } from "@std/assert";
import { limitsWith } from "../../lib/base/limits.ts";
import { Failure } from "../../lib/base/errors.ts";
import { mergeListings } from "../../lib/client/merged_nodes.ts";
import {
  entriesOf,
  type ListedNode,
  type NodeListing,
  relaysOf,
} from "../../lib/client/nodes.ts";
import { Relays, type RelaysEvent } from "../../lib/client/relays.ts";
import type { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { UnreachableFailure } from "../../lib/uplink/relay_failures.ts";

function node(id: string, more: Partial<ListedNode> = {}): ListedNode {
  return { id, number: 1, name: id, isAttached: false, ...more } as ListedNode;
}

function listing(ids: string, more: Partial<NodeListing> = {}): NodeListing {
  return {
    ...{ greeting: "", relayId: "r" },
    nodes: [...ids].map((id) => node(id)),
    ...more,
  };
}

const FAILED = new Failure("relay", { what: "Cannot list nodes", why: "gone" });

/** Relays `a:1`, `b:1` …, each of which answers when a test says so. */
function setting(names: string, { graceMs = 60_000 } = {}) {
  const events: RelaysEvent[] = [];
  const answers = new Map<
    string,
    PromiseWithResolvers<NodeListing> & { over?: AbortSignal | undefined }
  >();
  const dialers = [...names].map((host) =>
    ({ relay: { host, port: 1 } }) as RelayDialer
  );
  const relays = new Relays(dialers, {
    limits: limitsWith({ relayGraceMs: graceMs }),
    emit: (event) => events.push(event),
  });
  const ask = () => {
    for (const name of names) answers.set(name, Promise.withResolvers());
    const listed = relays.list(({ relay: { host } }, over) => {
      const answer = answers.get(host)!;
      answer.over = over;
      return answer.promise;
    });
    listed.catch(() => {}); // awaited by the test
    return listed;
  };
  const answer = (name: string, given: NodeListing | Error) =>
    given instanceof Error
      ? answers.get(name)!.reject(given)
      : answers.get(name)!.resolve(given);
  return { relays, ask, answer, answers, events };
}

Deno.test("Relays merges all answers by the node's id, with the data of each relay in the order of the relays", async () => {
  const { ask, answer, relays } = setting("ab");
  const listed = ask();
  answer("b", listing("yz"));
  answer("a", listing("xy"));
  const { nodes } = await listed;
  assertEquals(
    nodes.map((one) => [one.number, one.id, relaysOf(one)]),
    [[1, "x", ["a:1"]], [2, "y", ["a:1", "b:1"]], [3, "z", ["b:1"]]],
  );
  assertEquals(relays.of(nodes[2]!).relay.host, "b");
  assertEquals(relays.first.relay.host, "a");
});

Deno.test("Relays takes a node of each relay in turn, so that dead nodes of one do not come before those of all others", async () => {
  const { ask, answer } = setting("abc");
  const listed = ask();
  answer("a", listing("stuvw"));
  answer("b", listing("y"));
  answer("c", listing("yz"));
  const { nodes } = await listed;
  assertEquals(nodes.map(({ id }) => id).join(""), "sytzuvw");
  assertEquals(nodes.map(({ number }) => number), [1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("Relays uses the answers that came soon after the first, reports that once, and gives later ones when they arrive", async () => {
  const { ask, answer, relays, events } = setting("ab", { graceMs: 0 });
  const listed = ask();
  answer("b", listing("y"));
  assertEquals((await listed).nodes.map(({ id }) => id), ["y"]);
  assertEquals(events, [{ event: "relay_late", relay: "a:1" }]);
  assertEquals(relays.first.relay.host, "b");
  answer("a", listing("x"));
  assertEquals((await relays.late()).map(({ id }) => id), ["x"]);
  assertEquals(await relays.late(), []);
});

Deno.test("Relays continues with the others when one refuses, and reports that once, and again after it was back", async () => {
  const { ask, answer, events } = setting("abc");
  const reported = { event: "relay_failed", relay: "b:1", error: FAILED };
  for (
    const [state, count] of [["away", 1], ["away", 1], ["back", 1], ["away", 2]]
  ) {
    const listed = ask();
    answer("b", state === "away" ? FAILED : listing("y"));
    answer("a", listing("x"));
    answer("c", listing("z"));
    const ids = (await listed).nodes.map(({ id }) => id).join("");
    assertEquals(ids, state === "away" ? "xz" : "xyz");
    assertEquals(events, new Array(Number(count)).fill(reported));
  }
});

Deno.test("Relays fails as the first one does when all fail", async () => {
  const { ask, answer } = setting("ab");
  const listed = ask();
  answer("b", new Failure("relay", { what: "other", why: "x" }));
  answer("a", FAILED);
  assertEquals(await assertRejects(() => listed, Failure), FAILED);
});

Deno.test("Relays reports that none answers when all are down, and the reason of one that refuses", async () => {
  const away = (host: string, why: string) =>
    new UnreachableFailure("relay", {
      ...{ what: "Cannot reach relay", where: `${host}:1`, why },
      remedy: "start it",
    });
  const { ask, answer, events } = setting("ab");
  const none = ask();
  answer("a", away("a", "connection refused"));
  answer("b", away("b", "no answer in time"));
  const failure = await assertRejects(() => none, UnreachableFailure);
  assertEquals(failure.parts, {
    what: "Cannot reach any relay",
    where: "a:1, b:1",
    why: "connection refused; no answer in time",
    remedy: "start it",
  });
  const refused = ask();
  answer("a", away("a", "connection refused"));
  answer("b", FAILED);
  assertEquals(await assertRejects(() => refused, Failure), FAILED);
  assertEquals(events, []);
});

Deno.test("Relays asks a single relay directly", async () => {
  const { ask, answer, answers, events } = setting("a");
  const listed = ask();
  const given = listing("xy");
  answer("a", given);
  assertEquals(await listed === given, true);
  assertEquals([answers.get("a")!.over, events], [undefined, []]);
});

Deno.test("Relays ends unused requests when it is disposed of", async () => {
  const { ask, answer, answers, relays } = setting("ab", { graceMs: 0 });
  const listed = ask();
  answer("a", listing("x"));
  await listed;
  const { over } = answers.get("b")!;
  over!.addEventListener("abort", () => answer("b", new Error("over")));
  await relays[Symbol.asyncDispose]();
  assertEquals(over!.aborted, true);
});

Deno.test("mergeListings keeps the grant and the tunnel of each relay separately", () => {
  const listedAt = 0;
  const of = (relay: string, isAttached: boolean) =>
    node("x", { relay, isAttached, grant: { text: relay, listedAt } });
  const merged = mergeListings([
    listing("", { nodes: [of("a", false)] }),
    listing("", { nodes: [of("b", true)] }),
  ]);
  const [found] = merged.nodes;
  assertEquals(found!.isAttached, true);
  assertEquals(
    entriesOf(found!).map(({ relay, grant }) => [relay, grant?.text]),
    [["a", "a"], ["b", "b"]],
  );
});

Deno.test("mergeListings says that nodes are not asked if any relay left some out", () => {
  const count = (a?: number, b?: number) => {
    const { countOfAll, nodes } = mergeListings([
      listing("x", a === undefined ? {} : { countOfAll: a }),
      listing("yz", b === undefined ? {} : { countOfAll: b }),
    ]);
    return countOfAll === undefined ? undefined : countOfAll - nodes.length;
  };
  assertEquals([count(), count(1, 2)], [undefined, 0]);
  assertEquals([count(40, 2), count(40), count(40, 90)], [39, 39, 88]);
});
