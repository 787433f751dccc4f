import {
  assert,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
} from "@std/assert";
import { Slept } from "../../lib/base/clock_watch.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { addressesOf } from "../../lib/node/addresses.ts";
import { FakeTime } from "../_fake_time.ts";
import { startAttached } from "./_registrar.ts";

Deno.test("A registrar attaches if the node cannot be dialled, and renews over the same connection", async () => {
  using time = new FakeTime();
  const stay = startAttached();
  await time.advance(0);
  assertEquals(stay.reported, ["attached unreachable"]);
  const [channel] = stay.relay.channels;
  await time.advance(100_000);
  assertEquals([...stay.relay.channels], [channel]);
  assertEquals(stay.relay.asked, [
    "register",
    "reach",
    "attach",
    ...Array<string>(5).fill("register"),
  ]);
  await stay.stop();
  assertEquals(stay.log.names.at(-1), "withdrawn");
  assertEquals(stay.reported, ["attached unreachable"], "leaving is no loss");
  await time.advance(0); // the relay's end notices it
  assertEquals(time.timerCount, 0);
});

Deno.test("A registrar asks every 300 s whether the node can be dialled, attached or not", async () => {
  for (const reached of ["alive", "gone"] as const) {
    using time = new FakeTime();
    const stay = startAttached({}, { reached });
    const askedAt: number[] = [];
    for (let second = 0; second < 1_300; second++) {
      await time.advance(1_000);
      const count = stay.relay.asked.filter((kind) => kind === "reach").length;
      if (count > askedAt.length) askedAt.push(second);
    }
    const gaps = askedAt.slice(1).map((at, n) => at - askedAt[n]!);
    assertGreater(gaps.length, 2);
    for (const gap of gaps) {
      assertLessOrEqual(gap, 322, "with the next renewal");
      assertGreater(gap, 298);
    }
    await stay.stop();
  }
});

Deno.test("A registrar whose node becomes reachable detaches, and attaches when it no longer is", async () => {
  using time = new FakeTime();
  const stay = startAttached();
  await time.advance(0);
  stay.relay.reached = "alive";
  await time.advance(320_000);
  assertEquals(stay.reported, ["attached unreachable", "detached reachable"]);
  assertEquals(stay.relay.channels.size, 0, "the connection is not kept");
  stay.relay.reached = "gone";
  await time.advance(320_000);
  assertEquals(stay.reported.at(-1), "attached unreachable");
  assertEquals(stay.log.names.includes("registration_failed"), false);
  await stay.stop();
});

Deno.test("A registrar behind a router registers the outer address as soon as the relay has reached it there, and no longer at another", async () => {
  using time = new FakeTime();
  const bound = { host: "::", port: 1500 };
  const stay = startAttached({
    addressesFrom: (way) =>
      addressesOf({
        bound,
        lan: true,
        ways: [{ ...way, local: "192.168.1.7" }],
      }),
  }, { observed: "203.0.113.7" });
  await time.advance(0);
  assertEquals(stay.relay.addresses, ["192.168.1.7:1500"]);
  stay.relay.reached = "alive";
  await time.advance(320_000);
  const both = "203.0.113.7:1500 192.168.1.7:1500";
  assertEquals(stay.relay.addresses.at(-1), both);
  // The provider gives the router another address; the relay checks again.
  stay.relay.observed = "203.0.113.8";
  stay.relay.reached = "gone";
  await time.advance(20_000);
  assertEquals(stay.relay.addresses.at(-1), "192.168.1.7:1500");
  assertEquals(stay.reported.at(-1), "attached unreachable");
  await stay.stop();
});

/** A clock of a machine that sleeps when the test wants it. */
class SleepyClock {
  #wake = new AbortController();

  get wake(): AbortSignal {
    return this.#wake.signal;
  }

  sleep(): void {
    const woken = this.#wake;
    this.#wake = new AbortController();
    woken.abort(new Slept());
  }
}

Deno.test("An attached registrar connects again at once after a sleep, and asks again whether the node can be dialled", async () => {
  using time = new FakeTime();
  const clock = new SleepyClock();
  const stay = startAttached({ clock });
  await time.advance(0);
  const [before] = stay.relay.channels;
  stay.relay.asked.length = 0;
  clock.sleep();
  await time.advance(0);
  assertEquals(stay.relay.asked, ["register", "reach", "attach"]);
  assertEquals(stay.reported, [
    "attached unreachable",
    "detached lost",
    "attached unreachable",
  ]);
  assertEquals(stay.relay.channels.has(before!), false);
  assertEquals(stay.relay.channels.size, 1);
  await stay.stop();
});

Deno.test("A registrar between two renewals renews at once after a sleep", async () => {
  using time = new FakeTime();
  const clock = new SleepyClock();
  const stay = startAttached({ clock }, { reached: "alive" });
  await time.advance(0);
  stay.relay.asked.length = 0;
  clock.sleep();
  await time.advance(0);
  assertEquals(stay.relay.asked, ["register", "reach"]);
  await time.advance(19_000);
  assertEquals(stay.relay.asked.length, 2, "and not more often than before");
  await stay.stop();
});

Deno.test("A registrar whose relay is down tries at once after a sleep, and then with short pauses", async () => {
  using time = new FakeTime();
  const clock = new SleepyClock();
  const stay = startAttached({ clock }, { away: true });
  await time.advance(600_000);
  assertGreater(time.nextTimerMs, LIMITS.retryFirstMs);
  clock.sleep();
  await time.advance(0);
  assertLessOrEqual(time.nextTimerMs, LIMITS.retryFirstMs);
  stay.relay.away = false;
  clock.sleep();
  await time.advance(0);
  assertEquals(stay.relay.asked.at(0), "register");
  await stay.stop();
});

Deno.test("A registrar attaches if it gets no answer whether the node can be dialled, and keeps the last answer", async () => {
  using time = new FakeTime();
  const unknown = startAttached({}, { reached: "unchecked" });
  await time.advance(0);
  assertEquals(unknown.reported, ["attached unchecked"]);
  unknown.relay.reached = "alive";
  await time.advance(20_000); // asks again with the next renewal
  assertEquals(unknown.reported.slice(1), ["detached reachable"]);
  unknown.relay.reached = "unchecked";
  await time.advance(900_000);
  assertEquals(unknown.reported.length, 2, "it could be dialled the last time");
  unknown.relay.reached = "gone";
  await time.advance(320_000);
  assertEquals(unknown.reported.slice(2), ["attached unreachable"]);
  unknown.relay.reached = "unchecked";
  await time.advance(900_000);
  assertEquals(unknown.reported.length, 3);
  await unknown.stop();
});

Deno.test("A registrar stays connected if its relay asks for it, and renews over the same connection", async () => {
  using time = new FakeTime();
  const stay = startAttached({}, { reached: "alive", stay: true });
  await time.advance(0);
  const [channel] = stay.relay.channels;
  await time.advance(100_000);
  assertEquals([...stay.relay.channels], [channel]);
  assertEquals(stay.relay.asked, [
    "register",
    "reach",
    ...Array<string>(5).fill("register"),
  ]);
  stay.relay.stay = false;
  await time.advance(20_000);
  assertEquals(stay.relay.channels.size, 0, "it is not wanted any more");
  await stay.stop();
  assertEquals(stay.log.names.at(-1), "withdrawn");
  await time.advance(0); // the relay's end notices it
  assertEquals(time.timerCount, 0);
});

Deno.test("A registrar that stayed connected is listed again soon after its relay is back, and not at the same time as others", async () => {
  for (const [random, waits] of [[0.5, [250, 500, 1_000]], [0, [0, 0, 0]]]) {
    using time = new FakeTime();
    const stay = startAttached({ random: () => random as number }, {
      reached: "alive",
      stay: true,
    });
    await time.advance(0);
    const lose = () => {
      for (const channel of stay.relay.channels) channel.conn.close();
    };
    lose();
    await time.advance((waits as number[])[0]!);
    assertEquals(stay.relay.channels.size, 1, "it is back");
    assertEquals(stay.log.names, ["registered", "renewed"], "and no word");
    await stay.stop();
  }
});

Deno.test("A registrar whose relay closes each kept connection at once tries less and less often", async () => {
  using time = new FakeTime();
  const stay = startAttached({ random: () => 0.999 }, {
    reached: "alive",
    stay: true,
  });
  await time.advance(0);
  const waits: number[] = [];
  for (let n = 0; n < 5; n++) {
    for (const channel of stay.relay.channels) channel.conn.close();
    await time.advance(0);
    waits.push(Math.round(time.nextTimerMs / 100) / 10);
    await time.advance(time.nextTimerMs);
  }
  assertEquals(waits, [0.5, 1, 2, 4, 5]);
  await time.advance(22_000); // one renewal over the same connection
  for (const channel of stay.relay.channels) channel.conn.close();
  await time.advance(0);
  assertEquals(Math.round(time.nextTimerMs / 100) / 10, 0.5);
  await stay.stop();
});

Deno.test("A registrar that stays connected reports why the relay refuses it later", async () => {
  using time = new FakeTime();
  const stay = startAttached({}, { reached: "alive", stay: true });
  await time.advance(0);
  stay.relay.refuses = { kind: "refused", code: "registry_full", text: "full" };
  await time.advance(22_000);
  const failed = stay.log.events.find(({ event }) =>
    event === "registration_failed"
  );
  assert(failed?.event === "registration_failed");
  assertEquals(failed.error.parts.why.includes("registry_full"), true);
  await stay.stop();
});

for (const mode of ["always", "never"] as const) {
  Deno.test(`A registrar with tunnels "${mode}" does not ask whether the node can be dialled`, async () => {
    using time = new FakeTime();
    const stay = startAttached({ tunnels: mode }, { reached: "alive" });
    await time.advance(1_000_000);
    const asked = new Set(stay.relay.asked);
    assertEquals(
      [...asked].toSorted(),
      mode === "always" ? ["attach", "register"] : ["register"],
    );
    assertEquals(stay.reported, mode === "always" ? ["attached forced"] : []);
    await stay.stop();
  });
}

Deno.test("A registrar reports once that a relay offers no tunnels, if they are wanted", async () => {
  for (const [mode, names] of [["always", ["no_tunnels"]], ["auto", []]]) {
    using time = new FakeTime();
    const tunnels = mode as "always" | "auto";
    const stay = startAttached({ tunnels }, { carries: false });
    await time.advance(200_000);
    assertEquals(new Set(stay.relay.asked), new Set(["register"]));
    const others = stay.log.names.filter((name) => !/^re/.test(name));
    assertEquals(others, names);
    // A relay that is set up again may carry them.
    stay.relay.carries = true;
    await time.advance(20_000);
    assertEquals(stay.reported.length, 1);
    await stay.stop();
  }
});
