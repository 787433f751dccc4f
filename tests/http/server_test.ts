/**
 * The HTTP edge as a stranger meets it: bytes in, bytes out, and every limit.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { LIMITS } from "../../lib/base/limits.ts";
import { type HttpServer, serveHttp } from "../../lib/http/server.ts";
import { within } from "../_event_log.ts";

const AT = { host: "127.0.0.1", port: 0 };

function serve(
  { limits, errors = [], onStuck }: {
    limits?: Partial<typeof LIMITS>;
    errors?: unknown[];
    /** Called when somebody asks for what never comes. */
    onStuck?: () => void;
  } = {},
): HttpServer {
  return serveHttp({
    at: AT,
    limits: { ...LIMITS, ...limits },
    onError: (error) => errors.push(error),
    routes: {
      "/well": () => ({ status: 200, type: "text/plain", body: "grün\n" }),
      "/ill": () =>
        Promise.resolve({ status: 503, type: "application/json", body: "{}" }),
      "/stuck": () => {
        onStuck?.();
        return new Promise(() => {});
      },
      "/bug": () => {
        throw new TypeError("a bug");
      },
    },
  });
}

function connect({ address }: HttpServer): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: address.host, port: address.port });
}

/** All that comes until the server ends. */
async function readAll(conn: Deno.TcpConn): Promise<string> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(4096);
  for (;;) {
    const count = await within(conn.read(buffer), "the answer");
    if (count === null) return await new Blob(pieces).text();
    pieces.push(buffer.slice(0, count));
  }
}

async function ask(server: HttpServer, request: string): Promise<string> {
  using conn = await connect(server);
  await conn.write(new TextEncoder().encode(request));
  return await readAll(conn);
}

for (
  const [request, status] of [
    ["GET /well HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"],
    ["GET /well?x=1 HTTP/1.0\r\n\r\n", "200 OK"],
    ["GET /ill HTTP/1.1\r\n\r\n", "503 Service Unavailable"],
    ["GET / HTTP/1.1\r\n\r\n", "404 Not Found"],
    ["GET /well/ HTTP/1.1\r\n\r\n", "404 Not Found"],
    ["GET /../well HTTP/1.1\r\n\r\n", "404 Not Found"],
    ["GET __proto__ HTTP/1.1\r\n\r\n", "404 Not Found"],
    ["GET constructor HTTP/1.1\r\n\r\n", "404 Not Found"],
    [
      "POST /well HTTP/1.1\r\nContent-Length: 3\r\n\r\nx=1",
      "405 Method Not Allowed",
    ],
    ["DELETE /well HTTP/1.1\r\n\r\n", "405 Method Not Allowed"],
    ["get /well HTTP/1.1\r\n\r\n", "405 Method Not Allowed"],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 Bad Request"],
    ["GET  /well HTTP/1.1\r\n\r\n", "400 Bad Request"],
    ["GET /well\r\n\r\n", "400 Bad Request"],
    ["GET /we\x1bll HTTP/1.1\r\n\r\n", "400 Bad Request"],
    ["\r\n\r\n", "400 Bad Request"],
    ["\x16\x03\x01\x02\x00\x01\r\n\r\n", "400 Bad Request"],
  ] as const
) {
  Deno.test(`HTTP answers ${JSON.stringify(request)} with ${status}`, async () => {
    await using server = serve();
    const answer = await ask(server, request);
    assertEquals(answer.split("\r\n")[0], `HTTP/1.1 ${status}`);
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    const [, length] = /\r\nContent-Length: (\d+)\r\n/.exec(head) ?? [];
    assertEquals(new TextEncoder().encode(body).length, Number(length));
  });
}

Deno.test("HTTP answers HEAD as GET, without the content", async () => {
  await using server = serve();
  for (const path of ["/well", "/ill", "/none"]) {
    const get = await ask(server, `GET ${path} HTTP/1.1\r\n\r\n`);
    const head = await ask(server, `HEAD ${path} HTTP/1.1\r\n\r\n`);
    const end = get.indexOf("\r\n\r\n") + 4;
    assertEquals(head, get.slice(0, end), path);
    assertEquals(get.length > end, true);
  }
});

Deno.test("HTTP allows its pages only their style sheet", async () => {
  await using server = serve();
  for (const path of ["/well", "/ill", "/none", "/bug"]) {
    const answer = await ask(server, `GET ${path} HTTP/1.1\r\n\r\n`);
    const policy = /\r\nContent-Security-Policy: (.*)\r\n/.exec(answer)?.[1];
    assertEquals(
      policy,
      "default-src 'none'; style-src 'self'; base-uri 'none'; " +
        "form-action 'none'; frame-ancestors 'none'",
      path,
    );
  }
});

Deno.test("HTTP is understood by fetch, and takes a request in pieces", async () => {
  await using server = serve();
  const { host, port } = server.address;
  const answer = await fetch(`http://${host}:${port}/well`);
  assertEquals([answer.status, await answer.text()], [200, "grün\n"]);
  using conn = await connect(server);
  for (const byte of new TextEncoder().encode("GET /well HTTP/1.1\r\n\r\n")) {
    await conn.write(Uint8Array.of(byte));
  }
  assertMatch(await readAll(conn), /^HTTP\/1\.1 200 /);
});

Deno.test("HTTP answers 500 for a bug, reports it, and continues", async () => {
  const errors: unknown[] = [];
  await using server = serve({ errors });
  assertMatch(
    await ask(server, "GET /bug HTTP/1.1\r\n\r\n"),
    /^HTTP\/1\.1 500 /,
  );
  assertEquals(errors.map((error) => (error as Error).message), ["a bug"]);
  assertMatch(
    await ask(server, "GET /well HTTP/1.1\r\n\r\n"),
    /^HTTP\/1\.1 200 /,
  );
});

Deno.test("HTTP refuses a request of httpHeadBytes without an end", async () => {
  await using server = serve({ limits: { httpHeadBytes: 100 } });
  const start = "GET /well HTTP/1.1\r\nX: ";
  const fits = start.padEnd(96, "x") + "\r\n\r\n";
  assertEquals(fits.length, 100);
  assertMatch(await ask(server, fits), /^HTTP\/1\.1 200 /);
  const answer = await ask(server, start.padEnd(97, "x") + "\r\n\r\n");
  assertMatch(answer, /^HTTP\/1\.1 431 /);
});

Deno.test("HTTP ends a connection at httpMs, even if bytes trickle in", async () => {
  await using server = serve({ limits: { httpMs: 200 } });
  const started = performance.now();
  using conn = await connect(server);
  let writing = true;
  const trickle = (async () => {
    while (writing) {
      try {
        await conn.write(Uint8Array.of(0x41));
      } catch {
        return; // ended from there
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  const end = await within(
    conn.read(new Uint8Array(1)).catch(() => null),
    "the end",
  );
  writing = false;
  await trickle;
  assertEquals(end, null);
  assertEquals(performance.now() - started >= 190, true);
});

Deno.test("HTTP keeps httpConnectionCount connections: the oldest silent one is evicted", async () => {
  await using server = serve({ limits: { httpConnectionCount: 2 } });
  using first = await connect(server);
  using second = await connect(server);
  using third = await connect(server);
  const ended = await within(
    first.read(new Uint8Array(1)).catch(() => null),
    "the end of the first",
  );
  assertEquals(ended, null);
  const request = new TextEncoder().encode("GET /well HTTP/1.1\r\n\r\n");
  for (const conn of [second, third]) {
    await conn.write(request);
    assertMatch(await readAll(conn), /^HTTP\/1\.1 200 /);
  }
});

Deno.test("HTTP ends a connection whose request has not arrived after httpHeadMs, and answers others meanwhile", async () => {
  await using server = serve({
    limits: { httpHeadMs: 8_000, httpMs: 600_000 },
  });
  const started = performance.now();
  using silent = await connect(server);
  const request = "GET /well HTTP/1.1\r\n\r\n";
  assertMatch(await ask(server, request), /^HTTP\/1\.1 200 /);
  const end = await within(
    silent.read(new Uint8Array(1)).catch(() => null),
    "the end of the silent one",
  );
  assertEquals(end, null);
  const ms = performance.now() - started;
  assertEquals(ms >= 7_990, true, `${ms}`);
});

Deno.test("HTTP replaces connections that stay open after their answer", async () => {
  await using server = serve({ limits: { httpConnectionCount: 2 } });
  const request = new TextEncoder().encode("GET /well HTTP/1.1\r\n\r\n");
  using first = await connect(server);
  using second = await connect(server);
  for (const conn of [first, second]) {
    await conn.write(request);
    await readAll(conn); // and it stays
  }
  assertMatch(
    await ask(server, "GET /well HTTP/1.1\r\n\r\n"),
    /^HTTP\/1\.1 200 /,
  );
});

for (
  const [host, status] of [
    ["127.0.0.1:9464", 200],
    ["192.168.1.7", 200],
    ["[::1]:9464", 200],
    ["localhost", 200],
    ["LOCALHOST.:80", 200],
    ["relay:9464", 200],
    ["nas.local", 200],
    ["rebound.example", 421],
    ["127.0.0.1.rebound.example:9464", 421],
    ["localhost.example", 421],
    ["xlocal.example.", 421],
    ["[::1].example", 421],
  ] as const
) {
  Deno.test(`HTTP answers a request for the host ${host} with ${status}`, async () => {
    await using server = serve();
    const answer = await ask(
      server,
      `GET /well HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    );
    assertEquals(answer.slice(9, 12), `${status}`);
  });
}

Deno.test("HTTP refuses a new connection if all others wait for their answers", async () => {
  let asked = Promise.withResolvers<void>();
  await using server = serve({
    limits: { httpConnectionCount: 2 },
    onStuck: () => asked.resolve(),
  });
  await using stack = new AsyncDisposableStack();
  for (let n = 0; n < 2; n++) {
    const conn = stack.use(await connect(server));
    await conn.write(new TextEncoder().encode("GET /stuck HTTP/1.1\r\n\r\n"));
    await within(asked.promise, "the question");
    asked = Promise.withResolvers();
  }
  const answer = await ask(server, "GET /well HTTP/1.1\r\n\r\n")
    .catch(() => "");
  assertEquals(answer, "");
});

Deno.test("HTTP gives up an answer that never comes, and frees its slot", async () => {
  await using server = serve({
    limits: { httpMs: 200, httpConnectionCount: 1 },
  });
  for (let count = 0; count < 3; count++) {
    assertEquals(await ask(server, "GET /stuck HTTP/1.1\r\n\r\n"), "");
  }
  // On a busy machine that is slower than httpMs too, and then ends the same.
  const untilAnswered = async () => {
    for (;;) {
      const answer = await ask(server, "GET /well HTTP/1.1\r\n\r\n");
      if (answer !== "") return answer;
    }
  };
  const answer = await within(untilAnswered(), "an answer");
  assertMatch(answer, /^HTTP\/1\.1 200 /);
});

Deno.test("HTTP waits for no answer when it is disposed of", async () => {
  const server = serve();
  using conn = await connect(server);
  await conn.write(new TextEncoder().encode("GET /stuck HTTP/1.1\r\n\r\n"));
  using other = await connect(server); // accepted after the first
  await other.write(new TextEncoder().encode("GET /well HTTP/1.1\r\n\r\n"));
  await readAll(other);
  await within(
    Promise.resolve(server[Symbol.asyncDispose]()),
    "the end of the server",
  );
});

Deno.test("HTTP ends open connections when it is disposed of", async () => {
  const server = serve();
  using conn = await connect(server);
  await conn.write(new TextEncoder().encode("GET /well"));
  await within(
    Promise.resolve(server[Symbol.asyncDispose]()),
    "the end of the server",
  );
  const end = await conn.read(new Uint8Array(1)).catch(() => null);
  assertEquals(end, null);
});
