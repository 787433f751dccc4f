/**
 * The node's side of a transfer: writes pieces of a file to an outbox, each
 * followed by its hash.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { isBug } from "../base/errors.ts";
import { createSha256, sha256 } from "../base/hash.ts";
import type { Limits } from "../base/limits.ts";
import { pieceLength } from "../content/manifest.ts";
import type { Outbox } from "./outbox.ts";
import type { RateLimit } from "../base/rate.ts";
import type { OpenedFile } from "../share/opened_file.ts";

/** How sending ended. */
export type SendOutcome = "completed" | "changed" | "unreadable";

/** What is asked for, and how it is to be sent. */
export interface SendOptions {
  /** The request that this answers. */
  readonly request: number;
  /** First piece. */
  readonly first: number;
  /** Number of pieces. */
  readonly count: number;
  /** Hash of a piece where it is known already; 64 hexadecimal digits. */
  readonly hashOf: (index: number) => string | undefined;
  /** The numbers. */
  readonly limits: Limits;
  /** Holds all sending of the node to a rate. */
  readonly rate: RateLimit | undefined;
  /** Told of bytes of the file that have been put into the outbox. */
  readonly onSent?: (bytes: number) => void;
}

/**
 * Sends pieces of an open file. Stops with `changed`, before the hash that would
 * vouch for it, at a piece that is no longer part of the version that was
 * opened.
 */
export async function sendPieces(
  outbox: Outbox,
  opened: OpenedFile,
  options: SendOptions,
): Promise<SendOutcome> {
  const { request, first, count, limits, rate } = options;
  const { size } = opened.file;
  let position = first * pieceLength(size, 0);
  for (let index = first; index < first + count; index++) {
    const known = options.hashOf(index);
    const hash = known === undefined ? createSha256() : undefined;
    let left = pieceLength(size, index);
    while (left > 0) {
      const step = rate === undefined ? limits.frameDataBytes : rate.stepBytes;
      const most = Math.min(left, step, limits.frameDataBytes);
      if (rate !== undefined) await pace(outbox, rate, most);
      let isReadable = true;
      const length = await outbox.data(request, most, async (target) => {
        try {
          const read = await opened.read(target, position);
          hash?.update(target.subarray(0, read));
          return read;
        } catch (error) {
          if (isBug(error)) throw error;
          isReadable = false; // the disk fails; the client may ask another
          return 0;
        }
      });
      if (length === 0) return isReadable ? "changed" : "unreadable";
      options.onSent?.(length);
      left -= length;
      position += length;
    }
    if (!opened.isUnchanged()) return "changed";
    const digest = known ?? hash!.digest("hex");
    await outbox.message({ kind: "piece", request, index, sha256: digest });
  }
  return "completed";
}

/** Sends the whole of a small file, which has been read already. */
export async function sendSmall(
  outbox: Outbox,
  bytes: Uint8Array,
  { request, hashOf, rate, onSent }: SendOptions,
): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    const most = Math.min(bytes.length - sent, rate?.stepBytes ?? Infinity);
    if (rate !== undefined) await pace(outbox, rate, most);
    const length = await outbox.data(request, most, (target) => {
      target.set(bytes.subarray(sent, sent + target.length));
      return target.length;
    });
    onSent?.(length);
    sent += length;
  }
  if (bytes.length === 0) return; // no pieces
  const digest = hashOf(0) ?? sha256(bytes).toHex();
  await outbox.message({ kind: "piece", request, index: 0, sha256: digest });
}

/** Waits until `bytes` may be sent; what was joined so far leaves first. */
async function pace(
  outbox: Outbox,
  rate: RateLimit,
  bytes: number,
): Promise<void> {
  const waitMs = rate.reserve(bytes, performance.now());
  if (waitMs <= 0) return;
  await outbox.flush();
  await delay(waitMs);
}
