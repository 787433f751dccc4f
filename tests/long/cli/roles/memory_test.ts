/** Collections of a node or relay, as V8 traces them in a process of their own. */

import { assertEquals, assertMatch } from "@std/assert";

const MIB = 1024 ** 2;

for (const isLarge of [false, true]) {
  const size = isLarge ? "large" : "small";
  Deno.test(`A node or relay with a ${size} heap ${isLarge ? "never stops" : "stops"} for a whole collection`, async () => {
    const script =
      new URL("../../../cli/roles/_collecting.ts", import.meta.url).pathname;
    const most = isLarge ? 0 : 64 * MIB;
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--v8-flags=--trace-gc", script, `${most}`],
      env: { NO_COLOR: "1" },
    }).output();
    const traced = new TextDecoder().decode(stdout);
    assertEquals(code, 0, traced);
    if (isLarge) assertMatch(traced, /Incremental Mark-Compact/);
    // What V8 calls the `gc` function of Deno: two collections without a break.
    const isWhole = /low memory notification/.test(traced);
    assertEquals(isWhole, !isLarge, traced);
  });
}
