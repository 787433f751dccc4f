/**
 * Floods of a relay by those whom it knows: listings without end, and nodes
 * whose ports say nothing when they are dialled back.
 */

import { assertEquals } from "@std/assert";
import { encodeMessage, type MessageOf } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import {
  type Exchange,
  greetFrom,
  hostOf,
  identityMaker,
  messageIn,
} from "../bench/_big_relay.ts";
import { spawnRelay } from "../e2e/_processes.ts";
import {
  aborted,
  ATTACKER,
  pause,
  print,
  STRANGER,
  untilClosed,
} from "./_attacker.ts";
import type { Attack, Flood, Scene, Target } from "./_flood.ts";

const LIST = encodeMessage({ kind: "list" });
const CONNECTIONS = 64;
const LISTED_NODES = 60;

/** As many connections as one address may have, each listing on and on. */
export const listing: Attack = async (target, signal) => {
  const startedAt = performance.now();
  let count = 0;
  const listOn = async () => {
    while (!signal.aborted) {
      await untilClosed(async () => {
        const { exchange } = await greetFrom(ATTACKER, target, "client");
        using _conn = exchange.conn;
        for (; !signal.aborted; count++) await exchange.ask(LIST);
      });
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, listOn));
  const seconds = (performance.now() - startedAt) / 1_000;
  print(`  ${(count / seconds).toFixed(0)} listings a second`);
};

/** Registers a node at `host`, with a port there, and stays connected. */
export async function registerFrom(
  host: string,
  { target, port, make }: {
    target: Target;
    port: number;
    make: Awaited<ReturnType<typeof identityMaker>>;
  },
): Promise<Exchange> {
  const { exchange, hello } = await greetFrom(host, target, "node");
  const signed = await signRegistration({
    purpose: "register",
    relay: hello.id ?? "",
    nonce: hello.nonce ?? "",
    instance: "instance",
    sequence: Date.now(),
    name: "",
    addresses: [{ host, port }],
  }, await make());
  const frame = encodeMessage({ kind: "register", ...signed });
  messageIn(await exchange.ask(frame), "registered");
  return exchange;
}

const REACH = encodeMessage({ kind: "reach" });
const SILENT_NODES = 24;

/** Nodes of one address that ask to be dialled where nobody answers. */
export const silentPorts: Attack = async (target, signal) => {
  const make = await identityMaker();
  using silent = Deno.listen({ hostname: ATTACKER, port: 0 });
  const taken = new Set<Deno.Conn>();
  const take = async () => {
    for await (const conn of silent) taken.add(conn);
  };
  const taking = take();
  const { port } = silent.addr;
  const askOn = async () => {
    const exchange = await registerFrom(ATTACKER, { target, port, make });
    using _conn = exchange.conn;
    while (!signal.aborted) {
      await exchange.ask(REACH);
      await pause(100);
    }
  };
  const asking = Array.from(
    { length: SILENT_NODES },
    () => untilClosed(askOn),
  );
  await aborted(signal);
  await Promise.all(asking);
  silent.close();
  await taking;
  for (const conn of taken) conn.close();
};

/** A relay whose nodes just fit a page, and a client that lists them. */
async function openListingScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(await spawnRelay(["--host", "0.0.0.0", "0"]));
  const at = { host: "127.0.0.1", port: Number(relay.port) };
  const target = { at, plaintext: false };
  const make = await identityMaker();
  for (let n = 0; n < LISTED_NODES; n++) {
    const host = hostOf(n, 10);
    using _conn = (await registerFrom(host, { target, port: 1, make })).conn;
  }
  const owned = stack.move();
  return {
    target,
    pids: [relay.pid],
    ask: async () => {
      const startedAt = performance.now();
      const { exchange } = await greetFrom(STRANGER, target, "client");
      using _conn = exchange.conn;
      const { nodes } = messageIn(await exchange.ask(LIST), "nodes");
      assertEquals(nodes.length, LISTED_NODES);
      return performance.now() - startedAt;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A relay, and a node of another address that asks whether it can be dialled. */
async function openReachScene(): Promise<Scene> {
  const relay = await spawnRelay(["--host", "0.0.0.0", "0"]);
  const at = { host: "127.0.0.1", port: Number(relay.port) };
  const target = { at, plaintext: false };
  const make = await identityMaker();
  let count = 0;
  return {
    target,
    pids: [relay.pid],
    ask: async () => {
      const host = hostOf(count++, 1); // few nodes of one address
      const startedAt = performance.now();
      const exchange = await registerFrom(host, { target, port: 1, make });
      using _conn = exchange.conn;
      const answer: MessageOf<"reached"> = messageIn(
        await exchange.ask(REACH),
        "reached",
      );
      assertEquals(answer.outcome, "gone", "and not that it was not tried");
      return performance.now() - startedAt;
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}

export const OF_LISTINGS: readonly Flood[] = [
  {
    name: "relay: listings over 64 connections",
    open: openListingScene,
    attack: listing,
    mostP95Ms: 100,
  },
  {
    name: "relay: nodes with silent ports",
    open: openReachScene,
    attack: silentPorts,
  },
];
