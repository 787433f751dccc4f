/**
 * The kinds of conns that one table of cases runs over: in memory, and over
 * loopback sockets in the clear and with TLS, through the real transport.
 */

import { type Conn, formatEndpoint } from "../lib/base/conn.ts";
import { createIdentity } from "../lib/identity/identity.ts";
import { Incidents } from "../lib/guard/incidents.ts";
import { LIMITS } from "../lib/base/limits.ts";
import { dial } from "../lib/transport/dial.ts";
import { listen } from "../lib/transport/listen.ts";
import { memoryPair } from "./_memory_conn.ts";

/** A dialled conn and the accepted one; disposing closes both. */
export interface ConnPair extends AsyncDisposable {
  readonly dialled: Conn;
  readonly accepted: Conn;
}

/** A way to get a pair. */
export interface ConnPairKind {
  readonly name: string;
  readonly open: () => Promise<ConnPair>;
}

const identity = await createIdentity();

export const CONN_PAIRS: readonly ConnPairKind[] = [
  { name: "in memory", open: () => Promise.resolve(openInMemory()) },
  {
    name: "in memory, a byte at a time",
    open: () => Promise.resolve(openInMemory(() => 1)),
  },
  { name: "over loopback TCP", open: () => openLoopback(false) },
  { name: "over loopback TLS", open: () => openLoopback(true) },
];

function openInMemory(sliceBytes?: () => number): ConnPair {
  const [dialled, accepted] = memoryPair(sliceBytes ? { sliceBytes } : {});
  return {
    dialled,
    accepted,
    [Symbol.asyncDispose]: () => {
      dialled.close();
      accepted.close();
      return Promise.resolve();
    },
  };
}

async function openLoopback(tls: boolean): Promise<ConnPair> {
  const arrived = Promise.withResolvers<Conn>();
  const done = Promise.withResolvers<void>();
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity: tls ? identity : null,
    limits: LIMITS,
    connectionsPerAddressCount: 8,
    incidents: new Incidents(
      0,
      ({ event }) => arrived.reject(new Error(event)),
    ),
    handle: async ({ conn, settle }) => {
      settle();
      arrived.resolve(conn);
      await done.promise;
    },
  });
  const dialled = await dial(listener.address, {
    peer: tls ? identity : null,
    timeoutMs: 20_000,
  });
  const accepted = await arrived.promise;
  if (formatEndpoint(accepted.remote) !== formatEndpoint(dialled.local)) {
    throw new Error("somebody else dialled");
  }
  return {
    dialled,
    accepted,
    [Symbol.asyncDispose]: async () => {
      dialled.close();
      done.resolve();
      await listener.close();
    },
  };
}
