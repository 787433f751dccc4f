/** The offers that a client makes to holders which cannot dial it. */

import { assertEquals } from "@std/assert";
import type { Conn } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import type { Channel } from "../../lib/protocol/channel.ts";
import { Offers } from "../../lib/swarm/offers.ts";
import type { NodeSession } from "../../lib/transfer/session.ts";
import type { ListedHolder } from "../../lib/uplink/listed_holders.ts";

const { swarmDialCount, swarmConnectionIdleMs, pieceMinBytes } = LIMITS;

/** Offers of a client whose connections the test moves bytes over. */
function offering() {
  const clock = { ms: 0 };
  const ended: string[] = [];
  const conns = new Map<string, { movedBytes: number }>();
  const offers = new Offers({
    content: "c",
    id: "me",
    limits: LIMITS,
    isNeeded: () => true,
    dial: ({ id }, signal) => {
      const over = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => {
        ended.push(id);
        over.resolve();
      });
      const conn = { movedBytes: 0 };
      conns.set(id, conn);
      const channel = { conn: conn as unknown as Conn, over: over.promise };
      return Promise.resolve({
        endOn: () => {},
        offer: () => Promise.resolve(channel),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      } as unknown as NodeSession);
    },
    give: (channel) => (channel as Channel & { over: Promise<void> }).over,
    now: () => clock.ms,
  });
  const met = async (id: string, host: string) => {
    offers.met({
      id,
      addresses: [{ host, port: 1 }],
      signed: {},
    } as unknown as ListedHolder);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  return { offers, met, ended, clock, conns };
}

Deno.test("Offers replaces an offer to a holder of an address group that has two places more", async () => {
  const { offers, met, ended } = offering();
  await using _offers = offers;
  for (let n = 0; n < swarmDialCount; n++) await met(`a${n}`, "192.0.2.1");
  await met("one more", "192.0.2.1");
  assertEquals(ended, []);
  await met("honest", "192.0.2.2");
  assertEquals(ended, ["a0"]);
  await met("a0", "192.0.2.1");
  assertEquals(ended, ["a0"], "it rests, and has most places");
});

Deno.test("Offers replaces an offer over which no piece was taken for swarmConnectionIdleMs, whatever it was sent", async () => {
  const { offers, met, ended, clock, conns } = offering();
  await using _offers = offers;
  for (let n = 0; n < swarmDialCount; n++) await met(`a${n}`, `192.0.2.${n}`);
  clock.ms = swarmConnectionIdleMs - 1;
  for (const [id, conn] of conns) {
    conn.movedBytes = id === "a3" ? pieceMinBytes - 1 : pieceMinBytes;
  }
  await met("b", "198.51.100.1");
  assertEquals(ended, []);
  clock.ms = swarmConnectionIdleMs;
  await met("b", "198.51.100.1");
  assertEquals(ended, ["a3"]);
});
