/**
 * Both ends of tunnels, played by hand: a node that attaches, a client that asks
 * for tunnels, and connections that show whatever key a test wants.
 */

import { assert, assertEquals } from "@std/assert";
import { Channel } from "../lib/protocol/channel.ts";
import { type Conn, type Endpoint, writeAll } from "../lib/base/conn.ts";
import { readFrame } from "../lib/protocol/frame.ts";
import { greet } from "../lib/protocol/hello.ts";
import type { Identity } from "../lib/identity/identity.ts";
import { LIMITS } from "../lib/base/limits.ts";
import {
  decodeMessage,
  DIRECTION,
  encodeMessage,
  type MessageOf,
} from "../lib/protocol/messages.ts";
import { signRegistration } from "../lib/protocol/signed_record.ts";
import { dial } from "../lib/transport/dial.ts";
import { within } from "./_event_log.ts";
import type { TestRelay } from "./_network.ts";

/** A relay, in this process or elsewhere. */
export type AnyRelay = {
  readonly server: { readonly address: Endpoint };
  readonly identity: Identity;
};

/** A channel to the relay, after the hello. */
async function greeted(
  { server, identity }: AnyRelay,
  { role, peer = identity }: {
    role: "node" | "client";
    peer?: Identity | null | undefined;
  },
): Promise<{ channel: Channel; nonce: string }> {
  const conn = await dial(server.address, { peer, timeoutMs: 20_000 });
  const channel = new Channel(conn, {
    limits: LIMITS,
    writeStallMs: 20_000,
    idleMs: 60_000, // longer than any test waits
  });
  const outcome = await greet(channel, { role });
  assert(outcome.kind === "greeted", JSON.stringify(outcome));
  return { channel, nonce: outcome.hello.nonce ?? "" };
}

/** A node that does nothing but stay attached. Disposing leaves. */
export interface AttachedNode extends AsyncDisposable {
  readonly id: string;
  readonly channel: Channel;
  /** The next invitation. */
  invited(): Promise<MessageOf<"invite">>;
}

/** Registers and attaches a node at which nobody can be dialled. */
export async function attachNode(
  relay: AnyRelay,
  identity: Identity,
  options: { sequence?: number; instance?: string } = {},
): Promise<AttachedNode> {
  const { channel, nonce } = await greeted(relay, { role: "node" });
  const signed = await signRegistration({
    purpose: "register",
    relay: relay.identity.id,
    nonce,
    instance: options.instance ?? "by-hand-by-hand",
    sequence: options.sequence ?? 1,
    name: "by hand",
    addresses: [{ host: "127.0.0.1", port: 9 }],
  }, identity);
  await channel.send({ kind: "register", ...signed });
  const registered = await channel.receive(["registered", "refused"]);
  assertEquals(registered?.kind, "registered", JSON.stringify(registered));
  await channel.send({ kind: "attach" });
  assertEquals((await channel.receive(["attached"]))?.kind, "attached");
  return {
    id: identity.id,
    channel,
    invited: async () => {
      const invite = await within(channel.receive(["invite"]), "an invitation");
      assert(invite !== null);
      return invite;
    },
    [Symbol.asyncDispose]: () => channel.close(),
  };
}

/** Asks for a tunnel to a node: the client's key, or the code of a refusal. */
export async function askForTunnel(
  relay: AnyRelay,
  id: string,
): Promise<MessageOf<"rendezvous"> | MessageOf<"refused">> {
  const { channel } = await greeted(relay, { role: "client" });
  await using _channel = channel;
  await channel.send({ kind: "tunnel", id });
  const answer = await channel.receive(["rendezvous", "refused"]);
  assert(answer !== null);
  return answer;
}

/** The keys of a new tunnel, of which neither has been shown. */
export async function openTunnel(
  relay: AnyRelay,
  node: AttachedNode,
): Promise<{ client: string; node: string }> {
  const answer = await askForTunnel(relay, node.id);
  assert(answer.kind === "rendezvous", JSON.stringify(answer));
  return { client: answer.key, node: (await node.invited()).key };
}

/** By which port a connection comes to a relay: its own, or that for tunnels. */
export type Entrance = "own" | "tunnel";

/** Where tunnels enter a relay. */
export async function entranceOf(
  relay: TestRelay,
  entrance: Entrance,
): Promise<Endpoint> {
  const { host, port } = relay.server.address;
  if (entrance === "own") return { host, port };
  const { tunnelPort } = await relay.log.until("relay_listening");
  assert(tunnelPort !== undefined);
  return { host, port: tunnelPort };
}

/** A connection that shows a key, and reads no answer. */
export async function showKey(
  relay: TestRelay,
  key: string,
  entrance: Entrance = "tunnel",
): Promise<Conn> {
  return await showKeyAt(await entranceOf(relay, entrance), key);
}

/** The same, where tunnels enter. */
export async function showKeyAt(at: Endpoint, key: string): Promise<Conn> {
  const conn = await dial(at, { peer: null, timeoutMs: 20_000 });
  await writeAll(conn, encodeMessage({ kind: "join", key }));
  return conn;
}

/** What the relay answers to a key: `joined`, the code of a refusal, or `end`. */
export async function answerTo(conn: Conn): Promise<string> {
  const frame = await within(
    readFrame(conn, LIMITS.frameBeforeHelloBytes),
    "the relay's answer",
  );
  if (frame === null) return "end";
  const answer = decodeMessage(frame, DIRECTION.fromTunnel);
  return answer.kind === "refused" ? answer.code : answer.kind;
}

/** A tunnel that both sides have joined. Disposing breaks it off. */
export interface JoinedTunnel extends Disposable {
  readonly client: Conn;
  readonly node: Conn;
}

/** Opens a tunnel, and joins both its sides. */
export async function joinTunnel(
  relay: TestRelay,
  attached: AttachedNode,
  entrance: Entrance = "tunnel",
): Promise<JoinedTunnel> {
  const keys = await openTunnel(relay, attached);
  const client = await showKey(relay, keys.client, entrance);
  const node = await showKey(relay, keys.node, entrance);
  assertEquals(await answerTo(client), "joined");
  assertEquals(await answerTo(node), "joined");
  return {
    client,
    node,
    [Symbol.dispose]: () => {
      client.close();
      node.close();
    },
  };
}

/** Sends bytes from one end to the other, and checks that they arrive. */
export async function passes(
  from: Conn,
  to: Conn,
  bytes: Uint8Array,
): Promise<void> {
  const sending = writeAll(from, bytes);
  const target = new Uint8Array(bytes.length);
  for (let at = 0; at < target.length;) {
    const count = await within(to.read(target.subarray(at)), "bytes");
    assert(count !== null, `ended at ${at} of ${target.length}`);
    at += count;
  }
  await sending;
  assertEquals(target, bytes);
}
