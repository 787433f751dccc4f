/**
 * The relay: listens, keeps the registry, answers nodes and clients. It holds
 * no files, reads no disk, and dials only addresses from which a node connected
 * to it.
 *
 * accept → TLS → hello both ways → register, withdraw | list, report → …
 *
 * @module
 */

import {
  ANY_HOST,
  formatRelayAddress,
  isUnspecified,
} from "../base/address.ts";
import { Channel, type ChannelOptions } from "../protocol/channel.ts";
import { Conversation } from "../protocol/conversation.ts";
import { Deadlines } from "../protocol/deadline.ts";
import type { Endpoint } from "../base/conn.ts";
import { Counts, HANDSHAKE_SECONDS, Histogram } from "../guard/counts.ts";
import { ProtocolError } from "../base/errors.ts";
import { indexKeyFor, type Secrets } from "../access/relay_access.ts";
import { Admittance, RelayGate } from "../access/gate.ts";
import { Uses } from "../access/uses.ts";
import { checkAnnouncement, receivePeer } from "../protocol/hello.ts";
import { createIdentity, type Identity } from "../identity/identity.ts";
import { ClockWatch } from "../base/clock_watch.ts";
import { Incidents } from "../guard/incidents.ts";
import { type Limits, limitsWith } from "../base/limits.ts";
import { VERSION } from "../base/version.ts";
import { Registry } from "./registry.ts";
import { DialBacks } from "./dial_backs.ts";
import { Entries } from "./entries.ts";
import { Holders } from "./holders.ts";
import { INDEX_ENTRY_BYTES, IndexedNodes } from "./indexed_nodes.ts";
import { Listings } from "./listings.ts";
import type { RelayEvent, RelayOptions, RelayServer } from "./relay_types.ts";
import { type RelayStats, statsOf } from "./stats.ts";
import type { ExpiredLease } from "./lease_table.ts";
import { RenewalTokens } from "./renewal_tokens.ts";
import { IdleConnections } from "./idle_connections.ts";
import { type RelayContext, reportNodeRemoved } from "./context.ts";
import { type TunnelEvent, Tunnels } from "./tunnels.ts";
import { AddressTurns } from "./address_turns.ts";
import { channelOptions } from "./channel_options.ts";
import { ClientHandler } from "./client_handler.ts";
import { handleInstance } from "./instance_handler.ts";
import { NodeHandler } from "./node_handler.ts";
import {
  type Accepted,
  type Idle,
  listen,
  type Listener,
} from "../transport/listen.ts";

export type { RelayEvent, RelayOptions, RelayServer };

const DEFAULT_GREETING = "hello, this is the relay";
const NONCE_BYTES = 32;

/**
 * Starts a relay. The caller closes it.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { serveRelay } from "./server.ts";
 *
 * await using relay = await serveRelay({ host: "127.0.0.1", port: 0 });
 * assertEquals(relay.nodeCount, 0);
 * ```
 *
 * @throws {RangeError} if its announcement is too long, or its minimum version
 * is not a version.
 * @throws {Deno.errors} or an `E…` error if the port cannot be bound.
 */
export async function serveRelay(options: RelayOptions): Promise<RelayServer> {
  const identity = options.identity ?? await createIdentity();
  const entries = await Entries.of(identity);
  const relay = new Relay(options, { identity, entries });
  await relay.start();
  return relay;
}

/** The limits, with as many fingerprints as there is memory for. */
function limitsFor({ limits, indexBytes }: RelayOptions): Limits {
  return limitsWith({
    ...limits,
    ...indexBytes === undefined
      ? {}
      : { indexEntryCount: Math.floor(indexBytes / INDEX_ENTRY_BYTES) },
  });
}

/** A key for renewal tokens. */
const newKey = () => crypto.getRandomValues(new Uint8Array(32));

/** The context. The cluster is added once the relay has an address. */
interface RelayState extends RelayContext {
  cluster: RelayContext["cluster"];
}

class Relay implements RelayServer {
  readonly #options: RelayOptions;
  readonly #identity: Identity;
  readonly #state: RelayState;
  readonly #handshakes = new Histogram(HANDSHAKE_SECONDS);
  /** Checks credentials; `null` at an open relay. */
  readonly #gate: RelayGate | null;
  /** Uses of links; an open relay has none. */
  readonly #uses: Uses | undefined;
  readonly #stop = new AbortController();
  /** Shared by all channels: a timer for each would take 0.5 KiB. */
  readonly #deadlines = new Deadlines();
  readonly #channelOptions: ChannelOptions;
  /** A timer for each write would take longer than the write. */
  readonly #heldTimers = this.#deadlines.hold();
  readonly #startedAt = performance.now();
  #clock: ClockWatch | undefined;
  #listener: Listener | null = null;
  /** The cheaper port for tunnels. */
  #entrance: Listener | null = null;
  #sweepTimer: ReturnType<typeof setTimeout> | undefined;
  #closing: Promise<void> | null = null;
  readonly #onAbort = () => void this.close();

  constructor(
    options: RelayOptions,
    { identity, entries }: { identity: Identity; entries: Entries },
  ) {
    checkAnnouncement(options);
    this.#options = options;
    this.#identity = identity;
    this.#state = this.#newState(entries);
    const { limits, incidents } = this.#state;
    this.#channelOptions = channelOptions(limits, this.#deadlines);
    const { secrets } = options;
    const uses = new Uses(limits, (use) => this.#state.cluster?.used(use));
    this.#uses = secrets && uses;
    this.#gate = secrets === undefined
      ? null
      : new RelayGate(secrets, { limits, incidents, uses });
  }

  #newState(entries: Entries): RelayState {
    const options = this.#options;
    const { id } = this.#identity;
    const limits = limitsFor(options);
    const emit = (event: RelayEvent) => options.onEvent?.(event);
    const incidents = new Incidents(limits.refusalPauseMs, emit);
    const registry = new Registry(limits, (lease) => this.#expired(lease));
    const tunnels = options.tunnels === false ? null : new Tunnels({
      limits,
      incidents,
      onEvent: (event) => this.#emit(event),
      instances: () => this.#state.cluster?.tunnels,
    });
    const names = limits.indexEntryCount > 0 ? new IndexedNodes(limits) : null;
    const { signal } = this.#stop;
    const dialBacksWithin = (timeoutMs: number) =>
      new DialBacks({ limits, timeoutMs, signal });
    const indexKey = indexKeyFor(id, options.secrets).toBase64();
    return {
      id,
      plaintext: options.plaintext ?? false,
      limits,
      entries,
      names,
      indexKey,
      incidents,
      renewals: new RenewalTokens(newKey(), limits.renewalTokenMs),
      requests: new Counts(["registration", "lookup"]),
      reports: new Counts(["alive", "gone", "unknown", "unchecked"]),
      registry,
      listings: new Listings(id, {
        registry,
        entries,
        names,
        indexKey,
        tunnels,
        limits,
        random: Math.random,
        ...options.cluster && {
          tunnelAt: (lease) => this.#state.cluster?.tunnelAt(lease),
        },
      }),
      turns: new AddressTurns(limits, signal),
      dialBacks: dialBacksWithin(limits.connectMs),
      reachChecks: dialBacksWithin(limits.reachMs),
      holderChecks: dialBacksWithin(limits.reachMs),
      stays: new IdleConnections(limits),
      holders: new Holders(limits),
      tunnels,
      emit,
      cluster: null,
    };
  }

  /** Reports an event, and changes of attached nodes to other instances. */
  #emit(event: TunnelEvent): void {
    this.#options.onEvent?.(event);
    if (event.event !== "tunnel_ended") this.#state.cluster?.renewed(event.id);
  }

  async #joinCluster({ cluster }: RelayOptions): Promise<void> {
    if (cluster === undefined) return;
    // Imported here, so that a relay without a cluster does not load it.
    const { ClusterMember } = await import("./cluster_member.ts");
    this.#state.cluster = new ClusterMember({
      replicator: cluster.replicator,
      address: cluster.address ?? this.address,
      relay: this.#state,
      uses: this.#uses ?? null,
      emit: (event) => this.#options.onEvent?.(event),
    });
  }

  /** Each instance reports the end of the leases that it granted itself. */
  #expired({ id, entry, holder }: ExpiredLease): void {
    if (holder === "") reportNodeRemoved(this.#state, { id, entry }, "expired");
    else this.#state.names?.left(id);
  }

  async start(): Promise<void> {
    const options = this.#options;
    const { signal } = options;
    signal?.throwIfAborted();
    try {
      await this.#listen(options.host ?? ANY_HOST);
      await this.#joinCluster(options);
      signal?.throwIfAborted(); // aborted while the port was being bound
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#sweep();
    this.#clock = new ClockWatch({
      limits: this.#state.limits,
      onGap: (event) => {
        options.onEvent?.(event);
        if (event.kind === "slept") this.#state.tunnels?.ping();
      },
    });
    signal?.addEventListener("abort", this.#onAbort);
    options.onEvent?.({
      event: "relay_listening",
      ...this.address,
      id: this.id,
      address: this.relayAddress,
      encrypted: !options.plaintext,
      private: this.#gate !== null,
      ...this.#tunnelPort,
    });
  }

  async #listen(host: string): Promise<void> {
    const { port, tunnels } = this.#options;
    const { limits, incidents, plaintext } = this.#state;
    this.#listener = await listen({
      at: { host, port },
      identity: plaintext ? null : this.#identity,
      limits,
      connectionsPerAddressCount: limits.relayConnectionsPerAddressCount,
      acceptsJoins: tunnels !== false,
      handle: (accepted) => this.#handle(accepted),
      incidents,
      handshakes: this.#handshakes,
    });
    if (tunnels === false) return;
    this.#entrance = await listen({
      at: { host, port: tunnels?.port ?? 0 },
      identity: null, // tunnel bytes are encrypted already
      limits,
      connectionsPerAddressCount: limits.tunnelConnectionsPerAddressCount,
      handle: (accepted) => this.#join(accepted),
      incidents,
      handshakes: this.#handshakes,
    });
  }

  /** The hello's field about tunnels. */
  get #tunnelPort(): { tunnelPort?: number } {
    return this.#entrance === null
      ? {}
      : { tunnelPort: this.#entrance.address.port };
  }

  /**
   * The hello's field that says for a while after a restart that nodes may
   * still return.
   */
  get #uptime(): { uptime?: number } {
    if (!this.#options.hasRunBefore) return {};
    const uptime = Math.floor((performance.now() - this.#startedAt) / 1000);
    return uptime < this.#state.limits.comingBackSeconds ? { uptime } : {};
  }

  /** Sweeps, and continues in the next turn if leases are left. */
  #sweep(): void {
    const now = performance.now();
    const { registry, names, holders, tunnels, limits } = this.#state;
    const isUntidy = names?.tidy(limits.indexTidyCount) ?? false;
    const isHolderLeft = holders.expire(now);
    const isLeft = registry.expire(now) || isHolderLeft || isUntidy;
    tunnels?.expire(now);
    const pauseMs = isLeft ? 0 : limits.sweepMs;
    this.#sweepTimer = setTimeout(() => this.#sweep(), pauseMs);
  }

  get address(): Endpoint {
    if (this.#listener === null) {
      throw new TypeError("The relay has not started");
    }
    return this.#listener.address;
  }

  get id(): string {
    return this.#identity.id;
  }

  get relayAddress(): string {
    const bound = this.address;
    const { host, port = bound.port } = this.#options.advertise ?? bound;
    // Another machine cannot dial an unspecified address such as 0.0.0.0.
    const dialled = isUnspecified(host) ? "127.0.0.1" : host;
    return formatRelayAddress({ host: dialled, port, id: this.id });
  }

  get nodeCount(): number {
    return this.#state.registry.count(performance.now());
  }

  get connectionCount(): number {
    return (this.#listener?.connectionCount ?? 0) +
      (this.#entrance?.connectionCount ?? 0);
  }

  get tunnelCount(): number {
    return this.#state.tunnels?.count ?? 0;
  }

  stats(): RelayStats {
    return statsOf(this.#state, {
      listeners: [this.#listener, this.#entrance],
      handshakes: this.#handshakes.snapshot(),
    });
  }

  replaceSecrets(secrets: Secrets): void {
    if (this.#gate === null) {
      throw new TypeError("Cannot replace secrets: the relay is open");
    }
    this.#gate.replace(secrets);
    this.#state.renewals.replaceKey(newKey());
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#sweepTimer);
    this.#clock?.[Symbol.dispose]();
    this.#stop.abort(); // ends dial-backs, because closing waits for the clients that asked for them
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    await this.#state.cluster?.[Symbol.asyncDispose]();
    await this.#state.tunnels?.close();
    await Promise.all([this.#listener?.close(), this.#entrance?.close()]);
    this.#heldTimers[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Serves one end of a tunnel. */
  async #join(accepted: Accepted): Promise<void> {
    try {
      await this.#state.tunnels?.join(accepted);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#state.incidents.refused(error.code, accepted.conn.remote);
    }
  }

  /** Talks to one peer, from hello to its end. */
  async #handle(accepted: Accepted): Promise<Idle | undefined> {
    if (accepted.isJoin) return void await this.#join(accepted);
    const { conn, settle, countApart, giveTurnBack } = accepted;
    const relay = this.#state;
    const { incidents } = relay;
    const channel = new Channel(conn, this.#channelOptions);
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
      .toBase64();
    const { greeting = DEFAULT_GREETING, motd, minVersion } = this.#options;
    const introduction = {
      role: "relay",
      id: this.id,
      nonce,
      greeting,
      ...this.#tunnelPort,
      ...(motd === undefined ? {} : { motd }),
      ...(minVersion === undefined ? {} : { minVersion }),
      ...(this.#gate === null ? {} : { private: true }),
      ...this.#uptime,
      version: VERSION,
      time: Date.now(),
      observed: conn.remote.host,
    };
    const reception = { introduction, settle, incidents };
    let handler: ClientHandler | NodeHandler | undefined;
    try {
      handler = await receivePeer(channel, reception, async ({ role }) => {
        if (role === "instance" && relay.cluster !== null) {
          await handleInstance(channel, { nonce, relay, giveTurnBack });
          return;
        }
        if (role !== "node" && role !== "client") {
          throw new ProtocolError(
            "wrong_service",
            "role must be node or client",
          );
        }
        const admittance = await this.#admit(channel, { role, nonce });
        if (admittance === null) return;
        const options = { relay, admittance, nonce, countApart };
        return role === "node"
          ? new NodeHandler(channel, options)
          : new ClientHandler(channel, options);
      });
    } finally {
      if (handler === undefined) await channel.close();
    }
    return handler &&
      await new Conversation(channel, { handler, incidents }).goOn();
  }

  /** Admits a peer; `null` if it was refused. */
  async #admit(
    channel: Channel,
    caller: { role: "node" | "client"; nonce: string },
  ): Promise<Admittance | null> {
    const gate = this.#gate;
    if (gate === null) return new Admittance(null);
    const relayId = this.id;
    const visitor = await gate.admit(channel, { ...caller, relayId });
    return visitor && new Admittance({ gate, visitor, relayId, ...caller });
  }
}
