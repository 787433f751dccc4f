/**
 * The registry alone, with very many leases, in a process of its own.
 */

import { createIdentity } from "../../lib/identity/identity.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Packing } from "../../lib/relay/packing.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import type { Registration } from "../../lib/relay/lease.ts";
import { Registry } from "../../lib/relay/registry.ts";
import { verdict } from "./_figures.ts";
import { median } from "./_measuring.ts";
import { print } from "./_report.ts";
import { ENTRY_BYTES } from "./_redis.ts";

/** Entries of signed records. */
async function entryMaker(): Promise<(n: number) => string> {
  const relay = await createIdentity();
  const sign = async (n: number): Promise<string[]> => {
    const { record, certificate, signature } = await signRegistration({
      purpose: "register",
      relay: relay.id,
      nonce: crypto.getRandomValues(new Uint8Array(32)).toBase64(),
      instance: crypto.getRandomValues(new Uint8Array(12)).toBase64(),
      sequence: Date.now() + n,
      name: `node-${n}`,
      addresses: [
        { host: "192.168.1.17", port: 41_234 },
        { host: "10.0.0.5", port: 41_234 },
      ],
    }, n < 0 ? relay : await createIdentity());
    return [JSON.stringify(record), atob(certificate), atob(signature)];
  };
  const packing = new Packing(await sign(-1));
  const parts: string[][] = [];
  for (let n = 0; n < 100; n++) parts.push(await sign(n));
  return (n) => packing.pack(parts[n % parts.length]!);
}

function nodeOf(n: number, sequence: number, entry: string): Registration {
  const observedHost = flat(`10.${n >> 16}.${n >> 8 & 255}.${n & 255}`);
  return {
    id: flat(n.toString(32).padStart(52, "-")),
    instance: flat(n.toString(36).padStart(16, "-")),
    sequence: 1.8e12 + sequence,
    entry,
    listedBytes: ENTRY_BYTES,
    observedHost,
    source: flat(observedHost),
  };
}

/**
 * The registry alone. Runs in a process of its own, started with `--expose-gc`,
 * so that nothing else is in its memory.
 */
export async function benchLeases(count: number): Promise<void> {
  const { gc } = globalThis as { gc?: () => void };
  const entryOf = await entryMaker();
  const registry = new Registry({
    ...LIMITS,
    nodeCount: count,
    leaseMaxSeconds: LEASE_MAX_SECONDS,
  }, () => {});
  const before = await memoryAfter(gc);
  const perSecond = Math.ceil(count / FILL_SECONDS);
  for (let n = 0; n < count; n++) {
    const now = 0.5 + 1_000 * Math.floor(n / perSecond); // as a clock has it
    registry.register(nodeOf(n, 0, entryOf(n)), now);
  }
  const after = await memoryAfter(gc);
  const heap = (after.heapUsed - before.heapUsed) / count;
  const rss = (after.rss - before.rss) / count;
  print(
    `  ${heap.toFixed(0)} bytes of heap a lease, ${
      rss.toFixed(0)
    } of resident ` +
      `memory (target: at most ${LEASE_TARGET_BYTES}): ${
        verdict(heap <= LEASE_TARGET_BYTES)
      }`,
  );
  const entry = entryOf(0); // the packing is not to be measured
  sayTimes(registry, { count, perSecond, entry });
}

/** Says how long sweeps, renewals, pages and the end of all leases take. */
function sayTimes(
  registry: Registry,
  { count, perSecond, entry }: {
    count: number;
    perSecond: number;
    entry: string;
  },
): void {
  // Each second a sweep, and then the renewals of that second, all in turn.
  const sweeps: number[] = [];
  let renewals = 0;
  let renewalMs = 0;
  let now = 0.5 + 1_000 * (FILL_SECONDS - 1);
  for (const end = now + 1_000 * (LEASE_MAX_SECONDS + 60); now < end;) {
    now += 1_000;
    const nodes = Array.from(
      { length: perSecond },
      () => nodeOf(renewals++ % count, now, entry),
    );
    sweeps.push(timeOf(() => registry.expire(now)));
    renewalMs += timeOf(() => {
      for (const node of nodes) registry.register(node, now);
    });
  }
  if (registry.count(now) !== count) throw new Error("some expired");
  sweeps.sort((a, b) => a - b);
  const pageMs = timeOf(() => {
    for (let n = 0; n < 1_000; n++) {
      registry.list({ pageBytes: 65_000, random: Math.random }, now);
    }
  }) / 1_000;
  const turns: number[] = [];
  for (let isLeft = true; isLeft;) {
    turns.push(timeOf(() => isLeft = registry.expire(Infinity)));
  }
  const endMs = turns.reduce((sum, ms) => sum + ms, 0);
  print(
    `  ${(renewals / renewalMs * 1000).toFixed(0)} renewals a second; ` +
      `a sweep each second: median ${median(sweeps).toFixed(1)} ms, ` +
      `most ${sweeps.at(-1)!.toFixed(1)} ms; a page ${pageMs.toFixed(3)} ms; ` +
      `all leases ending at once: ${endMs.toFixed(0)} ms in ${turns.length} ` +
      `turns, the longest ${Math.max(...turns).toFixed(1)} ms`,
  );
}

/** A copy in one piece: what is put together is kept in its parts at first. */
function flat(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

function timeOf(work: () => void): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

async function memoryAfter(
  gc: (() => void) | undefined,
): Promise<Deno.MemoryUsage> {
  if (gc === undefined) throw new Error("start it with --v8-flags=--expose-gc");
  for (let n = 0; n < 3; n++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 500)); // pages go later
  }
  return Deno.memoryUsage();
}

const MANY_NODES = 20_000;

/** With how many nodes leases grow, and how long they are with 20,000. */
function sayTerms(): void {
  const registry = new Registry(LIMITS, () => {});
  const { leaseSeconds } = registry.terms();
  let most = 0;
  for (let n = 0; n < MANY_NODES; n++) {
    const source = `10.${n >> 16}.${n >> 8 & 255}.${n & 255}`;
    registry.register({
      ...{ id: `${n}`, instance: "bench", sequence: 1, entry: "" },
      ...{ listedBytes: ENTRY_BYTES, observedHost: source, source },
    }, 0);
    if (registry.terms().leaseSeconds === leaseSeconds) most = n + 1;
  }
  const { renewSeconds, leaseSeconds: grown } = registry.terms();
  print(
    `  leases stay at ${leaseSeconds} s up to ${most} nodes; with ` +
      `${MANY_NODES} a node renews every ${renewSeconds} s, and a lease lasts ` +
      `${grown} s`,
  );
}

/** Starts the process that does it; whether it succeeded. */
export async function runLeases(count: number): Promise<boolean> {
  sayTerms();
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--v8-flags=--expose-gc", "-A", Deno.mainModule],
      ...["--leases", String(count), "leases"],
    ],
    env: { [ALONE]: "1" },
  }).spawn().status;
  return success;
}

const LEASE_TARGET_BYTES = 1024;
/** Shorter than the limit: the heap has seen all leases again after that. */
const LEASE_MAX_SECONDS = 300;

/** Registrations come evenly; the first lease, of 60 s, must not end meanwhile. */
const FILL_SECONDS = 50;

/** Set in the process that has the registry for itself. */
export const ALONE = "BENCH_LEASES_ALONE";
