/**
 * Peers that misbehave towards a relay or a node, one way each.
 */

import { delay } from "@std/async/delay";
import type { Channel } from "../lib/protocol/channel.ts";
import type { Endpoint } from "../lib/base/conn.ts";
import { encodeFrame } from "../lib/protocol/frame.ts";
import { greet } from "../lib/protocol/hello.ts";
import { certificateId } from "../lib/identity/identity.ts";
import { pieceCountOf } from "../lib/content/manifest.ts";
import { encodeMessage } from "../lib/protocol/messages.ts";
import { dial, type PeerIdentity } from "../lib/transport/dial.ts";
import { learnCertificate } from "../lib/transport/learn.ts";
import { openChannel } from "./_network.ts";
import { randomBytes, seededRandom } from "./_random.ts";

const random = seededRandom(crypto.getRandomValues(new Uint32Array(1))[0]!);

function below(most: number): number {
  return Math.floor(random() * most);
}

function oneOf<T>(all: readonly T[]): T {
  return all[below(all.length)]!;
}

/** Where peers are that are to be troubled, and who answers there. */
export interface Target extends Endpoint {
  readonly peer: PeerIdentity;
}

/** The program that answers at a port of this machine. */
export async function targetAt(port: string): Promise<Target> {
  const at = { host: "127.0.0.1", port: Number(port) };
  const certificate = await learnCertificate(at, { timeoutMs: 5_000 });
  const id = certificateId(certificate)!;
  return { ...at, peer: { id, certificate } };
}

/** Ways to misbehave; each resolves when it is over, however that came. */
export const TROUBLES: Readonly<Record<string, (at: Target) => Promise<void>>> =
  {
    silent: async (at) => {
      using conn = await dialPlainly(at);
      await untilClosed(conn, 12_000);
    },
    "random bytes": async (at) => {
      using conn = await dialPlainly(at);
      await conn.write(randomBytes(1 + below(5_000), random));
      await untilClosed(conn, 1_000);
    },
    "a hello of TLS that is cut off": async (at) => {
      using conn = await dialPlainly(at);
      const length = below(5);
      await conn.write(
        Uint8Array.of(22, 3, 1, 2, 0, 1).subarray(0, 1 + length),
      );
    },
    "random bytes inside of TLS": async (at) => {
      using conn = await dial(at, { peer: at.peer, timeoutMs: 5_000 });
      await conn.write(randomBytes(1 + below(5_000), random));
      await untilClosed(conn, 2_000);
    },
    "frames that are wrong": async (at) => {
      using conn = await dial(at, { peer: at.peer, timeoutMs: 5_000 });
      if (random() < 0.7) await conn.write(hello());
      for (let count = 1 + below(30); count > 0; count--) {
        const body = random() < 0.5
          ? randomBytes(below(300), random)
          : new TextEncoder().encode(
            oneOf(["{}", "[", "null", '{"request":-1}']),
          );
        await conn.write(encodeFrame(below(256), body));
      }
      await untilClosed(conn, 1_000);
    },
    "a length that nothing has": async (at) => {
      using conn = await dial(at, { peer: at.peer, timeoutMs: 5_000 });
      await conn.write(
        Uint8Array.of(oneOf([1, 0x20, 0x60]), 255, 255, 255, 255),
      );
      await untilClosed(conn, 2_000);
    },
    "a hang-up in the middle": async (at) => {
      using conn = await dial(at, { peer: at.peer, timeoutMs: 5_000 });
      await conn.write(hello());
      await conn.write(encodeMessage({ kind: "list" }));
      await conn.write(
        encodeMessage({ kind: "find", request: 1, name: "large" }),
      );
      await conn.read(new Uint8Array(100));
    },
    "questions whose answers nobody reads": async (at) => {
      using conn = await dial(at, { peer: at.peer, timeoutMs: 5_000 });
      await conn.write(hello());
      const question = encodeMessage({
        kind: "browse",
        request: 1,
        prefix: "",
      });
      for (let count = below(2_000); count > 0; count--) {
        await conn.write(question);
      }
      await delay(below(2_000));
    },
    "file bytes that nobody reads": async (at) => {
      await using channel = await askedForAll(at);
      await delay(below(2_000));
      channel.abort(new Error("leaves"));
    },
    "a hang-up among file bytes": async (at) => {
      await using channel = await askedForAll(at);
      await channel.receiveOrData(["pieces"]);
      channel.abort(new Error("leaves"));
    },
  };

/** A channel on which all of the large file has been asked for, again and again. */
async function askedForAll(at: Target): Promise<Channel> {
  const channel = await openChannel(at, at.peer);
  try {
    await greet(channel, { role: "client" });
    await channel.send({ kind: "find", request: 1, name: "large" });
    const found = await channel.receive(["found"]);
    if (found === null) throw new Error("no such file");
    const { version: of, size } = found;
    const count = pieceCountOf(size);
    for (let request = 2; request < 12; request++) {
      await channel.send({ kind: "read", request, of, first: 0, count });
    }
    return channel;
  } catch (error) {
    channel.abort(new Error("leaves")); // a relay, which has no files
    throw error;
  }
}

function hello(): Uint8Array {
  return encodeMessage({ kind: "hello", protocol: 1, role: "client" });
}

function dialPlainly(at: Endpoint) {
  return dial(at, { peer: null, timeoutMs: 5_000 });
}

/** Reads what comes, until nothing does or the time is over. */
async function untilClosed(
  conn: { read(buffer: Uint8Array): Promise<number | null>; close(): void },
  ms: number,
): Promise<void> {
  const timer = setTimeout(() => conn.close(), ms);
  try {
    const buffer = new Uint8Array(4_096);
    while (await conn.read(buffer) !== null);
  } finally {
    clearTimeout(timer);
  }
}
