/** Redis is away for longer than leases last, while nodes move. */

import { assertEquals } from "@std/assert";
import { createIdentity } from "../../../lib/identity/identity.ts";
import { list, register } from "../../relay/_server.ts";
import { ForwardClock } from "../../_forward_clock.ts";
import type { TestRelay } from "../../_network.ts";
import { testWith } from "../../_tools.ts";
import { eventually, startInstance } from "../../cluster/_instances.ts";
import { RedisServer } from "../../cluster/_redis_server.ts";
import { PATIENT } from "../../cluster/_side.ts";

const NODE_COUNT = 12;
const LEASE_SECONDS = 10;
/** As 10 minutes are to leases of a minute. */
const AWAY_SECONDS = 10 * LEASE_SECONDS;
/** Between two registrations of a node, beyond the time that they take. */
const PAUSE_MS = 500 * LEASE_SECONDS;
const LIMITS = {
  leaseSeconds: LEASE_SECONDS,
  renewSeconds: LEASE_SECONDS,
  clusterHealMs: 2_000,
  reregisterCount: 1_000,
};

/** Nodes that register again and again, each at one of the instances. */
class Nodes {
  readonly #identities = Array.fromAsync(
    { length: NODE_COUNT },
    () => createIdentity(),
  );
  /** The number of their last registration. */
  sequence = 0;

  /** All register again, but those in `dead`. */
  async register(
    at: (n: number) => TestRelay,
    dead: readonly number[] = [],
  ): Promise<void> {
    const sequence = ++this.sequence;
    for (const [n, identity] of (await this.#identities).entries()) {
      if (dead.includes(n)) continue;
      const answer = await register(at(n), identity, { sequence });
      assertEquals(answer?.kind, "registered", JSON.stringify(answer));
    }
  }
}

/** How many nodes an instance lists with a registration after a number. */
async function laterThan(sequence: number, relay: TestRelay): Promise<number> {
  const { nodes } = await list(relay);
  return nodes.filter(({ record }) => JSON.parse(record).sequence > sequence)
    .length;
}

testWith(
  ["redis-server"],
  "No node is missing at any instance while Redis is down for ten leases and nodes move between the instances, and afterwards only those that have stopped",
  async () => {
    using clock = new ForwardClock();
    await using redis = await RedisServer.start();
    const start = () => startInstance(redis.store(PATIENT), { limits: LIMITS });
    await using a = await start();
    await using b = await start();
    const nodes = new Nodes();
    const listed = async () => [
      (await list(a)).nodes.length,
      (await list(b)).nodes.length,
    ];
    const phases = () =>
      [a, b].map(({ server }) => server.stats().cluster!.phase).join();
    await eventually(async () => {
      await nodes.register((n) => n % 2 === 0 ? a : b);
      return (await listed()).every((count) => count === NODE_COUNT);
    });
    await redis.kill();
    await eventually(() => phases() === "away,away");
    const awayAt = performance.now();
    // A third of them moves, and the last one is switched off.
    const dead = [NODE_COUNT - 1];
    const moved = (n: number) => n % 3 === 0 ? a : b;
    while (performance.now() - awayAt < 1_000 * AWAY_SECONDS) {
      clock.pass(PAUSE_MS);
      await nodes.register(moved, dead);
      assertEquals(await listed(), [NODE_COUNT, NODE_COUNT]);
    }
    await redis.start();
    await eventually(async () => {
      await nodes.register(moved, dead);
      return phases() === "whole,whole";
    });
    for (let ms = 0; ms < 2_000 * LEASE_SECONDS; ms += PAUSE_MS) {
      clock.pass(PAUSE_MS);
      const { sequence } = nodes;
      // Both receive a later registration of each before the clock goes on.
      await eventually(async () => {
        await nodes.register(moved, dead);
        const later = [
          await laterThan(sequence, a),
          await laterThan(sequence, b),
        ];
        const counts = await listed();
        assertEquals(counts.every((count) => count >= NODE_COUNT - 1), true);
        return phases() === "whole,whole" &&
          later.every((count) => count === NODE_COUNT - 1);
      });
    }
    await eventually(async () => {
      await nodes.register(moved, dead);
      return (await listed()).every((count) => count === NODE_COUNT - 1);
    });
  },
);
