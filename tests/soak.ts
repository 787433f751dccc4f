/**
 * A relay and a node that run for long while everything happens to them: nodes
 * come and go, clients fetch, peers misbehave on either side, connections are
 * cut. Fails when a fetch does not deliver what it must, a process ends, or
 * memory, descriptors or timers grow beyond the bounds below.
 * `deno task soak SECONDS`, 120 by default. Needs all permissions: without them
 * nobody may look into /proc.
 */

import { timerCount } from "./_timers.ts";
import { collectGarbage } from "./_garbage.ts";
import { delay } from "@std/async/delay";
import { fetchFile } from "../lib/client/fetch.ts";
import type { Endpoint } from "../lib/base/conn.ts";
import { createIdentity } from "../lib/identity/identity.ts";
import {
  type NodeProcess,
  type RoleProcess,
  spawnNode,
  spawnRelay,
} from "./e2e/_processes.ts";
import { startEvilNode } from "./_evil_node.ts";
import { startFaultProxy } from "./_fault_proxy.ts";
import {
  closeEarly,
  honestExcept,
  type Lies,
  sendEndless,
  sendOnly,
  sendOtherContent,
  sendTooFew,
  sendTooMany,
  sendWrongBytes,
  sendWrongHash,
  stall,
} from "./_lies.ts";
import { startNode } from "./_network.ts";
import { randomBytes, seededRandom } from "./_random.ts";
import { tempShare } from "./_temp_share.ts";
import { type Target, targetAt, TROUBLES } from "./_troubles.ts";

const MIB = 1024 * 1024;
const DEFAULT_SECONDS = 120;
// What a program may hold more than when it was warm, garbage aside.
const GROWTH_BYTES = 8 * MIB;
// What a relay or a node may take of memory, at most: the heap breathes, and the
// system's allocator keeps for itself what a burst has needed.
const MOST_BYTES = 200 * MIB;
// Descriptors and timers beyond those before anything happened, once all peers
// are gone.
const GROWTH_DESCRIPTORS = 4;
const GROWTH_TIMERS = 2;
// The longest that a peer which says nothing is waited for, and some.
const QUIET_MS = 15_000;
const REPORT_MS = 10_000;
const CLIENTS = 3;
const TROUBLEMAKERS = 6;

const random = seededRandom(crypto.getRandomValues(new Uint32Array(1))[0]!);
const FILES: Readonly<Record<string, Uint8Array>> = {
  "empty": new Uint8Array(),
  "small": randomBytes(1_000, random),
  "sub/middle": randomBytes(100_000, random),
  "large": randomBytes(3 * MIB + 5, random),
};

/** What evil nodes do with pieces that they are asked for. */
const LIES: Readonly<Record<string, Lies["piece"]>> = {
  "wrong bytes": sendWrongBytes,
  "wrong hashes": sendWrongHash,
  "another content": sendOtherContent,
  "too few bytes": sendTooFew,
  "too many bytes": sendTooMany,
  "bytes without end": sendEndless,
  "a hang-up": closeEarly,
  "silence in the middle": stall,
  "silence after a while": sendOnly(3, stall),
};

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}

function below(most: number): number {
  return Math.floor(random() * most);
}

function oneOf<T>(all: readonly T[]): T {
  return all[below(all.length)]!;
}

/** What a process holds. */
interface Holding {
  /** Resident memory. */
  readonly bytes: number;
  readonly descriptors: number;
  readonly timers: number;
}

function format({ bytes, descriptors, timers }: Holding): string {
  return `${(bytes / MIB).toFixed(1)} MiB ${descriptors} fds ${timers} timers`;
}

/** What has happened so far. */
class Tally {
  fetches = 0;
  troubles = 0;
  nodes = 0;
  evilNodes = 0;
  cuts = 0;
  readonly failures: string[] = [];
}

/** What all that happens has in common. */
interface Scene {
  readonly relay: Endpoint & { id: string };
  readonly directory: string;
  readonly tally: Tally;
  readonly signal: AbortSignal;
}

/** Fetches one file after the other, each of which must come. */
async function fetchOn({ relay, tally, signal }: Scene): Promise<void> {
  while (!signal.aborted) {
    const name = oneOf(Object.keys(FILES));
    try {
      await using file = await fetchFile({ relay, name });
      const parts: Uint8Array<ArrayBuffer>[] = [];
      for await (const piece of file.pieces()) parts.push(piece.slice());
      const found = await new Blob(parts).bytes();
      const wanted = FILES[name]!;
      const isRight = found.length === wanted.length &&
        found.every((byte, at) => byte === wanted[at]);
      if (!isRight) throw new Error(`${found.length} wrong bytes`);
      tally.fetches++;
    } catch (error) {
      tally.failures.push(`fetch of ${name}: ${error}`);
    }
    await delay(50);
  }
}

/** Makes one trouble after the other. */
async function troubleOn(
  targets: readonly Target[],
  { tally, signal }: Scene,
): Promise<void> {
  while (!signal.aborted) {
    const trouble = oneOf(Object.values(TROUBLES));
    // However it ends: they defend themselves.
    await trouble(oneOf(targets)).catch(() => {});
    tally.troubles++;
    await delay(20);
  }
}

/** Starts one node after the other, and ends each in one way or another. */
async function comeAndGo(
  { relay, directory, tally, signal }: Scene,
): Promise<void> {
  while (!signal.aborted) {
    await using node: NodeProcess = await spawnNode(`${relay.port}`, directory);
    tally.nodes++;
    await delay(1_000 + below(3_000));
    node.signal(oneOf(["SIGTERM", "SIGKILL", "SIGINT"] as const));
    await node.exitCode;
  }
}

/** Starts one node after the other that lies about the pieces it sends. */
async function lieOn(
  relayTarget: Target,
  { tally, signal }: Scene,
): Promise<void> {
  const relay = {
    server: { address: relayTarget },
    identity: relayTarget.peer,
  };
  while (!signal.aborted) {
    const lie = honestExcept(FILES, { piece: oneOf(Object.values(LIES))! });
    const identity = await createIdentity();
    await using _node = await startEvilNode(relay, { identity, lie });
    tally.evilNodes++;
    await delay(2_000 + below(3_000));
  }
}

/** Starts one node after the other whose connections are cut. */
async function cutOn({ relay, tally, signal }: Scene): Promise<void> {
  while (!signal.aborted) {
    const cut = oneOf(["fin", "rst"] as const);
    await using proxy = await startFaultProxy({
      toDialler: { cutAfter: 500 + below(4 * MIB), cut },
    });
    await using node = await startNode({ server: { address: relay } }, FILES, {
      advertise: { host: "127.0.0.1", port: proxy.port },
      limitRate: 20 * MIB,
    });
    proxy.target = node.server.address.port;
    await delay(2_000 + below(3_000));
    tally.cuts += proxy.acceptedCount;
  }
}

/** Does once what this process keeps something open for from then on. */
async function once(scene: Scene, relay: Target): Promise<void> {
  const over = new AbortController();
  const short = { ...scene, tally: new Tally(), signal: over.signal };
  const all = [fetchOn(short), comeAndGo(short), lieOn(relay, short)];
  const rest = cutOn(short);
  over.abort();
  await Promise.all([...all, rest]);
}

/** How to ask a process for what it does not show to others. */
interface WaysIn {
  /** Whether it is a relay or a node, and nothing else. */
  readonly isRole: boolean;
  countTimers(): Promise<number>;
  /** Bytes that it holds after that. */
  collectGarbage(): Promise<number>;
}

/** A process that is watched, and what it held when. */
class Watched {
  readonly name: string;
  readonly #pid: number;
  readonly #ways: WaysIn;
  readonly #holdings = new Map<string, Holding & { heapBytes: number }>();

  constructor(name: string, pid: number, ways: WaysIn) {
    this.name = name;
    this.#pid = pid;
    this.#ways = ways;
  }

  /** Reads what it holds, and throws where the process has ended. */
  async now(): Promise<Holding> {
    const status = Deno.readTextFileSync(`/proc/${this.#pid}/status`);
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    if (kib === undefined) throw new Error(`${this.name} has ended`);
    const descriptors = [...Deno.readDirSync(`/proc/${this.#pid}/fd`)].length;
    const timers = await this.#ways.countTimers();
    return { bytes: Number(kib) * 1024, descriptors, timers };
  }

  /** Notes what it holds that is not garbage. */
  async note(when: string): Promise<void> {
    const heapBytes = await this.#ways.collectGarbage();
    this.#holdings.set(when, { ...await this.now(), heapBytes });
  }

  /** What it has grown by that it should not have. */
  complaints(): string[] {
    const all = [...this.#holdings.values()];
    const [before, warm, , end] = all;
    if (before === undefined || warm === undefined || end === undefined) {
      return [`${this.name}: not measured`];
    }
    const bytes = end.heapBytes - warm.heapBytes;
    const most = Math.max(...all.map((held) => held.bytes));
    const descriptors = end.descriptors - before.descriptors;
    const timers = end.timers - before.timers;
    return [
      ...(this.#ways.isRole && most > MOST_BYTES
        ? [`${this.name} took ${(most / MIB).toFixed(1)} MiB`]
        : []),
      ...(bytes > GROWTH_BYTES
        ? [`${this.name} grew by ${(bytes / MIB).toFixed(1)} MiB`]
        : []),
      ...(descriptors > GROWTH_DESCRIPTORS
        ? [`${this.name} keeps ${descriptors} descriptors more`]
        : []),
      ...(timers > GROWTH_TIMERS
        ? [`${this.name} keeps ${timers} timers more`]
        : []),
    ];
  }

  report(): void {
    for (const [when, holding] of this.#holdings) {
      const heap = (holding.heapBytes / MIB).toFixed(1);
      say(
        `${this.name.padEnd(7)} ${when.padEnd(7)} ${format(holding)}, ` +
          `${heap} MiB in use`,
      );
    }
  }
}

/** A role in a process of its own, which counts its timers. */
function watchedRole(name: string, process: RoleProcess): Watched {
  let [asked, collected] = [0, 0];
  return new Watched(name, process.pid, {
    isRole: true,
    countTimers: async () => {
      process.signal("SIGUSR2");
      const reported = new RegExp(`^timers ${++asked} (\\d+)$`);
      return Number((await process.stderr.until(reported))[1]);
    },
    collectGarbage: async () => {
      process.signal("SIGHUP");
      const reported = new RegExp(`^collected ${++collected} (\\d+)$`);
      return Number((await process.stderr.until(reported))[1]);
    },
  });
}

/** This process, in which the clients are. */
function watchedHere(name: string): Watched {
  return new Watched(name, Deno.pid, {
    isRole: false,
    countTimers: () => Promise.resolve(timerCount()),
    collectGarbage: () => Promise.resolve(collectGarbage()),
  });
}

/** All that runs, and what is wrong with it so far. */
class Soak {
  readonly tally = new Tally();
  readonly ended: string[] = [];
  readonly #watched: readonly Watched[];

  constructor(watched: readonly Watched[]) {
    this.#watched = watched;
  }

  get isBad(): boolean {
    return this.tally.failures.length > 0 || this.ended.length > 0;
  }

  async note(when: string): Promise<void> {
    for (const one of this.#watched) await one.note(when);
  }

  async #report(): Promise<void> {
    const { fetches, troubles, nodes, evilNodes, cuts, failures } = this.tally;
    say(
      `${fetches} fetches, ${troubles} troubles, ${nodes} nodes, ` +
        `${evilNodes} evil ones, ${cuts} connections to be cut, ` +
        `${failures.length} failures`,
    );
    for (const one of this.#watched) {
      say(`  ${one.name.padEnd(7)} ${format(await one.now())}`);
    }
  }

  /** Waits until `end`, and reports now and then how it goes. */
  async until(end: number): Promise<void> {
    for (;;) {
      const left = end - performance.now();
      if (left <= 0 || this.isBad) return;
      await delay(Math.min(left, REPORT_MS));
      if (!this.isBad) await this.#report();
    }
  }

  /** Says what is wrong. Returns the exit code. */
  report(): number {
    for (const one of this.#watched) one.report();
    const complaints = [
      ...this.tally.failures,
      ...this.ended,
      ...(this.isBad ? [] : this.#watched.flatMap((one) => one.complaints())),
      ...(this.tally.fetches === 0 ? ["nothing was fetched"] : []),
    ];
    for (const complaint of complaints) say(complaint);
    say(complaints.length === 0 ? "all is well" : "failed");
    return complaints.length === 0 ? 0 : 1;
  }
}

async function main([given]: readonly string[]): Promise<number> {
  const seconds = given === undefined ? DEFAULT_SECONDS : Number(given);
  if (!(seconds > 0)) {
    say(`wanted a number of seconds, found ${given}`);
    return 2;
  }
  say(
    `for ${seconds} s: memory in use may grow by ${GROWTH_BYTES / MIB} MiB ` +
      `after the first quarter, descriptors by ${GROWTH_DESCRIPTORS}, ` +
      `timers by ${GROWTH_TIMERS}; relay and node may take ` +
      `${MOST_BYTES / MIB} MiB`,
  );
  await using folder = await tempShare(FILES);
  const counted = {
    through: "tests/_counted_role.ts",
    permissions: ["--v8-flags=--expose-gc"],
  };
  await using relay = await spawnRelay(["0"], counted);
  await using node = await spawnNode(relay.port, folder.path, [], counted);
  const targets = [await targetAt(relay.port), await targetAt(node.port)];
  const soak = new Soak([
    watchedRole("relay", relay),
    watchedRole("node", node),
    watchedHere("clients"),
  ]);
  void relay.exitCode.then(() => soak.ended.push("relay has ended"));
  void node.exitCode.then(() => soak.ended.push("node has ended"));
  const over = new AbortController();
  const scene: Scene = {
    relay: { host: "127.0.0.1", port: Number(relay.port), id: relay.id },
    directory: folder.path,
    tally: soak.tally,
    signal: over.signal,
  };
  await once(scene, targets[0]!);
  await soak.note("before");
  const running = [
    ...Array.from({ length: CLIENTS }, () => fetchOn(scene)),
    ...Array.from({ length: TROUBLEMAKERS }, () => troubleOn(targets, scene)),
    comeAndGo(scene),
    lieOn(targets[0]!, scene),
    cutOn(scene),
  ];
  const startedAt = performance.now();
  for (const [part, when] of PARTS) {
    await soak.until(startedAt + 1_000 * seconds * part);
    if (!soak.isBad && when !== "") await soak.note(when);
  }
  over.abort();
  await Promise.all(running);
  if (!soak.isBad) {
    await delay(QUIET_MS); // silent connections are gone by then
    await soak.note("end");
  }
  return soak.report();
}

/** Parts of the whole time, and the note that is taken at the end of each. */
const PARTS = [[0.25, "warm"], [0.6, "middle"], [1, ""]] as const;

if (import.meta.main) Deno.exit(await main(Deno.args));
