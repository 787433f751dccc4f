/**
 * The serving end of a client in a swarm: listens with its own key, and sends
 * the contents that it holds to clients that request them by content id.
 *
 * accept → TLS → hello both ways → holding, read | …
 *
 * @module
 */

import { type GivenKeys, NodeGate } from "../access/gate.ts";
import { type Grant, isContentGranted } from "../access/grant.ts";
import { addressGroup } from "../base/address.ts";
import type { Endpoint } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import type { SharedRate } from "../base/shared_rate.ts";
import { Counts } from "../guard/counts.ts";
import { type IncidentEvent, Incidents } from "../guard/incidents.ts";
import type { Identity } from "../identity/identity.ts";
import type { Service } from "../node/client_service.ts";
import { FetchWatch } from "../node/fetch_watch.ts";
import { BufferPool } from "../node/outbox.ts";
import { SlowReaders } from "../node/slow_readers.ts";
import { ReaderTurns } from "../node/reader_turns.ts";
import type { TakeOffer } from "../node/served.ts";
import { type Host, serveChannel, serveClient } from "../node/serve_client.ts";
import { WorkQueue } from "../node/work_queue.ts";
import type { Channel } from "../protocol/channel.ts";
import { Deadlines } from "../protocol/deadline.ts";
import { DIRECTION } from "../protocol/messages.ts";
import { listen, type Listener } from "../transport/listen.ts";
import { HeldDigests, HeldFiles } from "./held_files.ts";

/** No content has this id: a hash of that value is not known. */
const NO_CONTENT = "0".repeat(64);

/** Options of {@linkcode HolderServer.open}. */
export interface HolderOptions {
  /** A key that only this process has. */
  readonly identity: Identity;
  readonly plaintext: boolean;
  /** Address to bind, and port; 0 lets the system pick. */
  readonly at: Endpoint;
  readonly limits: Limits;
  /**
   * Whether clients must show grants, other than for open contents; their keys are
   * set later.
   */
  readonly isPrivate: boolean;
  /** Limits all sending. */
  readonly rate?: SharedRate | undefined;
  readonly onEvent?: (event: IncidentEvent) => void;
  /** Takes pieces that clients offer. */
  readonly takeOffer?: TakeOffer;
}

/** Serves the contents that it holds. Disposing ends all connections. */
export class HolderServer implements AsyncDisposable {
  readonly #options: HolderOptions;
  readonly #limits: Limits;
  /** The contents that it serves; the caller disposes of a removed one. */
  readonly files = new HeldFiles();
  readonly #service: Service;
  readonly #work: WorkQueue;
  readonly #turns: ReaderTurns;
  readonly #watch: FetchWatch;
  readonly #incidents: Incidents;
  readonly #gate: NodeGate | null;
  /** The keys that each relay sent, by relay id: a grant is for one relay. */
  readonly #keys = new Map<string, GivenKeys>();
  #gaveAt = -Infinity;
  #wasDialled = false;
  #listener: Listener | null = null;

  private constructor(options: HolderOptions) {
    // The process also receives, so serving must not take much memory.
    const { swarmAcceptCount, swarmHandshakeCount, swarmSendBytes } =
      options.limits;
    const limits = {
      ...options.limits,
      connectionCount: swarmAcceptCount,
      handshakeCount: swarmHandshakeCount,
      sendBufferBytes: swarmSendBytes,
    };
    const { rate, onEvent = () => {} } = options;
    const digests = new HeldDigests(this.files);
    this.#options = options;
    this.#limits = limits;
    this.#work = new WorkQueue(limits);
    this.#turns = new ReaderTurns(limits);
    this.#watch = new FetchWatch({
      ...{ limits, digests },
      onEvent: () => {},
      onFetches: undefined,
    });
    this.#incidents = new Incidents(limits.refusalPauseMs, onEvent);
    const incidents = this.#incidents;
    this.#gate = options.isPrivate
      ? new NodeGate({ limits, incidents, isHolder: true })
      : null;
    this.#service = {
      ...{ share: this.files, digests, limits, rate },
      buffers: new BufferPool(limits.sendBufferBytes),
      slowReaders: new SlowReaders(limits),
      work: this.#work,
      clientCount: 0,
      busyCount: 0,
      fetches: this.#watch.fetches,
      requests: new Counts(DIRECTION.clientToNode),
      heldOf: (content) => this.files.heldOf(content),
      readTurns: this.#turns,
      allTakeTurns: true,
      onSent: () => this.#gaveAt = performance.now(),
      ...options.takeOffer && { takeOffer: options.takeOffer },
      sentBytes: 0,
    };
  }

  /**
   * Starts to listen.
   *
   * @throws {Deno.errors} or an `E…` error if the address cannot be bound.
   */
  static async open(options: HolderOptions): Promise<HolderServer> {
    const holder = new HolderServer(options);
    const { swarmAcceptCount, swarmConnectionIdleMs } = options.limits;
    const host = holder.#host(holder.#gate);
    holder.#listener = await listen({
      at: options.at,
      identity: options.plaintext ? null : options.identity,
      limits: holder.#limits,
      // The machines of one office may share one address; they make room for others.
      connectionsPerAddressCount: swarmAcceptCount,
      restingMs: swarmConnectionIdleMs,
      handle: (accepted) => {
        holder.#wasDialled = true;
        return serveClient(host, accepted);
      },
      incidents: holder.#incidents,
    });
    return holder;
  }

  #host(gate: NodeGate | null): Host {
    return {
      id: this.id,
      limits: this.#limits,
      service: this.#service,
      gate,
      incidents: this.#incidents,
      deadlines: new Deadlines(),
      within: (grant) => this.#within(grant),
      open: this.files,
    };
  }

  /**
   * Serves one content over a channel that this client opened to a holder. The
   * relay has listed that holder for the content, so it needs no grant.
   */
  async giveOver(channel: Channel, content: string): Promise<void> {
    const { idleMs } = this.#limits;
    channel.swapRoles({ acceptsData: false, idleMs });
    const source = addressGroup(channel.conn.remote.host);
    const only = { expires: Infinity, content };
    const settle = () => {};
    await serveChannel(channel, this.#host(null), { source, settle, only });
  }

  /** Whether anybody has dialled it. */
  get wasDialled(): boolean {
    return this.#wasDialled;
  }

  /** The address that it listens at. */
  get address(): Endpoint {
    return this.#listener!.address;
  }

  /** The id of its key. */
  get id(): string {
    return this.#options.identity.id;
  }

  /** Bytes that it has sent. */
  get sentBytes(): number {
    return this.#service.sentBytes;
  }

  /** Whether it is sending something right now. */
  get isGiving(): boolean {
    return this.#service.busyCount > 0;
  }

  /** Clients that are connected to it. */
  get readerCount(): number {
    return this.#service.clientCount;
  }

  /** When it last sent a piece, on the monotonic clock; at first -Infinity. */
  get gaveAt(): number {
    return this.#gaveAt;
  }

  /** Open connections. */
  get connectionCount(): number {
    return this.#listener?.connectionCount ?? 0;
  }

  /** Replaces the keys that grants of a relay are checked with. */
  setGrantKeys(given: GivenKeys, relayId: string): void {
    this.#keys.set(relayId, given);
    this.#gate?.setKeys(this.#keys.values());
  }

  /**
   * What a grant allows here: only its content. The prefix of a link is the
   * name at the node, and clients may have saved the file under another name.
   */
  #within(grant: Grant): Grant {
    const content = this.files.contents.find((content) =>
      this.#keys.keys().some((relayId) =>
        isContentGranted(grant, { content, relayId })
      )
    );
    return { expires: grant.expires, content: content ?? NO_CONTENT };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Handlers may be waiting for a turn.
    this.#work[Symbol.dispose]();
    this.#turns[Symbol.dispose]();
    await this.#listener?.close();
    this.#watch[Symbol.dispose]();
  }
}
