import type { Channel } from "../../lib/protocol/channel.ts";
import type { Conn } from "../../lib/base/conn.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { type IncidentEvent, Incidents } from "../../lib/guard/incidents.ts";
import { type TunnelEvent, Tunnels } from "../../lib/relay/tunnels.ts";
import { EventLog, within } from "../_event_log.ts";
import { IDENTITIES, type TestRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";

export const [, alice, bob] = IDENTITIES as [Identity, Identity, Identity];

export const BYTES = randomBytes(100_000, seededRandom(1));

export async function endingOf(
  relay: TestRelay,
  id: string = alice.id,
): Promise<string> {
  const { how } = await relay.log.until(
    "tunnel_ended",
    (event) => event.id === id,
  );
  return how;
}

/** Until the other side has ended, one way or the other. */
export function untilEnd(conn: Conn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  const ended = (async () => {
    while (await conn.read(buffer).catch(() => null) !== null);
  })();
  return within(ended, "the end");
}

/** Tunnels without a relay around them. */
export function tunnelsBySelf(limits: Partial<Limits> = {}) {
  const log = new EventLog<TunnelEvent>();
  const incidents = new EventLog<IncidentEvent>();
  const tunnels = new Tunnels({
    limits: { ...LIMITS, ...limits },
    incidents: new Incidents(0, incidents.onEvent),
    onEvent: log.onEvent,
  });
  return { tunnels, log, incidents };
}

/** The part of a channel that tunnels use. */
export function channelWith(
  send: (message: { kind: string }) => void,
  close: () => void = () => {},
): Channel {
  return {
    // deno-lint-ignore require-await -- throws as a channel does
    send: async (message: { kind: string }) => send(message),
    close: () => Promise.resolve(close()),
  } as unknown as Channel;
}
