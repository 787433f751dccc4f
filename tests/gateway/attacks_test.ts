/**
 * What strangers, and pages of other sites, try on a gateway.
 */

import { connect } from "node:tls";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Failure } from "../../lib/base/errors.ts";
import { serveGateway } from "../../lib/gateway/server.ts";
import { IDENTITIES } from "../_network.ts";
import { refusalOf } from "../../lib/gateway/guard.ts";
import { startGateway } from "./_gateway.ts";

const OWN = ["files.example.org"];

for (
  const [host, isServed] of [
    ["127.0.0.1:8080", true],
    ["192.0.2.7", true],
    ["[::1]:8080", true],
    ["[fe80::1]", true],
    ["localhost:8080", true],
    ["LOCALHOST.", true],
    ["p2p.localhost", true],
    ["files.example.org:8080", true],
    ["FILES.example.org", true],
    ["evil.example", false],
    ["evil.example:8080", false],
    ["127.0.0.1.evil.example", false],
    ["localhost.evil.example", false],
    ["notlocalhost", false],
    ["[::1].evil.example", false],
    ["[::1", false],
    ["user@127.0.0.1", false],
    ["127.0.0.1:8080:1", false],
    ["127.0.0.1, evil.example", false],
    ["", false],
  ] as const
) {
  Deno.test(`DNS rebinding: Host ${JSON.stringify(host)} is ${isServed ? "served" : "refused"}`, () => {
    const headers = new Map([["host", host]]);
    const refusal = refusalOf({ method: "GET", headers }, {
      names: OWN,
      origins: [],
    });
    assertEquals(refusal?.status, isServed ? undefined : 421);
  });
}

for (
  const [what, method, fields, isServed] of [
    ["a person types the address", "GET", { "sec-fetch-site": "none" }, true],
    ["its own script", "GET", { "sec-fetch-site": "same-origin" }, true],
    ["its own form", "POST", {
      "sec-fetch-site": "same-origin",
      origin: "http://127.0.0.1:8080",
    }, true],
    ["its form in an old browser", "POST", {
      origin: "http://127.0.0.1:8080",
    }, true],
    ["curl", "GET", {}, true],
    ["a link that a person follows", "GET", {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
    }, true],
    ["fetch() of another page", "GET", {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "cors",
      origin: "https://evil.example",
    }, false],
    ["an image on another page", "GET", {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "no-cors",
      "sec-fetch-dest": "image",
    }, false],
    ["a frame on another page", "GET", {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "iframe",
    }, false],
    ["a form of another page", "POST", {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
      origin: "https://evil.example",
    }, false],
    ["a page on another port", "GET", {
      "sec-fetch-site": "same-site",
      "sec-fetch-mode": "cors",
    }, false],
    ["a form of another page, in an old browser", "POST", {
      origin: "https://evil.example",
    }, false],
    ["a sandboxed page", "POST", { origin: "null" }, false],
  ] as const
) {
  Deno.test(`Cross-site: ${what} is ${isServed ? "served" : "refused"}`, () => {
    const headers = new Map(
      Object.entries({ host: "127.0.0.1:8080", ...fields }),
    );
    const guard = { names: [], origins: [] };
    const refusal = refusalOf({ method, headers }, guard);
    assertEquals(refusal?.status, isServed ? undefined : 403);
  });
}

const SHARE = { alpha: { "a.txt": "secret", "x.html": "<script>" } };
const TOKEN = "correct horse battery";

Deno.test("Gateway refuses rebinding and other sites before it looks for a file", async () => {
  await using gateway = await startGateway(SHARE, { names: ["p2p.example"] });
  const rebound = await gateway.ask("GET /files/a.txt", {
    Host: "evil.example",
  });
  assertEquals([rebound.status, rebound.text.includes("secret")], [421, false]);
  const named = await gateway.ask("GET /files/a.txt", { Host: "P2P.example" });
  assertEquals(named.text, "secret");
  const cross = await gateway.ask("GET /api/files", {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "cors",
  });
  assertEquals([cross.status, cross.text.includes("a.txt")], [403, false]);
  assertEquals(
    gateway.log.events.some(({ event }) => event === "nodes_listed"),
    true,
  );
});

Deno.test("A file x.html is in a sandbox, and a page has no script of its own", async () => {
  await using gateway = await startGateway(SHARE);
  const { fields } = await gateway.ask("GET /files/x.html");
  assertMatch(
    fields.get("content-security-policy")!,
    /^sandbox; default-src 'none'/,
  );
  assertEquals(fields.get("x-content-type-options"), "nosniff");
  assertEquals(fields.get("cross-origin-resource-policy"), "same-origin");
  assertEquals(fields.get("referrer-policy"), "no-referrer");
  const list = await gateway.ask("GET /api/files");
  assertEquals(list.fields.get("cross-origin-resource-policy"), "same-origin");
  const page = await gateway.ask("GET /");
  const policy = page.fields.get("content-security-policy")!;
  assertEquals(policy.includes("unsafe"), false);
  assertMatch(policy, /default-src 'none'; script-src 'self';/);
  assertEquals(page.fields.get("x-frame-options"), "DENY");
  assertEquals(page.fields.get("referrer-policy"), "no-referrer");
});

Deno.test("Every answer of a gateway forbids guesses of its type and use by other sites, errors too", async () => {
  await using gateway = await startGateway(SHARE);
  for (
    const [line, fields] of [
      ["GET /healthz", {}],
      ["GET /files/none", {}],
      ["GET /files/none", { Accept: "application/json" }],
      ["GET /files/none", { Accept: "text/html" }],
      ["PUT /files/none", {}],
      ["GET /page/page.css", {}],
      ["GET /?json", {}],
      ["PROPFIND /dav/", { Depth: "1" }],
      ["GET /", { Host: "evil.example" }],
      ["bad", {}],
    ] as const
  ) {
    const { fields: found } = await gateway.ask(line, fields);
    assertEquals([line, found.get("x-content-type-options")], [
      line,
      "nosniff",
    ]);
    assertEquals(found.get("cross-origin-resource-policy"), "same-origin");
  }
});

Deno.test("Paths that lead out of the share, or to no file, find nothing", async () => {
  await using gateway = await startGateway(SHARE);
  for (
    const [path, status] of [
      ["/files/../a.txt", 400],
      ["/files/./a.txt", 400],
      ["/files/%2e%2e%2fa.txt", 400],
      ["/files/..%5ca.txt", 400],
      ["/files/%2fetc/passwd", 400],
      ["/files//a.txt", 400],
      ["/files/a.txt%00.html", 400],
      ["/files/a.txt%0d%0aSet-Cookie:%20a=b", 400],
      ["/files/%c0%ae%c0%ae/a.txt", 400],
      ["/files/%", 400],
      ["//files/a.txt", 404],
      ["/FILES/a.txt", 404],
      ["/dav/../a.txt", 400],
      ["/dav/%2e%2e/a.txt", 400],
      ["/page/../files/a.txt", 404],
      ["/page/__proto__", 404],
      ["/page/constructor", 404],
      [`/content/${"0".repeat(64)}/../../a.txt`, 400],
    ] as const
  ) {
    const answer = await gateway.ask(`GET ${path}`);
    assertEquals([path, answer.status], [path, status]);
    assertEquals(answer.fields.has("set-cookie"), false);
    assertEquals(answer.text.includes("secret"), false);
  }
});

Deno.test("Gateway with a token gives nothing without it", async () => {
  await using gateway = await startGateway(SHARE, { token: TOKEN });
  for (
    const path of [
      "/",
      "/files/",
      "/files/a.txt",
      "/files/none",
      "/?json",
      "/api/files",
      "/api/nodes",
      "/api/transfers",
      "/none",
      `/content/${"0".repeat(64)}`,
    ]
  ) {
    const { status, fields, text } = await gateway.ask(`GET ${path}`);
    assertEquals([path, status, text.includes("a.txt")], [path, 401, false]);
    assertMatch(fields.get("www-authenticate")!, /^Basic realm=/);
  }
  assertEquals((await gateway.ask("GET /healthz")).status, 200);
  assertEquals(
    gateway.log.events.some(({ event }) => event === "nodes_listed"),
    false,
  );
});

Deno.test("A content of a gateway with a token is kept forever, but by no cache that others use", async () => {
  await using gateway = await startGateway(SHARE, { token: TOKEN });
  const fields = { Authorization: `Basic ${btoa(`me:${TOKEN}`)}` };
  const file = await gateway.ask("GET /files/a.txt", fields);
  const id = file.fields.get("etag")!.slice(1, -1);
  for (const method of ["GET", "HEAD"]) {
    const content = await gateway.ask(`${method} /content/${id}`, fields);
    assertEquals(content.status, 200);
    const policy = content.fields.get("cache-control");
    assertEquals(policy, "private, max-age=31536000, immutable");
  }
});

Deno.test("Gateway accepts its token as Bearer, as password, and by the form", async () => {
  await using gateway = await startGateway(SHARE, { token: TOKEN });
  const basic = btoa(`anybody:${TOKEN}`);
  for (const authorization of [`Basic ${basic}`, `Bearer ${TOKEN}`]) {
    const answer = await gateway.ask("GET /files/a.txt", {
      Authorization: authorization,
    });
    assertEquals(answer.text, "secret");
  }
  const form = `token=${encodeURIComponent(TOKEN)}`;
  const login = await gateway.ask("POST /login", {
    "Content-Length": String(form.length),
    "Content-Type": "application/x-www-form-urlencoded",
  }, form);
  assertEquals([login.status, login.fields.get("location")], [303, "/"]);
  const cookie = login.fields.get("set-cookie")!;
  assertMatch(
    cookie,
    /^relay-p2p=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict$/,
  );
  assertEquals(cookie.includes(TOKEN), false);
  const [pair] = cookie.split(";");
  const answer = await gateway.ask("GET /files/a.txt", {
    Cookie: `a=b; ${pair}`,
  });
  assertEquals(answer.text, "secret");
  const forged = await gateway.ask("GET /files/a.txt", {
    Cookie: `relay-p2p=${"0".repeat(64)}`,
  });
  assertEquals(forged.status, 401);
});

Deno.test("Gateway accepts a token of several words in any script as Bearer", async () => {
  const token = "zwölf große 鍵 words";
  await using gateway = await startGateway(SHARE, { token });
  const ask = async (sent: string) =>
    (await gateway.ask("GET /files/a.txt", { Authorization: sent })).status;
  assertEquals(await ask(`Bearer ${token}`), 200);
  assertEquals(await ask(`bearer  ${token}`), 200);
  assertEquals(await ask(`Bearer ${token}s`), 401);
  assertEquals(await ask("Bearer"), 401);
});

Deno.test("The cookie of a gateway is found behind others of its name, and gateways at other ports have other names", async () => {
  await using gateway = await startGateway(SHARE, { token: TOKEN });
  const form = `token=${encodeURIComponent(TOKEN)}`;
  const pairs: string[] = [];
  for (const host of ["localhost:1800", "localhost:1801", "localhost"]) {
    const { fields } = await gateway.ask("POST /login", {
      "Host": host,
      "Content-Length": String(form.length),
    }, form);
    const [pair = ""] = fields.get("set-cookie")!.split(";");
    pairs.push(pair);
    const name = pair.slice(0, pair.indexOf("="));
    const ask = async (cookie: string) =>
      (await gateway.ask("GET /files/a.txt", { Host: host, Cookie: cookie }))
        .status;
    assertEquals(await ask(`${name}=other; ${pair}`), 200);
    assertEquals(await ask(`${name}=other; ${name}=0`), 401);
    assertEquals(await ask(`x${pair}`), 401);
    // Bytes that are control characters in Latin-1, as of other programs.
    assertEquals(await ask(`a=ß鍵; ${pair}`), 200);
  }
  assertEquals(pairs.map((pair) => pair.split("=")[0]), [
    "relay-p2p-1800",
    "relay-p2p-1801",
    "relay-p2p",
  ]);
});

Deno.test("Gateway refuses every token of an address after gatewayLoginFailureCount wrong ones", async () => {
  await using gateway = await startGateway(SHARE, {
    token: "abcdefghijklmnop",
    limits: { gatewayLoginFailureCount: 2 },
  });
  const ask = async (token: string) =>
    (await gateway.ask("GET /files/a.txt", {
      Authorization: `Bearer ${token}`,
    }))
      .status;
  assertEquals(await ask("wrong"), 401);
  assertEquals(await ask("abcdefghijklmnop"), 200);
  assertEquals(await ask("wrong"), 401);
  assertEquals(await ask("wrong"), 429);
  assertEquals(await ask("abcdefghijklmnop"), 429);
});

for (
  const [what, options, why] of [
    ["no token", {}, "it has no token"],
    ["a short token", { token: "short" }, "is easy to guess"],
    [
      "no certificate",
      { token: TOKEN },
      "anyone on the network path could read",
    ],
  ] as const
) {
  Deno.test(`Gateway does not open to other machines with ${what}`, async () => {
    const listen = { host: "0.0.0.0", port: 0 };
    const relay = { host: "127.0.0.1", port: 1 };
    const error = await assertRejects(
      () => serveGateway({ relay, listen, ...options }),
      Failure,
      why,
    );
    assertEquals(error.kind, "usage");
  });
}

Deno.test("Gateway opens to other machines over TLS, and its cookie travels only over TLS", async () => {
  const { certificatePem: certificate, privateKeyPem: key } = IDENTITIES[1]!;
  await using gateway = await startGateway(SHARE, {
    listen: { host: "0.0.0.0", port: 0 },
    token: TOKEN,
    tls: { certificate, key },
  });
  assertMatch(gateway.server.url, /^https:\/\/localhost:\d+\/$/);
  const { port } = gateway.server.address;
  const socket = connect({
    host: "127.0.0.1",
    port,
    rejectUnauthorized: false,
  });
  const form = `token=${encodeURIComponent(TOKEN)}`;
  socket.write(
    `POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
      `Content-Length: ${form.length}\r\n\r\n${form}`,
  );
  const parts: Uint8Array[] = [];
  for await (const part of socket) parts.push(part);
  const text = await new Blob(parts as BlobPart[]).text();
  assertMatch(text, /^HTTP\/1\.1 303 /);
  assertMatch(
    text,
    /Set-Cookie: __Host-relay-p2p=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict; Secure\r\n/,
  );
  socket.destroy();
  const { text: plain } = await gateway.ask("GET /files/a.txt")
    .catch(() => ({ text: "" }));
  assertEquals(plain, "", "nothing is answered in the clear");
});

Deno.test("Gateway refuses a certificate with the key of another one", async () => {
  const tls = {
    certificate: IDENTITIES[1]!.certificatePem,
    key: IDENTITIES[2]!.privateKeyPem,
  };
  const relay = { host: "127.0.0.1", port: 1 };
  const listen = { host: "127.0.0.1", port: 0 };
  await assertRejects(
    () => serveGateway({ relay, listen, tls }),
    Failure,
    "the key belongs to another certificate",
  );
});

Deno.test("A browser without the token gets the form, and no prompt of its own", async () => {
  await using gateway = await startGateway(SHARE, { token: TOKEN });
  const { status, fields } = await gateway.ask("GET /files/a.txt", {
    Accept: "text/html",
  });
  assertEquals([status, fields.has("www-authenticate")], [401, false]);
  assertMatch(fields.get("content-type")!, /^text\/html/);
});
