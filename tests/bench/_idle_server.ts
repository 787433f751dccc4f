/**
 * One end of idle TLS connections, in a process of its own: `node:tls` alone or
 * a relay. It prints its port, and after each line that it reads its resident
 * bytes after a collection, which also empties V8's nursery: that has up to 64
 * MiB however many connections there are, and an idle relay empties it itself.
 */

import { createServer } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { TextLineStream } from "@std/streams";
import { createIdentity } from "../../lib/identity/identity.ts";
import { serveRelay } from "../../lib/relay/server.ts";
import { ALPN_PROTOCOL } from "../../lib/transport/dial.ts";
import { print } from "./_report.ts";

const HOST = "127.0.0.1";
// A collection frees sockets only after their handles have had turns.
const COLLECTION_COUNT = 4;
const COLLECTION_PAUSE_MS = 150;

async function bare(): Promise<number> {
  const { certificatePem, privateKeyPem } = await createIdentity();
  const server = createServer({
    cert: certificatePem,
    key: privateKeyPem,
    minVersion: "TLSv1.3",
    ALPNProtocols: [ALPN_PROTOCOL],
  }, (socket) => {
    socket.on("error", () => {});
    socket.resume();
    socket.write("ready");
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen({ host: HOST, port: 0 }, resolve);
  await promise;
  return (server.address() as { port: number }).port;
}

async function relay(): Promise<number> {
  const identity = await createIdentity();
  return (await serveRelay({ host: HOST, port: 0, identity })).address.port;
}

async function residentBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("globalThis.gc") as () => void;
  for (let n = 0; n < COLLECTION_COUNT; n++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, COLLECTION_PAUSE_MS));
  }
  return Deno.memoryUsage().rss;
}

if (import.meta.main) {
  print(String(await (Deno.args[0] === "bare" ? bare() : relay())));
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const _ of lines) print(String(await residentBytes()));
  Deno.exit(0);
}
