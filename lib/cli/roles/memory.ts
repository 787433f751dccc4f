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
  >
  & {
    /** A smaller process never collects early. */
    readonly collectFromBytes?: number;
  };

/**
 * Decides when to collect. Pure: bytes are the resident memory of the process,
 * times are milliseconds on any monotonic clock.
 */
export class CollectionPlan {
  readonly #limits: CollectionLimits;
  #leastBytes: number;
  #floorBytes: number;
  #notBefore = -Infinity;
  #collectedAt = -Infinity;

  /** `residentBytes` is the memory of the idle process. */
  constructor(limits: CollectionLimits, residentBytes: number) {
    this.#limits = limits;
    this.#leastBytes = residentBytes;
    this.#floorBytes = residentBytes;
  }

  /**
   * Whether the process has grown enough since the last collection, and long
   * enough ago. Also after a pause, if it uses more than it once did, because
   * what has been freed since causes no growth.
   */
  isDue(residentBytes: number, now: number): boolean {
    this.#floorBytes = Math.min(this.#floorBytes, residentBytes);
    this.#leastBytes = Math.min(this.#leastBytes, residentBytes);
    const { collectFromBytes = 0 } = this.#limits;
    if (now < this.#notBefore || residentBytes < collectFromBytes) return false;
    const isLong = now - this.#collectedAt >= this.#limits.collectIdleMs;
    return this.#exceeds(residentBytes, this.#floorBytes) ||
      isLong && this.#exceeds(residentBytes, this.#leastBytes);
  }

  #exceeds(residentBytes: number, floorBytes: number): boolean {
    const { collectGrowthBytes, collectGrowthPercent } = this.#limits;
    const growth = floorBytes * collectGrowthPercent / 100;
    return residentBytes >= floorBytes + Math.max(collectGrowthBytes, growth);
  }

  /**
   * Notes that a collection took `ms`, ended at `now`, and left
   * `residentBytes`.
   */
  collected(
    { ms, residentBytes }: { ms: number; residentBytes: number },
    now: number,
  ): void {
    this.#floorBytes = residentBytes;
    this.#collectedAt = now;
    const { collectBusyPercent } = this.#limits;
    this.#notBefore = now + ms * (100 - collectBusyPercent) /
        collectBusyPercent;
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
  const plan = new CollectionPlan(limits, Deno.memoryUsage().rss);
  const timer = setInterval(() => {
    const startedAt = performance.now();
    if (!plan.isDue(Deno.memoryUsage().rss, startedAt)) return;
    collect();
    const now = performance.now();
    const residentBytes = Deno.memoryUsage().rss;
    plan.collected({ ms: now - startedAt, residentBytes }, now);
  }, limits.collectCheckMs);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * The limits for a client. With a long list in memory, V8 would let the heap
 * grow to three times its size before it collects.
 */
export function ofClient(
  limits: Limits = LIMITS,
): Limits & CollectionLimits {
  return {
    ...limits,
    collectFromBytes: limits.collectClientFromBytes,
    collectGrowthBytes: limits.collectClientGrowthBytes,
    collectBusyPercent: limits.collectClientBusyPercent,
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
