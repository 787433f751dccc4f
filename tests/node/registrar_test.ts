import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertLessOrEqual,
} from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { retryDelayMs } from "../../lib/base/waiting.ts";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { Slept } from "../../lib/base/clock_watch.ts";
import { Failure } from "../../lib/base/errors.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import {
  DIRECTION,
  type MessageOf,
  type NodeToRelay,
  type RelayToNode,
} from "../../lib/protocol/messages.ts";
import { readRegistration } from "../../lib/protocol/signed_record.ts";
import {
  type Invitation,
  keepRegistered,
  type RegistrarEvent,
  type RegistrarOptions,
} from "../../lib/node/registrar.ts";
import { addressesOf } from "../../lib/node/addresses.ts";
import type { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { EventLog } from "../_event_log.ts";
import { FakeTime } from "../_fake_time.ts";
import { memoryPair } from "../_memory_conn.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { seededRandom } from "../_random.ts";

const identity: Identity = {
  ...IDENTITIES[1]!,
  // Without the thread pool: fake time must not overtake it.
  sign: () => Promise.resolve(new Uint8Array(64)),
};

const HELLO = { kind: "hello", protocol: 1, role: "relay" } as const;

type Handler = (message: NodeToRelay) => RelayToNode | null;

/**
 * A dialer to a relay in memory, which answers as `handler` says; `null` hangs
 * up. While `away` is set nobody is reached.
 */
function fakeDialer(handler: Handler): RelayDialer & { away: boolean } {
  const dialer = {
    relay: { host: "relay", port: 1700 },
    away: false,
    open: () => {
      if (dialer.away) {
        return Promise.reject(
          new Failure("relay", { what: "Cannot reach relay", why: "refused" }),
        );
      }
      const [near, far] = memoryPair();
      const options = { limits: LIMITS, writeStallMs: 1e6, idleMs: 1e6 };
      const relay = new Channel(far, options);
      relay.openUp();
      const channel = new Channel(near, options);
      channel.openUp();
      (async () => {
        const message = await relay.receive(DIRECTION.nodeToRelay);
        const answer = message && handler(message);
        if (answer) await relay.send(answer);
        await relay.close();
      })();
      return Promise.resolve({
        channel,
        id: IDENTITIES[0]!.id,
        nonce: "AAAA",
        greeting: "",
        entrances: [],
        hello: HELLO,
      });
    },
  };
  return dialer as unknown as RelayDialer & { away: boolean };
}

interface Run {
  readonly log: EventLog<RegistrarEvent>;
  readonly sequences: number[];
  readonly kinds: string[];
  readonly dialer: RelayDialer & { away: boolean };
  answer: RelayToNode | null;
  stop(): Promise<void>;
}

const GRANTED: MessageOf<"registered"> = {
  kind: "registered",
  leaseSeconds: 60,
  renewSeconds: 20,
};

function start(random: () => number, away = false): Run {
  const log = new EventLog<RegistrarEvent>();
  const leaving = new AbortController();
  const run: Run = {
    log,
    sequences: [],
    kinds: [],
    answer: GRANTED,
    dialer: fakeDialer((message) => {
      assert(message.kind === "register" || message.kind === "withdraw");
      const verdict = readRegistration(message);
      if (verdict.kind === "opened") {
        run.sequences.push(verdict.registration.sequence);
      }
      run.kinds.push(message.kind);
      return message.kind === "withdraw" ? { kind: "withdrawn" } : run.answer;
    }),
    stop: async () => {
      leaving.abort();
      await done;
    },
  };
  run.dialer.away = away;
  const done = keepRegistered({
    dialer: run.dialer,
    identity,
    name: "alpha",
    addressesFrom: () => [{ host: "127.0.0.1", port: 1500 }],
    limits: LIMITS,
    signal: leaving.signal,
    onEvent: log.onEvent,
    random,
  });
  return run;
}

Deno.test("A registrar renews every 20 s, give or take 10 %, and withdraws", async () => {
  using time = new FakeTime();
  const run = start(seededRandom(1));
  await time.advance(0);
  const waits: number[] = [];
  for (let n = 0; n < 20; n++) {
    waits.push(time.nextTimerMs);
    await time.advance(time.nextTimerMs);
  }
  for (const wait of waits) {
    assertLessOrEqual(wait, 22_000);
    assertGreater(wait, 17_999);
  }
  assertGreater(new Set(waits).size, 10, "they are spread");
  await run.stop();
  assertEquals(run.log.names[0], "registered");
  assertEquals(new Set(run.log.names.slice(1, -1)), new Set(["renewed"]));
  assertEquals(run.log.names.at(-1), "withdrawn");
  assertEquals(run.kinds.filter((kind) => kind === "register").length, 21);
  const rising = run.sequences.slice(0, -1);
  assertEquals(rising, rising.toSorted((a, b) => a - b));
  assertEquals(new Set(rising).size, rising.length);
  assertEquals(
    run.sequences.at(-1),
    rising.at(-1),
    "withdraws the last one sent",
  );
  assertEquals(time.timerCount, 0);
});

Deno.test("A registrar follows the interval its relay dictates, within bounds", async () => {
  for (const [dictated, followed] of [[1, 5], [100, 100], [86_400, 300]]) {
    using time = new FakeTime();
    const run = start(() => 0.5); // the middle of the 10 %
    run.answer = { ...GRANTED, renewSeconds: dictated! };
    await time.advance(0);
    assertEquals(Math.round(time.nextTimerMs), followed! * 1_000);
    await run.stop();
  }
});

Deno.test("A registrar says once that the relay is away, and tries on with back-off", async () => {
  using time = new FakeTime();
  const run = start(() => 0.999, true);
  await time.advance(0);
  const waits: number[] = [];
  for (let n = 0; n < 10; n++) {
    waits.push(Math.round(time.nextTimerMs / 100) / 10);
    await time.advance(time.nextTimerMs);
  }
  assertEquals(
    waits,
    [0.5, 1, 2, 4, 5, 5, 5, 5, 5, 5],
    "four times in one renewal",
  );
  assertEquals(run.log.names, ["registration_failed"]);
  run.dialer.away = false;
  await time.advance(5_000);
  assertEquals(run.log.names, ["registration_failed", "registered"]);
  run.dialer.away = true;
  await time.advance(22_000);
  assertEquals(run.log.names.at(-1), "registration_failed", "told again");
  await run.stop();
  assertEquals(run.log.names.length, 3, "and withdraws in silence");
});

Deno.test("A registrar tries again after half a minute at most, also where it renews more seldom", async () => {
  using time = new FakeTime();
  const run = start(() => 0.999);
  run.answer = { ...GRANTED, renewSeconds: 300 };
  await time.advance(0);
  run.dialer.away = true;
  await time.advance(330_000);
  assertEquals(run.log.names, ["registered", "registration_failed"]);
  for (let n = 0; n < 10; n++) await time.advance(time.nextTimerMs);
  assertEquals(Math.round(time.nextTimerMs / 100), LIMITS.retryMaxMs / 100);
  await run.stop();
});

Deno.test("A registrar says when it cannot withdraw, and leaves all the same", async () => {
  using time = new FakeTime();
  const run = start(() => 0.5);
  await time.advance(0);
  run.dialer.away = true;
  await run.stop();
  assertEquals(run.log.names, ["registered", "withdraw_failed"]);
});

Deno.test("A registrar tells another cause when there is one", async () => {
  using time = new FakeTime();
  const run = start(() => 0.999);
  run.answer = { kind: "refused", code: "registry_full", text: "full \x1b[2J" };
  await time.advance(5_000);
  run.answer = null;
  await time.advance(60_000);
  const told = run.log.events.flatMap((event) =>
    event.event === "registration_failed" ? [event.error.message] : []
  );
  assertEquals(told, [
    "Cannot register (relay:1700): the relay refused: full \\x1b[2J (registry_full)",
    "Cannot register (relay:1700): the relay hung up",
  ]);
  await run.stop();
});

/** What a relay in memory does with a node that may stay. */
interface StayingRelay {
  /** Whether it carries tunnels. */
  carries: boolean;
  /** What it answers to whether the node can be dialled. */
  reached: "alive" | "gone" | "unchecked";
  /** Whether nobody is reached. */
  away: boolean;
  /** Whether it wants nodes to stay. */
  stay: boolean;
  /** What it answers to every registration. */
  refuses: RelayToNode | null;
  /** The host that it sees the node come from. */
  observed: string;
  /** The addresses that were registered, each time. */
  readonly addresses: string[];
  /** What it was asked, in order. */
  readonly asked: string[];
  /** The conversations that are open. */
  readonly channels: Set<Channel>;
}

interface Stay {
  readonly relay: StayingRelay;
  readonly log: EventLog<RegistrarEvent>;
  readonly invitations: Invitation[];
  /** Whether the node lets clients in. */
  lets: boolean;
  /** The names of what was told of being attached. */
  readonly told: string[];
  stop(): Promise<void>;
}

/** Keeps the addresses that were registered. */
function note(
  relay: StayingRelay,
  message: NodeToRelay & { kind: "register" },
): void {
  const verdict = readRegistration(message);
  if (verdict.kind !== "opened") return;
  const { addresses } = verdict.registration;
  relay.addresses.push(addresses.map(formatEndpoint).join(" "));
}

/** A registrar and a relay in memory that lets it stay. */
function startStaying(
  options: Partial<RegistrarOptions> = {},
  start: Partial<StayingRelay> = {},
): Stay {
  const relay: StayingRelay = {
    carries: true,
    reached: "gone",
    away: false,
    stay: false,
    refuses: null,
    observed: "127.0.0.1",
    addresses: [],
    asked: [],
    channels: new Set(),
    ...start,
  };
  const answer = (message: NodeToRelay): RelayToNode | null => {
    relay.asked.push(message.kind);
    switch (message.kind) {
      case "register":
        note(relay, message);
        return relay.refuses ??
          (relay.stay ? { ...GRANTED, stay: true } : GRANTED);
      case "withdraw":
        return { kind: "withdrawn" };
      case "reach":
        return { kind: "reached", outcome: relay.reached };
      case "attach":
        return { kind: "attached" };
      default:
        return null;
    }
  };
  const open = () => {
    if (relay.away) {
      return Promise.reject(
        new Failure("relay", { what: "Cannot reach relay", why: "refused" }),
      );
    }
    const [near, far] = memoryPair();
    const timing = { limits: LIMITS, writeStallMs: 1e6, idleMs: 1e6 };
    const there = new Channel(far, timing);
    const channel = new Channel(near, timing);
    there.openUp();
    channel.openUp();
    relay.channels.add(there);
    (async () => {
      for (;;) {
        const message = await there.receive(DIRECTION.nodeToRelay);
        if (message === null) break;
        const said = answer(message);
        if (said !== null) await there.send(said);
      }
    })().catch(() => {}).finally(() => {
      relay.channels.delete(there);
      return there.close();
    });
    return Promise.resolve({
      channel,
      id: IDENTITIES[0]!.id,
      nonce: "AAAA",
      greeting: "",
      entrances: relay.carries ? ENTRANCES : [],
      hello: { ...HELLO, observed: relay.observed },
    });
  };
  const log = new EventLog<RegistrarEvent>();
  const leaving = new AbortController();
  const stay: Stay = {
    relay,
    log,
    invitations: [],
    lets: true,
    get told() {
      return log.events.flatMap((event) =>
        "why" in event ? [`${event.event} ${event.why}`] : []
      );
    },
    stop: async () => {
      leaving.abort();
      await done;
    },
  };
  const done = keepRegistered({
    dialer: {
      relay: { host: "relay", port: 1700 },
      open,
    } as unknown as RelayDialer,
    identity,
    name: "alpha",
    addressesFrom: () => [{ host: "127.0.0.1", port: 1500 }],
    onInvite: (invitation) => {
      stay.invitations.push(invitation);
      return stay.lets;
    },
    limits: LIMITS,
    signal: leaving.signal,
    onEvent: log.onEvent,
    random: () => 0.5,
    ...options,
  });
  return stay;
}

const ENTRANCES = [
  { host: "relay", port: 1701 },
  { host: "relay", port: 1700 },
];

Deno.test("A registrar attaches where the node cannot be dialled, and renews over the same connection", async () => {
  using time = new FakeTime();
  const stay = startStaying();
  await time.advance(0);
  assertEquals(stay.told, ["attached unreachable"]);
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
  assertEquals(stay.told, ["attached unreachable"], "leaving is no loss");
  await time.advance(0); // the relay's end hears of it
  assertEquals(time.timerCount, 0);
});

Deno.test("A registrar asks every 300 s whether the node can be dialled, attached or not", async () => {
  for (const reached of ["alive", "gone"] as const) {
    using time = new FakeTime();
    const stay = startStaying({}, { reached });
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
  const stay = startStaying();
  await time.advance(0);
  stay.relay.reached = "alive";
  await time.advance(320_000);
  assertEquals(stay.told, ["attached unreachable", "detached reachable"]);
  assertEquals(stay.relay.channels.size, 0, "the connection is not kept");
  stay.relay.reached = "gone";
  await time.advance(320_000);
  assertEquals(stay.told.at(-1), "attached unreachable");
  assertEquals(stay.log.names.includes("registration_failed"), false);
  await stay.stop();
});

Deno.test("A registrar behind a router registers the outer address as soon as the relay has reached it there, and no longer at another", async () => {
  using time = new FakeTime();
  const bound = { host: "::", port: 1500 };
  const stay = startStaying({
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
  assertEquals(stay.told.at(-1), "attached unreachable");
  await stay.stop();
});

/** A clock of a machine that sleeps when it is told to. */
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

Deno.test("A registrar that is attached connects anew at once after a sleep, and asks again whether it can be dialled", async () => {
  using time = new FakeTime();
  const clock = new SleepyClock();
  const stay = startStaying({ clock });
  await time.advance(0);
  const [before] = stay.relay.channels;
  stay.relay.asked.length = 0;
  clock.sleep();
  await time.advance(0);
  assertEquals(stay.relay.asked, ["register", "reach", "attach"]);
  assertEquals(stay.told, [
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
  const stay = startStaying({ clock }, { reached: "alive" });
  await time.advance(0);
  stay.relay.asked.length = 0;
  clock.sleep();
  await time.advance(0);
  assertEquals(stay.relay.asked, ["register", "reach"]);
  await time.advance(19_000);
  assertEquals(stay.relay.asked.length, 2, "and not more often than before");
  await stay.stop();
});

Deno.test("A registrar whose relay is away tries at once after a sleep, and then with short pauses", async () => {
  using time = new FakeTime();
  const clock = new SleepyClock();
  const stay = startStaying({ clock }, { away: true });
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

Deno.test("A registrar that is not told whether the node can be dialled attaches, and keeps to what it knew", async () => {
  using time = new FakeTime();
  const unknown = startStaying({}, { reached: "unchecked" });
  await time.advance(0);
  assertEquals(unknown.told, ["attached unchecked"]);
  unknown.relay.reached = "alive";
  await time.advance(20_000); // asks again with the next renewal
  assertEquals(unknown.told.slice(1), ["detached reachable"]);
  unknown.relay.reached = "unchecked";
  await time.advance(900_000);
  assertEquals(unknown.told.length, 2, "it could be dialled the last time");
  unknown.relay.reached = "gone";
  await time.advance(320_000);
  assertEquals(unknown.told.slice(2), ["attached unreachable"]);
  unknown.relay.reached = "unchecked";
  await time.advance(900_000);
  assertEquals(unknown.told.length, 3);
  await unknown.stop();
});

Deno.test("A registrar stays where its relay wants it to, and renews over the same connection", async () => {
  using time = new FakeTime();
  const stay = startStaying({}, { reached: "alive", stay: true });
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
  await time.advance(0); // the relay's end hears of it
  assertEquals(time.timerCount, 0);
});

Deno.test("A registrar that stayed is listed again at once when its relay is back, and not in step with others", async () => {
  for (const [random, waits] of [[0.5, [250, 500, 1_000]], [0, [0, 0, 0]]]) {
    using time = new FakeTime();
    const stay = startStaying({ random: () => random as number }, {
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

Deno.test("A registrar whose relay ends each stay at once tries less and less often", async () => {
  using time = new FakeTime();
  const stay = startStaying({ random: () => 0.999 }, {
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

Deno.test("A registrar that stays reports why the relay no longer lets it", async () => {
  using time = new FakeTime();
  const stay = startStaying({}, { reached: "alive", stay: true });
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
  Deno.test(`A registrar with tunnels "${mode}" asks nobody whether the node can be dialled`, async () => {
    using time = new FakeTime();
    const stay = startStaying({ tunnels: mode }, { reached: "alive" });
    await time.advance(1_000_000);
    const asked = new Set(stay.relay.asked);
    assertEquals(
      [...asked].toSorted(),
      mode === "always" ? ["attach", "register"] : ["register"],
    );
    assertEquals(stay.told, mode === "always" ? ["attached forced"] : []);
    await stay.stop();
  });
}

Deno.test("A registrar says once that a relay carries no tunnels, where they are wanted", async () => {
  for (const [mode, names] of [["always", ["no_tunnels"]], ["auto", []]]) {
    using time = new FakeTime();
    const tunnels = mode as "always" | "auto";
    const stay = startStaying({ tunnels }, { carries: false });
    await time.advance(200_000);
    assertEquals(new Set(stay.relay.asked), new Set(["register"]));
    const others = stay.log.names.filter((name) => !/^re/.test(name));
    assertEquals(others, names);
    // A relay that is set up anew may carry them.
    stay.relay.carries = true;
    await time.advance(20_000);
    assertEquals(stay.told.length, 1);
    await stay.stop();
  }
});

Deno.test("A registrar that loses its relay says so, comes back with full jitter, and attaches again without asking", async () => {
  using time = new FakeTime();
  const stay = startStaying({ random: () => 0.5 });
  await time.advance(0);
  const lose = () => {
    stay.relay.away = true;
    for (const channel of stay.relay.channels) channel.conn.close();
  };
  lose();
  await time.advance(0);
  assertEquals(stay.told.at(-1), "detached lost");
  const waits: number[] = [];
  for (let n = 0; n < 4; n++) {
    waits.push(Math.round(time.nextTimerMs));
    await time.advance(time.nextTimerMs);
  }
  assertEquals(waits, [250, 500, 1_000, 2_000]);
  stay.relay.away = false;
  stay.relay.asked.length = 0;
  await time.advance(time.nextTimerMs);
  assertEquals(stay.relay.asked, ["register", "attach"]);
  assertEquals(stay.told.at(-1), "attached unreachable");
  await stay.stop();
  const full = startStaying({ random: () => 0 });
  await time.advance(0);
  for (const channel of full.relay.channels) channel.conn.close();
  await time.advance(0);
  assertEquals(full.told.slice(-2), ["detached lost", "attached unreachable"]);
  await full.stop();
});

Deno.test("A registrar that was replaced is told why, and tries again", async () => {
  using time = new FakeTime();
  const stay = startStaying();
  await time.advance(0);
  for (const channel of stay.relay.channels) {
    void channel.send({ kind: "refused", code: "replaced", text: "anew" });
  }
  await time.advance(0);
  assertEquals(stay.told.at(-1), "detached lost");
  const failed = stay.log.events.find(({ event }) =>
    event === "registration_failed"
  );
  assert(failed?.event === "registration_failed");
  assertEquals(failed.error.parts.why.includes("replaced"), true);
  await time.advance(1_000);
  assertEquals(stay.told.at(-1), "attached unreachable");
  await stay.stop();
});

Deno.test("A registrar passes invitations on with the entrances, and declines those that are refused", async () => {
  using time = new FakeTime();
  const stay = startStaying();
  await time.advance(0);
  const [channel] = stay.relay.channels;
  const key = "AAECAwQFBgcICQoLDA0ODw";
  const invite = { kind: "invite", key, from: "192.0.2.7" } as const;
  await channel!.send(invite);
  await time.advance(0);
  const invitation = { entrances: ENTRANCES, key, from: "192.0.2.7" };
  assertEquals(stay.invitations, [invitation]);
  assertEquals(stay.relay.asked.includes("decline"), false);
  stay.lets = false;
  await channel!.send(invite);
  await time.advance(0);
  assertEquals(stay.invitations.length, 2);
  assertEquals(stay.relay.asked.at(-1), "decline");
  await stay.stop();
});

Deno.test("An attached node that hears nothing of its relay for 65 s attaches again", async () => {
  assertEquals(LIMITS.attachedIdleMs, 65_000);
  assertLess(3 * LIMITS.pingMs, LIMITS.attachedIdleMs, "two may be lost");
  await using relay = await startRelay({
    limits: { pingMs: 60_000, renewSeconds: 60, leaseSeconds: 200 },
  });
  await using node = await startNode(relay, {}, {
    tunnels: "always",
    limits: { attachedIdleMs: 200, retryFirstMs: 10 },
  });
  await node.log.until("detached", ({ why }) => why === "lost");
  await node.log.until("registration_failed");
});

Deno.test("retryDelayMs is full jitter below a doubling bound", () => {
  const random = seededRandom(2);
  const at = (attempt: number) =>
    retryDelayMs(attempt, { firstMs: 500, maxMs: 30_000, random });
  for (let attempt = 0; attempt < 60; attempt++) {
    const bound = Math.min(30_000, 500 * 2 ** attempt);
    const delays = Array.from({ length: 200 }, () => at(attempt));
    assertLessOrEqual(Math.max(...delays), bound);
    assertGreater(Math.max(...delays), 0.9 * bound);
    assertLessOrEqual(Math.min(...delays), 0.1 * bound);
  }
});

Deno.test("A node that nothing tells of its relay's end but the connection is listed again at once when it is back", async () => {
  // Renewals are far apart: only the broken connection can be what it heeds.
  const first = await startRelay({
    limits: { renewSeconds: 40, leaseSeconds: 120 },
  });
  const { port } = first.server.address;
  await using node = await startNode(first, { "1.txt": "one" });
  await first.server.close();
  await using again = await startRelay({ port });
  const registered = await again.log.until("node_registered");
  assertEquals(registered.id, node.server.id);
});

Deno.test("A node is listed again after its relay came back empty, untouched", async () => {
  const limits = { renewMinSeconds: 1, retryFirstMs: 50 };
  const first = await startRelay({
    limits: { renewSeconds: 1, leaseSeconds: 3 },
  });
  const { port } = first.server.address;
  await using node = await startNode(first, { "1.txt": "one" }, { limits });
  await first.server.close();
  await node.log.until("registration_failed");
  await using again = await startRelay({ port });
  const registered = await again.log.until("node_registered");
  assertEquals(registered.id, node.server.id);
});
