/**
 * A node that registers like any other and then answers as a test wants.
 */

import { Channel } from "../lib/protocol/channel.ts";
import type { Endpoint } from "../lib/base/conn.ts";
import { greet } from "../lib/protocol/hello.ts";
import type { Identity } from "../lib/identity/identity.ts";
import { Incidents } from "../lib/guard/incidents.ts";
import { LIMITS } from "../lib/base/limits.ts";
import { encodeFingerprints } from "../lib/content/fingerprints.ts";
import { DATA_HEADER_BYTES, writeDataHeader } from "../lib/protocol/bulk.ts";
import { type ClientToNode, DIRECTION } from "../lib/protocol/messages.ts";
import { signRegistration } from "../lib/protocol/signed_record.ts";
import { listen } from "../lib/transport/listen.ts";
import type { PeerIdentity } from "../lib/transport/dial.ts";
import { openChannel } from "./_network.ts";

/** How an evil node answers a message of a client. */
export type Lie<Asked = ClientToNode> = (
  channel: Channel,
  message: Asked,
) => Promise<void>;

/** The relay at which an evil node registers. */
export interface RelayToDeceive {
  readonly server: { readonly address: Endpoint };
  readonly identity: PeerIdentity;
}

/** Options of {@linkcode startEvilNode}. */
export interface EvilNodeOptions {
  /** Its key. */
  identity: Identity;
  /** How it answers. */
  lie: Lie;
  /** The id in its hello, if it is not its own. */
  helloId?: string;
  /** The addresses that it registers, if they are not its own. */
  addresses?: Endpoint[];
  /** Its name in listings. */
  name?: string;
  /** Whether the relay lists it as a node; by default yes. */
  isListed?: boolean;
  /** Makes the fingerprints that it sends, with the relay's key. */
  index?: ((key: Uint8Array) => readonly number[]) | undefined;
}

/** An evil node that runs. */
export interface EvilNode extends AsyncDisposable {
  readonly address: Endpoint;
  /** All requests that it received, in order. */
  readonly asked: readonly ClientToNode[];
}

/** Starts an evil node and registers it. */
export async function startEvilNode(
  relay: RelayToDeceive,
  options: EvilNodeOptions,
): Promise<EvilNode> {
  const { identity } = options;
  const asked: ClientToNode[] = [];
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: 32,
    incidents: new Incidents(0, () => {}),
    handle: async ({ conn, settle }) => {
      const channel = new Channel(conn, {
        limits: LIMITS,
        writeStallMs: 20_000,
        idleMs: 60_000, // longer than any test waits
      });
      settle();
      const id = options.helloId ?? identity.id;
      await channel.send({ kind: "hello", protocol: 1, role: "node", id });
      await channel.receive(["hello"]);
      channel.openUp();
      for (;;) {
        const message = await channel.receive(DIRECTION.clientToNode);
        if (message === null) return;
        asked.push(message);
        await options.lie(channel, message);
      }
    },
  });
  if (options.isListed !== false) {
    await registerNode(relay, {
      identity,
      name: options.name ?? "evil",
      index: options.index,
      addresses: options.addresses ?? [listener.address],
    });
  }
  return {
    address: listener.address,
    asked,
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

/** Registers a node once; it need not exist. */
export async function registerNode(
  relay: RelayToDeceive,
  node:
    & Pick<EvilNodeOptions, "index">
    & { identity: Identity; name: string; addresses: Endpoint[] },
): Promise<void> {
  await using channel = await openChannel(relay.server.address, relay.identity);
  const outcome = await greet(channel, { role: "node" });
  if (outcome.kind === "refused") throw new Error(outcome.text);
  const signed = await signRegistration({
    purpose: "register",
    relay: outcome.hello.id ?? "",
    nonce: outcome.hello.nonce ?? "",
    instance: "evil-evil",
    sequence: 1,
    name: node.name,
    addresses: node.addresses,
  }, node.identity);
  await channel.send({ kind: "register", ...signed });
  const answer = await channel.receive(DIRECTION.relayToNode);
  if (answer?.kind !== "registered") throw new Error(JSON.stringify(answer));
  if (node.index === undefined) return;
  const key = Uint8Array.fromBase64(answer.index!.key);
  const add = node.index(key).toSorted((a, b) => a - b);
  await channel.send({
    ...{ kind: "index", epoch: "e", version: 1, begin: true, remove: "" },
    add: encodeFingerprints(add),
  });
  const taken = await channel.receive(DIRECTION.relayToNode);
  if (taken?.kind !== "indexed") throw new Error(JSON.stringify(taken));
}

/** A version for files without one. */
export const VERSION = "0a".repeat(16);

type ToRequest = Pick<ClientToNode, "request">;

/** Answers that it has a file of `size` bytes. */
export function sendFound(
  channel: Channel,
  { request }: ToRequest,
  size: number,
): Promise<void> {
  const found = { request, size, modifiedMs: 0, version: VERSION };
  return channel.send({ kind: "found", ...found });
}

/** Refuses a request. */
export function sendRefusal(
  channel: Channel,
  { request }: ToRequest,
  { code, text = "no" }: { code: string; text?: string },
): Promise<void> {
  return channel.send({ kind: "refused", code, text, request });
}

/** Sends file bytes in frames of the largest allowed size. */
export async function sendData(
  channel: Channel,
  { request }: ToRequest,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += LIMITS.frameDataBytes) {
    const part = bytes.subarray(at, at + LIMITS.frameDataBytes);
    const frame = new Uint8Array(DATA_HEADER_BYTES + part.length);
    writeDataHeader(frame, 0, { request, length: part.length });
    frame.set(part, DATA_HEADER_BYTES);
    await channel.sendBulk(frame);
  }
}

/** Ends pieces with these hashes, in hexadecimal digits. */
export function sendPieces(
  channel: Channel,
  { request }: ToRequest,
  ...sha256: string[]
): Promise<void> {
  const hashes = Uint8Array.fromHex(sha256.join(""));
  return channel.send({ kind: "pieces", request, hashes });
}

/** Sends nothing, until the client has disconnected. */
export async function staySilent(channel: Channel): Promise<void> {
  while (await channel.receive(DIRECTION.clientToNode) !== null);
}
