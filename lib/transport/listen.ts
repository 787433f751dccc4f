/**
 * Listens, and gives each admitted connection to the handler. The failure of
 * one connection does not affect another.
 *
 * @module
 */

import { addressGroup } from "../base/address.ts";
import { Admission, isInTunnel, type Slot } from "../guard/admission.ts";
import { HandshakeOrder } from "../guard/handshake_order.ts";
import type { Conn, Endpoint, Sleeper } from "../base/conn.ts";
import { NO_ROOM_TEXTS, ProtocolError } from "../base/errors.ts";
import type { Histogram } from "../guard/counts.ts";
import type { Identity } from "../identity/identity.ts";
import type { Incidents } from "../guard/incidents.ts";
import type { Limits } from "../base/limits.ts";
import {
  type Acceptor,
  acceptPlain,
  acceptTls,
  type RawConnection,
  type Welcome,
} from "./accept.ts";
import { listenAtBoth } from "./both_families.ts";
import { HandshakeTurns, type WaitingHandshake } from "./handshake_turns.ts";

/** An admitted connection, after its TLS handshake. */
export interface Accepted {
  /** The conn. The listener closes it when the handler returns. */
  readonly conn: Conn;
  /** The group that limits count it in. */
  readonly source: string;
  /** Whether it is unencrypted and began with a tunnel key. */
  readonly isJoin: boolean;
  /**
   * Ends the handshake deadline, after the peer's hello.
   *
   * @throws {ProtocolError} if there is no room for it any more. The handler
   * tells the peer its code.
   */
  settle(): void;
  /**
   * Counts it with the connections of holders, which have their own limits.
   *
   * @returns whether there was room.
   */
  countApart(): boolean;
  /** Gives its turn to connect back to its address. */
  giveTurnBack(): void;
}

/** A paused conversation, whose peer is silent. */
export interface Idle {
  /**
   * Wakes `sleeper` when a message has arrived, or the conversation must end.
   */
  sleep(sleeper: Sleeper): void;
  /** Continues until the end, or until the peer is silent again. */
  goOn(): Promise<Idle | undefined>;
}

/** Options of {@linkcode listen}. */
export interface ListenOptions {
  /**
   * Address to bind and port; 0 lets the system pick. `::` stands for all
   * addresses of both families.
   */
  readonly at: Endpoint;
  /** The identity of this end; `null` listens without encryption. */
  readonly identity: Identity | null;
  /** The numbers that bound connections. */
  readonly limits: Limits;
  /** The most connections of one address. */
  readonly connectionsPerAddressCount: number;
  /**
   * If all places are taken, a connection that moved no piece during this time
   * is evicted; by default none is.
   */
  readonly restingMs?: number;
  /** Whether tunnel ends may connect to a TLS port without encryption. */
  readonly acceptsJoins?: boolean;
  /**
   * Talks to one peer, until the end or until it is silent. If it throws, only
   * this connection ends.
   */
  readonly handle: (accepted: Accepted) => Promise<Idle | void>;
  /** Gets connections that ended early, and handlers that threw. */
  readonly incidents: Incidents;
  /** Measures the time from accept to hello, in seconds. */
  readonly handshakes?: Histogram;
}

/** A running listener. */
export interface Listener {
  /** The address that it listens at. */
  readonly address: Endpoint;
  /** Open connections. */
  readonly connectionCount: number;
  /** Open connections without a hello so far. */
  readonly handshakeCount: number;
  /**
   * Admits a connection that came another way, by the same rules.
   *
   * @returns whether it was admitted.
   */
  take(raw: RawConnection): boolean;
  /** Stops accepting, ends open connections, and waits for the handlers. */
  close(): Promise<void>;
}

/**
 * Starts to listen.
 *
 * @throws {Deno.errors} or an `E…` error if the address cannot be bound.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const connections = new AcceptedConnections(options);
  const { limits, identity } = options;
  const acceptOptions = {
    acceptPauseMs: limits.acceptPauseMs,
    acceptCheckMs: limits.acceptCheckMs,
    onStall: (why: string) => options.incidents.stalled(why),
    onShortage: () => connections.makeRoom(),
    acceptsJoins: options.acceptsJoins ?? false,
    admit: (host: string) => connections.admit(host),
  };
  const acceptor: Acceptor = await listenAtBoth(
    options.at,
    (at) =>
      identity === null
        ? acceptPlain({ ...acceptOptions, at })
        : acceptTls(identity, { ...acceptOptions, at }),
  );
  return {
    address: acceptor.address,
    get connectionCount() {
      return connections.admissions.reduce(
        (sum, { connectionCount }) => sum + connectionCount,
        0,
      );
    },
    get handshakeCount() {
      return connections.admissions.reduce(
        (sum, { handshakeCount }) => sum + handshakeCount,
        0,
      );
    },
    take: (raw) => connections.take(raw),
    close: () => {
      acceptor.stop();
      return connections.close();
    },
  };
}

/** The open connections of a listener, and their shared state. */
class AcceptedConnections {
  readonly options: ListenOptions;
  readonly turns: HandshakeTurns;
  readonly #open = new Map<Slot, AcceptedConnection>();
  /**
   * For direct connections, and for those through tunnels, which have places
   * apart: a relay can give their peers any addresses.
   */
  readonly admissions: readonly [direct: Admission, tunnels: Admission];
  #isClosing = false;
  readonly #empty = Promise.withResolvers<void>();

  constructor(options: ListenOptions) {
    this.options = options;
    const { limits, connectionsPerAddressCount, restingMs } = options;
    const places = { connectionsPerAddressCount, restingMs };
    const bounds = { ...limits, ...places };
    this.admissions = [new Admission(bounds), new Admission(bounds)];
    this.turns = new HandshakeTurns(
      new HandshakeOrder(limits),
      limits,
      () => performance.now(),
    );
  }

  /** Admits or refuses a connection before it has a socket. */
  admit(host: string, source = addressGroup(host)): Welcome | undefined {
    const outcome = this.#isClosing
      ? CLOSING
      : this.admissions[isInTunnel(source) ? 1 : 0]
        .admit(source, performance.now());
    if (outcome.kind === "refused") {
      this.options.incidents.refused(outcome.reason, { host, port: 0 });
      return undefined;
    }
    const { slot, evicted } = outcome;
    this.end(evicted, "handshake_evicted");
    return (raw) => {
      const connection = new AcceptedConnection({ raw, source, slot }, this);
      this.#open.set(slot, connection);
      connection.start();
    };
  }

  /** Ends some connections, because no file descriptor is left for others. */
  makeRoom(): void {
    for (const admission of this.admissions) {
      for (const slot of admission.makeRoom(performance.now())) {
        this.end(slot, "connection_replaced");
      }
    }
  }

  /** Ends the connection of a slot that was evicted, if there is one. */
  end(slot: Slot | undefined, reason: string): void {
    if (slot !== undefined) this.#open.get(slot)?.end(reason);
  }

  /** Admits a connection that has a socket; returns whether it did. */
  take(raw: RawConnection): boolean {
    const welcome = this.admit(raw.remote.host, raw.source);
    if (welcome === undefined) raw.destroy();
    else welcome(raw);
    return welcome !== undefined;
  }

  /** Forgets a connection that has ended. */
  ended(slot: Slot): void {
    this.#open.delete(slot);
    if (this.#isClosing && this.#open.size === 0) this.#empty.resolve();
  }

  /** Refuses further connections, ends the open ones, and waits for them. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const connection of this.#open.values()) connection.end();
    if (this.#open.size > 0) await this.#empty.promise;
    this.turns[Symbol.dispose]();
  }
}

const CLOSING = { kind: "refused", reason: "closing" } as const;

/**
 * One admitted connection: handshake, then the handler. While its peer is silent
 * nothing waits for it: the conn wakes it.
 */
class AcceptedConnection implements Sleeper {
  readonly #raw: RawConnection;
  readonly #source: string;
  readonly #slot: Slot;
  readonly #all: AcceptedConnections;
  #waiting: WaitingHandshake | undefined;
  #phase: "handshake" | "hello" | "settled" | "ended" = "handshake";
  #conn: Conn | undefined;
  #idle: Idle | undefined;

  constructor(
    { raw, source, slot }: {
      raw: RawConnection;
      source: string;
      slot: Slot;
    },
    all: AcceptedConnections,
  ) {
    this.#raw = raw;
    this.#source = source;
    this.#slot = slot;
    this.#all = all;
  }

  /** Runs until its end. */
  start(): void {
    void this.#run(() => this.#begin());
  }

  /** A peer that was silent has sent something. */
  wake(): void {
    const idle = this.#idle!;
    this.#idle = undefined;
    void this.#run(() => idle.goOn());
  }

  /**
   * Ends the connection from this side; `reason` is reported, if given. Errors
   * of its handler are then a consequence and not reported.
   */
  end(reason?: string): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    if (reason !== undefined) {
      this.#all.options.incidents.refused(reason, this.#raw.remote);
    }
    this.#raw.destroy();
    this.#waiting?.[Symbol.dispose]();
  }

  /** Waits until its handshake may begin. */
  async #turn(): Promise<void> {
    this.#waiting = this.#all.turns.wait(this.#source);
    await this.#waiting.turn;
    this.#waiting = undefined; // it may idle for hours after this
  }

  /**
   * Runs a part of it, and ends it unless its peer is silent. Never rejects.
   */
  async #run(part: () => Promise<Idle | void>): Promise<void> {
    try {
      this.#idle = await part() ?? undefined;
    } catch (error) {
      this.#reportFailure(error);
    }
    if (this.#idle !== undefined) return this.#idle.sleep(this);
    this.#waiting?.[Symbol.dispose]();
    this.#conn?.close();
    this.#raw.destroy();
    this.#slot.leave(performance.now());
    this.#all.ended(this.#slot);
  }

  /** The handshake, and the beginning of the conversation. */
  async #begin(): Promise<Idle | void> {
    const { options, turns } = this.#all;
    const acceptedAt = performance.now();
    // One absolute deadline from accept to hello; trickling bytes do not extend
    // it.
    const deadline = setTimeout(
      () => this.end(this.#phase === "hello" ? "no_hello" : "bad_handshake"),
      options.limits.handshakeMs,
    );
    const settle = () => {
      if (this.#phase !== "hello") return;
      const now = performance.now();
      // Also if there is no room. Tunnels wait for no turn.
      if (!isInTunnel(this.#source)) turns.finished(this.#source);
      this.#takePlace(now);
      this.#phase = "settled";
      clearTimeout(deadline);
      options.handshakes?.observe((now - acceptedAt) / 1000);
    };
    try {
      const { conn, isJoin } = await this.#raw.open(() => this.#turn());
      this.#conn = conn;
      if (this.#phase !== "handshake") return;
      this.#phase = "hello";
      const source = this.#source;
      return await options.handle({
        ...{ conn, source, isJoin, settle },
        ...accountOf(this.#slot),
      });
    } finally {
      clearTimeout(deadline);
    }
  }

  /** Takes a place among the connections that have said hello. */
  #takePlace(now: number): void {
    const outcome = this.#slot.settle(now, this.#conn);
    if (outcome.kind === "refused") {
      throw new ProtocolError(outcome.reason, NO_ROOM_TEXTS[outcome.reason]);
    }
    this.#all.end(outcome.replaced, "connection_replaced");
  }

  #reportFailure(error: unknown): void {
    const { incidents } = this.#all.options;
    if (this.#phase === "ended") return;
    if (this.#phase === "handshake" && error instanceof ProtocolError) {
      this.#slot.spoil(performance.now());
      incidents.refused("bad_handshake", this.#raw.remote);
    } else incidents.failed(error, this.#raw.remote);
  }
}

/** A separate function: what it refers to stays as long as the connection. */
function accountOf(
  slot: Slot,
): Pick<Accepted, "countApart" | "giveTurnBack"> {
  return {
    countApart: () => slot.setApart(performance.now()),
    giveTurnBack: () => slot.giveTurnBack(),
  };
}
