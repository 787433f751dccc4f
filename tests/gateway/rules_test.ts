/**
 * Rules of HTTP that other servers broke, each with the report of that fault.
 * Other files here test the rest of the list in docs/GATEWAY.md.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { serveGateway } from "../../lib/gateway/server.ts";
import { startNode, startRelay } from "../_network.ts";
import { WebClient } from "../http/_web_client.ts";
import { startGateway } from "./_gateway.ts";

const SHARES = {
  alpha: { "Track 01, 100% (ü).flac": "sound", "x/y.html": "<b>" },
};
const TRACK = "/files/Track%2001%2C%20100%25%20(%C3%BC).flac";

for (
  const [who, path] of [
    ["andesite#56: rclone", TRACK],
    ["aria2, mpv", `${TRACK}?download`],
    ["rclone webdav", `/dav${TRACK.slice("/files".length)}`],
    ["a browser", "/"],
    ["a program", "/api/files"],
  ] as const
) {
  Deno.test(`HEAD is answered as GET, without the body (${who})`, async () => {
    await using gateway = await startGateway(SHARES);
    using client = await WebClient.to(gateway.server.address);
    const got = await client.ask(`GET ${path}`);
    const head = await client.ask(`HEAD ${path}`);
    assertEquals([got.status, head.status, head.body.length], [200, 200, 0]);
    assertEquals([...head.fields], [...got.fields]);
    // Nothing of a body is left on the connection.
    assertEquals((await client.ask("GET /healthz")).text, "ok\n");
  });
}

Deno.test("A file's tag is its content id in quotation marks, not a part of its path (kubo#3868)", async () => {
  await using gateway = await startGateway(SHARES);
  const { fields } = await gateway.ask(`GET ${TRACK}`);
  assertMatch(fields.get("etag")!, /^"[0-9a-f]{64}"$/);
  const id = fields.get("etag")!.slice(1, -1);
  const same = await gateway.ask(`GET /content/${id}/any.flac`);
  assertEquals([same.text, same.fields.get("etag")], ["sound", `"${id}"`]);
  const known = await gateway.ask(`GET ${TRACK}`, {
    "If-None-Match": `"other", W/"${id}"`,
  });
  assertEquals([known.status, known.text], [304, ""]); // kubo PR#8891
});

Deno.test("Only contents may be cached forever: no page, no file by its name, no list, no style (kubo#3870)", async () => {
  await using gateway = await startGateway(SHARES);
  for (
    const [path, kept] of [
      ...[["/", false], ["/files/x/", false], [TRACK, false]],
      ...[["/api/files", false], ["/page/page.css", false]],
    ] as const
  ) {
    const { status, fields } = await gateway.ask(`GET ${path}`);
    const policy = fields.get("cache-control")!;
    assertEquals([path, status, policy.includes("immutable")], [
      ...[path, 200, kept],
    ]);
    assertMatch(policy, /^no-(cache|store)$/);
  }
});

Deno.test("A name to save under keeps its spaces, commas and letters (dufs#201, hfs#1020)", async () => {
  await using gateway = await startGateway(SHARES);
  const plain = await gateway.ask(`GET ${TRACK}`);
  assertEquals(plain.fields.has("content-disposition"), false);
  const { fields } = await gateway.ask(`GET ${TRACK}?download`);
  assertEquals(
    fields.get("content-disposition"),
    `attachment; filename="Track 01, 100_ (_).flac"; ` +
      `filename*=UTF-8''Track%2001%2C%20100%25%20%28%C3%BC%29.flac`,
  );
});

Deno.test("A change between two parts is seen: the rest comes whole, with another tag (aria2#1278)", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, { "f.bin": "first content" });
  await using server = await serveGateway({
    relay: { ...relay.server.address, id: relay.identity.id },
    listen: { host: "127.0.0.1", port: 0 },
    limits: { gatewayListFreshMs: 0, gatewayRememberMs: 0 },
  });
  using client = await WebClient.to(server.address);
  const part = await client.ask("GET /files/f.bin", { Range: "bytes=0-4" });
  assertEquals([part.status, part.text], [206, "first"]);
  await Deno.writeTextFile(`${node.directory}/f.bin`, "other content, longer");
  const rest = await client.ask("GET /files/f.bin", {
    Range: "bytes=5-",
    "If-Range": part.fields.get("etag")!,
  });
  assertEquals([rest.status, rest.text], [200, "other content, longer"]);
  assert(rest.fields.get("etag") !== part.fields.get("etag"));
});

Deno.test("Gateway answers 503 with Retry-After if no relay answers", async () => {
  await using server = await serveGateway({
    relay: { host: "127.0.0.1", port: 1 },
    listen: { host: "127.0.0.1", port: 0 },
  });
  using client = await WebClient.to(server.address);
  const { status, fields, text } = await client.ask("GET /files/f.bin");
  assertEquals([status, fields.get("retry-after")], [503, "5"]);
  assertMatch(text, /connection refused/);
});

Deno.test("The page of a folder of 4,000 names comes in parts below 300 kB, and each name is one link (rclone#6674)", async () => {
  const names = Array.from({ length: 4_000 }, (_, n) => `photo ${n}.jpg`);
  await using gateway = await startGateway({
    alpha: Object.fromEntries(names.map((name) => [name, ""])),
  });
  const found: string[] = [];
  for (let next: string | undefined = "/files/"; next !== undefined;) {
    const { body, text } = await gateway.ask(`GET ${next}`);
    assert(body.length < 300_000, `${body.length} bytes`);
    const links = Array.from(
      text.slice(text.indexOf("<table")).matchAll(/<a [^>]*href="([^"#]*)"/g),
      ([, href]) => href!,
    );
    found.push(...links.filter((href) => !href.startsWith("?")));
    const page = links.findLast((href) => href.startsWith("?"));
    const number: number = Number(/page=(\d+)/.exec(next)?.[1] ?? 1);
    next = page === `?page=${number + 1}` ? `/files/${page}` : undefined;
  }
  assertEquals(found.toSorted(), names.map(encodeURIComponent).toSorted());
});
