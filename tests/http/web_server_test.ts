/**
 * The web server as browsers, players and strangers meet it: connections that
 * stay open, bodies that are streamed, and every limit.
 */

import { once } from "node:events";
import { connect } from "node:net";
import { assertEquals } from "@std/assert";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import type { BodyStream, HttpAnswer } from "../../lib/http/answer.ts";
import {
  serveWeb,
  type WebRequest,
  type WebServer,
} from "../../lib/http/web_server.ts";
import { within } from "../_event_log.ts";
import { statusFrom, WebClient } from "./_web_client.ts";

const ENOUGH = new Uint8Array(16 * 1024 * 1024);

function serve(
  { limits, errors = [], handle = answer }: {
    limits?: Partial<Limits>;
    errors?: unknown[];
    handle?: (request: WebRequest) => Promise<HttpAnswer>;
  } = {},
): Promise<WebServer> {
  return serveWeb({
    at: { host: "127.0.0.1", port: 0 },
    limits: { ...LIMITS, ...limits },
    handle,
    onError: (error) => errors.push(error),
  });
}

function answer(
  { path, method, body }: WebRequest,
): Promise<HttpAnswer> {
  const text = `${method} ${path} ${body.length}`;
  switch (path) {
    case "/stream":
      return Promise.resolve({
        status: 200,
        body: {
          *parts() {
            for (const part of ["a", "", "bc"]) {
              yield new TextEncoder().encode(part);
            }
          },
        },
      });
    case "/short":
      return Promise.resolve({
        status: 200,
        body: { length: 5, parts: () => [new Uint8Array(3)] },
      });
    case "/endless":
      return Promise.resolve({
        status: 200,
        body: {
          length: 1e12,
          *parts() {
            for (;;) yield ENOUGH;
          },
        },
      });
    case "/bug":
      return Promise.reject(new TypeError("a bug"));
    default:
      return Promise.resolve({ status: 200, body: text });
  }
}

Deno.test("Web answers many requests on one connection, with bodies, chunks and HEAD", async () => {
  await using server = await serve();
  using client = await WebClient.to(server.address);
  assertEquals((await client.ask("GET /one")).text, "GET /one 0");
  const put = await client.ask(
    "PROPFIND /two",
    { "Content-Length": "3" },
    "abc",
  );
  assertEquals(put.text, "PROPFIND /two 3");
  const head = await client.ask("HEAD /three");
  assertEquals([head.status, head.fields.get("content-length")], [200, "13"]);
  assertEquals((await client.ask("GET /stream")).text, "abc");
  await client.send(
    "GET /4 HTTP/1.1\r\nHost: a\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  assertEquals((await client.answer()).text, "GET /4 0");
  assertEquals((await client.answer()).text, "GET /5 0");
  const last = await client.ask("GET /6", { Connection: "close" });
  assertEquals(last.fields.get("connection"), "close");
  assertEquals(await client.rest(), "");
});

Deno.test("Web ends a connection whose body is not whole, so that the client knows", async () => {
  await using server = await serve();
  using client = await WebClient.to(server.address);
  const { fields, body } = await client.ask("GET /short");
  assertEquals([fields.get("content-length"), body.length], ["5", 3]);
});

Deno.test("Web answers 500 for a bug, reports it, and continues", async () => {
  const errors: unknown[] = [];
  await using server = await serve({ errors });
  using client = await WebClient.to(server.address);
  assertEquals((await client.ask("GET /bug")).status, 500);
  assertEquals(errors.length, 1);
  assertEquals((await client.ask("GET /one")).status, 200);
});

for (
  const [request, status] of [
    ["GET / HTTP/1.1\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400],
    ["GET / HTTP/1.1\nHost: a\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400],
    ["GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["get / HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 411],
    ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 411],
    [
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      400,
    ],
  ] as const
) {
  Deno.test(`Web answers ${JSON.stringify(request)} with ${status}, and ends`, async () => {
    await using server = await serve();
    using client = await WebClient.to(server.address);
    await client.send(request);
    assertEquals((await client.answer()).status, status);
    assertEquals(await client.rest(), "");
  });
}

Deno.test("Web refuses a request of webHeadBytes without an end", async () => {
  await using server = await serve({ limits: { webHeadBytes: 100 } });
  using client = await WebClient.to(server.address);
  await client.send(`GET /${"a".repeat(95)}`);
  assertEquals((await client.answer()).status, 431);
});

Deno.test("Web refuses a body over webBodyBytes", async () => {
  await using server = await serve({ limits: { webBodyBytes: 10 } });
  using client = await WebClient.to(server.address);
  const fine = await client.ask(
    "POST /",
    { "Content-Length": "10" },
    "0123456789",
  );
  assertEquals(fine.status, 200);
  const large = await client.ask("POST /", { "Content-Length": "11" });
  assertEquals(large.status, 413);
});

Deno.test("Web ends a connection whose request is not whole after webHeadMs", async () => {
  await using server = await serve({ limits: { webHeadMs: 50 } });
  using client = await WebClient.to(server.address);
  await client.send("GET / HTTP/1.1\r\nHost");
  assertEquals(await client.rest(), "");
});

Deno.test("Web ends a connection that sends no request for webIdleMs", async () => {
  await using server = await serve({ limits: { webIdleMs: 50 } });
  using client = await WebClient.to(server.address);
  assertEquals((await client.ask("GET /one")).status, 200);
  assertEquals(await client.rest(), "");
});

Deno.test("Web ends a connection whose client reads nothing for webStallMs", async () => {
  const ended = Promise.withResolvers<void>();
  await using server = await serve({
    limits: { webStallMs: 50 },
    handle: (request) => {
      request.signal.addEventListener("abort", () => ended.resolve());
      return answer(request);
    },
  });
  using client = await WebClient.to(server.address);
  await client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
  await within(ended.promise, "the end");
});

Deno.test("Web keeps webConnectionCount connections: an idle one is evicted", async () => {
  await using server = await serve({ limits: { webConnectionCount: 2 } });
  using first = await WebClient.to(server.address);
  assertEquals((await first.ask("GET /one")).status, 200);
  using second = await WebClient.to(server.address);
  assertEquals((await second.ask("GET /one")).status, 200);
  using third = await WebClient.to(server.address);
  assertEquals((await third.ask("GET /one")).status, 200);
  assertEquals(await first.rest(), "");
  assertEquals((await second.ask("GET /one")).status, 200);
});

Deno.test("Web closes no connection for an address that has more waiting connections itself", async () => {
  await using server = await serve({ limits: { webConnectionCount: 4 } });
  const { host, port } = server.address;
  const honest = connect({ host, port, localAddress: "127.0.0.2" });
  const ask = async () => {
    const answered = once(honest, "data");
    honest.write("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    const [bytes] = await within(answered, "an answer");
    return String(bytes).slice(0, 12);
  };
  assertEquals(await ask(), "HTTP/1.1 200");
  const others: WebClient[] = [];
  for (let n = 0; n < 9; n++) {
    const client = await WebClient.to(server.address);
    others.push(client);
    assertEquals((await client.ask("GET /one")).status, 200);
  }
  assertEquals(await ask(), "HTTP/1.1 200");
  honest.destroy();
  for (const client of others) client[Symbol.dispose]();
});

for (const [webStalledMs, isServed] of [[0, true], [60_000, false]] as const) {
  Deno.test(`Web evicts a connection that has stalled for webStalledMs: ${isServed}`, async () => {
    await using server = await serve({
      limits: {
        ...{ webConnectionCount: 1, webStalledMs, webOwnStalledMs: 600_000 },
      },
    });
    using slow = await WebClient.to(server.address);
    await slow.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    await slow.take(5_000_000);
    using next = await WebClient.to(server.address);
    await next.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n").catch(() => {});
    const answer = await next.answer().then(({ status }) => status, () => 0);
    assertEquals(answer, isServed ? 200 : 0);
  });
}

for (
  const [webOwnStalledMs, status] of [[0, 200], [600_000, 0]] as const
) {
  Deno.test(`With webOwnStalledMs of ${webOwnStalledMs}, Web answers ${status} to a client whose address holds every connection`, async () => {
    await using server = await serve({
      limits: { webConnectionCount: 4, webStalledMs: 600_000, webOwnStalledMs },
    });
    const slow: WebClient[] = [];
    for (let n = 0; n < 4; n++) {
      const client = await WebClient.to(server.address);
      slow.push(client);
      await client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
      await client.take(1_000);
    }
    const request = "GET /one HTTP/1.1\r\nHost: a";
    for (let n = 0; n < 9; n++) {
      assertEquals(
        await statusFrom("127.0.0.1", server.address, request),
        status,
      );
    }
    for (const client of slow) client[Symbol.dispose]();
  });
}

Deno.test("Web serves another address while one holds every connection and reads nothing", async () => {
  await using server = await serve({
    limits: {
      ...{ webConnectionCount: 4, webStalledMs: 600_000 },
      webOwnStalledMs: 600_000,
    },
  });
  const slow: WebClient[] = [];
  for (let n = 0; n < 4; n++) {
    const client = await WebClient.to(server.address);
    slow.push(client);
    await client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.take(1_000);
  }
  const request = "GET /one HTTP/1.1\r\nHost: a";
  assertEquals(await statusFrom("127.0.0.1", server.address, request), 0);
  for (let n = 0; n < 9; n++) {
    assertEquals(await statusFrom("127.0.0.2", server.address, request), 200);
  }
  using again = await WebClient.to(server.address); // one was evicted
  assertEquals((await again.ask("GET /one")).status, 200);
  for (const client of slow) client[Symbol.dispose]();
});

Deno.test("Web notifies the handler that its client has disconnected", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  await using server = await serve({
    handle: ({ signal }) => {
      asked.resolve(signal);
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      );
    },
  });
  const client = await WebClient.to(server.address);
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const signal = await asked.promise;
  const gone = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => gone.resolve());
  client[Symbol.dispose]();
  await within(gone.promise, "the abort");
});

Deno.test("Web frees the place of a client that has disconnected, and closes an answer that arrives later", async () => {
  const answering = Promise.withResolvers<HttpAnswer>();
  const asked = Promise.withResolvers<AbortSignal>();
  await using server = await serve({
    handle: ({ path, signal }) => {
      if (path !== "/slow") return Promise.resolve({ status: 200 });
      asked.resolve(signal);
      return answering.promise;
    },
    limits: { ...LIMITS, webConnectionCount: 1 },
  });
  const client = await WebClient.to(server.address);
  await client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  const signal = await asked.promise;
  const gone = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => gone.resolve());
  client[Symbol.dispose]();
  await within(gone.promise, "the abort");
  using next = await WebClient.to(server.address);
  assertEquals((await next.ask("GET /other")).status, 200);
  const closed = Promise.withResolvers<void>();
  const body = { parts: () => [], close: () => closed.resolve() };
  answering.resolve({ status: 200, body });
  await within(closed.promise, "the close");
});

/** A body whose second part never comes. */
function halfBody(more: Partial<BodyStream>): BodyStream {
  return {
    async *parts() {
      yield new TextEncoder().encode("half");
      await new Promise(() => {});
    },
    ...more,
  };
}

Deno.test("Web ends a connection whose body is given up, and the client sees that it is not whole", async () => {
  const ending = new AbortController();
  const body = halfBody({ signal: ending.signal });
  await using server = await serve({
    handle: () => Promise.resolve({ status: 200, body }),
  });
  using client = await WebClient.to(server.address);
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const seen = new Uint8Array(4096);
  let text = "";
  while (!text.endsWith("half\r\n")) {
    const count = await client.conn.read(seen);
    text += new TextDecoder().decode(seen.subarray(0, count!));
  }
  ending.abort(new Error("enough"));
  assertEquals(await client.rest(), ""); // no last chunk
});

Deno.test("Web ends a connection whose client reads nothing for the time that a list allows, gatewayListStallMs", async () => {
  const closed = Promise.withResolvers<void>();
  await using server = await serve({
    handle: () =>
      Promise.resolve({
        status: 200,
        body: {
          *parts() {
            for (;;) yield ENOUGH;
          },
          stallMs: 1,
          close: closed.resolve,
        },
      }),
  });
  using client = await WebClient.to(server.address);
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await within(closed.promise, "the end of the body");
});

Deno.test("Web gives up a body of which no part is wanted", async () => {
  let closes = 0;
  const body = halfBody({ close: () => closes++ });
  await using server = await serve({
    handle: () => Promise.resolve({ status: 200, body }),
  });
  using client = await WebClient.to(server.address);
  assertEquals((await client.ask("HEAD /")).status, 200);
  await client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.answer({ isHead: true });
  assertEquals(closes >= 1, true);
});
