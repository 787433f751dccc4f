/**
 * A peer with several addresses, in fake time.
 */

import { assertEquals } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { type DialOptions, firstOf } from "../../lib/transport/dial.ts";
import { FakeTime } from "../_fake_time.ts";

Deno.test("firstOf tries the next address after staggerMs, or at once after an error", async () => {
  using time = new FakeTime();
  const tried: string[] = [];
  const closed: string[] = [];
  const places = ["silent", "refused", "there"].map((host) => ({
    host,
    port: 1,
  }));
  const opening = firstOf(
    places,
    { timeoutMs: 20_000, signal: undefined },
    ({ host }, { signal }: Omit<DialOptions, "peer">) => {
      tried.push(host);
      if (host === "refused") {
        return Promise.reject(new Deno.errors.ConnectionRefused(host));
      }
      const conn = { host, close: () => closed.push(host) };
      if (host === "there") return Promise.resolve(conn);
      return new Promise<typeof conn>((resolve) =>
        signal?.addEventListener("abort", () => resolve(conn))
      );
    },
  );
  await time.advance(LIMITS.staggerMs - 1);
  assertEquals(tried, ["silent"]);
  await time.advance(1);
  assertEquals(tried, ["silent", "refused", "there"]);
  assertEquals((await opening).host, "there");
  assertEquals(closed, ["silent"], "the one that came too late");
});
