import { assertEquals } from "@std/assert";
import { oneAtATime } from "../../../lib/cli/roles/one_at_a_time.ts";

Deno.test("oneAtATime runs never twice at once, and once more for all calls during a run", async () => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let running = 0;
  let runs = 0;
  let most = 0;
  const call = oneAtATime(async () => {
    most = Math.max(most, ++running);
    await gates[runs++]?.promise;
    running--;
  });
  const first = call();
  const others = [call(), call(), call()];
  gates[1]!.resolve();
  gates[0]!.resolve();
  await Promise.all([first, ...others]);
  assertEquals({ runs, most }, { runs: 2, most: 1 });
  await call();
  assertEquals(runs, 3);
});
