import { assertEquals } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import { Reports } from "../../lib/client/reports.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { DIRECTION } from "../../lib/protocol/messages.ts";
import type { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { memoryPair } from "../_memory_conn.ts";

Deno.test("Reports names 64 nodes, each once, over one connection, and waits for no answer", async () => {
  const received: string[][] = [];
  let opened = 0;
  const ended: Promise<void>[] = [];
  const dialer = {
    open: () => {
      opened++;
      const [near, far] = memoryPair();
      const options = { limits: LIMITS, writeStallMs: 1e6, idleMs: 1e6 };
      const there = new Channel(far, options);
      const channel = new Channel(near, options);
      there.openUp();
      channel.openUp();
      ended.push((async () => {
        for (;;) {
          const message = await there.receive(DIRECTION.clientToRelay);
          if (message?.kind !== "report") return await there.close();
          received.push([...message.ids]);
        }
      })());
      return Promise.resolve({ channel });
    },
  } as unknown as RelayDialer;
  const ids = Array.from({ length: 100 }, (_, n) => `${n}`.padStart(52, "a"));
  {
    await using reports = new Reports({ dialer, limits: LIMITS });
    for (const id of ids.slice(0, 10)) reports.add(id);
    for (const id of ids.slice(0, 10)) reports.add(id);
    await Promise.resolve();
    for (const id of ids) reports.add(id);
  }
  await Promise.all(ended);
  assertEquals(opened, 1);
  assertEquals(received.flat(), ids.slice(0, LIMITS.reportCount));
});

Deno.test("Reports names 16 nodes that an index named wrongly, each once", async () => {
  const received: string[][] = [];
  const [near, far] = memoryPair();
  const options = { limits: LIMITS, writeStallMs: 1e6, idleMs: 1e6 };
  const [channel, there] = [near, far].map((conn) =>
    new Channel(conn, options)
  ) as [Channel, Channel];
  for (const one of [channel, there]) one.openUp();
  const ended = (async () => {
    for (;;) {
      const message = await there.receive(DIRECTION.clientToRelay);
      if (message?.kind !== "report") return await there.close();
      assertEquals(message.ids, []);
      received.push([...message.wrong ?? []]);
    }
  })();
  const dialer = {
    open: () => Promise.resolve({ channel }),
  } as unknown as RelayDialer;
  const ids = Array.from({ length: 40 }, (_, n) => `${n}`.padStart(52, "a"));
  {
    await using reports = new Reports({ dialer, limits: LIMITS });
    for (const id of [...ids, ...ids]) reports.addWrong(id);
  }
  await ended;
  assertEquals(received.flat(), ids.slice(0, LIMITS.wrongHitCount));
});

Deno.test("Reports are lost if the relay is down, without other effects", async () => {
  const dialer = {
    open: () => Promise.reject(new Deno.errors.ConnectionRefused()),
  } as unknown as RelayDialer;
  await using reports = new Reports({ dialer, limits: LIMITS });
  reports.add("a".repeat(52));
});
