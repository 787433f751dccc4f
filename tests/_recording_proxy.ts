/**
 * A TCP proxy that records what passes, both ways: what an eavesdropper on the
 * path would have.
 */

import { writeAll } from "../lib/base/conn.ts";
import { DenoConn } from "../lib/transport/deno_conn.ts";

/** A proxy in front of one port. */
export interface RecordingProxy extends AsyncDisposable {
  readonly port: number;
  /** The port on loopback that everything is passed to. */
  target: number;
  /** Whether the words have passed, in either direction. */
  saw(words: string | Uint8Array): boolean;
  /** Bytes that have passed. */
  readonly byteCount: number;
}

/** Listens; then gets the address to which it passes everything. */
export function startRecording(): RecordingProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const streams: number[][] = [];
  const running = new Set<Promise<void>>();
  const pump = async (from: DenoConn, to: DenoConn) => {
    const record: number[] = [];
    streams.push(record);
    const buffer = new Uint8Array(16 * 1024);
    for (;;) {
      const count = await from.read(buffer);
      if (count === null) break;
      record.push(...buffer.subarray(0, count));
      await writeAll(to, buffer.subarray(0, count));
    }
    await to.closeWrite();
  };
  const serve = async (client: DenoConn) => {
    const at = { hostname: "127.0.0.1", port: proxy.target };
    const conn = await Deno.connect(at);
    using server = new DenoConn(conn);
    using _client = client;
    const end = () => {
      client.close();
      server.close();
    };
    await Promise.all([
      pump(client, server).catch(end), // a reset goes on as an end
      pump(server, client).catch(end),
    ]);
  };
  const accepting = (async () => {
    for await (const conn of listener) {
      const run = serve(new DenoConn(conn)).finally(() => running.delete(run));
      running.add(run);
    }
  })();
  const proxy: RecordingProxy = {
    target: 0,
    port: listener.addr.port,
    get byteCount() {
      return streams.reduce((sum, record) => sum + record.length, 0);
    },
    saw: (words) => {
      const wanted = typeof words === "string"
        ? new TextEncoder().encode(words)
        : words;
      const hex = wanted.toHex();
      return streams.some((record) =>
        new Uint8Array(record).toHex().includes(hex)
      );
    },
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await accepting;
      await Promise.all(running);
    },
  };
  return proxy;
}
