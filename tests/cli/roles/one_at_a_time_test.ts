import { assertEquals } from "@std/assert";
import { oneAtATime } from "../../../lib/cli/roles/one_at_a_time.ts";

Deno.test("oneAtATime never runs twice at once, and once more for all calls during a run", async () => {
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

Deno.test("oneAtATime loses no call that comes just when a run ends", async () => {
  for (let turns = 0; turns < 8; turns++) {
    let runs = 0;
    const gate = Promise.withResolvers<void>();
    const call = oneAtATime(async () => {
      runs++;
      await gate.promise;
    });
    void call();
    gate.resolve();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await call();
    assertEquals(runs, 2, `${turns}`);
  }
});
