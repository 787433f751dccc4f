/**
 * Shows a client that a node is alive while it works on a long request.
 *
 * @module
 */

import type { Channel } from "../protocol/channel.ts";
import type { Outbox } from "./outbox.ts";

// How often a message shows a waiting client that we are alive, while a file is
// hashed or others have their turns.
const WORKING_MS = 5_000;

/** Options of {@linkcode whileWorking}. */
export interface WorkingOptions {
  readonly channel: Channel;
  readonly outbox: Outbox;
  /** The request that the client waits for. */
  readonly request: number;
}

/**
 * Does `work`, and regularly sends `working` to the client until it is done. If
 * sending fails, because the client has disconnected, its signal is aborted.
 */
export async function whileWorking<T>(
  { channel, outbox, request }: WorkingOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  await outbox.flush(); // earlier answers are sent first
  const left = new AbortController();
  const timer = setInterval(() => {
    // If this cannot be sent, the answer could not be sent either.
    channel.send({ kind: "working", request })
      .catch(() => left.abort(CLIENT_LEFT));
  }, WORKING_MS);
  try {
    return await work(left.signal);
  } finally {
    clearInterval(timer);
  }
}

const CLIENT_LEFT = new Deno.errors.ConnectionReset("the client disconnected");
