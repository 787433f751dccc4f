/** Floods a holder with messages of one kind, in a process of its own. */

import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { Channel } from "../../lib/protocol/channel.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { DIRECTION, type Message } from "../../lib/protocol/messages.ts";
import { dial } from "../../lib/transport/dial.ts";
import { print } from "../bench/_report.ts";

/** The parameters of a flooder. */
export interface Flood {
  readonly port: number;
  readonly id: string;
  /** The certificate of the holder, base64. */
  readonly certificate: string;
  readonly message: Message;
  /** Whether it reads the answers. */
  readonly reads: boolean;
  readonly connections: number;
}

const flood = JSON.parse(Deno.args[0]!) as Flood;
const certificate = Uint8Array.fromBase64(flood.certificate);
const limits: Limits = LIMITS;

async function meet(): Promise<Channel> {
  const at = { host: "127.0.0.1", port: flood.port };
  const peer = { id: flood.id, certificate };
  const channel = new Channel(
    await dial(at, { peer, timeoutMs: 30_000 }),
    { limits, acceptsData: true, writeStallMs: 600_000, idleMs: 600_000 },
  );
  await greet(channel, { role: "client" });
  return channel;
}

async function floodOnce(channel: Channel): Promise<void> {
  const many = Array.from({ length: 64 }, () => flood.message);
  const write = async () => {
    for (;;) await channel.send(...many);
  };
  const read = async () => {
    while (await channel.receive(DIRECTION.nodeToClient) !== null);
  };
  await Promise.all([write(), flood.reads ? read() : undefined]);
}

const channels = await Promise.all(
  Array.from({ length: flood.connections }, meet),
);
print("floods");
// It is ended by the holder, or killed.
await Promise.allSettled(channels.map(floodOnce));
