/** Bytes a second of transfers, as the page draws them. */

import { assertEquals } from "@std/assert";
import { Rates } from "../../lib/gateway/page/rates.js";

Deno.test("Rates gives bytes a second of each transfer and of all together", () => {
  const rates = new Rates();
  rates.add(1_000, [{ id: 1, sent: 0 }]);
  assertEquals(rates.now(), 0);
  rates.add(2_000, [{ id: 1, sent: 500 }, { id: 2, sent: 90 }]);
  rates.add(4_000, [{ id: 1, sent: 900 }, { id: 2, sent: 90 }]);
  assertEquals([rates.now(), rates.of(1).now, rates.of(2).now], [200, 200, 0]);
  assertEquals(rates.of(1).most, 500);
  assertEquals(rates.total().most, 500);
  // Half a minute at first, so 2 s before now is at 28/30 of it.
  assertEquals(rates.of(1).points, [[28 / 30, 500], [1, 200]]);
});

Deno.test("Rates keeps three minutes, and forgets transfers that have ended", () => {
  const rates = new Rates();
  for (let second = 0; second <= 400; second++) {
    rates.add(second * 1_000, [{ id: 1, sent: second * 10 }]);
  }
  assertEquals(rates.spanMs, 180_000);
  const { points, most } = rates.total();
  assertEquals([points.length, points[0]?.[0], most], [181, 0, 10]);
  rates.add(401_000, []);
  assertEquals([rates.of(1).points, rates.now()], [[], 0]);
});
