/**
 * What attackers have in common: crowds of sockets, writing on and on, and
 * coming back after being cut off.
 */

import { connect, type Socket } from "node:net";
import type { Conn, Endpoint } from "../../lib/base/conn.ts";
import { isBug } from "../../lib/base/errors.ts";
import { encodeMessage } from "../../lib/protocol/messages.ts";

/** Where attacks come from. */
export const ATTACKER = "127.0.0.2";
/** An honest address to which all limits for one address apply. */
export const STRANGER = "127.0.0.3";

/** The first word of a client. */
export const HELLO = encodeMessage({
  kind: "hello",
  protocol: 1,
  role: "client",
});

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Prints a line for people to stderr. */
export function print(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Resolves when `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve());
  return promise;
}

/** Runs an attack until the victim closes the connection. */
export async function untilClosed(attack: () => Promise<void>): Promise<void> {
  try {
    await attack();
  } catch (error) {
    if (isBug(error)) throw error;
    await pause(1); // and the attacker tries again
  }
}

/** Writes until the peer closes or `signal` is aborted. */
export async function flood(
  conn: Conn,
  { next, signal }: { next: () => Uint8Array; signal: AbortSignal },
): Promise<void> {
  const stop = () => conn.close();
  signal.addEventListener("abort", stop);
  try {
    while (!signal.aborted) {
      await conn.write(next());
      await pause(0); // others may live in the same process
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Sockets of an attacker that send nothing, until the victim closes them. */
export class Crowd implements Disposable {
  readonly #at: Endpoint;
  readonly #open = new Set<Socket>();

  constructor(at: Endpoint) {
    this.#at = at;
  }

  get size(): number {
    return this.#open.size;
  }

  add(localAddress: string): void {
    const socket = connect({ ...this.#at, localAddress });
    this.#open.add(socket);
    socket.on("error", () => {}); // "close" reports it too
    socket.once("close", () => this.#open.delete(socket));
    socket.resume();
  }

  [Symbol.dispose](): void {
    for (const socket of this.#open) socket.destroy();
  }
}
