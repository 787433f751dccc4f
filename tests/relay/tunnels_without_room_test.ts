/**
 * A relay that has no room for an end of a tunnel, which has shown its key.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { ProtocolError } from "../../lib/base/errors.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";
import { within } from "../_event_log.ts";
import { memoryPair } from "../_memory_conn.ts";
import { channelWith, tunnelsBySelf } from "./_tunnels.ts";

for (const place of ["first", "second"] as const) {
  Deno.test(`A tunnel ends for both ends if there is no room for the end that connects ${place}`, async () => {
    const { tunnels, log } = tunnelsBySelf({ tunnelJoinMs: 50, sweepMs: 5 });
    const keys: string[] = [];
    const channel = channelWith((message) => {
      if ("key" in message) keys.push(String(message.key));
    });
    using _attached = tunnels.attach("node", channel);
    const answer = tunnels.open("node", { host: "192.0.2.7", port: 5 });
    if (answer.kind !== "rendezvous") throw new Error(answer.kind);
    /** The end that shows `key`; the listener closes its conn at the end. */
    const join = async (key: string, settle: () => void) => {
      const [far, near] = memoryPair();
      await far.write(encodeMessage({ kind: "join", key }));
      const accepted = { conn: near, source: "192.0.2.0", isJoin: true };
      const account = { countApart: () => true, giveTurnBack: () => {} };
      try {
        await tunnels.join({ ...accepted, ...account, settle });
      } finally {
        near.close();
      }
    };
    const full = () => {
      throw new ProtocolError("too_many_connections", "no room");
    };
    const enters = () => {};
    const node = join(keys[0]!, place === "first" ? full : enters);
    const refused = place === "first"
      ? assertRejects(() => node, ProtocolError)
      : undefined;
    await refused;
    const client = join(answer.key, place === "second" ? full : enters);
    if (place === "second") await assertRejects(() => client, ProtocolError);
    const { how } = await log.until("tunnel_ended");
    await within(Promise.allSettled([node, client]), "both ends");
    assertEquals([how, tunnels.count], ["failed", 0]);
    await tunnels.close();
  });
}
