/**
 * This relay as one instance of several: it sends its nodes to the others, and
 * receives theirs. Each entry of another instance is checked as if a stranger
 * had sent it: its form, its relay, the node's certificate and signature, its
 * size.
 *
 * @module
 */

import { CLOSED, wrongField } from "../base/checks.ts";
import type { Endpoint } from "../base/conn.ts";
import type { Use, Uses } from "../access/uses.ts";
import type {
  ClusterEvent,
  ClusterPhase,
  ClusterStats,
  HeldItem,
  Item,
  ItemKey,
  Replicated,
  Replicator,
  TakeOutcome,
} from "../cluster/replicator.ts";
import type { ClusterSide, InstanceTunnels } from "./cluster_side.ts";
import { type RelayContext, reportNodeRemoved } from "./context.ts";
import { HolderReplicas } from "./holder_replicas.ts";
import { InstanceCalls } from "./instance_calls.ts";
import { NODE_FIELDS } from "./instance_checks.ts";
import type { NodeBody } from "./instance_schemas.ts";
import type { Lease } from "./lease.ts";
import { openReplicated, parseItem } from "./replicated_record.ts";

/** Options of {@linkcode ClusterMember}. */
export interface ClusterMemberOptions {
  readonly replicator: Replicator;
  /** Where this instance can be dialled. */
  readonly address: Endpoint;
  readonly relay: Omit<RelayContext, "cluster">;
  /** Uses of links; `null` at an open relay. */
  readonly uses: Uses | null;
  readonly emit: (event: ClusterEvent) => void;
}

/** One instance of a relay. Disposing leaves the others. */
export class ClusterMember implements ClusterSide {
  readonly tunnels: InstanceTunnels;
  readonly holders: HolderReplicas;
  readonly #options: ClusterMemberOptions;
  #healTimer: ReturnType<typeof setTimeout> | undefined;

  /** Begins at once, without waiting. */
  constructor(options: ClusterMemberOptions) {
    this.#options = options;
    const { replicator, address, emit, relay } = options;
    this.tunnels = new InstanceCalls({ replicator, relay });
    this.holders = new HolderReplicas({ replicator, relay });
    relay.registry.replicas.expectLate();
    replicator.start({
      replicated: this.#replicated(),
      address,
      onEvent: emit,
    });
  }

  stats(): ClusterStats {
    return this.#options.replicator.stats();
  }

  registered(id: string): void {
    this.#options.replicator.changed({ kind: "n", id }, { isNew: true });
  }

  renewed(id: string): void {
    this.#options.replicator.changed({ kind: "n", id }, { isNew: false });
  }

  left(id: string, sequence: number): void {
    this.#options.replicator.ended({ kind: "n", id }, sequence);
  }

  used({ serial, fetch }: Use): void {
    const id = `${serial}.${fetch}`;
    this.#options.replicator.changed({ kind: "u", id }, { isNew: true });
  }

  tunnelAt(
    lease: Pick<Lease, "holder" | "isAttachedThere">,
  ): string | undefined {
    return lease.isAttachedThere
      ? this.#options.replicator.addressOf(lease.holder)
      : undefined;
  }

  #replicated(): Replicated {
    return {
      current: (key) => this.#current(key),
      own: () => this.#own(),
      take: (item) => this.#take(item),
      renew: (item) => this.#renew(item),
      leave: (item) => this.#leave(item),
      phase: (phase) => this.#phase(phase),
    };
  }

  #current(key: ItemKey): Item | undefined {
    const { kind, id } = key;
    if (kind === "h") return this.holders.current(key);
    if (kind === "u") return this.#currentUse(id);
    const { registry, entries, tunnels } = this.#options.relay;
    const now = performance.now();
    const lease = registry.find(id, now);
    if (lease?.holder !== "") return undefined;
    const { sequence, observedHost: host } = lease;
    const leftMs = registry.replicas.ownEndOf(lease) - now;
    if (leftMs <= 0) return undefined; // the node may have moved
    const { record, certificate, signature } = entries.signedIn(lease.entry);
    return {
      ...{ kind, id, sequence, leftMs },
      isAttached: tunnels?.isAttached(id) ?? false,
      body: JSON.stringify({ record, certificate, signature, host }),
    };
  }

  #currentUse(id: string): Item | undefined {
    const use = this.#options.uses?.find(id);
    if (use === undefined) return undefined;
    return {
      ...{ kind: "u", id, sequence: 1, isAttached: false },
      leftMs: 1_000 * use.expires - Date.now(),
      body: String(use.expires),
    };
  }

  *#own(): Iterable<ItemKey> {
    const { relay, uses } = this.#options;
    for (const { id } of relay.registry.own(performance.now())) {
      yield { kind: "n", id };
    }
    for (const id of uses?.ids() ?? []) yield { kind: "u", id };
    yield* this.holders.own();
  }

  #renew(
    item: Omit<HeldItem, "body">,
  ): "extended" | "stale" | undefined {
    if (item.kind === "h") return this.holders.renew(item);
    if (item.kind === "u") return undefined;
    const { id, sequence, holder, leftMs, isAttached: isAttachedThere } = item;
    const renewal = { id, sequence, holder, leftMs, isAttachedThere };
    const { registry } = this.#options.relay;
    return registry.replicas.extend(renewal, performance.now());
  }

  /** Checks everything else before the signature. */
  async #takeNode(item: HeldItem): Promise<TakeOutcome> {
    const { relay } = this.#options;
    const { registry, names } = relay;
    const { id, sequence, holder, leftMs, isAttached: isAttachedThere } = item;
    const parsed = parseItem(item.body);
    const isRight = wrongField(parsed, NODE_FIELDS, CLOSED) === undefined;
    if (!isRight) return "unproven";
    const sent = parsed as NodeBody;
    const record = await openReplicated(sent, {
      ...{ relay, purpose: "register", id },
      isRight: (record) =>
        record.sequence === sequence && record.addresses.length > 0,
    });
    if (record === undefined) return "unproven";
    const { registration: { instance }, entry, listedBytes, source } = record;
    const outcome = registry.replicas.merge({
      ...{ id, instance, sequence, entry, listedBytes, source },
      ...{ observedHost: sent.host, holder, leftMs, isAttachedThere },
    }, performance.now());
    if (outcome === "taken") {
      // The names that it sent to this instance may be outdated from now on.
      names?.left(id);
      names?.registered(id, { instance, source });
    }
    return outcome === "extended" ? "taken" : outcome;
  }

  #take(item: HeldItem): Promise<TakeOutcome> {
    switch (item.kind) {
      case "n":
        return this.#takeNode(item);
      case "h":
        return this.holders.take(item);
      case "u":
        return this.#takeUse(item);
    }
  }

  #takeUse({ id, body }: HeldItem): Promise<TakeOutcome> {
    const { uses } = this.#options;
    const [serial = "", fetch = ""] = id.split(".");
    const isUse = /^\d{1,12}$/.test(body) && fetch !== "";
    if (!isUse) return Promise.resolve("unproven");
    const seconds = Math.floor(Date.now() / 1_000);
    const use = { serial, fetch, expires: Number(body) };
    return Promise.resolve(uses?.learn(use, seconds) ?? "stale");
  }

  #leave({ kind, id, sequence }: ItemKey & Pick<Item, "sequence">): void {
    if (kind === "h") return this.holders.leave({ id, sequence });
    if (kind === "u") return; // they last until their links end
    const { relay } = this.#options;
    const left = relay.registry.replicas.leave(
      { id, sequence },
      performance.now(),
    );
    if (left?.holder === "") reportNodeRemoved(relay, left, "withdrawn");
    else if (left !== undefined) relay.names?.left(id);
  }

  /**
   * While some messages of the others are missing, leases last longer: a node, or a client
   * of a swarm, may have renewed elsewhere. When all was read again, instances
   * that are there need a moment to write theirs.
   */
  #phase(phase: ClusterPhase): void {
    const { clusterHealMs, clusterHoldMs } = this.#options.relay.limits;
    clearTimeout(this.#healTimer);
    if (phase !== "whole") return this.#hold(clusterHoldMs);
    this.#healTimer = setTimeout(() => this.#hold(0), clusterHealMs);
  }

  #hold(ms: number): void {
    const { relay: { registry, holders }, replicator } = this.#options;
    registry.replicas.hold(ms);
    holders.holdAll(ms);
    replicator.hold(ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#healTimer);
    await this.#options.replicator[Symbol.asyncDispose]();
    clearTimeout(this.#healTimer);
  }
}
