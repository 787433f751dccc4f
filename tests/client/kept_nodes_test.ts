import { assertEquals } from "@std/assert";
import {
  formatKept,
  isKept,
  type KeptNode,
  parseKept,
  withListing,
} from "../../lib/client/kept_nodes.ts";
import type { ListedNode } from "../../lib/client/nodes.ts";
import { LIMITS, type Limits, limitsWith } from "../../lib/base/limits.ts";

function kept(node: string, more: Partial<KeptNode> = {}): KeptNode {
  return {
    ...{ relay: "nas:1", relayId: "r", node, at: 1_000, record: "{}" },
    ...{ certificate: "c", signature: "s", observed: [0] },
    ...more,
  };
}

function listing(ids: string, isWhole = true, withGrants = false) {
  const signed = { record: "{}", certificate: "c", signature: "s" };
  const grant = { text: "g", listedAt: 0 };
  const nodes = [...ids].map((id) => ({ id, signed, grant }) as ListedNode);
  return {
    ...{ relay: "nas:1", relayId: "r", nodes, isWhole, withGrants, at: 2_000 },
  };
}

const said = (nodes: readonly KeptNode[]) =>
  nodes.map(({ node, at }) => `${node} ${at}`);

Deno.test("parseKept reads what formatKept writes, and no line in another form", () => {
  const nodes = [kept("a", { grant: "g" }), kept("b", { relay: "[::1]:1700" })];
  const text = formatKept(nodes, LIMITS);
  assertEquals(parseKept(text), nodes);
  for (
    const [from, to] of [
      ['"node":"a"', '"node": "a"'], // not as we write it
      ['"node":"a"', '"node":"a","more":1'],
      ['"at":1000', '"at":-1'],
      ['"at":1000', '"at":"1000"'],
      ['"observed":[0]', '"observed":[0.5]'],
      ['"grant":"g"', '"grant":"g"}{'],
    ] as const
  ) {
    assertEquals(parseKept(text.replace(from, to)), [nodes[1]], to);
  }
  assertEquals(parseKept(text.replace("nodes 1", "nodes 2")), []);
});

Deno.test("formatKept keeps the newest nodes, up to a count and a size", () => {
  const nodes = [kept("a"), kept("b", { at: 3_000 }), kept("c", { at: 2_000 })];
  const within = (limits: Partial<Limits>) =>
    said(parseKept(formatKept(nodes, { ...LIMITS, ...limits })));
  assertEquals(within({}), ["b 3000", "c 2000", "a 1000"]);
  assertEquals(within({ knownNodeCount: 2 }), ["b 3000", "c 2000"]);
  const size = formatKept(nodes, LIMITS).length;
  assertEquals(within({ knownNodesBytes: size - 1 }), ["b 3000", "c 2000"]);
  assertEquals(within({ knownNodesBytes: size }).length, 3);
});

Deno.test("withListing replaces the nodes of a relay by a whole list, and adds a partial one", () => {
  const before = [kept("a"), kept("b"), kept("x", { relay: "other:1" })];
  const after = (ids: string, isWhole: boolean) =>
    said(withListing(before, listing(ids, isWhole), LIMITS));
  assertEquals(after("bc", true), ["b 2000", "c 2000", "x 1000"]);
  assertEquals(after("bc", false), ["b 2000", "c 2000", "a 1000", "x 1000"]);
  assertEquals(after("", true), ["x 1000"]);
});

Deno.test("withListing forgets nodes of another relay at the address, and old ones", () => {
  const before = [
    kept("a", { relayId: "before" }),
    kept("b"),
    kept("x", { relay: "other:1", at: 0 }),
  ];
  const limits = limitsWith({ knownNodesMs: 1_500_000 });
  const after = withListing(before, listing("c", false), limits);
  assertEquals(said(after), ["c 2000", "b 1000"]);
});

Deno.test("withListing keeps grants only if that is allowed", () => {
  const grants = (isKept: boolean) =>
    withListing([], listing("a", true, isKept), LIMITS)
      .map(({ grant }) => grant);
  assertEquals([grants(true), grants(false)], [["g"], [undefined]]);
});

Deno.test("isKept recognises a list that was saved less than a minute ago", () => {
  const record = "{}";
  const is = (at: number, ids: string, isWhole = true) =>
    isKept([kept("a", { at, record })], listing(ids, isWhole), LIMITS);
  assertEquals([is(1_941, "a"), is(1_940, "a")], [true, false]);
  assertEquals([is(1_941, "ab"), is(1_941, "")], [false, false]);
  assertEquals(is(1_941, "", false), true);
});
