/** What TLS clients send first, for tests and floods. */

import { type AddressInfo, createServer } from "node:net";
import { connect } from "node:tls";
import { ALPN_PROTOCOL } from "../lib/transport/dial.ts";

/** What a client sends first: a record of TLS with a client hello. */
export async function clientHello(): Promise<Uint8Array<ArrayBuffer>> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  const server = createServer((socket) => socket.once("data", resolve));
  const listening = Promise.withResolvers<void>();
  server.listen({ host: "127.0.0.1", port: 0 }, listening.resolve);
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  const client = connect({
    host: "127.0.0.1",
    port,
    ALPNProtocols: [ALPN_PROTOCOL],
    minVersion: "TLSv1.3",
  });
  client.on("error", () => {}); // the other side closes it
  const hello = Uint8Array.from(await promise);
  client.destroy();
  server.close();
  return hello;
}

/** `hello` in `count` records, as TLS allows. */
export function inRecords(
  hello: Uint8Array,
  count: number,
): Uint8Array<ArrayBuffer>[] {
  const message = hello.subarray(5);
  return Array.from({ length: count }, (_, n) => {
    const from = Math.floor(message.length * n / count);
    const to = Math.floor(message.length * (n + 1) / count);
    const part = message.subarray(from, to);
    const header = [0x16, 3, 1, part.length >> 8, part.length & 255];
    return Uint8Array.of(...header, ...part);
  });
}

/** `hello` in records of one byte each. */
export function inSingleBytes(hello: Uint8Array): Uint8Array<ArrayBuffer>[] {
  return inRecords(hello, hello.length - 5);
}
