/**
 * Which connections of the web server are evicted: those that wait for an
 * answer, and any when file descriptors run out.
 */

import { assertEquals } from "@std/assert";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import type { HttpAnswer } from "../../lib/http/answer.ts";
import {
  serveWeb,
  type WebRequest,
  type WebServer,
} from "../../lib/http/web_server.ts";
import { replaced, systemError } from "../_replaced.ts";
import { statusFrom, WebClient } from "./_web_client.ts";

function serve(
  { limits, handle = answer }: {
    limits: Partial<Limits>;
    handle?: (request: WebRequest) => Promise<HttpAnswer>;
  },
): Promise<WebServer> {
  return serveWeb({
    at: { host: "127.0.0.1", port: 0 },
    limits: { ...LIMITS, ...limits },
    handle,
    onError: () => {},
  });
}

function answer(): Promise<HttpAnswer> {
  return Promise.resolve({ status: 200, body: "x" });
}

for (
  const [webOwnUnansweredMs, status] of [[0, 200], [600_000, 0]] as const
) {
  Deno.test(`With webOwnUnansweredMs of ${webOwnUnansweredMs}, Web answers ${status} to a client whose address waits for answers on every connection`, async () => {
    let asked = 0;
    const all = Promise.withResolvers<void>();
    const handle = (request: WebRequest): Promise<HttpAnswer> => {
      if (request.path !== "/never") return answer();
      if (++asked === 4) all.resolve();
      return new Promise(() => {});
    };
    const limits = { webConnectionCount: 4, webOwnUnansweredMs };
    await using server = await serve({ limits, handle });
    const waiting: WebClient[] = [];
    for (let n = 0; n < 4; n++) {
      const client = await WebClient.to(server.address);
      waiting.push(client);
      await client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    await all.promise;
    const request = "GET /one HTTP/1.1\r\nHost: a";
    for (let n = 0; n < 9; n++) {
      assertEquals(
        await statusFrom("127.0.0.1", server.address, request),
        status,
      );
    }
    for (const client of waiting) client[Symbol.dispose]();
  });
}

Deno.test("Web without file descriptors closes connections that ask nothing, and keeps some for nodes", async () => {
  const ended = new Set<number>();
  let isShort = false;
  using _listen = replaced(
    Deno,
    "listen",
    (listen) =>
      ((options: Deno.TcpListenOptions) => {
        const listener = listen(options);
        const accept = listener.accept.bind(listener);
        listener.accept = async () => {
          const conn = await accept();
          if (!isShort) return conn;
          isShort = false;
          conn.close();
          throw systemError("EMFILE");
        };
        return listener;
      }) as typeof Deno.listen,
  );
  await using server = await serve({ limits: { roomLeastCount: 1 } });
  const clients: WebClient[] = [];
  for (let n = 0; n < 16; n++) {
    const client = await WebClient.to(server.address);
    assertEquals((await client.ask("GET /one")).status, 200);
    clients.push(client);
    void client.conn.read(new Uint8Array(1)).then(
      () => ended.add(n),
      () => ended.add(n),
    );
  }
  isShort = true;
  using _last = await WebClient.to(server.address);
  const request = "GET /one HTTP/1.1\r\nHost: a";
  assertEquals(await statusFrom("127.0.0.2", server.address, request), 200);
  // 16 were too many: an eighth goes, and another one for the newcomer.
  assertEquals([...ended].sort(), [0, 1, 2]);
  for (const client of clients) client[Symbol.dispose]();
});
