/**
 * Dials inside a worker. {@linkcode laneDialler} must not use anything outside
 * itself, because a worker gets it as text.
 *
 * @module
 */

import { type Pin, startPinned } from "./pinned.ts";

/** Where to dial. */
export interface LaneDialOptions {
  /** Host name or IP literal. */
  readonly hostname: string;
  /** TCP port. */
  readonly port: number;
  /** What the peer must present; `null` dials without encryption. */
  readonly pin: Pin | null;
  /** Stops while TCP connects. */
  readonly signal: AbortSignal;
}

/**
 * Returns a function that dials. It passes each new conn to `opened`, which can
 * close it at the deadline.
 */
export function laneDialler(start: typeof startPinned): (
  options: LaneDialOptions,
  opened: (conn: Deno.Conn) => void,
) => Promise<Deno.Conn> {
  return async ({ hostname, port, pin, signal }, opened) => {
    const tcp = await Deno.connect({ hostname, port, signal });
    opened(tcp);
    tcp.setNoDelay(true);
    return pin === null ? tcp : await start(tcp, pin, opened);
  };
}

/** The source text of {@linkcode laneDialler}. */
export const LANE_DIALLER = `(${laneDialler})(${startPinned})`;
