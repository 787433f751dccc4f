/** A relay that invites a node to more tunnels than relays have for one node. */

import { assertEquals } from "@std/assert";
import type { Channel } from "../../lib/protocol/channel.ts";
import { DIRECTION } from "../../lib/protocol/messages.ts";
import { within } from "../_event_log.ts";
import { IDENTITIES, startNode } from "../_network.ts";
import { startScriptedRelay } from "../_scripted_relay.ts";

/** Answers a node until it is attached. */
async function attach(channel: Channel): Promise<void> {
  for (;;) {
    const message = await channel.receive(DIRECTION.nodeToRelay);
    if (message?.kind === "register") {
      const lease = { leaseSeconds: 60, renewSeconds: 20 };
      await channel.send({ kind: "registered", ...lease });
    } else if (message?.kind === "attach") {
      return await channel.send({ kind: "attached" });
    } else return;
  }
}

const keyOf = (n: number) => `${n}`.padStart(22, "A");

Deno.test("A node takes relayTunnelCount tunnels of a relay and declines more, whatever addresses the relay gives their clients, until one has ended", async () => {
  const most = 3;
  using port = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const declined = Promise.withResolvers<string>();
  const ended = Promise.withResolvers<void>();
  const full = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<void>();
  const joins: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const join of port) {
      joins.push(join);
      if (joins.length === most) full.resolve();
      if (joins.length === most + 1) taken.resolve();
    }
  })();
  await using relay = await startScriptedRelay(IDENTITIES[0]!, {
    says: { tunnelPort: port.addr.port },
    talk: async (channel) => {
      await attach(channel);
      const invite = (n: number) =>
        channel.send({ kind: "invite", key: keyOf(n), from: `192.0.2.${n}` });
      for (let n = 0; n <= most; n++) await invite(n);
      const answer = await channel.receive(["decline"]);
      declined.resolve(`${answer?.key} ${answer?.code}`);
      await ended.promise;
      // The node notices the end of a tunnel a moment later.
      for (let n = most + 1;; n++) {
        await invite(n);
        const message = await channel.receive(["decline", "withdraw"]);
        if (message?.kind !== "decline") return;
      }
    },
  });
  await using _node = await startNode({ server: relay }, { "f": "one" }, {
    tunnels: "always",
    limits: { relayTunnelCount: most },
  });
  const said = await within(declined.promise, "a tunnel is declined");
  assertEquals(said, `${keyOf(most)} busy`);
  await within(full.promise, "the others are taken");
  joins[0]!.close();
  ended.resolve();
  await within(taken.promise, "another tunnel is taken");
  port.close();
  await accepting;
  for (const join of joins.slice(1)) join.close();
});
