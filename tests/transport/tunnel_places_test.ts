/** Connections through tunnels, whose addresses a relay chooses. */

import { assertEquals } from "@std/assert";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { tunnelSource } from "../../lib/guard/admission.ts";
import { Incidents } from "../../lib/guard/incidents.ts";
import type { RawConnection } from "../../lib/transport/accept.ts";
import { listen } from "../../lib/transport/listen.ts";
import { memoryPair } from "../_memory_conn.ts";
import { within } from "../_event_log.ts";

/** One that stays in its handshake until it is ended. */
function silentFrom(source: string): RawConnection {
  const ended = Promise.withResolvers<never>();
  return {
    remote: { host: "192.0.2.1", port: 1 },
    source,
    open: () => ended.promise,
    destroy: () => ended.reject(new Deno.errors.ConnectionReset("ended")),
  };
}

Deno.test("A listener lets a direct connection in at once, while handshakes through tunnels of any number of addresses take all places that they may have", async () => {
  const served = Promise.withResolvers<string>();
  const listener = await listen({
    at: { host: "127.0.0.1", port: 0 },
    identity: null,
    limits: limitsWith({ handshakeMs: 600_000, handshakeGraceMs: 600_000 }),
    connectionsPerAddressCount: 10,
    incidents: new Incidents(0, () => {}),
    handle: ({ source }) => Promise.resolve(served.resolve(source)),
  });
  for (let n = 0; n < LIMITS.handshakeCount; n++) {
    listener.take(silentFrom(tunnelSource(`192.0.2.${n}`)));
  }
  assertEquals(listener.handshakeCount, LIMITS.handshakeCount);
  const source = "198.51.100.7";
  const [, conn] = memoryPair();
  const open = () => Promise.resolve({ conn, isJoin: false });
  const direct = { ...silentFrom(source), open, destroy: () => conn.close() };
  assertEquals(listener.take(direct), true);
  assertEquals(await within(served.promise, "it is served"), source);
  await listener.close();
});
