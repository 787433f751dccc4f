/**
 * A node that registers like any other and then lies, each in its own way.
 */

import { Channel } from "../lib/channel.ts";
import type { Endpoint } from "../lib/conn.ts";
import { greet } from "../lib/greeting.ts";
import type { Identity } from "../lib/identity.ts";
import { Incidents } from "../lib/incidents.ts";
import { LIMITS } from "../lib/limits.ts";
import {
  DATA_HEADER_BYTES,
  DIRECTION,
  type MessageOf,
} from "../lib/messages.ts";
import { signRegistration } from "../lib/registration.ts";
import { listen } from "../lib/transport/listen.ts";
import type { TestRelay } from "./_network.ts";
import { openChannel } from "./_network.ts";

/** What an evil node says to a client that has greeted it. */
export type Lie = (
  channel: Channel,
  message: MessageOf<"find" | "read">,
) => Promise<void>;

/** What can be told wrongly about an evil node. */
export interface EvilNodeOptions {
  /** Its key. */
  identity: Identity;
  /** What it says. */
  lie: Lie;
  /** Id in its hello, where that is a lie too. */
  helloId?: string;
  /** Where it says it is, where that is a lie too. */
  addresses?: Endpoint[];
  /** What people call it. */
  name?: string;
}

/** Starts an evil node and registers it. */
export async function startEvilNode(
  relay: TestRelay,
  options: EvilNodeOptions,
): Promise<{ address: Endpoint } & AsyncDisposable> {
  const { identity } = options;
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: 32,
    incidents: new Incidents(0, () => {}),
    handle: async ({ conn, settle }) => {
      const channel = new Channel(conn, {
        limits: LIMITS,
        writeStallMs: 5_000,
        idleMs: 5_000,
      });
      settle();
      const id = options.helloId ?? identity.id;
      await channel.send({ kind: "hello", protocol: 1, role: "node", id });
      await channel.receive(["hello"]);
      channel.openUp();
      for (;;) {
        const message = await channel.receive(DIRECTION.clientToNode);
        if (message === null) return;
        await options.lie(channel, message);
      }
    },
  });
  await registerNode(relay, {
    identity,
    name: options.name ?? "evil",
    addresses: options.addresses ?? [listener.address],
  });
  return {
    address: listener.address,
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

/** Registers a node once, whether there is one or not. */
export async function registerNode(
  relay: TestRelay,
  node: { identity: Identity; name: string; addresses: Endpoint[] },
): Promise<void> {
  await using channel = await openChannel(relay.server.address, relay.identity);
  const outcome = await greet(channel, { role: "node" });
  if (outcome.kind === "refused") throw new Error(outcome.text);
  const signed = await signRegistration({
    purpose: "register",
    relay: outcome.hello.id ?? "",
    nonce: outcome.hello.nonce ?? "",
    sequence: 1,
    name: node.name,
    addresses: node.addresses,
  }, node.identity);
  await channel.send({ kind: "register", ...signed });
  const answer = await channel.receive(DIRECTION.relayToNode);
  if (answer?.kind !== "registered") throw new Error(JSON.stringify(answer));
}

/** Says that it has a file of `size` bytes. */
export function sayFound(
  channel: Channel,
  { request }: { request: number },
  size: number,
): Promise<void> {
  const found = { request, size, modifiedMs: 0, version: "v" };
  return channel.send({ kind: "found", ...found });
}

/** Sends file bytes. */
export function sayData(
  channel: Channel,
  { request }: { request: number },
  bytes: Uint8Array,
): Promise<void> {
  const buffer = new Uint8Array(DATA_HEADER_BYTES + bytes.length);
  buffer.set(bytes, DATA_HEADER_BYTES);
  return channel.sendData(buffer, { request, length: bytes.length });
}

/** Ends a piece. */
export function sayPiece(
  channel: Channel,
  { request }: { request: number },
  { index, sha256 }: { index: number; sha256: string },
): Promise<void> {
  return channel.send({ kind: "piece", request, index, sha256 });
}
