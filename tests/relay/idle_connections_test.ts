import { assertEquals, assertExists } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { IdleConnections } from "../../lib/relay/idle_connections.ts";

Deno.test("IdleConnections lets 500 nodes stay connected, and one more when one has disconnected", () => {
  const stays = new IdleConnections(LIMITS);
  const held = Array.from({ length: 501 }, (_, n) => stays.take(`${n}`));
  assertEquals(held.filter((stay) => stay === undefined).length, 1);
  assertEquals(stays.count, 500);
  held[7]?.[Symbol.dispose]();
  held[7]?.[Symbol.dispose](); // counts once
  assertEquals(stays.count, 499);
  assertExists(stays.take("later"));
  assertEquals(stays.take("too late"), undefined);
});

Deno.test("IdleConnections lets 16 nodes of one address stay, and any number that come through a proxy", () => {
  const stays = new IdleConnections(LIMITS);
  const takes = (source: string) =>
    Array.from({ length: 20 }, () => stays.take(source))
      .filter((stay) => stay !== undefined);
  const held = takes("192.0.2.7");
  assertEquals(held.length, 16);
  assertEquals(takes("127.0.0.1").length, 20);
  held[0]?.[Symbol.dispose]();
  assertEquals(takes("192.0.2.7").length, 1);
});
