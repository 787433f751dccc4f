/** A conversation whose peer is silent most of the time. */

import { assertEquals } from "@std/assert";
import type { Conn, Sleeper } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { type IncidentEvent, Incidents } from "../../lib/guard/incidents.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import type { ChannelOptions } from "../../lib/protocol/channel_parts.ts";
import { Conversation } from "../../lib/protocol/conversation.ts";
import { Deadlines } from "../../lib/protocol/deadline.ts";
import { encodeMessage, type Message } from "../../lib/protocol/messages.ts";
import { CONN_PAIRS, type ConnPair } from "../_conn_pairs.ts";
import { EventLog, within } from "../_event_log.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { find, OPTIONS } from "./_channel.ts";
import { openChannel, startRelay } from "../_network.ts";

const PARKED: ChannelOptions = {
  ...OPTIONS,
  parkMs: 0,
  limitsRate: true,
  deadlines: new Deadlines(),
};

/** A conversation at `conn` that sends back what it is asked. */
function converse(conn: Conn, options: ChannelOptions = PARKED) {
  const log = new EventLog<IncidentEvent>();
  const channel = new Channel(conn, options);
  const counts = { ends: 0 };
  const conversation = new Conversation(channel, {
    handler: {
      allowed: ["find"],
      answer: (message) => encodeMessage(message),
      [Symbol.dispose]: () => void counts.ends++,
    },
    incidents: new Incidents(0, log.onEvent),
  });
  channel.openUp();
  return { conversation, counts, log };
}

/** Waits until `conversation` is woken. */
function woken(conversation: Conversation): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  conversation.sleep({ wake: resolve });
  return within(promise, "waking");
}

function openTls(): Promise<ConnPair> {
  return CONN_PAIRS.at(-1)!.open();
}

Deno.test("Conversation leaves no function waiting while its peer is silent, and continues with its next message", async () => {
  await using pair = await openTls();
  const { conversation, counts } = converse(pair.accepted);
  const peer = new Channel(pair.dialled, OPTIONS);
  peer.openUp();
  assertEquals(await conversation.goOn(), conversation);
  for (let request = 1; request <= 3; request++) {
    const waking = woken(conversation);
    await peer.send(find(request), find(request + 10));
    await waking;
    const goingOn = conversation.goOn();
    assertEquals(await peer.receive(["find"]), find(request));
    assertEquals(await peer.receive(["find"]), find(request + 10));
    assertEquals(await goingOn, conversation);
  }
  const waking = woken(conversation);
  assertEquals(counts.ends, 0);
  const closed = peer.close();
  await waking;
  assertEquals(await conversation.goOn(), undefined);
  assertEquals(counts.ends, 1);
  await closed;
});

Deno.test("Conversation that has slept for as long as a peer may be idle ends, and reports that", async () => {
  await using pair = await openTls();
  const { conversation, counts, log } = converse(pair.accepted, {
    ...PARKED,
    idleMs: 20,
  });
  assertEquals(await conversation.goOn(), conversation);
  await woken(conversation);
  assertEquals(await conversation.goOn(), undefined);
  assertEquals((await log.until("refused")).reason, "idle");
  assertEquals(counts.ends, 1);
});

Deno.test("Conversation with occasional silence still obeys its control rate", async () => {
  await using pair = await openTls();
  const { conversation, log } = converse(pair.accepted, {
    ...PARKED,
    limits: { ...LIMITS, controlRatePerSecond: 1e-6, controlBurstCount: 3 },
  });
  const peer = new Channel(pair.dialled, OPTIONS);
  peer.openUp();
  assertEquals(await conversation.goOn(), conversation);
  for (let request = 1; request <= 4; request++) {
    const waking = woken(conversation);
    await peer.send(find(request));
    await waking;
    const next = await conversation.goOn();
    assertEquals(next, request <= 3 ? conversation : undefined);
  }
  assertEquals((await log.until("refused")).reason, "rate_limited");
});

/** A conn that gives `parts`, one a read, each after an interruption. */
class SlowConn implements Conn {
  readonly remote = { host: "192.0.2.1", port: 1 };
  readonly local = { host: "192.0.2.2", port: 2 };
  readonly #parts: Uint8Array[];
  #wait: ((count: number) => void) | null = null;

  constructor(parts: Uint8Array[]) {
    this.#parts = parts;
  }

  #isBlocked = false;

  read(buffer: Uint8Array): Promise<number | null> {
    if (this.#isBlocked) {
      return new Promise((resolve) => this.#wait = resolve);
    }
    const part = this.#parts.shift();
    if (part === undefined) return Promise.resolve(null);
    buffer.set(part);
    this.#isBlocked = true;
    return Promise.resolve(part.length);
  }

  interrupt(): void {
    this.#isBlocked = false;
    this.#wait?.(0);
  }

  sleep(sleeper: Sleeper): void {
    sleeper.wake();
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve(bytes.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}

  [Symbol.dispose](): void {}
}

Deno.test("Conversation is not parked within a message, however slowly it arrives", async () => {
  const frame = encodeMessage(find(7) as Message);
  const conn = new SlowConn([frame.slice(0, 2), frame.slice(2)]);
  const { conversation, counts } = converse(conn);
  assertEquals(await conversation.goOn(), conversation, "after the message");
  assertEquals(counts.ends, 0);
  assertEquals(await conversation.goOn(), undefined);
});

Deno.test("A relay answers clients that were silent for a while, and forgets those that disconnected", async () => {
  await using relay = await startRelay({ limits: { parkMs: 0 } });
  const { server } = relay;
  const channels = await Promise.all(
    [1, 2, 3].map(() => openChannel(server.address, relay.identity)),
  );
  for (const channel of channels) {
    const greeted = await greet(channel, { role: "client" });
    assertEquals(greeted.kind, "greeted");
  }
  for (let round = 0; round < 10; round++) {
    for (const channel of channels) {
      await channel.send({ kind: "list" });
      assertEquals((await channel.receive(["nodes"]))?.kind, "nodes");
    }
  }
  assertEquals(server.connectionCount, 3);
  await channels.pop()!.close();
  while (server.connectionCount > 2) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await within(server.close(), "closing");
  assertEquals(server.connectionCount, 0);
  for (const channel of channels) await channel.close();
});
