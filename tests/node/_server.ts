import { assertEquals, assertExists } from "@std/assert";
import type { Channel } from "../../lib/protocol/channel.ts";
import { sha256 } from "../../lib/base/hash.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { DIRECTION, type MessageOf } from "../../lib/protocol/messages.ts";
import { IDENTITIES, openChannel, type TestNode } from "../_network.ts";

export const NODE = IDENTITIES[1] as Identity;

export const PIECE = 256 * 1024;

/** A channel that has greeted the node. */
export async function greeted(node: TestNode): Promise<Channel> {
  const channel = await openChannel(node.server.address, NODE);
  await channel.send({ kind: "hello", protocol: 1, role: "client" });
  const hello = await channel.receive(["hello"]);
  assertEquals(hello, {
    kind: "hello",
    protocol: 1,
    role: "node",
    id: NODE.id,
  });
  channel.openUp();
  return channel;
}

export function find(
  channel: Channel,
  name: string,
): Promise<MessageOf<"found" | "refused"> | null> {
  void channel.send({ kind: "find", request: 7, name });
  return channel.receive(["found", "refused"]);
}

interface ReadTask {
  readonly request?: number;
  readonly of: string;
  readonly first?: number;
  readonly count: number;
}

export function sendRead(
  channel: Channel,
  { request = 8, of, first = 0, count }: ReadTask,
): Promise<void> {
  return channel.send({ kind: "read", request, of, first, count });
}

interface Part {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

/** The pieces that answer a read, as they come; a refusal is the last. */
export async function* partsOf(
  channel: Channel,
  { request = 8, first = 0, count }: ReadTask,
): AsyncGenerator<Part | MessageOf<"refused">> {
  const end = first + count;
  let run = new Uint8Array(count * PIECE);
  let filled = 0;
  for (let index = first; index < end;) {
    const message = await channel.receiveOrData(DIRECTION.nodeToClient);
    assertEquals(message?.request, request);
    if (message?.kind === "data") {
      await channel.readData(run.subarray(filled, filled + message.length));
      filled += message.length;
      continue;
    }
    if (message?.kind === "refused") {
      yield message;
      return;
    }
    if (message?.kind !== "pieces") throw new Error(`a ${message?.kind}`);
    const { hashes } = message;
    for (let at = 0; at < hashes.length; at += 32) {
      const bytes = run.subarray(0, Math.min(filled, PIECE));
      yield {
        index: index++,
        bytes,
        sha256: hashes.slice(at, at + 32).toHex(),
      };
      run = run.subarray(bytes.length);
      filled -= bytes.length;
    }
    assertEquals(filled, 0, "all that came is vouched for");
  }
}

/** What a read brings: hashes of the pieces, or the code of a refusal. */
export async function read(
  channel: Channel,
  task: ReadTask,
): Promise<string[]> {
  await sendRead(channel, task);
  const parts: string[] = [];
  for await (const part of partsOf(channel, task)) {
    if ("kind" in part) {
      assertEquals(part.text.length > 0, true);
      parts.push(part.code);
    } else {
      assertEquals(sha256(part.bytes).toHex(), part.sha256);
      parts.push(part.sha256);
    }
  }
  return parts;
}

/** The manifest of a file: hashes of its pieces with what was said of it. */
export async function describe(
  channel: Channel,
  of: string,
): Promise<
  { said: MessageOf<"manifest" | "refused">; hashes: string[] }
> {
  await channel.send({ kind: "describe", request: 9, of });
  const said = await channel.receive(["manifest", "refused"]);
  assertExists(said);
  assertEquals(said.request, 9);
  const hashes: string[] = [];
  const count = said.kind === "refused" ? 0 : Math.ceil(said.size / PIECE);
  while (hashes.length < count) {
    const data = await channel.receiveOrData([]);
    if (data?.kind !== "data") throw new Error("no data");
    assertEquals([data.request, data.length % 32], [9, 0]);
    for (let left = data.length; left > 0; left -= 32) {
      const hash = new Uint8Array(32);
      await channel.readData(hash);
      hashes.push(hash.toHex());
    }
  }
  return { said, hashes };
}
