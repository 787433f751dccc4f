/**
 * The addresses of a gateway and what they answer.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { Transfers } from "../../lib/gateway/transfers.ts";
import { Lists } from "../../lib/gateway/lists.ts";
import type { ClientOptions } from "../../lib/client/peers.ts";
import { registerNode } from "../_evil_node.ts";
import { IDENTITIES, startNode, startRelay } from "../_network.ts";
import { serveGateway } from "../../lib/gateway/server.ts";
import { WebClient } from "../http/_web_client.ts";
import { startGateway } from "./_gateway.ts";
import { ownAddress } from "../_own_address.ts";

const MALLORY = IDENTITIES[3]!;

const SHARES = {
  alpha: { "a.txt": "alpha", "photos/1.jpg": "one", "photos/old/2.jpg": "two" },
  beta: { "a.txt": "beta!", "ünï <b>.txt": "b" },
};

Deno.test("Gateway serves pages, files and lists of all nodes", async () => {
  await using gateway = await startGateway(SHARES);
  const page = await gateway.ask("GET /");
  assertEquals(page.status, 200);
  assertMatch(page.text, /href="files\/photos\/"/);
  assertMatch(page.text, /href="files\/%C3%BCn%C3%AF%20%3Cb%3E.txt"/);
  assertEquals(page.text.includes("ünï <b>"), false);
  const folder = await gateway.ask("GET /files/photos/");
  assertMatch(folder.text, /href="old\/"[^]*href="1.jpg"/);
  const file = await gateway.ask("GET /files/photos/1.jpg");
  assertEquals([file.status, file.text], [200, "one"]);
  assertEquals(file.fields.get("content-type"), "image/jpeg");
  const moved = await gateway.ask("GET /files/photos");
  assertEquals([moved.status, moved.fields.get("location")], [
    301,
    "/files/photos/",
  ]);
  assertEquals((await gateway.ask("GET /files/none.txt")).status, 404);
  assertEquals((await gateway.ask("GET /files/none/")).status, 404);
  assertEquals((await gateway.ask("GET /files/%2e%2e/x")).status, 400);
  assertEquals((await gateway.ask("DELETE /files/a.txt")).status, 405);
  assertEquals((await gateway.ask("GET /healthz")).text, "ok\n");
  const qr = JSON.parse((await gateway.ask("GET /api/qr?text=http://h/")).text);
  assertEquals([qr.size, qr.rows.length, qr.rows[0].slice(0, 8)], [
    ...[21, 21, "11111110"],
  ]);
  const long = `GET /api/qr?text=${"x".repeat(4_500)}`;
  assertEquals((await gateway.ask(long)).status, 400);
  assertEquals((await gateway.ask("GET /api/qr")).status, 400);
});

Deno.test("Gateway gives lists as JSON: files, nodes, transfers, and the lines of ls", async () => {
  await using gateway = await startGateway(SHARES);
  const { v, complete, nodes, files } = JSON.parse(
    (await gateway.ask("GET /api/files")).text,
  );
  assertEquals([v, complete], [1, true]);
  const names = nodes.map(({ name }: { name: string }) => name);
  const [alpha, beta] = [names.indexOf("alpha"), names.indexOf("beta")];
  const rows = files.map((
    [name, size, , at, flags]: [string, number, number, number[], number],
  ) => [name, size, at.toSorted(), flags]);
  assertEquals(rows, [
    ["a.txt", 5, [0, 1], 2],
    ["photos/1.jpg", 3, [alpha], 1],
    ["photos/old/2.jpg", 3, [alpha], 1],
    ["ünï <b>.txt", 1, [beta], 1],
  ]);
  const listed = JSON.parse((await gateway.ask("GET /api/nodes")).text);
  const seen = listed.nodes.map((
    { name, path, files }: { name: string; path: string; files: number },
  ) => [name, path, files]).toSorted();
  assertEquals(seen, [["alpha", "direct", 3], ["beta", "direct", 2]]);
  const lines = (await gateway.ask("GET /?json")).text.trim().split("\n")
    .map((line) => JSON.parse(line));
  assertEquals(lines.map(({ event }) => event), [
    ...Array(4).fill("file"),
    "files_listed",
  ]);
  await gateway.ask("GET /files/photos/1.jpg");
  const { transfers } = JSON.parse(
    (await gateway.ask("GET /api/transfers")).text,
  );
  assertEquals(transfers, [{
    ...{ id: 1, name: "photos/1.jpg", size: 3, first: 0, last: 2, sent: 3 },
    ...{ nodes: ["alpha"], state: "done" },
  }]);
});

Deno.test("Gateway gives names of nodes without what controls or reorders text, and no two alike", async () => {
  const evil = "nas\u202etxt.\x9b2J\u200b";
  await using gateway = await startGateway({ [evil]: { "a.txt": "a" } });
  await using _twin = await startNode({ server: { address: gateway.relay } }, {
    "b.txt": "b",
  }, { name: evil });
  await gateway.ask("GET /files/a.txt");
  const shown = "nas\\u{202e}txt.\\x9b2J\\u{200b}";
  for (const path of ["files", "nodes", "transfers"]) {
    const { nodes, transfers } = JSON.parse(
      (await gateway.ask(`GET /api/${path}`)).text,
    );
    const names: string[] = nodes?.map(({ name }: { name: string }) => name) ??
      transfers[0].nodes;
    assert(names.every((name) => name.startsWith(shown)), names.join());
    assertEquals(new Set(names).size, names.length);
  }
  const page = await gateway.ask("GET /");
  assertMatch(page.text, /<td>nas\\u{202e}txt.\\x9b2J\\u{200b}\.[a-z2-7]{4}$/m);
});

Deno.test("Gateway lists all names, one a line, at /?simple", async () => {
  await using gateway = await startGateway(SHARES);
  const { text, fields } = await gateway.ask("GET /?simple");
  assertEquals(text, "a.txt\nphotos/1.jpg\nphotos/old/2.jpg\nünï <b>.txt\n");
  assertEquals(fields.get("content-type"), "text/plain; charset=utf-8");
});

Deno.test("Gateway sends a list again only if a file is new", async () => {
  await using gateway = await startGateway({ alpha: { "a.txt": "alpha" } }, {
    limits: { gatewayListFreshMs: 0 },
  });
  const first = await gateway.ask("GET /api/files");
  const etag = first.fields.get("etag")!;
  assertMatch(etag, /^W\/"[0-9a-f]{32}"$/);
  const same = await gateway.ask("GET /api/files", { "If-None-Match": etag });
  assertEquals([same.status, same.text], [304, ""]);
  assertEquals(same.fields.get("etag"), etag);
  const other = await gateway.ask("GET /api/files", {
    "If-None-Match": 'W/"0"',
  });
  assertEquals(other.status, 200);
  await using more = await startGateway({ alpha: { "b.txt": "alpha" } });
  const differs = await more.ask("GET /api/files", { "If-None-Match": etag });
  assertEquals(differs.status, 200);
});

Deno.test("Gateway answers 504 and names the nodes if one that could not be asked may have the file", async () => {
  await using relay = await startRelay();
  await registerNode(relay, {
    ...{ identity: MALLORY, name: "asleep" },
    addresses: [{ host: "127.0.0.1", port: 1 }],
  });
  await using _node = await startNode(relay, { "a.txt": "a" }, {
    name: "awake",
  });
  await using server = await serveGateway({
    relay: { ...relay.server.address, id: relay.identity.id },
    listen: { host: "127.0.0.1", port: 0 },
    limits: { gatewayListFreshMs: 600_000 },
  });
  using client = await WebClient.to(server.address);
  const { status, text } = await client.ask("GET /files/b.txt");
  assertEquals(status, 504);
  assertMatch(text, /^ {2}asleep: .*connection refused/m);
  const json = await client.ask("GET /files/b.txt", {
    Accept: "application/json",
  });
  assertMatch(JSON.parse(json.text).tried.join("\n"), /^asleep: /m);
  const page = await client.ask("GET /files/b.txt", { Accept: "text/html" });
  assertMatch(page.text, /<ul class="tried">.*<li>asleep: /);
  const found = await client.ask("GET /files/a.txt");
  assertEquals([found.status, found.text], [200, "a"]);
});

Deno.test("A folder's page holds gatewayPageEntryCount entries, and links to the next", async () => {
  await using gateway = await startGateway(
    { alpha: { "1": "", "2": "", "d/3": "" } },
    { limits: { gatewayPageEntryCount: 2 } },
  );
  const first = await gateway.ask("GET /files/");
  assertEquals(hrefsIn(first.text), ["d/", "1", "?page=2"]);
  const second = await gateway.ask("GET /files/?page=2");
  assertEquals(hrefsIn(second.text), ["2"]);
});

/** Links of the list, and to its next part. */
function hrefsIn(page: string): string[] {
  return Array.from(
    page.slice(page.indexOf("<table")).matchAll(/<a [^>]*href="([^"#]*)"/g),
    ([, href]) => href!,
  );
}

Deno.test("Gateway asks for a new list after gatewayListFreshMs", async () => {
  await using gateway = await startGateway(
    { alpha: { "1": "" } },
    { limits: { gatewayListFreshMs: 0 } },
  );
  const { log } = gateway;
  await gateway.ask("GET /api/files");
  const count = () =>
    log.events.filter(({ event }) => event === "nodes_listed").length;
  const before = count();
  await gateway.ask("GET /api/files");
  assertEquals(count(), before + 1);
});

Deno.test("Gateway gives an old list if no new one arrives within gatewayListPatienceMs", async () => {
  await using relay = await startRelay();
  await using _node = await startNode(relay, { "1": "" });
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const stop = new AbortController();
  const client: ClientOptions = {
    relay: relay.server.address,
    signal: stop.signal,
  };
  const limits = {
    ...LIMITS,
    gatewayListFreshMs: 0,
    gatewayListPatienceMs: 1,
  };
  const lists = new Lists({ client, emit: () => {}, limits });
  const first = await lists.latest();
  assertEquals(first.files.count, 1);
  const { port } = silent.addr as Deno.NetAddr;
  client.relay = { host: "127.0.0.1", port };
  assertEquals(await lists.latest(), first);
  stop.abort(new Error("enough"));
  await lists.settled();
});

Deno.test("Gateway shows why its list is old, until there is a newer one", async () => {
  const at = ownAddress();
  const relay = await startRelay(at);
  await using _node = await startNode(relay, { "a.txt": "a" });
  await using gateway = await serveGateway({
    relay: { ...relay.server.address, id: relay.identity.id },
    listen: { host: "127.0.0.1", port: 0 },
    limits: { gatewayListFreshMs: 0, gatewayListPatienceMs: 60_000 },
  });
  using client = await WebClient.to(gateway.address);
  const list = async () =>
    JSON.parse((await client.ask("GET /api/files")).text);
  assertEquals((await list()).problem, undefined);
  await relay[Symbol.asyncDispose]();
  const { files, problem } = await list();
  assertEquals(files.length, 1);
  assertMatch(problem, /^Cannot /);
  const page = await client.ask("GET /");
  assertMatch(page.text, /role="alert">Cannot /);
  assertMatch(page.text, /a\.txt<\/a>/);
  await using _again = await startRelay({ ...at, identity: relay.identity });
  assertEquals((await list()).problem, undefined);
});

Deno.test("Transfers keeps gatewayEndedTransferCount that have ended", () => {
  const transfers = new Transfers(2);
  const file = { name: "f", size: 10 };
  const notes = [1, 2, 3, 4].map(() =>
    transfers.begin(file, { start: 0, end: 10 })
  );
  for (const note of notes.slice(1)) note.ended("failed", "why");
  notes[0]!.sent(4);
  const kept = transfers.list().map(({ id, state, sent }) => [id, state, sent]);
  assertEquals(kept, [[1, "running", 4], [3, "failed", 0], [4, "failed", 0]]);
});
