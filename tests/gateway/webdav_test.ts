/**
 * The files as WebDAV: what clients ask, and that nothing can be changed.
 */

import { assertEquals } from "@std/assert";
import { startGateway } from "./_gateway.ts";

const SHARES = {
  alpha: { "a & b.txt": "alpha", "photos/1.jpg": "one" },
  beta: { "photos/ü'2.jpg": "two!" },
};

function hrefsIn(text: string): string[] {
  return Array.from(text.matchAll(/<D:href>([^<]*)/g), ([, href]) => href!);
}

Deno.test("WebDAV lists a folder by PROPFIND of depth 1, and itself by depth 0", async () => {
  await using gateway = await startGateway(SHARES);
  const root = await gateway.ask("PROPFIND /dav/", { Depth: "1" });
  assertEquals(root.status, 207);
  assertEquals(hrefsIn(root.text), [
    "/dav/",
    "/dav/a%20%26%20b.txt",
    "/dav/photos/",
  ]);
  const photos = await gateway.ask("PROPFIND /dav/photos", { Depth: "1" });
  assertEquals(hrefsIn(photos.text), [
    "/dav/photos/",
    "/dav/photos/1.jpg",
    "/dav/photos/%C3%BC&apos;2.jpg",
  ]);
  const lengths = photos.text.matchAll(/(\d+)<\/D:getcontentlength>/g);
  assertEquals(Array.from(lengths, ([, length]) => length), ["3", "4"]);
  const alone = await gateway.ask("PROPFIND /dav/photos/", { Depth: "0" });
  assertEquals(hrefsIn(alone.text), ["/dav/photos/"]);
  const file = await gateway.ask("PROPFIND /dav/photos/1.jpg", { Depth: "0" });
  assertEquals(hrefsIn(file.text), ["/dav/photos/1.jpg"]);
  const body = await gateway.ask("GET /dav/photos/1.jpg");
  assertEquals([body.status, body.text], [200, "one"]);
});

Deno.test("WebDAV accepts a body of PROPFIND, and lists its methods by OPTIONS", async () => {
  await using gateway = await startGateway(SHARES);
  const asked =
    '<?xml version="1.0"?><propfind xmlns="DAV:"><allprop/></propfind>';
  const answer = await gateway.ask("PROPFIND /dav/", {
    Depth: "0",
    "Content-Length": String(asked.length),
  }, asked);
  assertEquals(answer.status, 207);
  const { status, fields } = await gateway.ask("OPTIONS /dav/");
  assertEquals([status, fields.get("dav")], [200, "1"]);
});

for (
  const [line, fields, status] of [
    ["PROPFIND /dav/", { Depth: "infinity" }, 403],
    ["PROPFIND /dav/", {}, 403],
    ["PROPFIND /dav/none", { Depth: "1" }, 404],
    ["PROPFIND /dav/%2e%2e/x", { Depth: "1" }, 400],
    ["PUT /dav/x", { "Content-Length": "0" }, 405],
    ["DELETE /dav/photos/1.jpg", {}, 405],
    ["MKCOL /dav/new/", {}, 405],
    ["MOVE /dav/photos/1.jpg", { Destination: "/dav/x" }, 405],
    ["LOCK /dav/photos/1.jpg", {}, 405],
  ] as const
) {
  Deno.test(`WebDAV answers ${line} ${JSON.stringify(fields)} with ${status}`, async () => {
    await using gateway = await startGateway(SHARES);
    assertEquals((await gateway.ask(line, fields)).status, status);
  });
}
