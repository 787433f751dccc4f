/**
 * Helps a listener of `node:net` to recover when file descriptors run out:
 * notices when that is likely, checks it, and restarts the listener.
 *
 * @module
 */

import type { Server } from "node:net";
import type { Endpoint } from "../base/conn.ts";
import { describeCause, systemErrorCode } from "../base/errors.ts";
import { isGranted, requireNet } from "../base/permission.ts";

/** Fewer connections than this cannot exhaust the descriptors of a process. */
const CHECK_FROM_CONNECTIONS = 12;

/** Counts the sockets of a listener, now and at the last check. */
export class Census {
  #open = 0;
  #mostOpen = 0;
  /** True while the process has no descriptor left for dialling itself. */
  isSuspect = false;

  enter(): void {
    this.#mostOpen = Math.max(this.#mostOpen, ++this.#open);
  }

  leave(): void {
    this.#open--;
  }

  worthChecking(): boolean {
    const most = this.#mostOpen;
    this.#mostOpen = this.#open;
    return this.isSuspect || most >= CHECK_FROM_CONNECTIONS;
  }
}

/** The listener that a `node:net` server has in Deno. */
interface ListenerHandle {
  listen?(backlog: number): number;
}

/**
 * Restarts a listener that stopped at EMFILE; does nothing to one that accepts.
 * `node:net` has no public way to do this. Closing and listening again would
 * refuse all waiting connections.
 */
export function wakeServer(server: Server): void {
  if (!server.listening) return;
  const { _handle: handle } = server as { _handle?: ListenerHandle | null };
  handle?.listen?.(BACKLOG);
}

/**
 * Why this process cannot open another socket; `undefined` if it can. It dials
 * itself to find out, because it certainly has the permission for that.
 */
export async function shortage(address: Endpoint): Promise<string | undefined> {
  const hostname = LOOPBACK_OF.get(address.host) ?? address.host;
  try {
    requireNet({ host: hostname, port: address.port });
    using _probe = await Deno.connect({ hostname, port: address.port });
    return undefined;
  } catch (error) {
    const isShort = systemErrorCode(error) === "EMFILE";
    return isShort ? describeCause(error) : undefined;
  }
}

/** The descriptors that a worker takes, and some more. */
const OF_WORKER_COUNT = 16;

/**
 * Whether there are descriptors for a worker: Deno ends the whole process if a
 * worker gets none. Opens as many, and closes them.
 */
export function hasRoomForWorker(count = OF_WORKER_COUNT): boolean {
  const hostname = "127.0.0.1";
  if (!isGranted({ name: "net", host: `${hostname}:0` })) return true; // unknown
  using opened = new DisposableStack();
  try {
    while (count-- > 0) opened.use(Deno.listen({ hostname, port: 0 }));
    return true;
  } catch {
    return false;
  }
}

const LOOPBACK_OF: ReadonlyMap<string, string> = new Map([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "::1"],
]);

/**
 * Connections that wait to be accepted: a flood while the process is busy. The
 * system may have a lower limit.
 */
export const BACKLOG = 4096;
