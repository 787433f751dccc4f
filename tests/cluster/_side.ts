/** An instance without a relay: it holds items, and notes those of others. */

import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import type {
  ClusterEvent,
  ClusterPhase,
  HeldItem,
  Item,
  ItemKey,
  Replicated,
  TakeOutcome,
} from "../../lib/cluster/replicator.ts";
import type { Store } from "../../lib/cluster/store.ts";
import { StoreReplicator } from "../../lib/cluster/store_replicator.ts";

/** Long waits, because a test machine stands still now and then. */
export const PATIENT: Limits = {
  ...LIMITS,
  clusterCommandMs: 10_000,
  clusterConnectMs: 10_000,
  clusterRetryMs: 100,
  clusterWriteRetryMs: 100,
  clusterFollowMs: 200,
  clusterBeatMs: 100,
  clusterBatchMs: 1,
};

const LEFT_MS = 60_000;

/** An instance. Disposing stops it. */
export class Side implements AsyncDisposable {
  readonly replicator: StoreReplicator;
  readonly others = new Map<string, HeldItem>();
  readonly events: ClusterEvent[] = [];
  readonly phases: ClusterPhase[] = [];
  readonly #own = new Map<string, Item>();
  readonly #left = new Map<string, number>();
  /** Bodies that it does not believe. */
  readonly unproven = new Set<string>();
  #changed = Promise.withResolvers<void>();

  constructor(
    store: Store,
    { limits = PATIENT, secret = "secret", port = 1 }: {
      limits?: Limits;
      secret?: string;
      port?: number;
    } = {},
  ) {
    this.replicator = new StoreReplicator({ store, secret, limits });
    this.replicator.start({
      replicated: this.#replicated(),
      address: { host: "192.0.2.1", port },
      onEvent: (event) => this.events.push(event),
    });
  }

  /** Registers, or registers again. */
  hold(id: string, sequence = 1, changes: Partial<Item> = {}): void {
    const item: Item = {
      ...{ kind: "n", id, sequence, leftMs: LEFT_MS, isAttached: false },
      ...{ body: `${id} ${sequence}`, ...changes },
    };
    this.others.delete(id);
    this.#own.set(id, item);
    this.replicator.changed(item, { isNew: true });
  }

  /** Renews. */
  renew(id: string, changes: Partial<Item> = {}): void {
    const item = { ...this.#own.get(id)!, ...changes };
    this.#own.set(id, item);
    this.replicator.changed(item, { isNew: false });
  }

  /** Withdraws. */
  end(id: string, sequence = this.#own.get(id)!.sequence): void {
    this.#own.delete(id);
    this.#left.set(id, sequence);
    this.replicator.ended({ kind: "n", id }, sequence);
  }

  /** All that it knows, as `id sequence`. */
  get listed(): string[] {
    return [...this.#own.values(), ...this.others.values()]
      .map(({ body }) => body).sort();
  }

  get phase(): ClusterPhase {
    return this.replicator.stats().phase;
  }

  /** Waits until something holds. */
  async until(what: () => boolean): Promise<void> {
    while (!what()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, 20);
      await Promise.race([promise, this.#changed.promise]);
      clearTimeout(timer);
    }
  }

  /** Waits until it lists these, and is whole. */
  async untilListed(...wanted: string[]): Promise<void> {
    await this.until(() =>
      this.phase === "whole" && this.listed.join() === wanted.join()
    );
  }

  #replicated(): Replicated {
    return {
      current: ({ id }) => this.#own.get(id),
      own: () => this.#own.values(),
      take: (item) => Promise.resolve(this.#take(item)),
      renew: (item) => this.#renew(item),
      leave: (item) => this.#leave(item),
      phase: (phase) => {
        this.phases.push(phase);
        this.#notify();
      },
    };
  }

  #take(item: HeldItem): TakeOutcome {
    const { id, sequence, body } = item;
    if (this.unproven.has(body)) return "unproven";
    const known = this.#own.get(id) ?? this.others.get(id);
    if (known !== undefined && sequence <= known.sequence) return "stale";
    if (sequence <= (this.#left.get(id) ?? -1)) return "stale";
    this.#own.delete(id);
    this.others.set(id, item);
    this.#notify();
    return "taken";
  }

  #renew(item: Omit<HeldItem, "body">): "extended" | "stale" | undefined {
    const { id, sequence } = item;
    if (sequence <= (this.#left.get(id) ?? -1)) return "stale";
    const own = this.#own.get(id);
    if (own !== undefined && sequence <= own.sequence) return "stale";
    const known = this.others.get(id);
    if (known === undefined || sequence > known.sequence) return undefined;
    if (sequence < known.sequence) return "stale";
    this.others.set(id, { ...known, ...item });
    this.#notify();
    return "extended";
  }

  #leave({ id, sequence }: ItemKey & Pick<Item, "sequence">): void {
    this.#left.set(id, sequence);
    for (const items of [this.#own, this.others]) {
      const known = items.get(id);
      if (known !== undefined && known.sequence <= sequence) items.delete(id);
    }
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.replicator[Symbol.asyncDispose]();
  }
}
