/**
 * A swarm in fake time: the real plan and the real policy of connections of
 * many clients, a seed, a relay that names holders, and lines that are
 * simulated.
 */

import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { seededRandom } from "../_random.ts";
import { type Behaviour, Client, type World } from "./_client.ts";
import { Sender } from "./_sender.ts";

/** What is simulated. */
export interface Scenario {
  readonly clientCount: number;
  readonly pieceCount?: number;
  readonly pieceBytes?: number;
  /** Bytes a second of the seed's uplink, and of an even client's. */
  readonly upPerSecond?: number;
  /** Uplinks from a quarter to four times that, and downlinks of four times. */
  readonly isUneven?: boolean;
  /** Parts of the clients that die on the way; as many new ones start. */
  readonly churn?: number;
  /** Parts of the clients that send wrong pieces. */
  readonly liars?: number;
  /** Parts that announce everything and send nothing. */
  readonly idlers?: number;
  /** The seed dies when the clients have this part, and is away for a while. */
  readonly seedDiesAt?: number;
  readonly seedAwayMs?: number;
  /** Readers that the seed sends to at a time. */
  readonly seedReaders?: number;
  readonly limits?: Partial<Limits>;
  readonly seed?: number;
  readonly stepMs?: number;
}

/** What came of it. */
export interface Outcome {
  /** Milliseconds that the seed's line needs for one copy. */
  readonly copyMs: number;
  /** Milliseconds of each honest client that finished, sorted. */
  readonly times: readonly number[];
  /** Honest clients that did not finish. */
  readonly unfinished: number;
  /** Copies that the seed sent. */
  readonly seedCopies: number;
  /** Pieces that came twice or wrong, as a part of all. */
  readonly wasted: number;
  /** Requests that the relay answered, in all, and in its busiest second. */
  readonly relayRequests: number;
  readonly busiestSecond: number;
  readonly ms: number;
  /** Pieces that were nowhere while the seed was away. */
  readonly nowhere: number;
}

const START_SPREAD_MS = 500;
const RENEW_EVERY_MS = 20_000;
const LISTED_COUNT = 50;
const LINGER_MS = 30_000;
const QUIET_MS = 5_000;
const MOST_MS = 3_600_000;
const SEED_AWAY_MS = 20_000;

class Swarm implements World {
  now = 0;
  readonly random: () => number;
  readonly limits: Limits;
  readonly pieceCount: number;
  readonly pieceBytes: number;
  seed: Sender | undefined;
  readonly theSeed: Sender;
  readonly clients: Client[] = [];
  /** Clients that have not gone, and what the relay lists. */
  readonly #present = new Map<string, Client>();
  #listed: string[] = [];
  readonly #timers = new Map<number, (() => void)[]>();
  readonly #scenario: Scenario;
  readonly #upPerMs: number;
  readonly #stepMs: number;
  readonly #requests: number[] = [];
  #seedHasDied = false;
  nowhere = 0;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.random = seededRandom(scenario.seed ?? 1);
    this.limits = { ...LIMITS, ...scenario.limits };
    this.pieceCount = scenario.pieceCount ?? 128;
    this.pieceBytes = scenario.pieceBytes ?? 256 * 1024;
    this.#upPerMs = (scenario.upPerSecond ?? 4_000_000) / 1_000;
    this.#stepMs = scenario.stepMs ?? 10;
    this.theSeed = new Sender({
      id: "seed",
      upPerMs: this.#upPerMs,
      pieceBytes: this.pieceBytes,
      readerCount: scenario.seedReaders ?? this.limits.swarmReaderCount,
    });
    this.seed = this.theSeed;
    for (let n = 0; n < scenario.clientCount; n++) this.#invite(n);
  }

  get copyMs(): number {
    return this.pieceCount * this.pieceBytes / this.#upPerMs;
  }

  /** A client will come, and some die on the way. */
  #invite(number: number): void {
    const { churn = 0 } = this.#scenario;
    const startMs = this.random() * START_SPREAD_MS;
    this.later(startMs, () => this.#join(`c${number}`));
    if (this.random() >= churn) return;
    this.later(startMs + this.random() * this.copyMs, () => {
      const client = this.#present.get(`c${number}`);
      if (client === undefined || client.doneAt !== undefined) return;
      this.#leave(client);
      this.#join(`c${number}b`);
    });
  }

  #join(id: string): void {
    const { isUneven = false, liars = 0, idlers = 0 } = this.#scenario;
    const factor = isUneven ? 2 ** Math.floor(this.random() * 5 - 2) : 1;
    const upPerMs = this.#upPerMs * factor;
    const chance = this.random();
    const conduct: Behaviour = chance < liars
      ? "liar"
      : chance < liars + idlers
      ? "idler"
      : "honest";
    const downPerMs = isUneven ? 4 * upPerMs : Infinity;
    const client = new Client({ id, upPerMs, downPerMs, conduct }, this);
    this.clients.push(client);
    this.#present.set(id, client);
    this.#listed.push(id);
    this.#count(); // it registers
    this.later(RENEW_EVERY_MS, () => this.#renew(client));
  }

  #renew(client: Client): void {
    if (client.hasGone) return;
    this.#count();
    this.later(RENEW_EVERY_MS, () => this.#renew(client));
  }

  #leave(client: Client): void {
    client.go();
    this.#present.delete(client.id);
    this.#listed = this.#listed.filter((id) => id !== client.id);
  }

  #count(): void {
    const second = Math.floor(this.now / 1_000);
    this.#requests[second] = (this.#requests[second] ?? 0) + 1;
  }

  find(id: string): Client | undefined {
    return this.#present.get(id);
  }

  listed(asker: string): string[] {
    this.#count();
    const all = this.#listed;
    if (all.length <= LISTED_COUNT) return all.filter((id) => id !== asker);
    const chosen = new Set<string>();
    while (chosen.size < LISTED_COUNT) {
      chosen.add(all[Math.floor(this.random() * all.length)]!);
    }
    chosen.delete(asker);
    return [...chosen];
  }

  later(ms: number, what: () => void): void {
    const step = Math.ceil((this.now + Math.max(ms, 0)) / this.#stepMs);
    const due = this.#timers.get(step) ?? [];
    due.push(what);
    this.#timers.set(step, due);
  }

  get #isOver(): boolean {
    const isEverybodyHere = this.now > START_SPREAD_MS + this.copyMs;
    return isEverybodyHere &&
      this.clients.every((one) =>
        one.hasGone || one.doneAt !== undefined || one.conduct !== "honest"
      );
  }

  run(): Outcome {
    while (!this.#isOver && this.now < MOST_MS) this.#step();
    return this.#outcome();
  }

  #step(): void {
    const step = Math.round(this.now / this.#stepMs);
    for (const what of this.#timers.get(step) ?? []) what();
    this.#timers.delete(step);
    const present = [...this.#present.values()];
    for (const client of present) {
      client.downLeft = client.downPerMs * this.#stepMs;
      client.step();
    }
    this.seed?.step(this.#stepMs, this.now);
    // Whose line is first at a full downlink changes.
    const first = Math.floor(this.random() * present.length);
    for (let n = 0; n < present.length; n++) {
      const client = present[(first + n) % present.length]!;
      client.sender.step(this.#stepMs, this.now);
      if (this.#hasEnough(client)) this.#leave(client);
    }
    this.#watchSeed();
    this.now += this.#stepMs;
  }

  /** Whether it goes: nobody has read from it for long enough. */
  #hasEnough({ doneAt, sender, hasGone }: Client): boolean {
    if (hasGone || doneAt === undefined) return false;
    const quietMs = this.now - Math.max(doneAt, sender.lastSentAt);
    return quietMs >= QUIET_MS || this.now - doneAt >= LINGER_MS;
  }

  #watchSeed(): void {
    const { seedDiesAt, seedAwayMs = SEED_AWAY_MS } = this.#scenario;
    if (seedDiesAt === undefined || this.#seedHasDied) return;
    const present = [...this.#present.values()];
    const came = present.reduce((sum, one) => sum + one.cameCount, 0);
    const all = this.#scenario.clientCount * this.pieceCount;
    if (came < seedDiesAt * all) return;
    this.#seedHasDied = true;
    const { theSeed } = this;
    this.seed = undefined;
    for (const client of present) {
      theSeed.forget(client.id);
      client.seedWent();
    }
    this.later(seedAwayMs, () => {
      const stuck = [...this.#present.values()]
        .filter(({ doneAt }) => doneAt === undefined);
      this.nowhere = Math.max(0, ...stuck.map((one) => one.nowhere.length));
      this.seed = theSeed;
      for (const client of this.#present.values()) client.seedCame();
    });
  }

  #outcome(): Outcome {
    const honest = this.clients.filter(({ conduct }) => conduct === "honest");
    const done = honest.filter(({ doneAt }) => doneAt !== undefined);
    const times = done.map((one) => one.doneAt! - one.startedAt)
      .toSorted((a, b) => a - b);
    const came = this.clients.reduce((sum, one) => sum + one.cameCount, 0);
    const wasted = this.clients.reduce((sum, one) => sum + one.came.wasted, 0);
    const requests = Object.values(this.#requests);
    return {
      copyMs: this.copyMs,
      times,
      unfinished: honest.filter((one) => !one.hasGone && !one.doneAt).length,
      seedCopies: this.theSeed.sentCount / this.pieceCount,
      wasted: wasted / (came + wasted),
      relayRequests: requests.reduce((sum, one) => sum + one, 0),
      busiestSecond: Math.max(...requests),
      ms: this.now,
      nowhere: this.nowhere,
    };
  }
}

/** Runs a scenario to its end, or for an hour of fake time. */
export function simulate(scenario: Scenario): Outcome {
  return new Swarm(scenario).run();
}
