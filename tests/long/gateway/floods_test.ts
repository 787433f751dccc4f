/**
 * Clients of a gateway that ask for too much: ranges without end, and bytes that
 * they do not take.
 */

import { assertEquals } from "@std/assert";
import { randomBytes, seededRandom } from "../../_random.ts";
import { statusFrom, WebClient } from "../../http/_web_client.ts";
import { startGateway } from "../../gateway/_gateway.ts";

const FILM = randomBytes(1_100_000, seededRandom(47));
const SHARES = { alpha: { "film.mkv": FILM } };
const ASK = "GET /files/film.mkv HTTP/1.1\r\nHost: localhost";

for (
  const [what, ranges] of [
    ["all of the file again and again", Array(1_000).fill("0-")],
    ["overlapping ranges", Array.from({ length: 900 }, (_, n) => `${n}-9999`)],
    ["single bytes", Array.from({ length: 1_200 }, (_, n) => `${n}-${n}`)],
  ] as const
) {
  Deno.test(`Range flood: a head that asks for ${what} gets the file once`, async () => {
    await using gateway = await startGateway(SHARES);
    const range = `bytes=${ranges.join(",")}`.slice(0, 8_000);
    const { status, fields, body } = await gateway.ask(
      "GET /files/film.mkv",
      { Range: range },
    );
    assertEquals([status, body.length], [200, FILM.length]);
    assertEquals(fields.has("content-range"), false);
    const long = await gateway.ask("GET /files/film.mkv", {
      Range: `bytes=${"0-,".repeat(4_000)}`,
    });
    assertEquals(long.status, 431);
  });
}

Deno.test("Range flood: hundreds of requests at once on one connection are answered one after the other", async () => {
  await using gateway = await startGateway(SHARES);
  using client = await WebClient.to(gateway.server.address);
  const count = 200;
  const requests = Array.from(
    { length: count },
    (_, n) => `${ASK}\r\nRange: bytes=${n * 4_999}-${n * 4_999 + 9}\r\n\r\n`,
  );
  const sending = client.send(requests.join(""));
  for (let n = 0; n < count; n++) {
    const { status, body } = await client.answer();
    assertEquals([n, status], [n, 206]);
    assertEquals(body, FILM.slice(n * 4_999, n * 4_999 + 10));
  }
  await sending;
});

for (
  const [whose, from] of [["another", "127.0.0.2"], ["their", "127.0.0.1"]]
) {
  Deno.test(`A gateway whose connections are all held by readers that read nothing serves ${whose} address`, async () => {
    // More than the system takes for a reader that does not.
    const film = new Uint8Array(16 * 1024 * 1024);
    await using gateway = await startGateway({ alpha: { "film.mkv": film } }, {
      limits: { webConnectionCount: 6, webOwnStalledMs: 0 },
    });
    const { address } = gateway.server;
    const slow: WebClient[] = [];
    for (let n = 0; n < 24; n++) {
      const client = await WebClient.to(address);
      slow.push(client);
      // It was refused, or is evicted.
      await client.send(`${ASK}\r\n\r\n`).catch(() => {});
      if (n < 6) await client.take(1);
    }
    const statuses: number[] = [];
    for (let n = 0; n < 12; n++) {
      const line = `${ASK}\r\nRange: bytes=${n}-${n + 9}\r\nConnection: close`;
      let status = 0;
      // One of them is evicted once it has more than it takes.
      while (status === 0) status = await statusFrom(from!, address, line);
      statuses.push(status);
    }
    assertEquals(statuses, Array(12).fill(206));
    for (const client of slow) client[Symbol.dispose]();
  });
}
