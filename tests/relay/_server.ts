import { assertExists } from "@std/assert";
import type { Channel } from "../../lib/protocol/channel.ts";
import type { Endpoint } from "../../lib/base/conn.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import type { MessageOf, SignedRecord } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import {
  IDENTITIES,
  openChannel,
  openChannelFrom,
  type TestRelay,
} from "../_network.ts";

export const [, alice, bob] = IDENTITIES as [Identity, Identity, Identity];

const AT = [{ host: "127.0.0.1", port: 1500 }];

/** A channel that has greeted the relay, and the relay's hello. */
export async function greeted(
  relay: TestRelay,
  role: string,
  from?: string,
): Promise<{ channel: Channel; hello: MessageOf<"hello"> }> {
  const { address } = relay.server;
  const channel = from === undefined
    ? await openChannel(address, relay.identity)
    : await openChannelFrom(from, address);
  await channel.send({ kind: "hello", protocol: 1, role });
  const hello = await channel.receive(["hello"]);
  assertExists(hello);
  channel.openUp();
  return { channel, hello };
}

export interface Claim {
  relay?: string;
  nonce?: string;
  instance?: string;
  sequence?: number;
  name?: string;
  addresses?: readonly Endpoint[];
  purpose?: "register" | "withdraw";
}

/** Signs as `identity`, for this connection unless `claim` says otherwise. */
export function signFor(
  hello: MessageOf<"hello">,
  identity: Identity,
  claim: Claim = {},
): Promise<SignedRecord> {
  return signRegistration({
    purpose: "register",
    relay: hello.id ?? "",
    nonce: hello.nonce ?? "",
    instance: "instance 1",
    sequence: 1,
    name: "alpha",
    addresses: AT,
    ...claim,
  }, identity);
}

type Answer = MessageOf<"registered" | "withdrawn" | "refused"> | null;

/** One connection: greet, sign, send, and what came back. */
export async function register(
  relay: TestRelay,
  identity: Identity,
  claim: Claim = {},
  from?: string,
): Promise<Answer> {
  const { channel, hello } = await greeted(relay, "node", from);
  await using _channel = channel;
  const signed = await signFor(hello, identity, claim);
  await channel.send({ kind: claim.purpose ?? "register", ...signed });
  return await channel.receive(["registered", "withdrawn", "refused"]);
}

export async function list(relay: TestRelay): Promise<MessageOf<"nodes">> {
  const { channel } = await greeted(relay, "client");
  await using _channel = channel;
  await channel.send({ kind: "list" });
  const nodes = await channel.receive(["nodes"]);
  assertExists(nodes);
  return nodes;
}

/** The answer of an open relay to a node without an index. */
export async function emptyIndexOf({ identity }: TestRelay) {
  const text = new TextEncoder().encode(`relay-p2p index 1\n${identity.id}`);
  const key = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return { key: key.toBase64(), epoch: "", version: 0 };
}

export const onLinux = { ignore: Deno.build.os !== "linux" };
