/**
 * Listens, and gives each admitted connection to the handler. The failure of
 * one connection does not affect another.
 *
 * @module
 */

import { addressGroup } from "../base/address.ts";
import { Admission, type Slot } from "../guard/admission.ts";
import { HandshakeOrder } from "../guard/handshake_order.ts";
import type { Conn, Endpoint } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";
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
  /** Whether it came in the clear, with a tunnel key. */
  readonly isJoin: boolean;
  /** Ends the handshake deadline, after the peer's hello. */
  settle(): void;
  /**
   * Counts it with the connections of holders, whose limits are their own.
   *
   * @returns whether there was room.
   */
  countApart(): boolean;
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
  /** Whether tunnel ends may connect in the clear to a TLS port. */
  readonly acceptsJoins?: boolean;
  /** Talks to one peer. If it throws, only this connection ends. */
  readonly handle: (accepted: Accepted) => Promise<void>;
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
  /** Of these, connections that have not said hello yet. */
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
      return connections.admission.connectionCount;
    },
    get handshakeCount() {
      return connections.admission.handshakeCount;
    },
    take: (raw) => connections.take(raw),
    close: () => {
      acceptor.stop();
      return connections.close();
    },
  };
}

/** The open connections of a listener. */
class AcceptedConnections {
  readonly #options: ListenOptions;
  readonly #turns: HandshakeTurns;
  readonly #open = new Map<Slot, AcceptedConnection>();
  readonly admission: Admission;
  #isClosing = false;

  constructor(options: ListenOptions) {
    this.#options = options;
    const { limits, connectionsPerAddressCount } = options;
    const order = new HandshakeOrder(limits);
    this.admission = new Admission(
      { ...limits, connectionsPerAddressCount },
      order.blame.bind(order),
    );
    this.#turns = new HandshakeTurns(order, limits, () => performance.now());
  }

  /** Admits or refuses a connection before it has a socket. */
  admit(host: string, source = addressGroup(host)): Welcome | undefined {
    const outcome = this.#isClosing
      ? CLOSING
      : this.admission.admit(source, performance.now());
    if (outcome.kind === "refused") {
      this.#options.incidents.refused(outcome.reason, { host, port: 0 });
      return undefined;
    }
    const { slot, evicted } = outcome;
    if (evicted !== undefined) {
      this.#open.get(evicted)?.end("handshake_evicted");
    }
    return (raw) => {
      const connection = new AcceptedConnection(
        { raw, source, slot, turns: this.#turns },
        this.#options,
      );
      this.#open.set(slot, connection);
      void connection.done.then(() => this.#open.delete(slot));
    };
  }

  /** Admits a connection that has a socket; returns whether it did. */
  take(raw: RawConnection): boolean {
    const welcome = this.admit(raw.remote.host, raw.source);
    if (welcome === undefined) raw.destroy();
    else welcome(raw);
    return welcome !== undefined;
  }

  /** Refuses further connections, ends the open ones, and waits for them. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const open = [...this.#open.values()];
    for (const connection of open) connection.end();
    await Promise.all(open.map(({ done }) => done));
    this.#turns[Symbol.dispose]();
  }
}

const CLOSING = { kind: "refused", reason: "closing" } as const;

/** One admitted connection: handshake, then the handler. */
class AcceptedConnection {
  readonly #raw: RawConnection;
  readonly #source: string;
  readonly #slot: Slot;
  readonly #turns: HandshakeTurns;
  #waiting: WaitingHandshake | undefined;
  readonly #options: ListenOptions;
  #phase: "handshake" | "hello" | "settled" | "ended" = "handshake";
  /** Resolves at the end of the connection; never rejects. */
  readonly done: Promise<void>;

  constructor(
    { raw, source, slot, turns }: {
      raw: RawConnection;
      source: string;
      slot: Slot;
      turns: HandshakeTurns;
    },
    options: ListenOptions,
  ) {
    this.#raw = raw;
    this.#source = source;
    this.#slot = slot;
    this.#turns = turns;
    this.#options = options;
    this.done = this.#run();
  }

  /**
   * Ends the connection from this side; `reason` is reported, if given. Errors
   * of its handler are then a consequence and not reported.
   */
  end(reason?: string): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    if (reason !== undefined) {
      this.#options.incidents.refused(reason, this.#raw.remote);
    }
    this.#raw.destroy();
    this.#waiting?.[Symbol.dispose]();
  }

  /** Waits until its handshake may begin. */
  async #turn(): Promise<void> {
    this.#waiting = this.#turns.wait(this.#source);
    await this.#waiting.turn;
    this.#waiting = undefined; // it may idle for hours after this
  }

  async #run(): Promise<void> {
    const acceptedAt = performance.now();
    // One absolute deadline from accept to hello; trickling bytes do not extend
    // it.
    const deadline = setTimeout(
      () => this.end(this.#phase === "hello" ? "no_hello" : "bad_handshake"),
      this.#options.limits.handshakeMs,
    );
    const settle = () => {
      if (this.#phase !== "hello") return;
      this.#phase = "settled";
      clearTimeout(deadline);
      const seconds = (performance.now() - acceptedAt) / 1000;
      this.#options.handshakes?.observe(seconds);
      this.#slot.settle();
      this.#turns.finished(this.#source);
    };
    try {
      const { conn, isJoin } = await this.#raw.open(() => this.#turn());
      using _conn = conn;
      if (this.#phase !== "handshake") return;
      this.#phase = "hello";
      const source = this.#source;
      const countApart = () => this.#slot.setApart(performance.now());
      await this.#options.handle({ conn, source, isJoin, settle, countApart });
    } catch (error) {
      this.#tellFailure(error);
    } finally {
      clearTimeout(deadline);
      this.#waiting?.[Symbol.dispose]();
      this.#raw.destroy();
      this.#slot.leave();
    }
  }

  #tellFailure(error: unknown): void {
    const { incidents } = this.#options;
    if (this.#phase === "ended") return;
    if (this.#phase === "handshake" && error instanceof ProtocolError) {
      this.#slot.spoil(performance.now());
      incidents.refused("bad_handshake", this.#raw.remote);
    } else incidents.failed(error, this.#raw.remote);
  }
}
