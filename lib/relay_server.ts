/**
 * The relay: listens, keeps the registry, answers nodes and clients. Holds no
 * file, reads no disk, and dials only where a node was seen to come from.
 *
 * accept → TLS → hello both ways → register, withdraw | list, report → …
 *
 * @module
 */

import { addressGroup, formatRelayAddress, withoutMapping } from "./address.ts";
import { Channel } from "./channel.ts";
import { type Endpoint, formatEndpoint } from "./conn.ts";
import { DialBacks } from "./dial_backs.ts";
import { Entries } from "./entries.ts";
import { ProtocolError } from "./errors.ts";
import { checkGreeting, receivePeer, refusal } from "./greeting.ts";
import { createIdentity, type Identity } from "./identity.ts";
import { type IncidentEvent, Incidents } from "./incidents.ts";
import { type Limits, limitsWith } from "./limits.ts";
import {
  type ClientToRelay,
  DIRECTION,
  encodeNodes,
  type MessageOf,
  NODES_OVERHEAD_BYTES,
  type NodeToRelay,
  type RelayToClient,
  type RelayToNode,
} from "./messages.ts";
import {
  type OpenedRegistration,
  openRegistration,
  readRegistration,
} from "./registration.ts";
import { Registry } from "./registry.ts";
import { type Accepted, listen, type Listener } from "./transport/listen.ts";

/** What a relay tells while it runs. */
export type RelayEvent =
  | IncidentEvent
  /** It accepts connections; `address` pins its id. */
  | {
    event: "relay_listening";
    host: string;
    port: number;
    id: string;
    address: string;
    encrypted: boolean;
  }
  /** A node holds a lease that did not hold one before. */
  | {
    event: "node_registered";
    id: string;
    name: string;
    addresses: string[];
    from: string;
  }
  /** A node no longer holds a lease. */
  | {
    event: "node_left";
    id: string;
    name: string;
    how: "withdrawn" | "expired" | "found_dead";
  };

/** Options of {@linkcode serveRelay}. */
export interface RelayOptions {
  /** Port to listen on; 0 lets the system pick. */
  port: number;
  /** Address to bind; every IPv4 address of the machine by default. */
  host?: string;
  /** What to put in the relay address, where it differs. */
  advertise?: { host: string; port?: number };
  /** Who the relay is; made anew by default. */
  identity?: Identity;
  /** Goes without encryption, for whoever asks for it on both sides. */
  plaintext?: boolean;
  /** What the relay says to clients, at most 200 characters. */
  greeting?: string;
  /** Numbers to replace in `limits.ts`. */
  limits?: Partial<Limits>;
  /** Closes the relay when aborted. */
  signal?: AbortSignal;
  /** Told while the relay runs. */
  onEvent?: (event: RelayEvent) => void;
}

/** A relay that runs. Disposing closes it. */
export interface RelayServer extends AsyncDisposable {
  /** Where it listens. */
  readonly address: Endpoint;
  /** Its id. */
  readonly id: string;
  /** `p2p://HOST:PORT/RELAY_ID`, what nodes and clients are given. */
  readonly relayAddress: string;
  /** Nodes that hold a lease. */
  readonly nodeCount: number;
  /** Connections that are open. */
  readonly connectionCount: number;
  /** Stops accepting, ends what is open. Idempotent. */
  close(): Promise<void>;
}

const DEFAULT_GREETING = "hello, this is the relay";
const NONCE_BYTES = 32;

/**
 * Starts a relay. The caller closes it.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { serveRelay } from "./relay_server.ts";
 *
 * await using relay = await serveRelay({ host: "127.0.0.1", port: 0 });
 * assertEquals(relay.nodeCount, 0);
 * ```
 *
 * @throws {RangeError} when the greeting is too long.
 * @throws {Deno.errors} or an `E…` error when the port cannot be bound.
 */
export async function serveRelay(options: RelayOptions): Promise<RelayServer> {
  const identity = options.identity ?? await createIdentity();
  const entries = await Entries.of(identity);
  const relay = new Relay(options, { identity, entries });
  await relay.start();
  return relay;
}

class Relay implements RelayServer {
  readonly #options: RelayOptions;
  readonly #identity: Identity;
  readonly #limits: Limits;
  readonly #registry: Registry;
  readonly #entries: Entries;
  readonly #incidents: Incidents;
  readonly #dialBacks: DialBacks;
  readonly #stop = new AbortController();
  #listener: Listener | null = null;
  #sweep: ReturnType<typeof setInterval> | undefined;
  #closing: Promise<void> | null = null;
  readonly #onAbort = () => void this.close();

  constructor(
    options: RelayOptions,
    { identity, entries }: { identity: Identity; entries: Entries },
  ) {
    checkGreeting(options.greeting ?? "");
    this.#options = options;
    this.#identity = identity;
    this.#entries = entries;
    this.#limits = limitsWith(options.limits);
    this.#incidents = new Incidents(
      this.#limits.refusalPauseMs,
      (event) => this.#tell(event),
    );
    this.#registry = new Registry(
      this.#limits,
      (id, entry) => this.#tellLeft(id, entry, "expired"),
    );
    this.#dialBacks = new DialBacks(this.#limits, this.#stop.signal);
  }

  async start(): Promise<void> {
    const options = this.#options;
    const { signal } = options;
    signal?.throwIfAborted();
    this.#listener = await listen({
      at: { host: options.host ?? "0.0.0.0", port: options.port },
      identity: options.plaintext ? null : this.#identity,
      limits: this.#limits,
      connectionsPerAddressCount: this.#limits.relayConnectionsPerAddressCount,
      handle: (accepted) => this.#talk(accepted),
      incidents: this.#incidents,
    });
    if (signal?.aborted) { // while the port was being bound
      await this.close();
      throw signal.reason;
    }
    this.#sweep = setInterval(
      () => this.#registry.expire(performance.now()),
      this.#limits.sweepMs,
    );
    signal?.addEventListener("abort", this.#onAbort);
    this.#tell({
      event: "relay_listening",
      ...this.address,
      id: this.id,
      address: this.relayAddress,
      encrypted: !options.plaintext,
    });
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
    // An address that stands for all of them cannot be dialled from elsewhere.
    const dialled = host === "0.0.0.0"
      ? "127.0.0.1"
      : host === "::"
      ? "::1"
      : host;
    return formatRelayAddress({ host: dialled, port, id: this.id });
  }

  get nodeCount(): number {
    return this.#registry.count(performance.now());
  }

  get connectionCount(): number {
    return this.#listener?.connectionCount ?? 0;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweep);
    this.#stop.abort(); // dial-backs: those who asked are waited for
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    await this.#listener?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One peer, from hello to its end. */
  async #talk({ conn, settle }: Accepted): Promise<void> {
    await using channel = new Channel(conn, {
      limits: this.#limits,
      writeStallMs: this.#limits.controlWriteStallMs,
      idleMs: this.#limits.idleMs,
      limitsRate: true,
      readAheadBytes: 1024, // idle connections are many, and cost this much
    });
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
      .toBase64();
    const introduction = {
      role: "relay",
      id: this.id,
      nonce,
      greeting: this.#options.greeting ?? DEFAULT_GREETING,
    };
    const incidents = this.#incidents;
    await receivePeer(channel, { introduction, settle, incidents }, (hello) => {
      if (hello.role === "node") return this.#serveNode(channel, nonce);
      if (hello.role === "client") return this.#serveClient(channel);
      throw new ProtocolError("wrong_service", "role must be node or client");
    });
  }

  async #serveNode(channel: Channel, nonce: string): Promise<void> {
    for (;;) {
      const message = await channel.receive(DIRECTION.nodeToRelay);
      if (message === null) return;
      const answer = await this.#answerNode(
        message,
        nonce,
        channel.conn.remote,
      );
      if (answer.kind === "refused") {
        this.#incidents.refused(answer.code, channel.conn.remote);
      }
      await channel.send(answer);
      // To check one costs a millisecond: whoever forges them starts anew for it.
      if (answer.kind === "refused" && answer.code === "bad_signature") return;
    }
  }

  /**
   * Everything that refuses a message is looked at before its signature: to
   * check that costs the relay a millisecond, in which it does nothing else.
   */
  async #answerNode(
    message: NodeToRelay,
    nonce: string,
    remote: Endpoint,
  ): Promise<RelayToNode> {
    const verdict = readRegistration(message);
    if (verdict.kind === "refused") {
      return refusal(verdict.refusal.code, verdict.refusal.text);
    }
    const { registration } = verdict;
    if (registration.relay !== this.id || registration.nonce !== nonce) {
      return refusal("replayed", "signed for another relay or connection");
    }
    if (registration.purpose !== message.kind) {
      return refusal("bad_record", "purpose: not that of the message");
    }
    return message.kind === "register"
      ? await this.#register(message, registration, remote)
      : await this.#withdraw(message, registration);
  }

  async #register(
    signed: MessageOf<"register">,
    registration: OpenedRegistration,
    remote: Endpoint,
  ): Promise<RelayToNode> {
    const { id, instance, sequence, name, addresses } = registration;
    if (addresses.length === 0) {
      return refusal("bad_address", "addresses: there is none");
    }
    const observedHost = withoutMapping(remote.host);
    const source = addressGroup(observedHost);
    const reason = this.#registry.refusalOf(
      { id, instance, sequence, source },
      performance.now(),
    );
    if (reason !== undefined) {
      return refusal(reason, REGISTER_REFUSAL_TEXT[reason]);
    }
    const verdict = await openRegistration(signed);
    if (verdict.kind === "refused") {
      return refusal(verdict.refusal.code, verdict.refusal.text);
    }
    const outcome = this.#registry.register({
      id,
      instance,
      sequence,
      ...this.#entries.pack(signed),
      observedHost,
      source,
    }, performance.now());
    if (outcome.kind === "refused") {
      return refusal(outcome.reason, REGISTER_REFUSAL_TEXT[outcome.reason]);
    }
    if (outcome.isNew) {
      this.#tell({
        event: "node_registered",
        id,
        name,
        addresses: addresses.map(formatEndpoint),
        from: observedHost,
      });
    }
    return { kind: "registered", ...outcome.terms };
  }

  async #withdraw(
    signed: MessageOf<"withdraw">,
    registration: OpenedRegistration,
  ): Promise<RelayToNode> {
    const lease = this.#registry.find(registration.id, performance.now());
    // Nothing to end: not worth a look at the signature.
    if (lease?.instance !== registration.instance) return { kind: "withdrawn" };
    const verdict = await openRegistration(signed);
    if (verdict.kind === "refused") {
      return refusal(verdict.refusal.code, verdict.refusal.text);
    }
    const entry = this.#registry.withdraw(registration, performance.now());
    if (entry !== undefined) {
      this.#tellLeft(registration.id, entry, "withdrawn");
    }
    return { kind: "withdrawn" };
  }

  async #serveClient(channel: Channel): Promise<void> {
    for (;;) {
      const message = await channel.receive(DIRECTION.clientToRelay);
      if (message === null) return;
      if (message.kind === "list") await this.#list(channel, message.cursor);
      else await channel.send(await this.#answerReport(message));
    }
  }

  async #list(channel: Channel, cursor: string | undefined): Promise<void> {
    const page = this.#registry.list({
      ...(cursor === undefined ? {} : { cursor }),
      pageBytes: this.#limits.frameControlBytes - NODES_OVERHEAD_BYTES,
      random: Math.random,
    }, performance.now());
    const entries = page.entries
      .map((entry) => this.#entries.listed(entry));
    await channel.sendFrames(encodeNodes({ ...page, entries }));
  }

  /**
   * A client says that a node is dead. Whether it is, the relay finds out for
   * itself, by dialling the host it saw the node register from; and only where
   * the node asked to be dialled there, for else a failure proves nothing.
   */
  async #answerReport(
    { id }: ClientToRelay & { kind: "report" },
  ): Promise<RelayToClient> {
    const now = performance.now();
    const lease = this.#registry.find(id, now);
    if (lease === undefined) return { kind: "reported", outcome: "unknown" };
    const { sequence, observedHost } = lease;
    const registration = this.#entries.registrationIn(lease.entry);
    const endpoint = registration.addresses
      .find((address) => withoutMapping(address.host) === observedHost);
    if (endpoint === undefined) {
      return { kind: "reported", outcome: "unchecked" };
    }
    const peer = this.#options.plaintext ? null : registration;
    const outcome = await this.#dialBacks.check({ id, endpoint, peer }, now);
    if (outcome === "gone") {
      const entry = this.#registry.drop({ id, sequence }, performance.now());
      if (entry !== undefined) this.#tellLeft(id, entry, "found_dead");
    }
    return { kind: "reported", outcome };
  }

  #tell(event: RelayEvent): void {
    this.#options.onEvent?.(event);
  }

  #tellLeft(
    id: string,
    entry: string,
    how: "withdrawn" | "expired" | "found_dead",
  ): void {
    this.#tell({
      event: "node_left",
      id,
      name: this.#entries.nameIn(entry),
      how,
    });
  }
}

const REGISTER_REFUSAL_TEXT = {
  identity_used_twice:
    "another process uses this identity: give each node its own --state",
  stale_sequence: "a newer registration of this node is known",
  registering_too_fast: "this identity registers too often; is it used twice?",
  registry_full: "the relay lists as many nodes as it may",
  too_many_nodes_for_address: "too many nodes registered from this address",
} as const;
