import { assertEquals } from "@std/assert";
import { Failure } from "../../../lib/base/errors.ts";
import { oneAtATime, rereading } from "../../../lib/cli/roles/one_at_a_time.ts";

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

Deno.test("rereading reports an error of any kind, and reads again at the next call", async () => {
  const told: string[] = [];
  const errors = [
    new Failure("usage", { what: "Cannot use a", why: "wanted b" }),
    new TypeError("a bug"),
    new Deno.errors.NotCapable("denied"),
    "no error",
  ];
  let runs = 0;
  const reread = rereading(
    () => {
      const error = errors[runs++];
      return error === undefined ? Promise.resolve() : Promise.reject(error);
    },
    ({ message, kind }) => told.push(`${kind} ${message}`),
  );
  for (let n = 0; n < 5; n++) await reread();
  assertEquals(runs, 5);
  assertEquals(told.map((text) => text.split(":")[0]), [
    "usage Cannot use a",
    "local Cannot read settings again",
    "not_allowed Cannot read settings again",
    "local Cannot read settings again",
  ]);
});

Deno.test("rereading loses no call that comes while a run fails", async () => {
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const reread = rereading(async () => {
    if (runs++ > 0) return;
    await gate.promise;
    throw new TypeError("a bug");
  }, () => {});
  const first = reread();
  const second = reread();
  gate.resolve();
  await Promise.all([first, second]);
  assertEquals(runs, 2);
});
