/**
 * A node at several relays: each holds an index of its names, under its own key.
 */

import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import type { NodeServer } from "../../lib/node/server.ts";
import { FileTable } from "../../lib/share/file_table.ts";
import { INDEX_COUNT, type Indexable } from "../../lib/share/index_marks.ts";
import { fetch } from "../client/_outcomes.ts";
import { askedIn, BY_INDEX, listedIn } from "../client/_indexed.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";

const SHARES = [{ a: "a" }, { b: "b" }, { c: "c" }];

Deno.test("row 870: with two relays, a look-up through either asks only the node that has the name, over one connection", async () => {
  await using one = await startRelay();
  await using two = await startRelay({ identity: IDENTITIES[1]! });
  await using nodes = new AsyncDisposableStack();
  const servers: NodeServer[] = [];
  for (const [n, files] of SHARES.entries()) {
    const node = nodes.use(
      await startNode(one, files, {
        identity: await createIdentity(),
        relays: [{ address: two.server.address }],
        name: `n${n}`,
        tunnels: "never",
      }),
    );
    servers.push(node.server);
    const reported = new Set<string>();
    await node.log.until(
      "indexed",
      ({ relay }) => reported.add(relay).size === 2,
    );
  }
  const finds = () =>
    servers.map((server) => server.stats().requests["find"] ?? 0);
  for (
    const [relay, relays] of [
      [one, []],
      [two, []],
      [one, [{ address: two.server.address }]],
    ] as const
  ) {
    const before = finds();
    const { message, log } = await fetch(relay, "b", { ...BY_INDEX, relays });
    assertEquals([message, askedIn(log)], ["", ["n1"]]);
    assertEquals(listedIn(log), [["n1"], 3]);
    assertEquals(finds().map((count, n) => count - before[n]!), [0, 1, 0]);
  }
});

/** A table of files, each with its name as content of a kind. */
function tableOf(...names: string[]) {
  const table = new FileTable("/");
  let versions = 0;
  const put = (name: string) => {
    const version = (++versions).toString(16).padStart(32, "0");
    table.put({
      ...{ name, path: `/${name}`, size: 1, modifiedMs: 0, changedAt: 0 },
      ...{ device: 1, inode: 1, isExecutable: false, version },
    });
    return version;
  };
  names.forEach(put);
  return { table, put };
}

Deno.test("Each index of a table gets every name and content once, and only removals of those that it counts", () => {
  const { table, put } = tableOf("a", "b");
  const indexes = Array.from({ length: INDEX_COUNT }, () => {
    const gone: Indexable[] = [];
    let newCount = 0;
    const number = table.addIndex({
      onNew: () => newCount++,
      onRemoved: (one) => gone.push(one),
    });
    return {
      take: () => [...table.takeUnindexed(number)],
      clear: () => table.unindexAll(number),
      gone,
      newCount: () => newCount,
    };
  });
  const [first, second, ...others] = indexes;
  const last = others.at(-1)!;
  assertEquals(first!.take(), [{ name: "a" }, { name: "b" }]);
  assertEquals(first!.take(), []);
  const content = "ab".repeat(32);
  table.learn(put("a"), { content, sha256: content });
  assertEquals(first!.take(), [{ content }], "its name is counted already");
  assertEquals(last.take(), [{ name: "a", content }, { name: "b" }]);
  assertEquals(indexes.map((index) => index.newCount()), [
    1,
    2,
    2,
    2,
    2,
    2,
    2,
    2,
  ]);
  table.delete("a");
  assertEquals(first!.gone, [{ content }, { name: "a" }]);
  assertEquals(last.gone, [{ content }, { name: "a" }]);
  assertEquals(second!.gone, [], "it counts nothing");
  assertEquals(second!.take(), [{ name: "b" }]);
  first!.clear();
  assertEquals(first!.take(), [{ name: "b" }]);
  assertEquals(last.take(), []);
});

Deno.test("A table takes an index for each relay that a node may have", () => {
  assertGreaterOrEqual(INDEX_COUNT, LIMITS.relaysCount);
});
