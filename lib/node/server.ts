/**
 * The peer node: shares a folder, stays listed at its relay, and answers
 * clients. It continues to serve while the relay is down.
 *
 * accept → TLS → hello both ways → find, read | …
 *
 * @module
 */

import { sideBySide } from "../access/further_relay.ts";
import { checkedIndexKey } from "../access/index_key.ts";
import { addressGroup, ANY_HOST } from "../base/address.ts";
import { groupUnder, removeUnder } from "../base/collections.ts";
import { tunnelSource } from "../guard/admission.ts";
import { Deadlines } from "../protocol/deadline.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { Counts, HANDSHAKE_SECONDS, Histogram } from "../guard/counts.ts";
import { Digests } from "../share/digests.ts";
import { NodeGate } from "../access/gate.ts";
import { createIdentity, type Identity } from "../identity/identity.ts";
import { Incidents } from "../guard/incidents.ts";
import { type Limits, limitsWith } from "../base/limits.ts";
import { DIRECTION } from "../protocol/messages.ts";
import { ClockWatch } from "../base/clock_watch.ts";
import { addressesOf, type WayToRelay } from "./addresses.ts";
import { FetchWatch } from "./fetch_watch.ts";
import { IndexUpdater } from "./index_updater.ts";
import { BufferPool } from "./outbox.ts";
import { SlowReaders } from "./slow_readers.ts";
import { SharedRate } from "../base/shared_rate.ts";
import type { Invitation } from "./registrar.ts";
import { type AtRelay, Registrations } from "./registrations.ts";
import { OtherFamily } from "../uplink/other_family.ts";
import type { Service } from "./client_service.ts";
import { ReaderTurns } from "./reader_turns.ts";
import { serveClient } from "./serve_client.ts";
import { zeroPieces } from "../content/zeros.ts";
import type { ShareFilter } from "../share/exclusions.ts";
import { Share } from "../share/share.ts";
import type { SharedPath } from "../share/shared_path.ts";
import { WorkQueue } from "./work_queue.ts";
import type {
  NodeEvent,
  NodeOptions,
  NodeServer,
  NodeSettings,
  NodeStats,
  SharedContent,
} from "./node_types.ts";
import { acceptTunnel } from "../transport/accept_tunnel.ts";
import { type Accepted, listen, type Listener } from "../transport/listen.ts";

export type {
  NodeEvent,
  NodeOptions,
  NodeServer,
  NodeSettings,
  NodeStats,
  SharedContent,
};

/**
 * Starts a node. When this resolves, it listens, and it has scanned its folder
 * unless that takes longer than a second: then the scan continues in the
 * background. It registers in the background too. The caller closes it.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { serveNode } from "./server.ts";
 * import { serveRelay } from "../relay/server.ts";
 *
 * await using relay = await serveRelay({ host: "127.0.0.1", port: 0 });
 * await using node = await serveNode({
 *   relay: relay.address,
 *   host: "127.0.0.1",
 *   port: 0,
 *   directory: "files/one",
 * });
 * assertEquals(node.fileCount, 2);
 * ```
 *
 * @throws {Failure} of kind `local` if the folder cannot be shared.
 * @throws {Deno.errors} or an `E…` error if the port cannot be bound.
 */
export async function serveNode(options: NodeOptions): Promise<NodeServer> {
  const limits = limitsWith(options.limits);
  checkedIndexKey(options.indexKey);
  const share = await Share.open(sharedPaths(options), limits, {
    isWatched: true,
    filter: filterOf(options),
    firstScanMs: limits.firstScanMs,
  });
  const identity = options.identity ?? await createIdentity();
  let node: PeerNode;
  try {
    node = new PeerNode(options, { limits, share, identity });
  } catch (error) {
    await share[Symbol.asyncDispose]();
    throw error;
  }
  try {
    await node.start();
  } catch (error) {
    await node.close();
    throw error;
  }
  return node;
}

class PeerNode implements NodeServer {
  readonly #options: NodeOptions;
  readonly #limits: Limits;
  readonly #share: Share;
  readonly #service: Service & { readonly digests: Digests };
  readonly #turns: ReaderTurns;
  readonly #identity: Identity;
  readonly #name: string;
  readonly #deadlines = new Deadlines();
  /** Otherwise each write would set and clear a timer. */
  readonly #heldTimers = this.#deadlines.hold();
  readonly #incidents: Incidents;
  readonly #handshakes = new Histogram(HANDSHAKE_SECONDS);
  readonly #registrations: Registrations;
  /** Checks the grants of clients; `null` if all clients are served. */
  readonly #gate: NodeGate | null;
  readonly #leaving = new AbortController();
  readonly #clock: ClockWatch;
  readonly #fetchWatch: FetchWatch;
  /** Tunnels that have not ended, by their relay. */
  readonly #tunnels = new Map<string, Set<AbortController>>();
  #listener: Listener | null = null;
  #registrar: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  readonly #onAbort = () => void this.close();

  constructor(
    options: NodeOptions,
    { limits, share, identity }: {
      limits: Limits;
      share: Share;
      identity: Identity;
    },
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#share = share;
    this.#identity = identity;
    const onEvent = (event: NodeEvent) => this.#emit(event);
    const digests = new Digests(share, {
      limits,
      store: options.digestStore,
      isBusy: () => this.#service.busyCount > 0,
      onIdle: (files) => onEvent({ event: "hashed", files }),
    });
    const { onFetches } = options;
    this.#fetchWatch = new FetchWatch({ limits, digests, onEvent, onFetches });
    this.#turns = new ReaderTurns(limits);
    this.#service = this.#newService(digests);
    this.#name = options.name ?? `node-${identity.id.slice(0, 6)}`;
    const incidents = new Incidents(limits.refusalPauseMs, onEvent);
    this.#incidents = incidents;
    const { relay: address, token } = options;
    const first = { address, ...token && { token } };
    this.#registrations = new Registrations({
      relays: sideBySide(first, options.relays, limits),
      plaintext: options.plaintext ?? false,
      knownRelays: options.knownRelays,
      limits,
      onEvent,
    });
    this.#clock = new ClockWatch({ limits, onGap: onEvent });
    this.#gate = this.#registrations.arePrivate
      ? new NodeGate({ limits, incidents })
      : null;
  }

  #newService(digests: Digests): Service & { readonly digests: Digests } {
    const limits = this.#limits;
    const { limitRate, onSent } = this.#options;
    return {
      share: this.#share,
      digests,
      limits,
      rate: rateOf(limitRate),
      buffers: new BufferPool(limits.sendBufferBytes),
      slowReaders: new SlowReaders(limits),
      work: new WorkQueue(limits),
      readTurns: this.#turns,
      clientCount: 0,
      busyCount: 0,
      requests: new Counts(DIRECTION.clientToNode),
      fetches: this.#fetchWatch.fetches,
      onSent,
      sentBytes: 0,
    };
  }

  async start(): Promise<void> {
    const options = this.#options;
    options.signal?.throwIfAborted();
    this.#listener = await listen({
      at: { host: options.host ?? ANY_HOST, port: options.port },
      identity: options.plaintext ? null : this.#identity,
      limits: this.#limits,
      connectionsPerAddressCount: this.#limits.nodeConnectionsPerAddressCount,
      handle: (accepted) => this.#serve(accepted),
      incidents: this.#incidents,
      handshakes: this.#handshakes,
    });
    options.signal?.addEventListener("abort", this.#onAbort);
    options.signal?.throwIfAborted();
    this.#emit({
      event: "node_listening",
      ...this.address,
      id: this.id,
      name: this.#name,
      encrypted: !options.plaintext,
    });
    if (this.#share.isScanned) this.#reportShared();
    else void this.#finishScan();
    const { digests } = this.#service;
    void this.#share.follow({
      // Hashing would only slow down the first scan.
      onChange: () => this.#share.isScanned && digests.refresh(),
      onEvent: (event) => this.#emit(event),
    });
    if (this.#share.isScanned) digests.refresh();
    this.#registrar = this.#registrations.run({
      clock: this.#clock,
      identity: this.#identity,
      name: this.#name,
      tunnels: this.#options.tunnels ?? "auto",
      onInvite: (invitation) => this.#takeTunnel(invitation),
      signal: this.#leaving.signal,
      onGrantKeys: (given) => this.#gate?.setKeys(given),
      at: (relay) => this.#at(relay),
    });
  }

  /** The data of one relay: its key, and the addresses to reach it. */
  #at(relay: Endpoint): AtRelay {
    const { signal } = this.#leaving;
    const other = new OtherFamily({ relay, limits: this.#limits, signal });
    return {
      addressesFrom: (way) => this.#addressesFrom([way, ...otherWay(other)]),
      onConnected: (local) => other.look(local),
      index: this.#options.index === false ? undefined : this.#updaterOf(relay),
    };
  }

  #updaterOf(relay: Endpoint): IndexUpdater {
    return new IndexUpdater(this.#share, {
      relay: formatEndpoint(relay),
      limits: this.#limits,
      key: this.#options.indexKey,
      signal: this.#leaving.signal,
      onEvent: (event) => this.#emit(event),
    });
  }

  /** Reports what is shared when the first scan is complete. */
  async #finishScan(): Promise<void> {
    const directory = this.#directory;
    this.#emit({ event: "scanning", directory, files: this.fileCount });
    await this.#share.scanned();
    if (this.#leaving.signal.aborted) return;
    this.#reportShared();
    this.#service.digests.refresh();
  }

  /** What is shared, as its owner named it. */
  get #directory(): string {
    return this.#share.paths.join(", ");
  }

  #reportShared(): void {
    this.#emit({
      event: "sharing",
      directory: this.#directory,
      files: this.fileCount,
      skipped: this.#share.skipped,
    });
    if (!this.#options.listSkipped) return;
    for (const event of this.#share.skipEvents()) this.#emit(event);
  }

  get address(): Endpoint {
    if (this.#listener === null) {
      throw new TypeError("The node has not started");
    }
    return this.#listener.address;
  }

  get id(): string {
    return this.#identity.id;
  }

  get fileCount(): number {
    return this.#share.fileCount;
  }

  get connectionCount(): number {
    return this.#listener?.connectionCount ?? 0;
  }

  stats(): NodeStats {
    const { digests, requests, sentBytes } = this.#service;
    return {
      ...this.#incidents.totals,
      fileCount: this.fileCount,
      backlogCount: digests.backlogCount,
      connectionCount: this.connectionCount,
      handshakeCount: this.#listener?.handshakeCount ?? 0,
      handshakes: this.#handshakes.snapshot(),
      requests: requests.snapshot(),
      sentBytes,
      fetches: this.#fetchWatch.fetches.totals,
    };
  }

  async change({ limitRate, ...filter }: NodeSettings): Promise<void> {
    await this.#share.exclude(filter); // first, because only this may fail
    if (limitRate !== this.#service.rate?.bytesPerSecond) {
      this.#service.rate = rateOf(limitRate);
    }
  }

  isShareReadable(): Promise<boolean> {
    return this.#share.isReadable();
  }

  async describe(name: string): Promise<SharedContent | undefined> {
    const file = await this.#share.find(name);
    if (file === undefined) return undefined;
    const outcome = await this.#service.digests.describe(file);
    if (outcome.kind === "refused") return undefined;
    const { content, manifest } = outcome.described;
    return { size: file.size, content, zeroPieces: zeroPieces(manifest) };
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#leaving.abort();
    this.#clock[Symbol.dispose]();
    await this.#registrar; // withdraws first, so that no more clients are sent here
    // Handlers may be waiting for a turn.
    this.#service.work[Symbol.dispose]();
    this.#turns[Symbol.dispose]();
    // At once, because handlers may be waiting for a digest.
    await Promise.all([
      this.#share[Symbol.asyncDispose](),
      this.#listener?.close(),
      this.#service.digests[Symbol.asyncDispose](),
    ]);
    this.#fetchWatch[Symbol.dispose]();
    this.#heldTimers[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #addressesFrom(ways: readonly WayToRelay[]): Endpoint[] {
    const { advertise, lanAddress: lan = true } = this.#options;
    const facts = { bound: this.address, lan, ways };
    return addressesOf(
      advertise === undefined ? facts : { ...facts, advertise },
    );
  }

  /**
   * Admits a client that waits in a tunnel, by the same rules as any other, if
   * its relay has not too many tunnels.
   */
  #takeTunnel({ relay, from, ...invitation }: Invitation): boolean {
    const count = this.#tunnels.get(relay)?.size ?? 0;
    if (count >= this.#limits.relayTunnelCount) return false;
    const remote = { host: from, port: 0 };
    const end = new AbortController();
    const { signal } = end;
    groupUnder(this.#tunnels, relay).add(end);
    const open = async () => {
      const conn = await acceptTunnel({
        ...invitation,
        remote,
        identity: this.#options.plaintext ? null : this.#identity,
        timeoutMs: this.#limits.handshakeMs,
        signal,
      });
      signal.addEventListener("abort", () => conn.close());
      return { conn, isJoin: false };
    };
    const destroy = () => {
      end.abort();
      removeUnder(this.#tunnels, relay, end);
    };
    const source = tunnelSource(addressGroup(from));
    const raw = { remote, source, open, destroy };
    const isTaken = this.#listener?.take(raw) ?? false;
    if (!isTaken) destroy();
    return isTaken;
  }

  /** Talks to one client. */
  async #serve(accepted: Accepted): Promise<void> {
    await serveClient({
      id: this.id,
      limits: this.#limits,
      service: this.#service,
      gate: this.#gate,
      incidents: this.#incidents,
      deadlines: this.#deadlines,
      onServed: (served) => this.#emit({ event: "served", ...served }),
    }, accepted);
  }

  #emit(event: NodeEvent): void {
    this.#options.onEvent?.(event);
  }
}

/** An address that the relay does not see: it lists it as unchecked. */
function otherWay({ local }: OtherFamily): WayToRelay[] {
  return local === undefined ? [] : [{ local, isReached: false }];
}

function rateOf(bytesPerSecond: number | undefined): SharedRate | undefined {
  return bytesPerSecond === undefined
    ? undefined
    : new SharedRate(bytesPerSecond);
}

function filterOf({ hidden, exclude }: NodeOptions): ShareFilter {
  return {
    ...hidden === undefined ? {} : { hidden },
    ...exclude === undefined ? {} : { exclude },
  };
}

function sharedPaths({ directory, paths }: NodeOptions): readonly SharedPath[] {
  if ((directory === undefined) === (paths === undefined)) {
    throw new TypeError("A node takes one of directory and paths");
  }
  return paths ?? [{ path: directory! }];
}
