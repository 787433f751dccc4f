/**
 * Dials again if the other side has no room: a relay or a node closes connections
 * before the handshake when too many connect at once from one address, because
 * this needs no handshake, and refuses them after hello.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { isHangUp } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { retryDelayMs } from "../base/waiting.ts";

/**
 * When to stop dialling again. Dials to many peers share one, so that all peers
 * that keep closing connections cost this time only once together.
 */
export interface RetryLimits {
  /** Set when the first of them closes a connection. */
  endsAt?: number;
}

/** Options of {@linkcode whenAdmitted}. */
export interface WhenAdmittedOptions {
  readonly limits: Limits;
  /** Shared with other dials; by default its own. */
  readonly patience?: RetryLimits;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
  /** Between 0 and 1; by default `Math.random`. */
  readonly random?: () => number;
  /** Whether an error says so; by default {@linkcode isHangUp}. */
  readonly isTurnedAway?: (error: unknown) => boolean;
}

// A shared limit starts again when it has been over for this many times its length.
const OLD_TIMES = 5;

/**
 * The result of `open`, which is called again at random intervals while the
 * other side closes the connection.
 *
 * @throws the last error when the time is over, any other error at once,
 * and the signal's reason when aborted.
 */
export async function whenAdmitted<T>(
  open: () => Promise<T>,
  options: WhenAdmittedOptions,
): Promise<T> {
  const { limits, signal, patience = {}, random = Math.random } = options;
  const { isTurnedAway = isHangUp } = options;
  const { turnedAwayMs, turnedAwayFirstMs, turnedAwayPauseMs } = limits;
  for (let attempt = 0;; attempt++) {
    try {
      return await open();
    } catch (error) {
      if (!isTurnedAway(error)) throw error;
      const now = performance.now();
      // A gateway runs for days, so a limit that ended long ago counts no more.
      const isOld = attempt === 0 &&
        now > (patience.endsAt ?? Infinity) + OLD_TIMES * turnedAwayMs;
      if (isOld) delete patience.endsAt;
      patience.endsAt ??= now + turnedAwayMs;
      const waitMs = retryDelayMs(attempt, {
        firstMs: turnedAwayFirstMs,
        maxMs: turnedAwayPauseMs,
        random,
      });
      if (now + waitMs > patience.endsAt) throw error;
      await delay(waitMs, signal === undefined ? {} : { signal });
    }
  }
}
