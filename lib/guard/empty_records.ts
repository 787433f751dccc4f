/**
 * Limits what a peer may send over TLS without any content: padding, records of
 * a byte, new keys. All of it is decrypted, and nothing above TLS sees it, so no
 * other limit applies to it. Pure: time is an argument, in milliseconds on any
 * monotonic clock.
 *
 * @module
 */

import { isLoopback } from "../base/address.ts";
import { putLast } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";
import { isShared } from "./places.ts";

/** The numbers that bound records without content. */
export type EmptyRecordLimits = Pick<
  Limits,
  "emptyRecordBytes" | "emptyRecordBytesPerSecond"
>;

/** For a record of 1,408 bytes, what TLS adds to it is free. */
const FREE_SHARE = 1 / 64;

/**
 * The bytes of `encrypted` that count as empty, if they contained `plain`. May
 * be negative: a record often arrives in two parts, and only the last one brings
 * the content of both.
 */
export function emptyBytesIn(encrypted: number, plain: number): number {
  return encrypted - plain - FREE_SHARE * plain;
}

/**
 * Counts empty bytes of a peer, with one number for each peer.
 *
 * @returns the new number, the time at which all that it sent is paid for;
 * `undefined` if that is too much. The first one is 0.
 */
export function afterEmptyBytes(
  paidAt: number,
  emptyBytes: number,
  { now, limits }: {
    readonly now: number;
    readonly limits: EmptyRecordLimits;
  },
): number | undefined {
  const { emptyRecordBytes, emptyRecordBytesPerSecond } = limits;
  const ms = (bytes: number) => 1_000 * bytes / emptyRecordBytesPerSecond;
  const next = Math.max(now, Math.max(now, paidAt) + ms(emptyBytes));
  return next - now > ms(emptyRecordBytes) ? undefined : next;
}

/** The numbers that bound records without content of an address group. */
export type GroupRecordLimits = Pick<
  Limits,
  | "addressEmptyRecordBytes"
  | "addressEmptyRecordBytesPerSecond"
  | "handshakeGroupCount"
>;

/**
 * Counts empty bytes of address groups, over all connections of each. A local
 * proxy or tunnel makes everybody appear at a loopback address, which therefore
 * has no limit as a group.
 */
export class EmptyRecordGroups {
  readonly #limits: GroupRecordLimits;
  /** When all that a group sent is paid for. */
  readonly #paidAt = new Map<string, number>();

  constructor(limits: GroupRecordLimits) {
    this.#limits = limits;
  }

  /** Counts bytes that came from a group; `false` if they are too many. */
  add(group: string, emptyBytes: number, now: number): boolean {
    if (isLoopback(group) || isShared(group)) return true;
    const { addressEmptyRecordBytes, addressEmptyRecordBytesPerSecond } =
      this.#limits;
    const next = afterEmptyBytes(this.#paidAt.get(group) ?? 0, emptyBytes, {
      now,
      limits: {
        emptyRecordBytes: addressEmptyRecordBytes,
        emptyRecordBytesPerSecond: addressEmptyRecordBytesPerSecond,
      },
    });
    if (next === undefined) return false;
    putLast(this.#paidAt, [group, next], this.#limits.handshakeGroupCount);
    return true;
  }
}
