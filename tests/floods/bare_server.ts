/**
 * A server of `node:tls` that answers a byte, as a process, and nothing of ours
 * in it: what the runtime and the machine take of a flood by themselves.
 */

import { assertEquals } from "@std/assert";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:tls";
import { writeAll } from "../../lib/base/conn.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { ALPN_PROTOCOL } from "../../lib/transport/dial.ts";
import { dialFrom } from "../bench/_big_relay.ts";
import { spawnCommand } from "../e2e/_processes.ts";
import { STRANGER } from "./_attacker.ts";
import type { Scene } from "./_flood.ts";

/** The server, and a client that dials it and gets its byte back. */
export async function openBareScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const path = new URL(import.meta.url).pathname;
  const server = stack.use(
    spawnCommand([Deno.execPath(), "run", "--allow-net", "--no-check", path]),
  );
  const [, port] = await server.stdout.until(/^(\d+)$/);
  const owned = stack.move();
  const at = { host: "127.0.0.1", port: Number(port) };
  const target = { at, plaintext: false };
  return {
    target,
    pids: [server.pid],
    ask: async () => {
      const startedAt = performance.now();
      using conn = await dialFrom(STRANGER, target);
      await writeAll(conn, Uint8Array.of(7));
      assertEquals(await conn.read(new Uint8Array(1)), 1);
      return performance.now() - startedAt;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function serve(): Promise<void> {
  const identity = await createIdentity();
  const server = createServer({
    cert: identity.certificatePem,
    key: identity.privateKeyPem,
    minVersion: "TLSv1.3",
    ALPNProtocols: [ALPN_PROTOCOL],
  }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.on("tlsClientError", (_error, socket: Socket) => socket.destroy());
  server.listen({ host: "0.0.0.0", port: 0, backlog: 4096 }, () => {
    const { port } = server.address() as AddressInfo;
    Deno.stdout.writeSync(new TextEncoder().encode(`${port}\n`));
  });
}

if (import.meta.main) await serve();
