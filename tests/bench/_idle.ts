/**
 * The memory of idle TLS connections at a relay, beside that of `node:tls`
 * alone. Both take the same connections from the same client, in turn.
 */

import { delay } from "@std/async/delay";
import { TextLineStream } from "@std/streams";
import { eachOf } from "../_each_of.ts";
import type { Conn } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { dialFrom, hostOf, PEERS_PER_HOST } from "./_big_relay.ts";
import { verdict } from "./_figures.ts";
import { print } from "./_report.ts";

/** A relay may take this many times the memory of `node:tls`. */
const MOST_RATIO = 1.15;
const WARM_UP_COUNT = 1_000;
const AT_ONCE = 20;
// By then the relay takes all of them for idle.
const SILENCE_MS = 2 * LIMITS.parkMs;

/** Opens idle connections at both; resolves to whether the target is met. */
export async function benchIdle(count: number): Promise<boolean> {
  const kib: Record<string, number> = {};
  for (const kind of ["bare", "relay"]) {
    kib[kind] = await bytesEach(kind, count) / 1024;
    print(`  ${kind}: ${kib[kind].toFixed(1)} KiB a connection`);
  }
  const ratio = kib["relay"]! / kib["bare"]!;
  const isReached = ratio <= MOST_RATIO;
  print(
    `  relay / bare ${ratio.toFixed(2)}, at most ${MOST_RATIO}: ` +
      verdict(isReached),
  );
  return isReached;
}

async function bytesEach(kind: string, count: number): Promise<number> {
  const script = new URL("_idle_server.ts", import.meta.url).pathname;
  await using server = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, kind],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = server.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  const number = async () => Number((await lines.read()).value);
  const at = { host: "127.0.0.1", port: await number() };
  const stdin = server.stdin.getWriter();
  const resident = async () => {
    await delay(SILENCE_MS);
    await stdin.write(new TextEncoder().encode("\n"));
    return await number();
  };
  const conns: Conn[] = [];
  const hello = encodeMessage({ kind: "hello", protocol: 1, role: "client" });
  const open = async (n: number) => {
    const host = hostOf(n, PEERS_PER_HOST);
    const conn = await dialFrom(host, { at, plaintext: false });
    conns.push(conn);
    await conn.write(hello);
    await conn.read(new Uint8Array(hello.length * 16));
  };
  await eachOf(Array(WARM_UP_COUNT).keys(), AT_ONCE, open);
  const before = await resident();
  await eachOf(Array(count).keys(), AT_ONCE, (n) => open(WARM_UP_COUNT + n));
  const after = await resident();
  for (const conn of conns) conn.close();
  await stdin.close();
  await server.status;
  return (after - before) / count;
}
