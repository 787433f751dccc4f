/**
 * A relay that restarts with 1,000 nodes: how soon it lists all of them and holds
 * all of their indexes again, and how many bytes of index they send. Relay and
 * nodes run in this process, by the engines and over TLS.
 */

import { encodeFingerprints } from "../../lib/content/fingerprints.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { createIdentity, type Identity } from "../../lib/identity/identity.ts";
import type { IndexUpdater } from "../../lib/node/index_updater.ts";
import { keepRegistered } from "../../lib/node/registrar.ts";
import {
  encodeMessage,
  type Message,
  type MessageOf,
} from "../../lib/protocol/messages.ts";
import { type RelayServer, serveRelay } from "../../lib/relay/server.ts";
import type { RelayCalls } from "../../lib/uplink/relay_calls.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { seededRandom } from "../_random.ts";
import { identityMaker } from "./_big_relay.ts";
import { print } from "./_report.ts";

const NODES = 1_000;
/** Two for each of 1,000 names, and 50 folders. */
const FINGERPRINTS_PER_NODE = 2_050;
const POLL_MS = 50;
const GIVE_UP_MS = 120_000;
/** Nodes on their way at first, so that the first start is no flood. */
const STARTING = 20;

/** Sends fingerprints without a folder behind them. */
class NumberIndex {
  /** Bytes of all messages with an index. */
  static bytes = 0;
  readonly #node: number;
  #held: MessageOf<"registered">["index"];

  constructor(node: number) {
    this.#node = node;
  }

  noteHeld(held: MessageOf<"registered">["index"]): void {
    this.#held = held;
  }

  /** Nothing changes. */
  due(_renewSeconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  }

  async send(calls: RelayCalls): Promise<void> {
    if (this.#held?.epoch === "bench") return;
    const random = seededRandom(this.#node);
    const add = Float64Array.from(
      { length: FINGERPRINTS_PER_NODE },
      () => Math.floor(random() * 2 ** 40),
    ).sort();
    const message: Message & { kind: "index" } = {
      ...{ kind: "index", epoch: "bench", version: 1, begin: true },
      ...{ add: encodeFingerprints(add), remove: "" },
    };
    NumberIndex.bytes += encodeMessage(message).length;
    await calls.request(message);
  }
}

/** Seconds until all nodes are listed and indexed. */
async function untilWhole(relay: RelayServer): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const ms = performance.now() - startedAt;
    const { nodes } = relay.stats().index;
    if (relay.nodeCount === NODES && nodes === NODES) return ms / 1_000;
    if (ms > GIVE_UP_MS) {
      throw new Error(
        `${relay.nodeCount} of ${NODES} are listed, ${nodes} indexed`,
      );
    }
    await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

/** Starts the nodes. They end when the signal is aborted. */
async function startNodes(
  relay: RelayServer,
  signal: AbortSignal,
): Promise<Promise<void>[]> {
  const make = await identityMaker();
  const identities: Identity[] = [];
  for (let n = 0; n < NODES; n++) identities.push(await make());
  const running: Promise<void>[] = [];
  for (const [n, identity] of identities.entries()) {
    while (n - relay.stats().index.nodes > STARTING) await pause();
    const dialer = new RelayDialer({ ...relay.address, id: relay.id }, {
      ...{ role: "node", plaintext: false, limits: LIMITS },
      onEvent: () => {},
    });
    running.push(keepRegistered({
      ...{ dialer, identity, signal, name: `node-${n}`, tunnels: "never" },
      addressesFrom: () => [{ host: "127.0.0.1", port: 1 + n }],
      limits: { ...LIMITS, withdrawMs: 1 }, // all leave at once
      onEvent: () => {},
      index: new NumberIndex(n) as unknown as IndexUpdater,
    }));
  }
  return running;
}

export async function benchRestart(): Promise<void> {
  print(
    `restart with ${NODES} nodes of ${FINGERPRINTS_PER_NODE} fingerprints:`,
  );
  const identity = await createIdentity();
  const start = (port: number) =>
    serveRelay({ host: "127.0.0.1", port, identity });
  const first = await start(0);
  const leaving = new AbortController();
  const { port } = first.address;
  const nodes = await startNodes(first, leaving.signal);
  const firstSeconds = await untilWhole(first);
  const mib = () => (NumberIndex.bytes / 1024 ** 2).toFixed(1);
  print(`  at first: whole after ${firstSeconds.toFixed(1)} s, ${mib()} MiB`);
  await first.close();
  NumberIndex.bytes = 0;
  await using second = await start(port);
  const seconds = await untilWhole(second);
  print(
    `  after the restart: whole again after ${seconds.toFixed(1)} s, and ` +
      `${mib()} MiB of index`,
  );
  leaving.abort();
  await Promise.all(nodes);
}
