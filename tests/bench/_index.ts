/**
 * A relay's index of names beside Redis with a set of nodes for each
 * fingerprint: the same fingerprints, the same look-ups, memory and processor
 * time. Redis is asked over one connection, many commands at once, so that the
 * ways there and back count for little.
 */

import { writeAll } from "../../lib/base/conn.ts";
import type { Conn } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { NameIndex } from "../../lib/relay/name_index.ts";
import { seededRandom } from "../_random.ts";
import { dialFrom } from "./_big_relay.ts";
import { mainThreadMs, residentBytes, verdict } from "./_figures.ts";
import { command, startRedis } from "./_redis.ts";
import { print } from "./_report.ts";

/** Two for each of 1,000 names, and 50 folders. */
const FINGERPRINTS_PER_NODE = 2_050;
/** Commands under way at once. */
const AT_ONCE = 4_000;
const LOOKUPS = 200_000;
const LOOKUPS_TARGET = 20_000;
const MEMORY_TARGET_MIB = 300;
const MIB = 1024 ** 2;

/** The sorted fingerprints of one node, the same in both runs. */
function fingerprintsOf(node: number): Float64Array {
  const random = seededRandom(node);
  const all = new Float64Array(FINGERPRINTS_PER_NODE);
  for (let n = 0; n < all.length; n++) {
    all[n] = Math.floor(random() * 2 ** 32) * 256 + Math.floor(random() * 256);
  }
  return all.sort();
}

/** Fingerprints to look up: each of some node. */
function asked(nodes: number): number[] {
  const random = seededRandom(1);
  const sample = Array.from(
    { length: 200 },
    () => fingerprintsOf(Math.floor(random() * nodes)),
  );
  return Array.from({ length: LOOKUPS }, (_, n) => {
    const of = sample[n % sample.length]!;
    return of[Math.floor(random() * of.length)]!;
  });
}

/** Fills the index and looks up; its memory and its rate must reach the targets. */
export async function benchIndex(nodes: number): Promise<void> {
  const index = new NameIndex({ ...LIMITS, indexEntryCount: 2 ** 31 });
  let fillMs = 0;
  const threadMs = () => mainThreadMs(Deno.pid);
  for (let node = 0; node < nodes; node++) {
    const fingerprints = fingerprintsOf(node);
    const startedAt = await threadMs();
    const slot = index.open(`${node}`);
    for (const fingerprint of fingerprints) index.add(fingerprint, slot);
    fillMs += await threadMs() - startedAt;
  }
  const questions = asked(nodes);
  const startedAt = await threadMs();
  let found = 0;
  for (const question of questions) index.visit(question, () => ++found > 0);
  const rate = LOOKUPS / (await threadMs() - startedAt) * 1_000;
  if (found < LOOKUPS) throw new Error(`found ${found} of ${LOOKUPS}`);
  const mib = index.bytes / MIB;
  const isReached = rate >= LOOKUPS_TARGET && mib <= MEMORY_TARGET_MIB;
  print(
    `  ours: ${index.entryCount} fingerprints in ${mib.toFixed(0)} MiB ` +
      `(target ${MEMORY_TARGET_MIB} for 10,000 nodes), taken in ` +
      `${(fillMs / 1_000).toFixed(1)} s; ${
        rate.toFixed(0)
      } look-ups a second ` +
      `in this process (target ${LOOKUPS_TARGET}): ${verdict(isReached)}`,
  );
}

/** The same in Redis: `SADD fingerprint node`, and `SMEMBERS fingerprint`. */
export async function benchSets(program: string, nodes: number): Promise<void> {
  await using redis = await startRedis(program, 10);
  using conn = await dialFrom("127.0.0.1", redis.target);
  const replies = new Replies(conn);
  const emptyBytes = await residentBytes(redis.pid);
  const beforeMs = await mainThreadMs(redis.pid);
  for (let node = 0; node < nodes; node++) {
    const commands = Array.from(
      fingerprintsOf(node),
      (fingerprint) => command("SADD", fingerprint.toString(36), `${node}`),
    );
    await replies.ask(commands);
  }
  const fillMs = await mainThreadMs(redis.pid) - beforeMs;
  const mib = (await residentBytes(redis.pid) - emptyBytes) / MIB;
  const questions = asked(nodes);
  const askedMs = await mainThreadMs(redis.pid);
  for (let at = 0; at < questions.length; at += AT_ONCE) {
    const some = questions.slice(at, at + AT_ONCE);
    await replies.ask(
      some.map((question) => command("SMEMBERS", question.toString(36))),
    );
  }
  const busyMs = await mainThreadMs(redis.pid) - askedMs;
  print(
    `  redis: sets in ${mib.toFixed(0)} MiB, taken in ` +
      `${(fillMs / 1_000).toFixed(1)} s of its main thread; ` +
      `${(LOOKUPS / busyMs * 1_000).toFixed(0)} look-ups in a second of it`,
  );
}

/** Reads replies, each a number or a list of texts. */
class Replies {
  readonly #conn: Conn;
  readonly #buffer = new Uint8Array(256 * 1024);
  /** The line that has begun, and the lines that its reply still has. */
  #line = "";
  #left = 0;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  /** Sends commands together, and waits for a reply to each. */
  async ask(commands: readonly Uint8Array[]): Promise<void> {
    const sending = writeAll(this.#conn, joined(commands));
    for (let count = 0; count < commands.length;) {
      const read = await this.#conn.read(this.#buffer);
      if (read === null) {
        throw new Error("the other side closed the connection");
      }
      count += this.#take(this.#buffer.subarray(0, read));
    }
    await sending;
  }

  /** The replies that end in these bytes. */
  #take(bytes: Uint8Array): number {
    const lines = (this.#line + new TextDecoder("latin1").decode(bytes))
      .split("\r\n");
    this.#line = lines.pop()!;
    let ended = 0;
    for (const line of lines) {
      if (this.#left > 0) this.#left--;
      else if (line.startsWith("*")) this.#left = 2 * Number(line.slice(1));
      else if (!line.startsWith(":")) throw new Error(line);
      if (this.#left === 0) ended++;
    }
    return ended;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
