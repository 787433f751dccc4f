/**
 * The floor, on the sending side: bytes of one file to each connection that asks
 * for a range of it, with nothing around them.
 *
 *     deno run -A _floor_server.ts tls|plain FILE CERT KEY
 *
 * Prints the port.
 */

import { openSync, readSync } from "node:fs";

const BUFFER_BYTES = 1024 * 1024;

async function serve(conn: Deno.Conn, file: number): Promise<void> {
  const head = new Uint8Array(16);
  for (let filled = 0; filled < head.length;) {
    const count = await conn.read(head.subarray(filled));
    if (count === null) return;
    filled += count;
  }
  const view = new DataView(head.buffer);
  const end = view.getFloat64(8);
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let at = view.getFloat64(0); at < end;) {
    const most = Math.min(buffer.length, end - at);
    const count = readSync(file, buffer, 0, most, at);
    at += count;
    for (let sent = 0; sent < count;) {
      sent += await conn.write(buffer.subarray(sent, count));
    }
  }
  await conn.closeWrite();
}

const [mode, path = "", cert = "", key = ""] = Deno.args;
const at = { hostname: "127.0.0.1", port: 0 };
const listener: Deno.Listener = mode === "tls"
  ? Deno.listenTls({
    ...at,
    cert: Deno.readTextFileSync(cert),
    key: Deno.readTextFileSync(key),
  })
  : Deno.listen(at);
const file = openSync(path, "r");
const { port } = listener.addr as Deno.NetAddr;
await Deno.stdout.write(new TextEncoder().encode(`floor at ${port}\n`));
for await (const conn of listener) {
  serve(conn, file).catch((error) => reportError(error));
}
