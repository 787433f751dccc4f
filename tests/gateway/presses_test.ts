/**
 * The presses of a link's button: a double press, a press whose browser has gone,
 * and a download that broke off, of a link of one use.
 */

import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { makeLink } from "../../lib/client/link.ts";
import { tokenOf } from "../../lib/access/token.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { Hashers } from "../../lib/gateway/hashers.ts";
import { LinkGate } from "../../lib/gateway/link_gate.ts";
import { Presses } from "../../lib/gateway/presses.ts";
import { ReaderMemory } from "../../lib/gateway/reader_memory.ts";
import type { GatewayOptions } from "../../lib/gateway/server.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { statusFrom, WebClient } from "../http/_web_client.ts";
import { startGateway } from "./_gateway.ts";

const SECRET = new Uint8Array(32).fill(7);
const CLIENT = { token: tokenOf(SECRET, "client") };
/** More than the buffers of a connection take. */
const LARGE = randomBytes(16 * 1024 * 1024, seededRandom(12));
const LARGE_FILE = { "large.bin": LARGE };
const SMALL_FILE = { "small.txt": "small" };
const PAGE = "page-with-a-button-1";

/** A private relay, a node and a gateway; presses a button of a page. */
async function start(
  files: Readonly<Record<string, string | Uint8Array>>,
  limits: GatewayOptions["limits"] = {},
) {
  const shares = { nas: files };
  const gateway = await startGateway(shares, { secret: SECRET, limits });
  const bodyOf = (link: string, page?: string) =>
    `${new URLSearchParams({ link, ...page === undefined ? {} : { page } })}`;
  const headOf = (body: string) => ({
    "Content-Type": "application/x-www-form-urlencoded",
    "Content-Length": `${body.length}`,
  });
  return {
    relay: gateway.relay,
    address: gateway.server.address,
    link: async (name: string) =>
      (await makeLink({
        ...{ relay: gateway.relay, access: CLIENT, name, uses: 1 },
      })).text,
    press: async (link: string, page?: string) => {
      const body = bodyOf(link, page);
      return await gateway.ask("POST /api/link/open", headOf(body), body);
    },
    /** Presses, and reads no more than the first bytes of the answer. */
    begin: async (link: string, page?: string) => {
      const client = await WebClient.to(gateway.server.address);
      const body = bodyOf(link, page);
      const fields = Object.entries({ Host: "localhost", ...headOf(body) })
        .map(([name, value]) => `${name}: ${value}\r\n`).join("");
      await client.send(
        `POST /api/link/open HTTP/1.1\r\n${fields}\r\n${body}`,
      );
      assertEquals(
        new TextDecoder().decode(await client.take(12)).slice(9),
        "200",
      );
      return client;
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}

Deno.test("A second press in the same page takes over the one use of the first, which has begun", async () => {
  await using one = await start(LARGE_FILE, { gatewayLinkDownloadCount: 1 });
  const link = await one.link("large.bin");
  using _first = await one.begin(link, PAGE);
  const second = await one.press(link, PAGE);
  assertEquals(second.status, 200);
  assertEquals(second.body.length, LARGE.length);
  // Another page, another press.
  assertEquals((await one.press(link, `${PAGE}0`)).status, 410);
});

Deno.test("An interrupted download may be started again in the same page, for the same use", async () => {
  await using one = await start(LARGE_FILE);
  const link = await one.link("large.bin");
  for (let n = 0; n < 2; n++) {
    const broken = await one.begin(link, PAGE);
    broken[Symbol.dispose]();
  }
  assertEquals((await one.press(link, PAGE)).body.length, LARGE.length);
  assertEquals((await one.press(link)).status, 410);
});

for (
  const [againMs, status] of [[60_000, 200], [0, 410]] as const
) {
  Deno.test(`A press after all of the file was sent is answered with ${status}, with gatewayPressAgainMs of ${againMs}`, async () => {
    await using one = await start(SMALL_FILE, { gatewayPressAgainMs: againMs });
    const link = await one.link("small.txt");
    assertEquals((await one.press(link, PAGE)).text, "small");
    assertEquals((await one.press(link, PAGE)).status, status);
  });
}

Deno.test("A press whose browser disconnects before its turn uses up nothing", async () => {
  await using one = await start(SMALL_FILE);
  const limits = limitsWith({});
  using hashers = new Hashers();
  await using door = new LinkGate({
    client: { relay: one.relay, access: CLIENT },
    emit: () => {},
    ...{ limits, hashers, memory: new ReaderMemory(limits) },
  });
  const remote = { host: "127.0.0.1", port: 1 };
  const [first, second] = [
    await one.link("small.txt"),
    await one.link("small.txt"),
  ];
  const gone = AbortSignal.abort(new Error("it left"));
  await assertRejects(() => door.open(first, { remote, signal: gone }));
  // The second waits for the first, and its browser leaves meanwhile.
  const leaving = new AbortController();
  const { signal } = new AbortController();
  const opened = door.open(first, { remote, signal });
  const left = door.open(second, { remote, signal: leaving.signal });
  const isLeft = assertRejects(() => left);
  leaving.abort(new Error("it left"));
  assertEquals((await opened).kind, "welcome");
  await isLeft;
  assertEquals((await door.open(second, { remote, signal })).kind, "welcome");
});

Deno.test("Presses gives one page the same press for gatewayPressRetryMs, and remembers gatewayPressCount", () => {
  const limits = { ...LIMITS, gatewayPressRetryMs: 100, gatewayPressCount: 2 };
  const presses = new Presses(limits);
  const of = (link: string, page: string | undefined, now: number) =>
    presses.of(link, { id: page, group: "a", now }).fetch;
  const press = presses.of("a", { id: PAGE, group: "a", now: 0 });
  assertEquals(press.fetch, of("a", PAGE, 1e9), "it waits for its file");
  presses.begun(press, () => {});
  presses.ended(press, 1_000);
  assertEquals(of("a", PAGE, 1_099), press.fetch);
  assertNotEquals(of("b", PAGE, 1_099), press.fetch);
  assertNotEquals(of("a", undefined, 1_099), press.fetch);
  assertNotEquals(of("a", "short", 1_099), press.fetch);
  assertEquals(of("a", PAGE, 1_099), press.fetch);
  of("c", PAGE, 1_099); // the third: the oldest is forgotten, and that is "b"
  assertEquals(of("a", PAGE, 1_099), press.fetch);
  assertNotEquals(of("a", PAGE, 1_100), press.fetch);
});

Deno.test("Presses lets a file that was sent be sent again for gatewayPressAgainMs, however often", () => {
  const limits = { ...LIMITS, gatewayPressAgainMs: 100 };
  const presses = new Presses(limits);
  const press = presses.of("a", { id: PAGE, group: "a", now: 0 });
  for (const now of [0, 60, 99]) {
    assertEquals(presses.of("a", { id: PAGE, group: "a", now: now }), press);
    presses.begun(press, () => {});
    presses.delivered(press, now);
    presses.ended(press, now);
  }
  assertNotEquals(presses.of("a", { id: PAGE, group: "a", now: 100 }), press);
});

Deno.test("Presses forgets those of the address with most, regardless of who pressed first", () => {
  const presses = new Presses({ ...LIMITS, gatewayPressCount: 4 });
  const press = (group: string, n: number) =>
    presses.of("a", { id: `${PAGE}-${group}-${n}`, group, now: 0 });
  const honest = press("honest", 0);
  for (let n = 0; n < 100; n++) press(n % 2 === 0 ? "even" : "odd", n);
  assertEquals(press("honest", 0), honest);
});

Deno.test("Links that a gateway does not open make it forget no press of another address", async () => {
  await using one = await start(LARGE_FILE, { gatewayPressCount: 3 });
  const link = await one.link("large.bin");
  const broken = await one.begin(link, PAGE);
  broken[Symbol.dispose]();
  for (let n = 0; n < 4; n++) {
    const body = `${new URLSearchParams({ link, page: `${PAGE}-${n}` })}`;
    const request = "POST /api/link/open HTTP/1.1\r\nHost: localhost\r\n" +
      `Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const status = await statusFrom("127.0.0.2", one.address, request);
    assertEquals(status >= 400, true, `${status}`);
  }
  assertEquals((await one.press(link, PAGE)).status, 200);
});
