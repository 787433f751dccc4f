/**
 * The web server's TLS as strangers meet it: handshakes in turn, and other
 * protocols.
 */

import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { assertEquals } from "@std/assert";
import type { Endpoint } from "../../lib/base/conn.ts";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { serveWeb, type WebServer } from "../../lib/http/web_server.ts";
import { IDENTITIES } from "../_network.ts";

const { certificatePem: certificate, privateKeyPem: key } = IDENTITIES[1]!;

function serve(
  limits: Partial<Limits>,
  errors: unknown[] = [],
): Promise<WebServer> {
  return serveWeb({
    at: { host: "127.0.0.1", port: 0 },
    tls: { certificate, key },
    limits: { ...LIMITS, ...limits },
    handle: () => Promise.resolve({ status: 200, body: "x" }),
    onError: (error) => errors.push(error),
  });
}

/** The first bytes of a TLS client. */
async function clientHello(): Promise<Uint8Array> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const client = connectTls({ host: "127.0.0.1", port });
  client.on("error", () => {}); // nobody answers
  using conn = await listener.accept();
  const buffer = new Uint8Array(4096);
  const count = await conn.read(buffer);
  client.destroy();
  return buffer.slice(0, count ?? 0);
}

/** Begins a handshake from 127.0.0.2, and goes no further. */
async function begin(
  { host, port }: Endpoint,
  hello: Uint8Array,
): Promise<Socket> {
  const socket = connectTcp({ host, port, localAddress: "127.0.0.2" });
  await once(socket, "connect");
  socket.write(hello);
  return socket;
}

async function statusOver(
  { host, port }: Endpoint,
  localAddress: string,
): Promise<string> {
  const own = { localAddress }; // the types of node:tls do not know it
  const socket = connectTls({
    ...{ ...own, host, port, rejectUnauthorized: false },
  });
  socket.setEncoding("latin1");
  socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const [text] = await once(socket, "data");
  socket.destroy();
  return text.slice(0, 12);
}

Deno.test("Web begins no further handshake of an address that left some unfinished while others wait, and serves others", async () => {
  await using server = await serve({
    ...{ handshakesPerAddressCount: 0, handshakePauseMs: 600_000 },
    ...{ handshakeHalfLifeMs: 1e9, webHeadMs: 600_000 },
  });
  const hello = await clientHello();
  const begun: Socket[] = [];
  for (let n = 0; n < 3; n++) {
    const socket = await begin(server.address, hello);
    await once(socket, "data"); // it begins
    begun.push(socket);
  }
  const waiting = await begin(server.address, hello);
  let answered = false;
  waiting.on("data", () => answered = true);
  for (let n = 0; n < 5; n++) {
    assertEquals(await statusOver(server.address, "127.0.0.1"), "HTTP/1.1 200");
  }
  assertEquals(answered, false);
  for (const socket of [...begun, waiting]) socket.destroy();
});

Deno.test("Web reports no error of strangers that speak no TLS, or another version of it", async () => {
  const errors: unknown[] = [];
  await using server = await serve({}, errors);
  const hello = await clientHello();
  const garbage = hello.slice().fill(7, 9);
  const requests = [
    new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    garbage,
    Uint8Array.of(0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0),
  ];
  for (const request of requests) {
    const socket = await begin(server.address, request);
    socket.on("error", () => {}); // a reset is right too
    socket.resume();
    await once(socket, "close");
  }
  assertEquals(await statusOver(server.address, "127.0.0.1"), "HTTP/1.1 200");
  assertEquals(errors, []);
});
