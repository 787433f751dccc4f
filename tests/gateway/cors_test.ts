/**
 * Other sites whose scripts may read from a gateway: none, or those that were
 * given.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { Failure } from "../../lib/base/errors.ts";
import { serveGateway } from "../../lib/gateway/server.ts";
import { startGateway } from "./_gateway.ts";

const SHARE = { alpha: { "a.txt": "secret" } };
const CHOSEN = "https://app.example";
const TOKEN = "correct-horse-battery";

/** What a browser sends for a script of such a site. */
function fieldsOf(origin: string): Record<string, string> {
  return {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "cors",
    Origin: origin,
  };
}

Deno.test("A script of a chosen site reads a file, parts of it and lists, and sees lengths and tags", async () => {
  await using gateway = await startGateway(SHARE, { origins: [CHOSEN] });
  for (const path of ["/files/a.txt", "/api/files", "/?simple"]) {
    const { status, fields } = await gateway.ask(
      `GET ${path}`,
      fieldsOf(CHOSEN),
    );
    assertEquals([path, status], [path, 200]);
    assertEquals(fields.get("access-control-allow-origin"), CHOSEN);
    assertEquals(fields.get("vary"), "Origin");
    assertEquals(fields.has("access-control-allow-credentials"), false);
  }
  const part = await gateway.ask("GET /files/a.txt", {
    ...fieldsOf(CHOSEN),
    Range: "bytes=1-2",
  });
  assertEquals([part.status, part.text], [206, "ec"]);
  assertEquals(
    part.fields.get("access-control-expose-headers"),
    "Accept-Ranges, Content-Length, Content-Range, ETag, Repr-Digest",
  );
  const none = await gateway.ask("GET /files/none", fieldsOf(CHOSEN));
  assertEquals(none.status, 404);
  assertEquals(none.fields.get("access-control-allow-origin"), CHOSEN);
});

for (
  const [what, origins, origin] of [
    ["no site is chosen", [], CHOSEN],
    ["another is chosen", [CHOSEN], "https://evil.example"],
    ["its name ends as a chosen one", [CHOSEN], "https://evil-app.example"],
    ["its name begins as a chosen one", [CHOSEN], `${CHOSEN}.evil.example`],
    ["its scheme is another", [CHOSEN], "http://app.example"],
    ["its port is another", [CHOSEN], `${CHOSEN}:8443`],
    ["it hides its origin", [CHOSEN], "null"],
    ["it names two", [CHOSEN], `${CHOSEN}, https://evil.example`],
    ["it sends capitals", [CHOSEN], "https://APP.example"],
  ] as const
) {
  Deno.test(`A script of another site reads nothing if ${what}`, async () => {
    await using gateway = await startGateway(SHARE, { origins });
    for (const line of ["GET /files/a.txt", "OPTIONS /files/a.txt"]) {
      const { status, fields, text } = await gateway.ask(line, {
        ...fieldsOf(origin),
        "Access-Control-Request-Method": "GET",
      });
      assertEquals([line, status, text.includes("secret")], [line, 403, false]);
      assertEquals(fields.has("access-control-allow-origin"), false);
    }
  });
}

Deno.test("A chosen site can only read: it cannot post, and still needs the token", async () => {
  await using gateway = await startGateway(SHARE, {
    ...{ origins: [CHOSEN], token: TOKEN },
  });
  for (const path of ["/login", "/api/link/open", "/files/a.txt"]) {
    const post = { ...fieldsOf(CHOSEN), "Content-Length": "0" };
    const answer = await gateway.ask(`POST ${path}`, post);
    assertEquals([path, answer.status], [path, 403]);
  }
  const ask = await gateway.ask("OPTIONS /files/a.txt", {
    ...fieldsOf(CHOSEN),
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization,range",
  });
  assertEquals(ask.status, 204);
  assertEquals(ask.fields.get("access-control-allow-origin"), CHOSEN);
  assertEquals(ask.fields.get("access-control-allow-methods"), "GET, HEAD");
  const without = await gateway.ask("GET /files/a.txt", fieldsOf(CHOSEN));
  assertEquals(without.status, 401);
  const read = await gateway.ask("GET /files/a.txt", {
    ...fieldsOf(CHOSEN),
    Authorization: `Bearer ${TOKEN}`,
  });
  assertEquals([read.status, read.text], [200, "secret"]);
});

for (
  const origin of [
    ...["*", "null", "", "example.org", "https://example.org/", "file:///x"],
    ...["https://Example.org", "https://*.example.org", "https://a, https://b"],
  ]
) {
  Deno.test(`Gateway does not open for the origin ${JSON.stringify(origin)}`, async () => {
    await assertRejects(
      () =>
        serveGateway({
          relay: { host: "127.0.0.1", port: 1 },
          listen: { host: "127.0.0.1", port: 0 },
          origins: [origin],
        }),
      Failure,
      "this is not the origin of a site",
    );
  });
}
