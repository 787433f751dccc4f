/**
 * A relay that says hello, and then what a test wants.
 */

import { LIMITS } from "../lib/base/limits.ts";
import { Incidents } from "../lib/guard/incidents.ts";
import type { Identity } from "../lib/identity/identity.ts";
import { Channel } from "../lib/protocol/channel.ts";
import { receivePeer } from "../lib/protocol/hello.ts";
import type { Hello } from "../lib/protocol/messages.ts";
import { listen, type Listener } from "../lib/transport/listen.ts";

/** Starts it; `talk` talks to each peer after the hello. */
export async function startScriptedRelay(
  identity: Identity,
  { says = {}, talk }: {
    /** Further fields of its hello. */
    says?: Partial<Hello>;
    talk: (channel: Channel) => Promise<void>;
  },
): Promise<Listener & AsyncDisposable> {
  const incidents = new Incidents(0, () => {});
  const introduction = {
    role: "relay",
    id: identity.id,
    nonce: "AAAA",
    ...says,
  };
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity,
    limits: LIMITS,
    connectionsPerAddressCount: 10,
    incidents,
    handle: async ({ conn, settle }) => {
      const timing = { writeStallMs: 10_000, idleMs: 60_000 };
      await using channel = new Channel(conn, { limits: LIMITS, ...timing });
      const reception = { introduction, settle, incidents };
      await receivePeer(channel, reception, () => talk(channel));
    },
  });
  return Object.assign(listener, {
    [Symbol.asyncDispose]: () => listener.close(),
  });
}
