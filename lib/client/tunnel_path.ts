/**
 * Reaches a node through the relay: requests a tunnel and joins it. Keeps the
 * bytes of tunnels within the user's limit.
 *
 * @module
 */

import { endpointIn } from "../base/address.ts";
import type { Conn } from "../base/conn.ts";
import { isBug, ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import type { RelayDialer } from "../uplink/relay_dialer.ts";
import { SourceExhausted } from "../transfer/source.ts";
import { dialTunnel, TunnelRefused } from "../transport/join.ts";
import { WrappedConn } from "../base/wrapped_conn.ts";
import type { ListedNode } from "./nodes.ts";
import { RelayLine, type RelayReply } from "./relay_line.ts";

/** Options of {@linkcode TunnelPath}. */
export interface TunnelPathOptions {
  /** Connects to the relay. */
  readonly dialer: RelayDialer;
  /** Whether to connect without encryption. */
  readonly plaintext: boolean;
  readonly limits: Limits;
  /** The bytes that may come through relays; by default no limit. */
  readonly allowance?: RelayedAllowance | undefined;
}

/** Bytes that may still come through relays. */
export interface RelayedAllowance {
  leftBytes: number;
}

/** The user allows no more bytes through the relay. */
export class RelayedEnough extends SourceExhausted {
  override readonly name = "RelayedEnough";

  constructor() {
    super("the limit of bytes through the relay is reached");
  }
}

/** The user allows no bytes through the relay at all. */
export class TunnelsUnwanted extends Error {
  override readonly name = "TunnelsUnwanted";

  constructor() {
    super("not tried, because tunnels are turned off");
  }
}

/** Opens tunnels to nodes through one relay. */
export class TunnelPath implements AsyncDisposable {
  readonly #options: TunnelPathOptions;
  readonly #line: RelayLine;
  /** Lines to other instances of the relay, by their addresses. */
  readonly #lines = new Map<string, RelayLine>();
  /** Instances that could not be reached; they are not tried again. */
  readonly #away = new Set<string>();
  readonly #allowance: RelayedAllowance;

  /** Does not connect yet. */
  constructor(options: TunnelPathOptions) {
    this.#options = options;
    this.#line = new RelayLine(options.dialer, options.limits);
    this.#allowance = options.allowance ?? { leftBytes: Infinity };
  }

  /**
   * A conn to a peer that proves to be that node. The caller closes it.
   *
   * @throws {TunnelRefused} if the relay has no tunnel to it.
   * @throws {RelayedEnough} if no more bytes may come this way.
   */
  async open(node: ListedNode, signal: AbortSignal): Promise<Conn> {
    if (this.#allowance.leftBytes <= 0) throw new RelayedEnough();
    const { plaintext, limits } = this.#options;
    const { answer, session } = await this.#request(node, signal);
    if (answer.kind === "refused") {
      throw new TunnelRefused(answer.code, answer.text);
    }
    if (answer.kind !== "rendezvous") {
      throw new ProtocolError("wrong_phase", "the relay gave no tunnel");
    }
    const conn = await dialTunnel({
      entrances: session.entrances,
      key: answer.key,
      peer: plaintext ? null : node,
      timeoutMs: limits.handshakeMs,
      signal,
    });
    return new AllowedConn(conn, this.#allow);
  }

  /**
   * Asks the instance that the node is attached to. If the client cannot dial
   * it, asks the instance at the relay's address, which passes the bytes on.
   */
  async #request(
    { id, signed: { at } }: ListedNode,
    signal: AbortSignal,
  ): Promise<RelayReply> {
    const message = { kind: "tunnel", id } as const;
    const line = this.#lineTo(at);
    try {
      return await line.request(message, signal);
    } catch (error) {
      const isOwn = line === this.#line;
      if (isOwn || signal.aborted || isBug(error)) throw error;
      this.#away.add(at!);
      return await this.#line.request(message, signal);
    }
  }

  /**
   * The line to the instance that a node is attached to. If that instance names
   * yet another one, the client does not follow.
   */
  #lineTo(at: string | undefined): RelayLine {
    if (at === undefined || this.#away.has(at)) return this.#line;
    const known = this.#lines.get(at);
    if (known !== undefined) return known;
    const endpoint = endpointIn(at);
    if (endpoint === undefined || this.#lines.size >= LINE_COUNT) {
      return this.#line;
    }
    const { dialer, limits } = this.#options;
    const line = new RelayLine(dialer.at(endpoint), limits);
    this.#lines.set(at, line);
    return line;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const lines = [this.#line, ...this.#lines.values()];
    await Promise.all(lines.map((line) => line[Symbol.asyncDispose]()));
  }

  /** Counts received bytes; throws when the limit is exceeded. */
  readonly #allow = (bytes: number): void => {
    this.#allowance.leftBytes -= bytes;
    if (this.#allowance.leftBytes < 0) throw new RelayedEnough();
  };
}

/** Instances that one client asks: more than any relay has. */
const LINE_COUNT = 16;

/** A conn whose reads fail when the user's limit is exceeded. */
class AllowedConn extends WrappedConn {
  readonly #allow: (bytes: number) => void;

  constructor(inner: Conn, allow: (bytes: number) => void) {
    super(inner);
    this.#allow = allow;
  }

  override async read(buffer: Uint8Array): Promise<number | null> {
    const count = await super.read(buffer);
    if (count !== null) this.#allow(count);
    return count;
  }
}
