/**
 * Links in a browser: a page, a look that spends nothing, and a download that
 * spends one use; and what strangers try with them.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { formatLink, parseLink } from "../../lib/access/link.ts";
import { tokenOf } from "../../lib/access/token.ts";
import type { RelayAddress } from "../../lib/base/address.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { serveGateway } from "../../lib/gateway/server.ts";
import { ownAddress } from "../_own_address.ts";
import { IDENTITIES, startRelay } from "../_network.ts";
import { statusFrom, WebClient } from "../http/_web_client.ts";
import { BYTES, FORM_TYPE, JSON_TYPE, start, TOKEN } from "./_link_door.ts";

/** The same link, as if the relay were elsewhere, or the pass another one. */
function altered(
  text: string,
  { relay, pass }: { relay?: Required<RelayAddress>; pass?: string },
): string {
  const link = parseLink(text);
  return formatLink({
    ...link,
    relay: relay ?? link.relay,
    ...pass === undefined ? {} : { pass },
  });
}

/** A pass like it, with a code that its relay did not make. */
function forged(text: string, n: number): string {
  const bytes = Uint8Array.fromBase64(parseLink(text).pass!, {
    alphabet: "base64url",
  });
  bytes[bytes.length - 1 - n]! ^= 1;
  const pass = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  return altered(text, { pass });
}

Deno.test("A link opens at a gateway without its token, once, and the file is whole", async () => {
  await using one = await start({ token: TOKEN });
  const link = await one.link("trip/grün.bin");
  const page = await one.ask("GET /link");
  assertEquals(page.status, 200);
  assertMatch(page.text, /action="api\/link\/open" method="post"/);
  assertEquals((await one.ask("GET /files/trip/")).status, 401);

  const opened = await one.open(link);
  assertEquals(opened.status, 200);
  assertEquals(opened.body, BYTES);
  assertEquals(
    opened.fields.get("content-disposition"),
    `attachment; filename="gr_n.bin"; filename*=UTF-8''gr%C3%BCn.bin`,
  );
  assertEquals(opened.fields.get("cache-control"), "no-store");
  assertEquals(opened.fields.get("x-content-type-options"), "nosniff");

  const again = await one.open(link);
  assertEquals(again.status, 410);
  assertMatch(again.text, /no uses left; ask the sender for another link/);
});

Deno.test("Looking at a link, a preview, or a program that follows addresses uses up no fetch", async () => {
  await using one = await start();
  const link = await one.link("trip/grün.bin");
  const looked = await one.look(link);
  assertEquals(JSON.parse(looked.text), {
    name: "trip/grün.bin",
    size: BYTES.length,
  });
  for (const method of ["GET", "HEAD"]) {
    for (const path of ["/link", "/api/link/look", "/api/link/open"]) {
      const query = new URLSearchParams({ link });
      const { status } = await one.ask(`${method} ${path}?${query}`);
      assertEquals(status, path === "/link" ? 200 : 405);
    }
  }
  assertEquals((await one.open(link)).body, BYTES);
});

Deno.test("A link in the query is not accepted, nor a body without one", async () => {
  await using one = await start({ isPrivate: false });
  const link = await one.link("trip/grün.bin");
  const query = new URLSearchParams({ link });
  for (
    const [path, type, body] of [
      [`/api/link/open?${query}`, FORM_TYPE, ""],
      [`/api/link/open?${query}`, FORM_TYPE, "a=b"],
      [`/api/link/look?${query}`, JSON_TYPE, "{}"],
      ["/api/link/look", JSON_TYPE, "null"],
      ["/api/link/look", JSON_TYPE, '{"link":7}'],
      ["/api/link/look", JSON_TYPE, "{"],
    ] as const
  ) {
    const { status, text } = await one.post(path, type, body);
    assertEquals([status, text.includes("there is no link")], [400, true]);
  }
});

Deno.test("A link is found in the whole address of its page, followed by the size", async () => {
  await using one = await start({ isPrivate: false });
  const link = await one.link("x.html");
  for (const text of [`${link},size=8`, ` http://h:1/p/link#${link},size=8`]) {
    assertEquals(JSON.parse((await one.look(text)).text).name, "x.html");
    assertEquals((await one.open(text)).text, "<script>");
  }
});

Deno.test("A page of another site can neither see a link nor open it", async () => {
  await using one = await start();
  const link = await one.link("trip/grün.bin");
  const attacks: Record<string, string>[] = [
    { Origin: "https://evil.example" },
    { Origin: "null" },
    { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate" },
    { "Sec-Fetch-Site": "same-site", Origin: "http://localhost:1" },
  ];
  for (const fields of attacks) {
    assertEquals((await one.look(link, fields)).status, 403);
    assertEquals((await one.open(link, fields)).status, 403);
  }
  const rebound = await one.open(link, { Host: "evil.example" });
  assertEquals(rebound.status, 421);
  // A browser that keeps the origin of a page's own form to itself.
  const own = { "Sec-Fetch-Site": "same-origin", Origin: "null" };
  assertEquals((await one.open(link, own)).body, BYTES);
});

Deno.test("A link for another relay is refused, and the address in a link is never dialled", async () => {
  await using one = await start();
  const text = await one.link("trip/grün.bin");
  const { relay } = parseLink(text);
  using trap = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dialled = trap.accept().then(() => true, () => false);
  const { port } = trap.addr as Deno.NetAddr;
  const other = { host: "127.0.0.1", port, id: IDENTITIES[1]!.id };
  for (const ask of [one.look, one.open]) {
    const { status, text: words } = await ask(altered(text, { relay: other }));
    assertEquals(status, 400);
    assertMatch(words, /it is for a relay that this gateway does not use/);
  }
  // Its own relay under a stranger's address: asked at its own.
  const elsewhere = altered(text, { relay: { ...relay, port } });
  assertEquals((await one.open(elsewhere)).body, BYTES);
  trap.close();
  assertEquals(await dialled, false);
});

Deno.test("A gateway that does not know its relay's id learns it, and then opens only links of that relay", async () => {
  await using one = await start({ isPrivate: false });
  const { host, port } = one.at;
  const text = await one.link("trip/grün.bin");
  await using gateway = await serveGateway({
    relay: { host, port },
    listen: { host: "127.0.0.1", port: 0 },
  });
  using client = await WebClient.to(gateway.address);
  const look = async (link: string) => {
    const body = JSON.stringify({ link });
    const fields = { ...JSON_TYPE, "Content-Length": `${body.length}` };
    return await client.ask("POST /api/link/look", fields, body);
  };
  assertEquals(JSON.parse((await look(text)).text).size, BYTES.length);
  const other = { ...parseLink(text).relay, id: IDENTITIES[1]!.id };
  assertEquals((await look(altered(text, { relay: other }))).status, 400);
});

Deno.test("A gateway whose first relay is down opens the links of its second", async () => {
  await using one = await start({ isPrivate: false });
  const { host, port } = one.at;
  await using gateway = await serveGateway({
    relay: ownAddress(),
    relays: [{ address: { host, port } }],
    listen: { host: "127.0.0.1", port: 0 },
  });
  using client = await WebClient.to(gateway.address);
  const body = JSON.stringify({ link: await one.link("trip/grün.bin") });
  const fields = { ...JSON_TYPE, "Content-Length": `${body.length}` };
  const { text } = await client.ask("POST /api/link/look", fields, body);
  assertEquals(JSON.parse(text).size, BYTES.length);
});

Deno.test("A gateway opens a link of several relays by each of its own, also if the link begins with a foreign one", async () => {
  await using one = await start({ token: TOKEN });
  const link = parseLink(await one.link("trip/grün.bin"));
  const { relay: address, pass, ...file } = link;
  const foreign = { host: "192.0.2.1", port: 1, id: IDENTITIES[3]!.id };
  const text = formatLink({
    ...{ ...file, relay: foreign, pass: pass! },
    others: [{ address, pass: pass! }],
  });
  // Neither foreign address nor that of the gateway's relay is dialled.
  const elsewhere = formatLink({
    ...{ ...file, relay: foreign },
    others: [{ address: { ...address, host: "192.0.2.2" }, pass: pass! }],
  });
  assertEquals(JSON.parse((await one.look(elsewhere)).text).name, link.name);
  const opened = await one.open(text);
  assertEquals(opened.status, 200);
  assertEquals(opened.body, BYTES);
});

Deno.test("A gateway of two relays opens a link of which one relay rejects its pass, counts that, and does not ask it again", async () => {
  const secret = new Uint8Array(32).fill(9);
  await using second = await startRelay({
    secrets: { current: secret },
    identity: IDENTITIES[1]!,
  });
  const address = { ...second.server.address, id: second.identity.id };
  await using one = await start({
    token: TOKEN,
    relays: [{ address, token: tokenOf(secret, "client") }],
    limits: { gatewayLinkRejectedCount: 2, relayGraceMs: 60_000 },
  });
  const statuses: number[] = [];
  for (let n = 0; n < 3; n++) {
    const link = parseLink(await one.link("x.html"));
    const others = [{ address, pass: link.pass! }]; // not made by it
    statuses.push((await one.open(formatLink({ ...link, others }))).status);
  }
  assertEquals(statuses, [200, 200, 429]);
  const rejected = second.log.events.filter(({ event }) => event === "refused");
  assert(rejected.length <= 2, `${rejected.length}`);
});

Deno.test("A forged link reveals nothing about files, opens nothing, and is tried gatewayLinkRejectedCount times a minute", async () => {
  await using one = await start({
    token: TOKEN,
    limits: { gatewayLinkRejectedCount: 3 },
  });
  const link = await one.link("trip/grün.bin");
  assertEquals(JSON.parse((await one.look(forged(link, 0))).text), {
    name: "trip/grün.bin",
  });
  const statuses = [];
  for (let n = 0; n < 5; n++) {
    statuses.push((await one.open(forged(link, n))).status);
  }
  assertEquals(statuses, [403, 403, 403, 429, 429]);
  const blocked = await one.open(link);
  assertEquals(blocked.status, 429);
  assertEquals(blocked.fields.get("retry-after"), "60");
  // The relay rejects an address after more, and the gateway with it.
  assert(LIMITS.gatewayAllLinksRejectedCount < LIMITS.proofFailureCount);
});

Deno.test("A link that a stranger wrote without a pass reveals nothing about files of a private relay, and opens nothing", async () => {
  const token = "of-one-word-without-spaces";
  await using one = await start({ token });
  const link = await one.link("trip/grün.bin");
  const { pass: _, ...others } = parseLink(link);
  const written = formatLink(others);
  for (let n = 0; n < LIMITS.proofFailureCount + 2; n++) {
    const { text } = await one.look(written);
    assertEquals(JSON.parse(text), { name: "trip/grün.bin" });
    const { status } = await one.open(written);
    assert(status >= 400, `${status}`);
  }
  const own = await one.look(written, { Authorization: `Bearer ${token}` });
  assertEquals(JSON.parse(own.text).size, BYTES.length);
  assertEquals((await one.open(link)).status, 200);
});

Deno.test("Forged links of some addresses do not block others below gatewayAllLinksRejectedCount, and a link that was accepted is always tried", async () => {
  await using one = await start({ token: TOKEN });
  const [link, other, late] = [
    await one.link("x.html", 9),
    await one.link("x.html"),
    await one.link("x.html"),
  ];
  const openFrom = (host: string, text: string) => {
    const body = `${new URLSearchParams({ link: text })}`;
    const lines = [
      "POST /api/link/open HTTP/1.1",
      "Host: localhost",
      `Content-Length: ${body.length}`,
      "Connection: close",
      "",
      body,
    ];
    return statusFrom(host, one.gateway.address, lines.join("\r\n"));
  };
  assertEquals((await one.open(link)).status, 200);
  const statuses: number[] = [];
  for (let n = 0; n < 3; n++) {
    statuses.push(await openFrom("127.0.0.2", forged(link, n)));
  }
  assertEquals(statuses, [403, 403, 429]);
  assertEquals((await one.open(other)).status, 200);
  for (let n = 0; n < 2; n++) {
    const status = await openFrom("127.0.0.3", forged(link, n));
    assertEquals(status, 403);
  }
  assertEquals((await one.open(late)).status, 429);
  assertEquals((await one.open(link)).status, 200);
});

Deno.test("Links of one address are limited to gatewayLinkCount a minute, looks and downloads together", async () => {
  await using one = await start({ limits: { gatewayLinkCount: 3 } });
  const link = await one.link("x.html", 9);
  const statuses = [
    (await one.look(link)).status,
    (await one.look("p2p://cut")).status,
    (await one.open(link)).status,
    (await one.open(link)).status,
    (await one.look(link)).status,
  ];
  assertEquals(statuses, [200, 400, 200, 429, 429]);
});

Deno.test("gatewayLinkDownloadCount downloads by links run at once, and an aborted one frees its place", async () => {
  await using one = await start({ limits: { gatewayLinkDownloadCount: 1 } });
  const link = await one.link("trip/grün.bin", 9);
  const body = `${new URLSearchParams({ link })}`;
  const first = await WebClient.to(one.gateway.address);
  await first.send(
    `POST /api/link/open HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  assertEquals((await first.take(12)).length, 12); // its head has arrived
  const second = await one.open(link);
  assertEquals(second.status, 503);
  first[Symbol.dispose]();
  let status = 503;
  for (let n = 0; n < 50 && status === 503; n++) {
    status = (await one.open(link)).status;
  }
  assertEquals(status, 200);
});

Deno.test("One address that holds every place for downloads by links gives one to another address, and gets none itself", async () => {
  await using one = await start({
    files: { "large.bin": new Uint8Array(16 * 1024 * 1024) },
    limits: { gatewayLinkDownloadCount: 3 },
  });
  const body = `${new URLSearchParams({
    link: await one.link("large.bin", 9),
  })}`;
  const request = "POST /api/link/open HTTP/1.1\r\nHost: localhost\r\n" +
    `Content-Length: ${body.length}\r\n\r\n${body}`;
  const { address } = one.gateway;
  const held: WebClient[] = [];
  for (const wanted of [200, 200, 200, 503]) {
    const client = await WebClient.to(address);
    held.push(client);
    await client.send(request);
    const head = new TextDecoder().decode(await client.take(12));
    assertEquals(head, `HTTP/1.1 ${wanted}`);
  }
  assertEquals(await statusFrom("127.0.0.2", address, request), 200);
  await held[2]!.rest(); // ends: it was the newest
  for (const client of held) client[Symbol.dispose]();
});

Deno.test("A link for another relay ends no download of another address", async () => {
  await using one = await start({
    files: { "large.bin": new Uint8Array(16 * 1024 * 1024) },
    limits: { gatewayLinkDownloadCount: 2 },
  });
  const link = await one.link("large.bin", 9);
  const requestOf = (text: string) => {
    const body = `${new URLSearchParams({ link: text })}`;
    return "POST /api/link/open HTTP/1.1\r\nHost: localhost\r\n" +
      `Content-Length: ${body.length}\r\n\r\n${body}`;
  };
  const { id } = IDENTITIES[3]!;
  const elsewhere = altered(link, { relay: { ...parseLink(link).relay, id } });
  const { address } = one.gateway;
  const held: WebClient[] = [];
  for (let n = 0; n < 2; n++) {
    const client = await WebClient.to(address);
    held.push(client);
    await client.send(requestOf(link));
    await client.take(12);
  }
  const request = requestOf(elsewhere);
  assertEquals(await statusFrom("127.0.0.2", address, request), 400);
  assertEquals(await statusFrom("127.0.0.1", address, requestOf(link)), 503);
  for (const client of held) client[Symbol.dispose]();
});

Deno.test("A body over the limit and a link that is cut or too long are refused", async () => {
  await using one = await start({ isPrivate: false });
  const link = await one.link("trip/grün.bin");
  const cut = await one.open(link.slice(0, -3));
  assertEquals([cut.status, cut.text.includes("incomplete or was altered")], [
    400,
    true,
  ]);
  assert(!cut.text.includes(link.slice(10, -3)));
  const long = await one.open(`p2p://${"a".repeat(20_000)}`);
  assertEquals(long.status, 400);
  const huge = await one.post("/api/link/open", {
    ...FORM_TYPE,
    "Content-Length": "70000",
  }, "link=");
  assertEquals(huge.status, 413);
});

Deno.test("A file by a link is an attachment, and types that could run are in a sandbox", async () => {
  await using one = await start({ isPrivate: false });
  const opened = await one.open(await one.link("x.html"));
  assertEquals(opened.text, "<script>");
  assertMatch(opened.fields.get("content-disposition")!, /^attachment/);
  assertMatch(opened.fields.get("content-security-policy")!, /^sandbox/);
});
