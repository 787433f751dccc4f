import { assert, assertEquals, assertLess } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { FakeTime } from "../_fake_time.ts";
import { startNode, startRelay } from "../_network.ts";
import { ownAddress } from "../_own_address.ts";
import { ENTRANCES, startAttached } from "./_registrar.ts";

Deno.test("A registrar that loses its relay reports it, returns with full jitter, and attaches again without asking", async () => {
  using time = new FakeTime();
  const stay = startAttached({ random: () => 0.5 });
  await time.advance(0);
  const lose = () => {
    stay.relay.away = true;
    for (const channel of stay.relay.channels) channel.conn.close();
  };
  lose();
  await time.advance(0);
  assertEquals(stay.reported.at(-1), "detached lost");
  const waits: number[] = [];
  for (let n = 0; n < 4; n++) {
    waits.push(Math.round(time.nextTimerMs));
    await time.advance(time.nextTimerMs);
  }
  assertEquals(waits, [250, 500, 1_000, 2_000]);
  stay.relay.away = false;
  stay.relay.asked.length = 0;
  await time.advance(time.nextTimerMs);
  assertEquals(stay.relay.asked, ["register", "attach"]);
  assertEquals(stay.reported.at(-1), "attached unreachable");
  await stay.stop();
  const full = startAttached({ random: () => 0 });
  await time.advance(0);
  for (const channel of full.relay.channels) channel.conn.close();
  await time.advance(0);
  assertEquals(full.reported.slice(-2), [
    "detached lost",
    "attached unreachable",
  ]);
  await full.stop();
});

Deno.test("A registrar that was replaced learns why, and tries again", async () => {
  using time = new FakeTime();
  const stay = startAttached();
  await time.advance(0);
  for (const channel of stay.relay.channels) {
    void channel.send({ kind: "refused", code: "replaced", text: "again" });
  }
  await time.advance(0);
  assertEquals(stay.reported.at(-1), "detached lost");
  const failed = stay.log.events.find(({ event }) =>
    event === "registration_failed"
  );
  assert(failed?.event === "registration_failed");
  assertEquals(failed.error.parts.why.includes("replaced"), true);
  await time.advance(1_000);
  assertEquals(stay.reported.at(-1), "attached unreachable");
  await stay.stop();
});

Deno.test("A registrar passes invitations on with the entrances, and declines those that are refused", async () => {
  using time = new FakeTime();
  const stay = startAttached();
  await time.advance(0);
  const [channel] = stay.relay.channels;
  const key = "AAECAwQFBgcICQoLDA0ODw";
  const invite = { kind: "invite", key, from: "192.0.2.7" } as const;
  await channel!.send(invite);
  await time.advance(0);
  const from = "192.0.2.7";
  const invitation = { relay: "relay:1700", entrances: ENTRANCES, key, from };
  assertEquals(stay.invitations, [invitation]);
  assertEquals(stay.relay.asked.includes("decline"), false);
  stay.lets = false;
  await channel!.send(invite);
  await time.advance(0);
  assertEquals(stay.invitations.length, 2);
  assertEquals(stay.relay.asked.at(-1), "decline");
  await stay.stop();
});

Deno.test("An attached node that gets nothing from its relay for 65 s attaches again", async () => {
  assertEquals(LIMITS.attachedIdleMs, 65_000);
  assertLess(3 * LIMITS.pingMs, LIMITS.attachedIdleMs, "two may be lost");
  await using relay = await startRelay({
    limits: { pingMs: 60_000, renewSeconds: 60, leaseSeconds: 200 },
  });
  await using node = await startNode(relay, {}, {
    tunnels: "always",
    limits: { attachedIdleMs: 200, retryFirstMs: 10 },
  });
  await node.log.until("detached", ({ why }) => why === "lost");
  await node.log.until("registration_failed");
});

Deno.test("A node that only notices the end of its connection is listed again at once when its relay is back", async () => {
  // Renewals are far apart: only the broken connection can be what it heeds.
  const at = ownAddress();
  const first = await startRelay({
    ...at,
    limits: { renewSeconds: 40, leaseSeconds: 120 },
  });
  await using node = await startNode(first, { "1.txt": "one" });
  await first.server.close();
  await using again = await startRelay(at);
  const registered = await again.log.until("node_registered");
  assertEquals(registered.id, node.server.id);
});

Deno.test("A node is listed again by itself after its relay restarted empty", async () => {
  const limits = { renewMinSeconds: 1, retryFirstMs: 50 };
  const at = ownAddress();
  const first = await startRelay({
    ...at,
    limits: { renewSeconds: 1, leaseSeconds: 3 },
  });
  await using node = await startNode(first, { "1.txt": "one" }, { limits });
  await first.server.close();
  await node.log.until("registration_failed");
  await using again = await startRelay(at);
  const registered = await again.log.until("node_registered");
  assertEquals(registered.id, node.server.id);
});
