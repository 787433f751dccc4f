/**
 * Collects garbage early. Closed sockets leave memory outside of the heap that
 * V8 counts, so a flood of connections grows the process by tens of MiB before
 * V8 collects.
 *
 * @module
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { LIMITS, type Limits } from "../../base/limits.ts";

/** The numbers of `limits.ts` that bound collections. */
export type CollectionLimits =
  & Pick<
    Limits,
    | "collectGrowthBytes"
    | "collectGrowthPercent"
    | "collectBusyPercent"
    | "collectIdleMs"
    | "collectLongMs"
    | "collectHeapPercent"
  >
  & {
    /** A smaller process never collects early. */
    readonly collectFromBytes?: number;
    /** How much of the memory outside of the heap counts; all by default. */
    readonly collectRestPercent?: number;
  };

/** The fields of `Deno.memoryUsage()` that a plan needs. */
export type MemoryUse = Pick<Deno.MemoryUsage, "rss" | "heapTotal">;

/** The bytes that count for a plan: `collectHeapPercent` of V8's heap, and
 * `collectRestPercent` of the other resident memory. V8 watches its heap itself,
 * and collects it in slices; a forced collection stops the process.
 */
export function countedBytes(
  { rss, heapTotal }: MemoryUse,
  { collectHeapPercent, collectRestPercent = 100 }: Pick<
    CollectionLimits,
    "collectHeapPercent" | "collectRestPercent"
  >,
): number {
  return heapTotal * collectHeapPercent / 100 +
    (rss - heapTotal) * collectRestPercent / 100;
}

/**
 * Decides when to collect. Pure: bytes are those of {@linkcode countedBytes},
 * times are milliseconds on any monotonic clock.
 */
export class CollectionPlan {
  readonly #limits: CollectionLimits;
  #leastBytes: number;
  #floorBytes: number;
  #notBefore = -Infinity;
  #collectedAt = -Infinity;

  /** `bytes` are those of the idle process. */
  constructor(limits: CollectionLimits, bytes: number) {
    this.#limits = limits;
    this.#leastBytes = bytes;
    this.#floorBytes = bytes;
  }

  /**
   * Whether the process has grown enough since the last collection, and long
   * enough ago. Also after a pause, if it uses more than it once did, because
   * what has been freed since causes no growth.
   */
  isDue(bytes: number, now: number): boolean {
    this.#floorBytes = Math.min(this.#floorBytes, bytes);
    this.#leastBytes = Math.min(this.#leastBytes, bytes);
    const { collectFromBytes = 0 } = this.#limits;
    if (now < this.#notBefore || bytes < collectFromBytes) return false;
    const isLong = now - this.#collectedAt >= this.#limits.collectIdleMs;
    return this.#exceeds(bytes, this.#floorBytes) ||
      isLong && this.#exceeds(bytes, this.#leastBytes);
  }

  #exceeds(bytes: number, floorBytes: number): boolean {
    const { collectGrowthBytes, collectGrowthPercent } = this.#limits;
    const growth = floorBytes * collectGrowthPercent / 100;
    return bytes >= floorBytes + Math.max(collectGrowthBytes, growth);
  }

  /**
   * Notes that a collection took `ms`, ended at `now`, and left
   * `bytes`.
   */
  collected(
    { ms, bytes }: { ms: number; bytes: number },
    now: number,
  ): void {
    this.#floorBytes = bytes;
    this.#collectedAt = now;
    const { collectBusyPercent, collectLongMs } = this.#limits;
    const rest = (100 - collectBusyPercent) / collectBusyPercent;
    this.#notBefore = now + ms * rest * Math.max(1, ms / collectLongMs);
  }
}

/**
 * Collects now and then in this process, as {@linkcode CollectionPlan} decides,
 * until disposed of. Does nothing if V8 offers no way.
 */
export function collectInTime(
  limits: Limits & CollectionLimits = LIMITS,
): Disposable {
  const collect = collector();
  if (collect === undefined) return { [Symbol.dispose]: () => {} };
  const bytes = () => countedBytes(Deno.memoryUsage(), limits);
  const plan = new CollectionPlan(limits, bytes());
  const timer = setInterval(() => {
    const startedAt = performance.now();
    if (!plan.isDue(bytes(), startedAt)) return;
    collect();
    const now = performance.now();
    plan.collected({ ms: now - startedAt, bytes: bytes() }, now);
  }, limits.collectCheckMs);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * The limits for a client. With a long list in memory, V8 would let the heap
 * grow to three times its size before it collects. Only the heap counts: a
 * collection gives nothing back of the memory of workers and buffers.
 */
export function ofClient(
  limits: Limits = LIMITS,
): Limits & CollectionLimits {
  return {
    ...limits,
    collectFromBytes: limits.collectClientFromBytes,
    collectGrowthBytes: limits.collectClientGrowthBytes,
    collectBusyPercent: limits.collectClientBusyPercent,
    collectLongMs: Infinity, // nobody waits for a client's answer
    collectHeapPercent: 100,
    collectRestPercent: 0,
  };
}

/**
 * The `gc` function of V8. Only a context made after the flag was set has it.
 */
function collector(): (() => void) | undefined {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  return typeof collect === "function" ? () => collect() : undefined;
}
