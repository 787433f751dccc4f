/**
 * Who delivered how much, by which path.
 */

import { assertEquals } from "@std/assert";
import { Deliveries } from "../../lib/client/deliveries.ts";

Deno.test("Deliveries counts by node, and by the path of each", () => {
  const deliveries = new Deliveries();
  assertEquals([deliveries.total, deliveries.by(String)], [0, []]);
  deliveries.add({ source: "b", path: "tunnel", bytes: 5 });
  deliveries.add({ source: "a", path: "direct", bytes: 2 });
  deliveries.add({ source: "b", path: "direct", bytes: 30 });
  deliveries.add({ source: "b", path: "tunnel", bytes: 100 });
  assertEquals(deliveries.total, 137);
  assertEquals(deliveries.by((id) => id.toUpperCase()), [
    {
      node: "B",
      isHolder: false,
      bytes: 135,
      paths: { direct: 30, tunnel: 105 },
    },
    { node: "A", isHolder: false, bytes: 2, paths: { direct: 2, tunnel: 0 } },
  ]);
});
