/**
 * Who delivered how much, by which path.
 */

import { assertEquals } from "@std/assert";
import { Deliveries } from "../../lib/client/deliveries.ts";
import { Tally } from "../../lib/client/tally.ts";

Deno.test("Deliveries counts by node, and by the path of each", () => {
  const deliveries = new Deliveries();
  assertEquals([deliveries.total, deliveries.by(String)], [0, []]);
  deliveries.add({ source: "b", path: "tunnel", bytes: 5 });
  deliveries.add({ source: "a", path: "direct", bytes: 2 });
  deliveries.add({ source: "b", path: "direct", bytes: 30 });
  deliveries.add({ source: "b", path: "tunnel", bytes: 100 });
  assertEquals(deliveries.total, 137);
  assertEquals(deliveries.by((id) => id.toUpperCase()), [
    { node: "B", bytes: 135, paths: { direct: 30, tunnel: 105 } },
    { node: "A", bytes: 2, paths: { direct: 2, tunnel: 0 } },
  ]);
});

Deno.test("Tally counts what this run has received by path, beside what is there", () => {
  const tally = new Tally(0);
  tally.expect(1_000, 400);
  tally.add("direct", 100);
  tally.add("tunnel", 20);
  const { received, total, paths } = tally.progress(1_000, 2);
  assertEquals([received, total], [520, 1_000]);
  assertEquals(paths, { direct: 100, tunnel: 20 });
  tally.add("tunnel", 1);
  assertEquals(paths, { direct: 100, tunnel: 20 }); // it was of that moment
  assertEquals(tally.progress(2_000, 2).paths.tunnel, 21);
});
