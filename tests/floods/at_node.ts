/**
 * Floods of requests that any client may make of a node.
 */

import { assertEquals } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { writeAll } from "../../lib/base/conn.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { tempShare } from "../_temp_share.ts";
import { dialFrom, hostOf } from "../bench/_big_relay.ts";
import { spawnRelay, spawnRole } from "../e2e/_processes.ts";
import { ATTACKER, HELLO, pause, STRANGER, untilClosed } from "./_attacker.ts";
import type { Attack, Flood, Scene, Target } from "./_flood.ts";

/** A folder of 100,000 files has been looked through by then. */
const START_MS = 60_000;
const WANTED = "d0/wanted.txt";
const CONTENT = "what the honest client wants\n";

/**
 * A node process that shares `fileCount` files, some large ones beside them, and
 * a client that finds one.
 */
export async function openNodeScene(
  fileCount: number,
  sparse: Sparse = { count: 0, bytes: 0 },
): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempShare({ [WANTED]: CONTENT }));
  fillFolder(folder.path, fileCount - 1);
  fillWithSparse(folder.path, sparse);
  const relay = stack.use(await spawnRelay());
  const node = stack.use(
    spawnRole(
      "peer_node.ts",
      ["--host", "0.0.0.0", "127.0.0.1", relay.port, "0", folder.path],
      { permissions: [`--allow-read=${folder.path}`] },
    ),
  );
  const listening = /^node listening on .*:(\d+)$/;
  const [, port] = await node.stdout.until(listening, START_MS);
  await node.stdout.until(/^registered with /, START_MS);
  const owned = stack.move();
  const target = {
    at: { host: "127.0.0.1", port: Number(port) },
    plaintext: false,
  };
  return {
    target,
    pids: [node.pid],
    ask: () => findAndReadFrom(target, STRANGER),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Files of zeros, each a byte shorter than the one before. */
interface Sparse {
  readonly count: number;
  readonly bytes: number;
}

/** Each takes a node a second to hash, and all more than the test. */
const LARGE: Sparse = { count: 64, bytes: 1024 ** 3 };
/** The largest that are hashed when a client asks for them. */
const MIDDLE: Sparse = { count: 2_000, bytes: LIMITS.hashOnFindBytes };

/** Sparse files, each with another hash. */
function fillWithSparse(path: string, { count, bytes }: Sparse): void {
  for (let n = 0; n < count; n++) {
    Deno.writeFileSync(`${path}/${sparseName(n)}`, new Uint8Array());
    Deno.truncateSync(`${path}/${sparseName(n)}`, bytes - n);
  }
}

function sparseName(n: number): string {
  return `sparse ${n}`;
}

/** Small files, a thousand in each sub-folder. */
function fillFolder(path: string, count: number): void {
  const content = new TextEncoder().encode("x");
  for (let n = 0; n < count; n++) {
    const folder = `${path}/d${Math.floor(n / 1_000)}`;
    if (n % 1_000 === 0) Deno.mkdirSync(folder, { recursive: true });
    Deno.writeFileSync(`${folder}/some file of a share ${n}`, content);
  }
}

/**
 * How many milliseconds a client at `host` waits from dialling until it knows
 * the file it wants. It then reads it, which is not timed.
 */
export async function findAndReadFrom(
  target: Target,
  host: string,
): Promise<number> {
  const startedAt = performance.now();
  using conn = await dialFrom(host, target);
  const channel = new Channel(conn, {
    limits: LIMITS,
    acceptsData: true,
    writeStallMs: 5_000,
    idleMs: 5_000,
  });
  await greet(channel, { role: "client" });
  await channel.send({ kind: "find", request: 1, name: WANTED });
  const found = await channel.receive(["found"]);
  const ms = performance.now() - startedAt;
  const of = found?.version ?? "";
  await channel.send({ kind: "read", request: 2, of, first: 0, count: 1 });
  const data = await channel.receiveOrData(["pieces"]);
  const bytes = new Uint8Array(data?.kind === "data" ? data.length : 0);
  await channel.readData(bytes);
  assertEquals(new TextDecoder().decode(bytes), CONTENT);
  return ms;
}

/** Frames of `browse`, with a prefix that no file has, until `bytes` are full. */
function browses(bytes: number): Uint8Array<ArrayBuffer> {
  const frame = encodeMessage({ kind: "browse", request: 1, prefix: "none/" });
  const count = Math.floor(bytes / frame.length);
  const all = new Uint8Array(count * frame.length);
  for (let n = 0; n < count; n++) all.set(frame, n * frame.length);
  return all;
}

/**
 * `count` connections that write frame upon frame, read what comes, and come
 * back when they are cut off.
 */
function asking(count: number, frames: () => Uint8Array): Attack {
  return async (target, signal) => {
    const one = async () => {
      while (!signal.aborted) {
        await untilClosed(async () => {
          using conn = await dialFrom(ATTACKER, target);
          const stop = () => conn.close();
          signal.addEventListener("abort", stop);
          try {
            await conn.write(HELLO);
            const scratch = new Uint8Array(64 * 1024);
            const reading = (async () => {
              while (await conn.read(scratch) !== null);
              conn.close();
            })();
            reading.catch(() => {}); // the next write reports it
            while (!signal.aborted) {
              await writeAll(conn, frames());
              await pause(0);
            }
          } finally {
            signal.removeEventListener("abort", stop);
          }
        });
        await pause(20);
      }
    };
    await Promise.all(Array.from({ length: count }, one));
  };
}

/** Has file after file hashed, and leaves after a while without the answer. */
function hashing(count: number): Attack {
  return async (target, signal) => {
    let wanted = 0;
    const one = async () => {
      while (!signal.aborted) {
        await untilClosed(async () => {
          using conn = await dialFrom(ATTACKER, target);
          const channel = new Channel(conn, {
            limits: LIMITS,
            acceptsData: true,
            writeStallMs: 5_000,
            idleMs: 5_000,
          });
          await greet(channel, { role: "client" });
          const name = sparseName(wanted++ % LARGE.count);
          await channel.send({ kind: "find", request: 1, name });
          const { version = "" } = await channel.receive(["found"]) ?? {};
          await channel.send({ kind: "describe", request: 2, of: version });
          await pause(500);
        });
        await pause(20);
      }
    };
    await Promise.all(Array.from({ length: count }, one));
  };
}

/**
 * Clients of many addresses ask for file after file that is hashed before the
 * answer, and wait for each.
 */
const finding: Attack = async (target, signal) => {
  let wanted = 0;
  const one = async (host: string) => {
    while (!signal.aborted) {
      await untilClosed(async () => {
        using conn = await dialFrom(host, target);
        const stop = () => conn.close();
        signal.addEventListener("abort", stop);
        const channel = new Channel(conn, {
          limits: LIMITS,
          acceptsData: true,
          writeStallMs: 5_000,
          idleMs: 5_000,
        });
        await greet(channel, { role: "client" });
        while (!signal.aborted) {
          // From the end, for the node itself hashes from the start.
          const name = sparseName(MIDDLE.count - 1 - wanted++ % MIDDLE.count);
          await channel.send({ kind: "find", request: 1, name });
          await channel.receive(["found"]);
        }
      });
      await pause(20);
    }
  };
  await Promise.all(
    Array.from({ length: FINDERS }, (_, n) => one(hostOf(n, 1))),
  );
};

/** Each of another address. */
const FINDERS = 32;

const ONE_WRITE = browses(6_700);

/** Lists everything, again and again, and reads all of it. */
const LIST_ALL = encodeMessage({ kind: "browse", request: 1, prefix: "" });

let unknownNames = 0;
function findsOfUnknownNames(): Uint8Array {
  const name = `no such file ${unknownNames++}`;
  return encodeMessage({ kind: "find", request: 1, name });
}

export const AT_NODE: readonly Flood[] = [
  {
    name: "node: browse, 1 connection, 100,000 files",
    open: () => openNodeScene(100_000),
    attack: asking(1, () => ONE_WRITE),
  },
  {
    name: "node: browse, 4 connections, 2,000 files",
    open: () => openNodeScene(2_000),
    attack: asking(4, () => ONE_WRITE),
  },
  {
    name: "node: whole listings, 8 connections, 100,000 files",
    open: () => openNodeScene(100_000),
    attack: asking(8, () => LIST_ALL),
  },
  {
    name: "node: unknown names, 4 connections, 100,000 files",
    open: () => openNodeScene(100_000),
    attack: asking(4, findsOfUnknownNames),
  },
  {
    name: "node: hashing on demand, 8 connections, 64 GiB",
    open: () => openNodeScene(10, LARGE),
    attack: hashing(8),
  },
  {
    name: "node: files of 16 MiB hashed for 32 addresses",
    open: () => openNodeScene(10, MIDDLE),
    attack: finding,
  },
];
