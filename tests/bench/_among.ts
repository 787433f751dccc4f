/**
 * `cat` of one small file among 5 nodes and among 5,000: how long it takes, and
 * how many connections the client makes. Then, among the 5,000, how soon a file
 * that appears is found by its name, and how soon one that was removed is no
 * longer offered.
 *
 * Five nodes run by the engine and are really asked. The others are registered
 * with an index each, on connections that they keep, and renew their leases. The
 * relay is a process of its own with its default limits. All of it is in plaintext:
 * 5,000 handshakes take a minute, and those with five nodes would hide what a
 * large relay costs.
 */

import { join } from "@std/path";
import type { Endpoint } from "../../lib/base/conn.ts";
import { Failure } from "../../lib/base/errors.ts";
import { fetchFile } from "../../lib/client/fetch.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { spawnRelay } from "../e2e/_processes.ts";
import { eachOf } from "../_each_of.ts";
import { startNode, type TestNode } from "../_network.ts";
import { identityMaker, isOf, type Target } from "./_big_relay.ts";
import { verdict } from "./_figures.ts";
import { type HeldNode, openNode, register } from "./_held_nodes.ts";
import { median } from "./_measuring.ts";
import { sendIndex } from "./_names.ts";
import { print } from "./_report.ts";

const SERVING = 5;
const MANY = 5_000;
const CATS = 41;
/** Files that appear and go. */
const CHANGES = 5;
const RENEW_MS = 5_000;
const TIME_TARGET = 1.5;
const CONNECTIONS_TARGET = 3;
const CHANGE_TARGET_SECONDS = 5;

/** Among so many, but at most 5,000. Returns whether all targets are reached. */
export async function benchAmong(nodes: number): Promise<boolean> {
  const many = Math.min(nodes, MANY);
  print(`one name among ${SERVING} nodes, and among ${many}:`);
  await using process = await spawnRelay(["--plaintext", "0"]);
  const relay = { host: "127.0.0.1", port: Number(process.port) };
  await using stack = new AsyncDisposableStack();
  const serving: TestNode[] = [];
  for (let n = 0; n < SERVING; n++) {
    const node = await startNode(
      { server: { address: relay } },
      { [`small-${n}`]: `${n}` },
      {
        ...{ name: `serving-${n}`, plaintext: true },
        identity: await createIdentity(),
      },
    );
    serving.push(stack.use(node));
    await node.log.until("indexed");
  }
  const amongFew = await cats(relay);
  sayCats(SERVING, amongFew);
  const target = { at: relay, plaintext: true };
  await using _held = await holdMany(target, many - SERVING);
  const amongMany = await cats(relay);
  sayCats(many, amongMany);
  const ratio = amongMany.ms / amongFew.ms;
  const { connections } = amongMany;
  const isReached = ratio <= TIME_TARGET && connections <= CONNECTIONS_TARGET;
  print(
    `  ${ratio.toFixed(2)} times as long (target ${TIME_TARGET}), at most ` +
      `${connections} connections (target ${CONNECTIONS_TARGET}): ` +
      verdict(isReached),
  );
  return await changes(relay, serving[0]!) && isReached;
}

/** What a `cat` took in the median, and the most connections of one. */
interface Cats {
  readonly ms: number;
  readonly connections: number;
}

function sayCats(nodes: number, { ms, connections }: Cats): void {
  print(
    `  among ${nodes}: ${ms.toFixed(1)} ms in the median of ${CATS}, ` +
      `${connections} connections`,
  );
}

/** Reads small files again and again, each time as a new client. */
async function cats(relay: Endpoint): Promise<Cats> {
  const times: number[] = [];
  let most = 0;
  for (let n = -5; n < CATS; n++) {
    using dials = countDials();
    const startedAt = performance.now();
    const name = `small-${Math.abs(n) % SERVING}`;
    if (!await cat(relay, name)) throw new Error(`${name} was not found`);
    if (n < 0) continue; // warming up
    times.push(performance.now() - startedAt);
    most = Math.max(most, dials.count);
  }
  return { ms: median(times), connections: most };
}

/** Reads a file as `cat` does. Returns whether a node has it. */
async function cat(relay: Endpoint, name: string): Promise<boolean> {
  try {
    await using file = await fetchFile({
      ...{ relay, name, plaintext: true },
      onEvent: () => {},
    });
    for await (const _piece of file.pieces());
    return true;
  } catch (error) {
    if (error instanceof Failure && error.kind === "not_found") return false;
    throw error;
  }
}

/** Counts the connections that this process makes, until disposed of. */
function countDials(): Disposable & { readonly count: number } {
  const { connect } = Deno;
  const dials = {
    count: 0,
    [Symbol.dispose]: () => {
      Deno.connect = connect;
    },
  };
  Deno.connect = ((options: Deno.ConnectOptions) => {
    dials.count++;
    return connect(options);
  }) as typeof Deno.connect;
  return dials;
}

/** Registers the many, and keeps them so until disposed of. */
async function holdMany(
  target: Target,
  count: number,
): Promise<AsyncDisposable> {
  const makeIdentity = await identityMaker();
  const held: HeldNode[] = [];
  const renew = () =>
    eachOf([...held], 128, async ({ exchange, renewal }) => {
      isOf(await exchange.ask(renewal), "registered");
    });
  const ended = new AbortController();
  const renewing = (async () => {
    while (await isRenewTime(ended.signal)) await renew();
  })();
  const startedAt = performance.now();
  await eachOf(Array(count).keys(), 32, async (n) => {
    const node = await openNode(n, target, await makeIdentity());
    const key = await register(node);
    await sendIndex(n, { exchange: node.exchange, key });
    held.push(node);
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  print(`  ${count} more registered in ${seconds.toFixed(1)} s`);
  return {
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      await renewing;
      for (const { exchange } of held) exchange.conn.close();
    },
  };
}

/** Waits. Returns false once the signal is aborted. */
function isRenewTime(signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), RENEW_MS);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(false);
    });
  });
}

/** Files appear and go at a node, while somebody asks for them all the time. */
async function changes(relay: Endpoint, node: TestNode): Promise<boolean> {
  const found: number[] = [];
  const gone: number[] = [];
  const untilIs = async (wanted: boolean, name: string) => {
    const startedAt = performance.now();
    while (await cat(relay, name) !== wanted);
    return (performance.now() - startedAt) / 1_000;
  };
  for (let n = 0; n < CHANGES; n++) {
    const path = join(node.directory, `new-${n}`);
    await Deno.writeTextFile(path, "new");
    found.push(await untilIs(true, `new-${n}`));
    await Deno.remove(path);
    gone.push(await untilIs(false, `new-${n}`));
  }
  const longest = (all: number[]) => Math.max(...all);
  const isReached = longest([...found, ...gone]) <= CHANGE_TARGET_SECONDS;
  print(
    `  a new file is found after ${median(found).toFixed(2)} s in the median ` +
      `of ${CHANGES}, at most ${longest(found).toFixed(2)} s; a removed one ` +
      `is no longer offered after ${median(gone).toFixed(2)} s, at most ` +
      `${longest(gone).toFixed(2)} s (target ${CHANGE_TARGET_SECONDS} s): ` +
      verdict(isReached),
  );
  return isReached;
}
