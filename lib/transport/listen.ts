/**
 * Listens, and hands every connection that is let in to a handler of its own.
 * What one connection does, or fails to do, reaches no other.
 *
 * @module
 */

import { addressGroup } from "../address.ts";
import { Admission } from "../admission.ts";
import type { Conn, Endpoint } from "../conn.ts";
import { ProtocolError } from "../errors.ts";
import type { Identity } from "../identity.ts";
import type { Incidents } from "../incidents.ts";
import type { Limits } from "../limits.ts";
import {
  type Acceptor,
  acceptPlain,
  acceptTls,
  type RawConnection,
} from "./accept.ts";

/** A connection that was let in, with TLS established. */
export interface Accepted {
  /** The conn; closed by the listener when the handler returns. */
  readonly conn: Conn;
  /** Ends the handshake deadline: the peer has said hello. */
  settle(): void;
}

/** Options of {@linkcode listen}. */
export interface ListenOptions {
  /** Address to bind and port; 0 lets the system pick. */
  readonly at: Endpoint;
  /** Who this end proves to be; `null` listens without encryption. */
  readonly identity: Identity | null;
  /** The numbers that bound who is let in. */
  readonly limits: Limits;
  /** Connections of one address. */
  readonly connectionsPerAddressCount: number;
  /** Talks to one peer. May throw: only its own conn ends. */
  readonly handle: (accepted: Accepted) => Promise<void>;
  /** Hears of connections that ended early, and of handlers that threw. */
  readonly incidents: Incidents;
}

/** What listens until it is closed. */
export interface Listener {
  /** Where. */
  readonly address: Endpoint;
  /** Connections that are open. */
  readonly connectionCount: number;
  /** Stops accepting, ends what is open, and waits for the handlers. */
  close(): Promise<void>;
}

/**
 * Starts to listen.
 *
 * @throws {Deno.errors} or an `E…` error when the address cannot be bound.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { limits } = options;
  const admission = new Admission({
    ...limits,
    connectionsPerAddressCount: options.connectionsPerAddressCount,
  });
  const running = new Map<RawConnection, Promise<void>>();
  const acceptOptions = {
    at: options.at,
    acceptPauseMs: limits.acceptPauseMs,
    acceptCheckMs: limits.acceptCheckMs,
    onStall: (why: string) => options.incidents.stalled(why),
    onConnection: (raw: RawConnection) => {
      const source = addressGroup(raw.remote.host);
      const outcome = admission.admit(source, performance.now());
      if (outcome.kind === "refused") {
        raw.destroy();
        options.incidents.refused(outcome.reason, raw.remote);
        return;
      }
      const { place } = outcome;
      const run = serveOne(raw, place.settle, options).finally(() => {
        raw.destroy();
        place.leave();
        running.delete(raw);
      });
      running.set(raw, run);
    },
  };
  const acceptor: Acceptor = options.identity === null
    ? acceptPlain(acceptOptions)
    : await acceptTls(options.identity, acceptOptions);
  return {
    address: acceptor.address,
    get connectionCount() {
      return admission.connectionCount;
    },
    close: async () => {
      acceptor.stop();
      for (const raw of running.keys()) raw.destroy();
      await Promise.all(running.values());
    },
  };
}

/** Handshake, then the handler; never rejects. */
async function serveOne(
  raw: RawConnection,
  settlePlace: () => void,
  options: ListenOptions,
): Promise<void> {
  let phase = "handshake" as "handshake" | "hello" | "settled" | "expired";
  // One absolute deadline from accept to hello, whatever trickles in.
  const timer = setTimeout(() => {
    const reason = phase === "hello" ? "no_hello" : "bad_handshake";
    options.incidents.refused(reason, raw.remote);
    phase = "expired";
    raw.destroy();
  }, options.limits.handshakeMs);
  try {
    using conn = await raw.open();
    if (phase !== "handshake") return;
    phase = "hello";
    const settle = () => {
      if (phase !== "hello") return;
      phase = "settled";
      clearTimeout(timer);
      settlePlace();
    };
    await options.handle({ conn, settle });
  } catch (error) {
    if (phase === "expired") return; // told already
    if (phase === "handshake" && error instanceof ProtocolError) {
      options.incidents.refused("bad_handshake", raw.remote);
    } else options.incidents.failed(error, raw.remote);
  } finally {
    clearTimeout(timer);
  }
}
