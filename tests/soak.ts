/**
 * A relay and a node that run for long while everything happens to them: nodes
 * come and go, clients fetch, peers misbehave. Fails when a fetch does not
 * deliver what it must, a process ends, or memory or descriptors grow beyond
 * the bounds below. `deno task soak SECONDS`, 120 by default. Needs all
 * permissions: without them nobody may look into /proc.
 */

import { delay } from "@std/async/delay";
import { fetchFile } from "../lib/client/fetch.ts";
import type { Endpoint } from "../lib/conn.ts";
import { encodeFrame } from "../lib/frame.ts";
import { certificateId } from "../lib/identity.ts";
import { encodeMessage } from "../lib/messages.ts";
import { dial, type PeerIdentity } from "../lib/transport/dial.ts";
import { learnCertificate } from "../lib/transport/learn.ts";
import {
  type NodeProcess,
  type RoleProcess,
  spawnNode,
  spawnRelay,
} from "./e2e/_processes.ts";
import { randomBytes, seededRandom } from "./_random.ts";
import { tempShare } from "./_temp_share.ts";

const MIB = 1024 * 1024;
const DEFAULT_SECONDS = 120;
// Memory that a process may hold more than when it was warm: the heap breathes.
const GROWTH_BYTES = 32 * MIB;
// Descriptors beyond those before anything happened, once all peers are gone.
const GROWTH_DESCRIPTORS = 4;
// The longest that a peer which says nothing is waited for, and some.
const QUIET_MS = 15_000;
const REPORT_MS = 10_000;
const CLIENTS = 3;
const TROUBLEMAKERS = 6;

const random = seededRandom(crypto.getRandomValues(new Uint32Array(1))[0]!);
const FILES: Readonly<Record<string, Uint8Array>> = {
  "empty": new Uint8Array(),
  "small": randomBytes(1_000, random),
  "sub/middle": randomBytes(100_000, random),
  "large": randomBytes(3 * MIB + 5, random),
};

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}

function below(most: number): number {
  return Math.floor(random() * most);
}

function oneOf<T>(all: readonly T[]): T {
  return all[below(all.length)]!;
}

/** What a process holds. */
interface Holding {
  readonly bytes: number;
  readonly descriptors: number;
}

/** Reads it, and throws where the process has ended. */
function holdingOf({ pid }: { pid: number }): Holding {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has ended`);
  const descriptors = [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
  return { bytes: Number(kib) * 1024, descriptors };
}

function format({ bytes, descriptors }: Holding): string {
  return `${(bytes / MIB).toFixed(1).padStart(6)} MiB ` +
    `${String(descriptors).padStart(3)} fds`;
}

/** Where peers are that are to be troubled, and who answers there. */
interface Target extends Endpoint {
  readonly peer: PeerIdentity;
}

async function targetAt(port: string): Promise<Target> {
  const at = { host: "127.0.0.1", port: Number(port) };
  const certificate = await learnCertificate(at, { timeoutMs: 5_000 });
  const id = certificateId(certificate)!;
  return { ...at, peer: { id, certificate } };
}

/** Ways to misbehave; each resolves when it is over, however that came. */
const TROUBLES: Readonly<Record<string, (at: Target) => Promise<void>>> = {
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
    await conn.write(Uint8Array.of(22, 3, 1, 2, 0, 1).subarray(0, 1 + length));
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
    await conn.write(Uint8Array.of(oneOf([1, 0x20, 0x60]), 255, 255, 255, 255));
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
    const question = encodeMessage({ kind: "browse", request: 1, prefix: "" });
    for (let count = below(2_000); count > 0; count--) {
      await conn.write(question);
    }
    await delay(below(2_000));
  },
};

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

/** What has happened so far. */
class Tally {
  fetches = 0;
  troubles = 0;
  nodes = 0;
  readonly failures: string[] = [];
}

/** Fetches one file after the other, each of which must come. */
async function fetchOn(
  relay: Endpoint & { id: string },
  { tally, signal }: { tally: Tally; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const name = oneOf(Object.keys(FILES));
    try {
      await using file = await fetchFile({ relay, name });
      const parts: Uint8Array<ArrayBuffer>[] = [];
      for await (const piece of file.pieces()) parts.push(piece.slice());
      const found = await new Blob(parts).bytes();
      const wanted = FILES[name]!;
      const isRight = found.length === wanted.length &&
        found.every((byte, at) => byte === wanted[at]);
      if (!isRight) throw new Error(`${found.length} wrong bytes`);
      tally.fetches++;
    } catch (error) {
      tally.failures.push(`fetch of ${name}: ${error}`);
    }
    await delay(50);
  }
}

/** Makes one trouble after the other. */
async function troubleOn(
  targets: readonly Target[],
  { tally, signal }: { tally: Tally; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const trouble = oneOf(Object.values(TROUBLES));
    // However it ends: they defend themselves.
    await trouble(oneOf(targets)).catch(() => {});
    tally.troubles++;
    await delay(20);
  }
}

/** Starts one node after the other, and ends each in one way or another. */
async function comeAndGo(
  relayPort: string,
  { directory, tally, signal }: {
    directory: string;
    tally: Tally;
    signal: AbortSignal;
  },
): Promise<void> {
  while (!signal.aborted) {
    await using node: NodeProcess = await spawnNode(relayPort, directory);
    tally.nodes++;
    await delay(1_000 + below(3_000));
    node.signal(oneOf(["SIGTERM", "SIGKILL", "SIGINT"] as const));
    await node.exitCode;
  }
}

/** A process that is watched, and what it held when. */
class Watched {
  readonly name: string;
  readonly #process: RoleProcess;
  readonly #holdings = new Map<string, Holding>();
  hasEnded = false;

  constructor(name: string, process: RoleProcess) {
    this.name = name;
    this.#process = process;
    void process.exitCode.then(() => this.hasEnded = true);
  }

  get now(): string {
    return format(holdingOf(this.#process));
  }

  note(when: string): void {
    this.#holdings.set(when, holdingOf(this.#process));
  }

  /** What it has grown by that it should not have. */
  complaints(): string[] {
    const [before, warm, , end] = [...this.#holdings.values()];
    if (before === undefined || warm === undefined || end === undefined) {
      return [`${this.name}: not measured`];
    }
    const bytes = end.bytes - warm.bytes;
    const descriptors = end.descriptors - before.descriptors;
    return [
      ...(bytes > GROWTH_BYTES
        ? [`${this.name} grew by ${(bytes / MIB).toFixed(1)} MiB`]
        : []),
      ...(descriptors > GROWTH_DESCRIPTORS
        ? [`${this.name} keeps ${descriptors} descriptors more`]
        : []),
    ];
  }

  report(): void {
    const all = [...this.#holdings].map(([when, holding]) =>
      `${when} ${format(holding)}`
    );
    say(`${this.name.padEnd(6)} ${all.join("   ")}`);
  }
}

async function main([given]: readonly string[]): Promise<number> {
  const seconds = given === undefined ? DEFAULT_SECONDS : Number(given);
  if (!(seconds > 0)) {
    say(`wanted a number of seconds, found ${given}`);
    return 2;
  }
  say(
    `for ${seconds} s: memory may grow by ${GROWTH_BYTES / MIB} MiB after ` +
      `the first quarter, descriptors by ${GROWTH_DESCRIPTORS}`,
  );
  await using folder = await tempShare(FILES);
  await using relay = await spawnRelay();
  await using node = await spawnNode(relay.port, folder.path);
  const targets = [await targetAt(relay.port), await targetAt(node.port)];
  const watched = [new Watched("relay", relay), new Watched("node", node)];
  const note = (when: string) => {
    for (const one of watched) one.note(when);
  };
  const tally = new Tally();
  const over = new AbortController();
  const { signal } = over;
  note("before");
  const { port, id } = relay;
  const at = { host: "127.0.0.1", port: Number(port), id };
  const running = [
    ...Array.from({ length: CLIENTS }, () => fetchOn(at, { tally, signal })),
    ...Array.from(
      { length: TROUBLEMAKERS },
      () => troubleOn(targets, { tally, signal }),
    ),
    comeAndGo(port, { directory: folder.path, tally, signal }),
  ];
  const tell = () => {
    const { fetches, troubles, nodes, failures } = tally;
    const held = watched.map(({ name, now }) => `${name} ${now}`).join(", ");
    say(
      `${fetches} fetches, ${troubles} troubles, ${nodes} nodes, ` +
        `${failures.length} failures; ${held}`,
    );
  };
  const isBad = () =>
    tally.failures.length > 0 || watched.some(({ hasEnded }) => hasEnded);
  const until = async (part: number) => {
    const end = startedAt + 1_000 * seconds * part;
    for (;;) {
      const left = end - performance.now();
      if (left <= 0 || isBad()) return;
      await delay(Math.min(left, REPORT_MS));
      if (!watched.some(({ hasEnded }) => hasEnded)) tell();
    }
  };
  const startedAt = performance.now();
  for (
    const [part, when] of [[0.25, "warm"], [0.6, "middle"], [1, ""]] as const
  ) {
    await until(part);
    if (!isBad() && when !== "") note(when);
  }
  over.abort();
  await Promise.all(running);
  if (!isBad()) {
    await delay(QUIET_MS); // whoever said nothing is gone by then
    note("end");
  }
  for (const one of watched) one.report();
  const complaints = [
    ...tally.failures,
    ...watched.filter(({ hasEnded }) => hasEnded)
      .map(({ name }) => `${name} has ended`),
    ...(isBad() ? [] : watched.flatMap((one) => one.complaints())),
    ...(tally.fetches === 0 ? ["nothing was fetched"] : []),
  ];
  for (const complaint of complaints) say(complaint);
  say(complaints.length === 0 ? "all is well" : "failed");
  return complaints.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
