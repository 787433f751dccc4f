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

const MIB = 1024 ** 2;

/** The numbers of `limits.ts` that bound collections. */
export type CollectionLimits =
  & Limits
  & {
    /** A process with less resident memory never collects early. */
    readonly collectFromBytes?: number;
    /** How much of the memory outside of the heap counts; all by default. */
    readonly collectRestPercent?: number;
    /** Whether collecting may stop the process. */
    readonly collectsAtOnce?: boolean;
    /** With more in use in V8's heap it does not collect. */
    readonly collectHeapMostBytes?: number;
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
   * enough ago. Also after a pause, if it uses more than before, because freed
   * memory causes no growth. `rss` is all resident memory.
   */
  isDue(bytes: number, now: number, rss = Infinity): boolean {
    this.#floorBytes = Math.min(this.#floorBytes, bytes);
    this.#leastBytes = Math.min(this.#leastBytes, bytes);
    const { collectFromBytes = 0 } = this.#limits;
    if (now < this.#notBefore || rss < collectFromBytes) return false;
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
    const { collectBusyPercent } = this.#limits;
    this.#notBefore = now +
      ms * (100 - collectBusyPercent) / collectBusyPercent;
  }
}

/**
 * Collects now and then in this process, as {@linkcode CollectionPlan} decides,
 * until disposed of. Does nothing if V8 offers no way.
 */
export function collectInTime(
  limits: CollectionLimits = LIMITS,
): Disposable {
  const collect = limits.collectsAtOnce ? collectorAtOnce() : inSlices(limits);
  const { collectHeapMostBytes = Infinity } = limits;
  if (collect === undefined) return { [Symbol.dispose]: () => {} };
  const bytes = () => countedBytes(Deno.memoryUsage(), limits);
  const plan = new CollectionPlan(limits, bytes());
  let underWay: Disposable | undefined;
  const timer = setInterval(() => {
    if (underWay !== undefined) return;
    const use = Deno.memoryUsage();
    if (use.heapUsed > collectHeapMostBytes) return;
    const counted = countedBytes(use, limits);
    if (!plan.isDue(counted, performance.now(), use.rss)) return;
    underWay = collect((ms) => {
      underWay = undefined;
      plan.collected({ ms, bytes: bytes() }, performance.now());
    });
  }, limits.collectCheckMs);
  Deno.unrefTimer(timer);
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      underWay?.[Symbol.dispose]();
    },
  };
}

/**
 * Collects, then says how many milliseconds that took. Returns a function that
 * ends the wait for it; nothing if it is over.
 */
type Collect = (done: (ms: number) => void) => Disposable | undefined;

/**
 * Makes V8 collect in slices of a few milliseconds, while the process
 * continues. V8 does so when buffers outside its heap have grown much. It has
 * no function for this, and `gc` stops the process for two whole collections.
 * The pages of the buffer are never touched, so it takes no memory.
 */
function inSlices(
  { collectBufferBytes, collectMsPerMib, collectAgainMs }: Limits,
): Collect {
  const atOnce = collectorAtOnce();
  return (done) => {
    const ms = Deno.memoryUsage().heapUsed / MIB * collectMsPerMib;
    let isOver = false;
    const over = (took: number) => {
      if (isOver) return;
      isOver = true;
      clearInterval(again);
      done(took);
    };
    const registry = new FinalizationRegistry(() => over(ms));
    const provoke = () => {
      try {
        registry.register(new ArrayBuffer(collectBufferBytes), undefined);
      } catch { // a limit of the address space: then at once
        if (atOnce === undefined) over(ms);
        else atOnce(over);
      }
    };
    // Another buffer, if the first one was not enough.
    const again = setInterval(provoke, collectAgainMs);
    Deno.unrefTimer(again);
    provoke();
    return isOver
      ? undefined
      : { [Symbol.dispose]: () => clearInterval(again) };
  };
}

/**
 * The limits for a client. With a long list in memory, V8 would let the heap
 * grow to three times its size before it collects. Only the growth of the heap
 * counts: a collection gives nothing back of the memory of workers and buffers.
 * It counts only near the limit that we promise for the whole process: each
 * collection is two in full, empties the nursery and shrinks it.
 */
export function ofClient(
  limits: Limits = LIMITS,
): CollectionLimits {
  return {
    ...limits,
    collectFromBytes: limits.collectClientFromBytes,
    collectGrowthBytes: limits.collectClientGrowthBytes,
    collectBusyPercent: limits.collectClientBusyPercent,
    collectsAtOnce: true, // nobody waits for a client's answer
    collectHeapPercent: 100,
    collectRestPercent: 0,
  };
}

/**
 * Collects in a client until disposed of: in slices, and at once only if these
 * were not enough. With 10,000 small files, collecting at once took a fifth of
 * its processor time.
 */
export function collectInClient(limits: Limits = LIMITS): Disposable {
  using stack = new DisposableStack();
  const most = ofClient(limits);
  const collectFromBytes = limits.collectClientAtOnceBytes;
  stack.use(collectInTime({ ...most, collectsAtOnce: false }));
  stack.use(collectInTime({ ...most, collectFromBytes }));
  return stack.move();
}

/**
 * The limits for a gateway. Closed connections of browsers leave tens of MiB in
 * and outside of the heap until V8 collects all of it; in slices V8 gives
 * nothing of that back. Its heap is small, so that a whole collection stops it
 * for tens of milliseconds.
 */
export function ofGateway(
  limits: Limits = LIMITS,
): CollectionLimits {
  return {
    ...ofClient(limits),
    collectBusyPercent: limits.collectBusyPercent,
    collectRestPercent: 100,
  };
}

/**
 * Collects in a node or relay until disposed of. It collects in slices as long
 * as it is small. These give back nothing of V8's nursery, 64 MiB of a busy
 * process: near the limit that we promise it collects at once, if its heap is so
 * small that it stops for a tenth of a second at most.
 */
export function collectInService(limits: Limits = LIMITS): Disposable {
  using stack = new DisposableStack();
  stack.use(collectInTime(limits));
  stack.use(collectInTime(ofService(limits)));
  return stack.move();
}

/** The limits for whole collections of a node or relay. */
export function ofService(
  limits: Limits = LIMITS,
): CollectionLimits {
  return {
    ...ofGateway(limits),
    collectHeapMostBytes: limits.collectWholeHeapBytes,
    collectBusyPercent: limits.collectWholeBusyPercent,
    collectIdleMs: limits.collectWholeIdleMs,
  };
}

/**
 * The `gc` function of V8. Only a context made after the flag was set has it.
 */
function collectorAtOnce(): Collect | undefined {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  if (typeof collect !== "function") return undefined;
  return (done) => {
    const startedAt = performance.now();
    collect();
    done(performance.now() - startedAt);
    return undefined;
  };
}
