/**
 * Bounds what one relay may list to a client: bytes, and time.
 *
 * @module
 */

import { describeCause, isEnded, ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { formatBytes } from "../base/units.ts";
import type { Channel } from "../protocol/channel.ts";
import type { ListedRecord } from "../protocol/messages.ts";
import { ListingClock, Stopped } from "./listing_clock.ts";

/** The bounds of one list of nodes. Disposing stops their clock. */
export class ListBounds implements Disposable {
  readonly #clock: ListingClock;
  readonly #watch: Disposable;
  readonly #mostBytes: number;
  #bytes = 0;

  /** Starts the clock, which ends `channel` when the list comes too slowly. */
  constructor(channel: Channel, limits: Limits) {
    this.#mostBytes = limits.relayListingBytes;
    const listingMostMs = limits.relayListingMostMs;
    this.#clock = new ListingClock({ ...limits, listingMostMs }, "node");
    this.#watch = channel.endOn(this.#clock.signal);
  }

  /**
   * Counts a page.
   *
   * @throws {Stopped} if the list is too large.
   */
  arrived(page: readonly ListedRecord[]): void {
    this.#clock.count(page.length, bytesOf(page));
    this.#bytes += bytesOf(page);
    if (this.#bytes <= this.#mostBytes) return;
    throw new Stopped(`it lists more than ${formatBytes(this.#mostBytes)}`);
  }

  /** Whether a page with nodes came. */
  get hasBegun(): boolean {
    return this.#bytes > 0;
  }

  /**
   * Counts repeated data about nodes only for the rate, because it takes no
   * room.
   */
  looked(nodes: readonly ListedRecord[]): void {
    this.#clock.count(0, bytesOf(nodes));
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#clock[Symbol.dispose]();
  }
}

/** Why the client could not get a list of nodes. */
export function whyNoList(error: unknown): string {
  return error instanceof Stopped ? error.message : describeCause(error);
}

/** Whether the relay ended, or did not answer, during a request. */
export function isLost(error: unknown): boolean {
  return isEnded(error) ||
    (error instanceof ProtocolError &&
      (error.code === "timed_out" || error.code === "idle"));
}

function bytesOf(records: readonly ListedRecord[]): number {
  return records.reduce(
    (sum, { record, certificate, signature }) =>
      sum + record.length + certificate.length + signature.length,
    0,
  );
}
