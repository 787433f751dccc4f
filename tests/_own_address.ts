/**
 * Addresses on loopback that the system never picks. A port that it picked is
 * free again once its listener is closed: then another test's listener, or the
 * near end of any connection from 127.0.0.1, can take it. What is listened at
 * twice, or must stay unused, gets one of these instead.
 */

import type { Endpoint } from "../lib/base/conn.ts";

// Below the ports that Linux picks for listeners and connections (32,768 on).
const FIRST_PORT = 10_000;
const PORT_COUNT = 22_768;

/** An address that nobody listens at, and that no other test is given. */
export function ownAddress(): Endpoint {
  const [a, b, c] = crypto.getRandomValues(new Uint8Array(3));
  const host = `127.${1 + a! % 254}.${b!}.${1 + c! % 254}`;
  return { host, port: ownPort(host) };
}

/** A port that nobody listens at, on 127.0.0.1 where an address must be that. */
export function ownPort(host = "127.0.0.1"): number {
  while (true) {
    const [random] = crypto.getRandomValues(new Uint32Array(1));
    const port = FIRST_PORT + random! % PORT_COUNT;
    try {
      Deno.listen({ hostname: host, port }).close();
      return port;
    } catch (error) {
      // Another program listens at this port of every address.
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
