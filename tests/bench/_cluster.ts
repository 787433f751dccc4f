/**
 * Three instances of a relay that meet in one Redis, behind a TCP front, with
 * nodes that register by the library, and a client of each that lists all the
 * time: how soon each lists what registers elsewhere, what follows when an
 * instance or Redis is killed, and what all of that costs. One more instance has
 * neither nodes nor clients: what it does is the stream's cost.
 */

import { eachOf } from "../_each_of.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { keepRegistered } from "../../lib/node/registrar.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { identityMaker } from "./_big_relay.ts";
import { type ClusterInstance, startInstances } from "./_cluster_instances.ts";
import type { Wanted } from "./_cluster_walker.ts";
import { lookupCosts } from "./_cluster_lookups.ts";
import { median } from "./_measuring.ts";
import { startRedis } from "./_redis.ts";
import { print } from "./_report.ts";

const TRIALS = 20;
/** For how long the stream is watched. */
const STREAM_MS = 20_000;
/** Nodes on their way at first, so that the first start is no flood. */
const STARTING = 32;

/** Nodes that register wherever the front leads. */
class Nodes implements AsyncDisposable {
  readonly #leaving = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #make: Awaited<ReturnType<typeof identityMaker>>;
  #count = 0;

  private constructor(make: Awaited<ReturnType<typeof identityMaker>>) {
    this.#make = make;
  }

  static async prepare(): Promise<Nodes> {
    return new Nodes(await identityMaker());
  }

  /** Starts one, and waits until it is registered. */
  async start(port: number, id: string): Promise<void> {
    const n = this.#count++;
    const identity = await this.#make();
    const { promise, resolve } = Promise.withResolvers<void>();
    const dialer = new RelayDialer({ host: "127.0.0.1", port, id }, {
      ...{ role: "node", plaintext: false, limits: LIMITS },
      onEvent: () => {},
    });
    this.#running.push(keepRegistered({
      ...{ dialer, identity, name: `node-${n}`, tunnels: "never" },
      addressesFrom: () => [{ host: "127.0.0.1", port: 1 + n % 60_000 }],
      limits: { ...LIMITS, withdrawMs: 1 }, // all leave at once
      signal: this.#leaving.signal,
      onEvent: ({ event }) => {
        if (event === "registered") resolve();
      },
    }));
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort();
    await Promise.all(this.#running);
  }
}

/** Reads lists in a worker. Disposing ends it. */
class Walker implements Disposable {
  readonly #worker = new Worker(import.meta.resolve("./_cluster_walker.ts"), {
    type: "module",
  });
  readonly #waiting = new Map<number, () => void>();

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Wanted>) =>
      this.#waiting.get(data.port)?.();
  }

  untilLists(port: number, count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(port, resolve);
      this.#worker.postMessage({ port, count } satisfies Wanted);
    });
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

/** A client of each instance that lists all the time. */
class Listeners implements AsyncDisposable {
  readonly #ending = new AbortController();
  readonly #running: Promise<void>[];
  /** Listings, and those that failed, by instance. */
  readonly done = new Map<ClusterInstance, number>();
  readonly failed = new Map<ClusterInstance, number>();

  constructor(instances: readonly ClusterInstance[]) {
    this.#running = instances.map((instance) => this.#run(instance));
  }

  /** Listings so far by some instances, and how many failed. */
  countsOf(instances: readonly ClusterInstance[]): [number, number] {
    const sum = (counts: Map<ClusterInstance, number>) =>
      instances.reduce((all, it) => all + (counts.get(it) ?? 0), 0);
    return [sum(this.done), sum(this.failed)];
  }

  async #run(instance: ClusterInstance): Promise<void> {
    const add = (counts: Map<ClusterInstance, number>) =>
      counts.set(instance, (counts.get(instance) ?? 0) + 1);
    while (!this.#ending.signal.aborted) {
      try {
        await listNodes({ relay: instance.address });
        add(this.done);
      } catch {
        add(this.failed);
      }
      await pause(500);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#running);
  }
}

type Instances = readonly ClusterInstance[];

/** Registers more nodes, and says after what time all instances list each. */
async function sayPropagation(
  instances: Instances,
  count: number,
  startNode: () => Promise<unknown>,
): Promise<void> {
  const known: number[] = [];
  const walked: number[] = [];
  const trials: number[] = [];
  using walker = new Walker();
  const all = (work: (it: ClusterInstance) => Promise<unknown>) =>
    Promise.all(instances.map(work));
  for (let n = 1; n <= TRIALS; n++) {
    await startNode();
    const at = performance.now();
    await all((it) => untilHolds(it, count + n, 10));
    known.push(performance.now() - at);
    await all((it) => walker.untilLists(it.address.port, count + n));
    walked.push(performance.now() - at);
    await all((it) => untilLists(it, count + n));
    trials.push(performance.now() - at);
  }
  const said = (times: number[]) => {
    times.sort((x, y) => x - y);
    const most = times.at(-1)!.toFixed(0);
    return `${median(times).toFixed(0)} ms, at most ${most} ms`;
  };
  print(
    `  a node registers, ${TRIALS} times: all three hold it after ` +
      `${said(known)}; the pages of each have it after ${said(walked)} ` +
      "(wanted: 2 s); clients that share a thread with all nodes have read " +
      `and checked all after ${said(trials)}`,
  );
}

/** Kills an instance, and says how long its nodes are without one. */
async function sayKilled(
  killed: ClusterInstance,
  { others, all, listeners }: {
    others: Instances;
    all: number;
    listeners: Listeners;
  },
): Promise<void> {
  const [listedBefore, failedBefore] = listeners.countsOf(others);
  const lost = await killed.ownCount();
  await killed.kill();
  const killedAt = performance.now();
  await poll(async () => {
    const counts = await Promise.all(others.map((it) => it.ownCount()));
    return counts.reduce((sum, count) => sum + count, 0) >= all;
  });
  const elsewhere = (performance.now() - killedAt) / 1_000;
  const [listed, failed] = listeners.countsOf(others);
  print(
    `  an instance with ${lost} nodes is killed: they are registered elsewhere ` +
      `after ${elsewhere.toFixed(1)} s (wanted: 30 s); of ${
        listed - listedBefore
      } listings by the others meanwhile ${failed - failedBefore} failed`,
  );
}

/** Whether `/healthz` of all instances has this word. */
async function areAll(instances: Instances, word: string): Promise<boolean> {
  const words = await Promise.all(instances.map((it) => it.health()));
  return words.every((each) => each === word);
}

/** Ends Redis for a while, and says what instances do. Returns the new one. */
async function sayAway<Store extends AsyncDisposable>(
  store: Store,
  { instances, all, listeners, awaySeconds, restart }: {
    instances: Instances;
    all: number;
    listeners: Listeners;
    awaySeconds: number;
    restart: () => Promise<Store>;
  },
): Promise<Store> {
  await store[Symbol.asyncDispose]();
  const [doneBefore, badBefore] = listeners.countsOf(instances);
  const goneAt = performance.now();
  await poll(() => areAll(instances, "away"));
  const reported = (performance.now() - goneAt) / 1_000;
  await pause(awaySeconds * 1_000 - (performance.now() - goneAt));
  const listed = () => Promise.all(instances.map((it) => it.listedCount()));
  const stillListed = await listed();
  const [done, bad] = listeners.countsOf(instances);
  const restarted = await restart();
  const backAt = performance.now();
  await poll(async () =>
    await areAll(instances, "whole") &&
    (await listed()).every((count) => count === all)
  );
  const whole = (performance.now() - backAt) / 1_000;
  print(
    `  Redis is killed, and back empty after ${awaySeconds} s: /healthz says ` +
      `away after ${reported.toFixed(1)} s; of ${done - doneBefore} listings ${
        bad - badBefore
      } failed; at the end ${
        stillListed.join(" and ")
      } of ${all} were listed; ` +
      `whole again after ${whole.toFixed(1)} s (wanted: 10 s)`,
  );
  return restarted;
}

/** Runs it all, with Redis away for a while. */
export async function benchCluster(
  program: string,
  { count, awaySeconds }: { count: number; awaySeconds: number },
): Promise<void> {
  const redis = await startRedis(program, 1_000);
  let store = redis;
  await using stack = new AsyncDisposableStack();
  stack.defer(() => store[Symbol.asyncDispose]());
  const { at } = redis.target;
  const emptyBytes = await storedBytes(at.port);
  const instances = stack.use(await startInstances(at.port, 4));
  const [a, b, c] = instances.all;
  const serving = [a!, b!, c!];
  const idle = instances.all[3]!;
  const nodes = stack.use(await Nodes.prepare());
  const front = await instances.openFront(serving);
  const startNode = () => nodes.start(front, instances.relayId);
  const startedAt = performance.now();
  await eachOf(Array(count).keys(), STARTING, startNode);
  const seconds = (performance.now() - startedAt) / 1_000;
  print(
    `  ${count} nodes registered through the front in ${seconds.toFixed(1)} s`,
  );
  for (const instance of instances.all) await untilHolds(instance, count);
  const bytes = (await storedBytes(at.port) - emptyBytes) / count;
  print(`  bytes in Redis for each node: ${bytes.toFixed(0)}`);

  await sayStream(idle);
  const listeners = stack.use(new Listeners(serving));
  await sayPropagation(serving, count, startNode);
  const all = count + TRIALS;
  const others = [a!, b!];
  await sayKilled(c!, { others, all, listeners });
  store = await sayAway(store, {
    ...{ instances: others, all, listeners, awaySeconds },
    restart: () => startRedis(program, 1_000, at.port),
  });
  await listeners[Symbol.asyncDispose]();
  await instances.restart(c!);
  for (const it of serving) await untilHolds(it, all);
  await lookupCosts(serving, { pid: store.pid, at });
}

/** What it costs an instance to follow the others. */
async function sayStream(idle: ClusterInstance): Promise<void> {
  const [taken, cpu] = [await idle.metric("cluster_taken_total"), idle.cpuMs()];
  await pause(STREAM_MS);
  const items = await idle.metric("cluster_taken_total") - taken;
  const ms = await idle.cpuMs() - await cpu;
  print(
    `  the stream: ${
      (items / STREAM_MS * 1_000).toFixed(0)
    } changes a second ` +
      `cost an instance ${(ms / STREAM_MS * 100).toFixed(1)} % of a core, ` +
      `${(ms / items).toFixed(3)} ms each`,
  );
}

/** Bytes of all that is in a Redis. */
async function storedBytes(port: number): Promise<number> {
  const { stdout } = await new Deno.Command("redis-cli", {
    args: ["-p", String(port), "info", "memory"],
  }).output();
  const text = new TextDecoder().decode(stdout);
  return Number(/^used_memory:(\d+)/m.exec(text)?.[1]);
}

async function untilHolds(
  instance: ClusterInstance,
  count: number,
  everyMs?: number,
): Promise<void> {
  await poll(async () => await instance.metric("leases") === count, everyMs);
}

/** By the listing that a client gets. */
async function untilLists(
  instance: ClusterInstance,
  count: number,
): Promise<void> {
  while (await instance.listedCount() !== count) await pause(10);
}

async function poll(
  what: () => Promise<boolean>,
  everyMs = 100,
): Promise<void> {
  while (!await what()) await pause(everyMs);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
