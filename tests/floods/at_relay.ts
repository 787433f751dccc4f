/**
 * Floods that a relay meets before it knows anything of who comes.
 */

import { assertEquals } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { encodeFrame } from "../../lib/protocol/frame.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { startNode } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { dialFrom } from "../bench/_big_relay.ts";
import { spawnRelay } from "../e2e/_processes.ts";
import {
  aborted,
  ATTACKER,
  Crowd,
  flood,
  HELLO,
  pause,
  print,
  STRANGER,
  untilClosed,
} from "./_attacker.ts";
import type { Attack, Flood, Scene, Target } from "./_flood.ts";

/** A relay process with one node, and a client that lists. */
export async function openRelayScene(plaintext: boolean): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const encryption = plaintext ? ["--plaintext"] : [];
  const relay = stack.use(
    await spawnRelay(["--host", "0.0.0.0", ...encryption, "0"]),
  );
  const at = { host: "127.0.0.1", port: Number(relay.port) };
  stack.use(
    await startNode({ server: { address: at } }, { f: "x" }, { plaintext }),
  );
  const owned = stack.move();
  const target = { at, plaintext };
  return {
    target,
    pids: [relay.pid],
    ask: () => listFrom(target, STRANGER),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** How many milliseconds a client at `host` waits for its listing. */
export async function listFrom(target: Target, host: string): Promise<number> {
  const startedAt = performance.now();
  using conn = await dialFrom(host, target);
  const channel = new Channel(conn, {
    limits: LIMITS,
    writeStallMs: 5_000,
    idleMs: 5_000,
  });
  await greet(channel, { role: "client" });
  await channel.send({ kind: "list" });
  assertEquals((await channel.receive(["nodes"]))?.count, 1);
  return performance.now() - startedAt;
}

/** 300 connections that say nothing, tried at once. */
export const silent: Attack = async ({ at }, signal) => {
  using crowd = new Crowd(at);
  for (let n = 0; n < 300; n++) crowd.add(ATTACKER);
  await aborted(signal);
};

/** 5,000 connects a second. */
export const connecting: Attack = async ({ at }, signal) => {
  using crowd = new Crowd(at);
  const startedAt = performance.now();
  let count = 0;
  while (!signal.aborted) {
    const due = (performance.now() - startedAt) * 5;
    for (let n = 0; n < 50 && count < due; n++, count++) crowd.add(ATTACKER);
    await pause(5);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  print(`  ${(count / seconds).toFixed(0)} connects a second`);
};

/** Empty frames, on one connection after another. */
export const emptyFrames: Attack = async (target, signal) => {
  const frame = encodeFrame(0x7e, new Uint8Array());
  const frames = new Uint8Array(10_000 * frame.length);
  for (let at = 0; at < frames.length; at += frame.length) {
    frames.set(frame, at);
  }
  const startedAt = performance.now();
  let count = 0;
  while (!signal.aborted) {
    await untilClosed(async () => {
      using conn = await dialFrom(ATTACKER, target);
      await conn.write(HELLO);
      const next = () => {
        count += 10_000;
        return frames;
      };
      await flood(conn, { next, signal });
    });
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  print(`  ${(count / seconds).toFixed(0)} empty frames a second`);
};

/** A length of 4 GiB, before the hello or after it, and bytes that follow. */
export const hugeLengths: Attack = async (target, signal) => {
  const header = Uint8Array.of(0x24, 0xff, 0xff, 0xff, 0xff);
  const next = () => new Uint8Array(64 * 1024);
  for (let n = 0; !signal.aborted; n++) {
    await untilClosed(async () => {
      using conn = await dialFrom(ATTACKER, target);
      if (n % 2 === 1) await conn.write(HELLO);
      await conn.write(header);
      await flood(conn, { next, signal });
    });
  }
};

/** Noise: in place of TLS, inside of it, and in frames of their own. */
export const noise: Attack = async ({ at, plaintext }, signal) => {
  const random = seededRandom(13);
  const bytes = () => randomBytes(4096, random);
  const frame = () =>
    encodeFrame(random() * 256, randomBytes(random() * 2_000, random));
  for (let n = 0; !signal.aborted; n++) {
    await untilClosed(async () => {
      const isPlain = plaintext || n % 3 === 0;
      using conn = await dialFrom(ATTACKER, { at, plaintext: isPlain });
      if (n % 4 > 1) await conn.write(HELLO);
      await flood(conn, { next: n % 3 === 1 ? bytes : frame, signal });
    });
  }
};

const open = () => openRelayScene(false);

export const AT_RELAY: readonly Flood[] = [
  { name: "relay: 300 silent connections", open, attack: silent },
  { name: "relay: 5,000 connects a second", open, attack: connecting },
  { name: "relay: empty frames", open, attack: emptyFrames },
  { name: "relay: lengths of 4 GiB", open, attack: hugeLengths },
  { name: "relay: random bytes", open, attack: noise },
];
