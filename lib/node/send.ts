/**
 * The node's side of a transfer: writes pieces of a file to an outbox in runs.
 * The hashes of each run follow it.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { isBug } from "../base/errors.ts";
import { createSha256, HASH_BYTES, sha256 } from "../base/hash.ts";
import type { Limits } from "../base/limits.ts";
import { pieceBytesOf } from "../content/manifest.ts";
import type { Outbox } from "./outbox.ts";
import type { RateLimit } from "../base/rate.ts";
import type { OpenedFile } from "../share/opened_file.ts";

/** How sending ended. */
export type SendOutcome = "completed" | "changed" | "unreadable";

/** The request, and how to answer it. */
export interface SendOptions {
  /** The request that this answers. */
  readonly request: number;
  /** First piece. */
  readonly first: number;
  /** The number of pieces. */
  readonly count: number;
  /** Hashes of the requested pieces, if they are known. */
  readonly known: Uint8Array | undefined;
  readonly limits: Limits;
  /** Limits the rate of all sending of the node. */
  readonly rate: RateLimit | undefined;
  /** Called with the number of file bytes put into the outbox. */
  readonly onSent?: (bytes: number) => void;
}

/**
 * Sends pieces of an open file in runs. Stops with `changed`, before the hashes
 * of a run, if the file is no longer the opened version.
 */
export async function sendPieces(
  outbox: Outbox,
  opened: OpenedFile,
  options: SendOptions,
): Promise<SendOutcome> {
  const { first, count, known, limits, rate } = options;
  const pieceBytes = pieceBytesOf(opened.file.size);
  // At a slow rate, each complete piece should count.
  const runBytes = rate === undefined ? limits.runBytes : 0;
  const most = Math.max(1, Math.floor(runBytes / pieceBytes));
  for (let sent = 0; sent < count; sent += most) {
    const run = { first: first + sent, count: Math.min(most, count - sent) };
    const [from, to] = [sent, sent + run.count].map((n) => n * HASH_BYTES);
    const hashes = known?.subarray(from, to);
    const outcome = await sendRun(outbox, opened, {
      ...options,
      ...run,
      known: hashes,
    });
    if (outcome !== "completed") return outcome;
  }
  return "completed";
}

/** Sends the pieces of one run. */
async function sendRun(
  outbox: Outbox,
  opened: OpenedFile,
  { request, first, count, known, limits, rate, onSent }: SendOptions,
): Promise<SendOutcome> {
  const { size } = opened.file;
  const pieceBytes = pieceBytesOf(size);
  let position = first * pieceBytes;
  const end = Math.min(size, (first + count) * pieceBytes);
  const hashing = known === undefined
    ? new PieceHashing(count, pieceBytes, end - position)
    : undefined;
  while (position < end) {
    const step = rate === undefined ? limits.frameDataBytes : rate.stepBytes;
    const most = Math.min(end - position, step, limits.frameDataBytes);
    if (rate !== undefined) await pace(outbox, rate, most);
    let isReadable = true;
    const length = await outbox.data(request, most, async (target) => {
      try {
        const read = await opened.read(target, position);
        hashing?.add(target.subarray(0, read));
        return read;
      } catch (error) {
        if (isBug(error)) throw error;
        isReadable = false; // the disk failed; the client may ask another node
        return 0;
      }
    });
    if (length === 0) return isReadable ? "changed" : "unreadable";
    onSent?.(length);
    position += length;
  }
  if (!opened.isUnchanged()) return "changed";
  const hashes = known ?? hashing!.hashes;
  await outbox.message({ kind: "pieces", request, hashes });
  return "completed";
}

/** Hashes consecutive pieces whose bytes arrive in parts of any length. */
class PieceHashing {
  /** The hashes of all pieces, in order. */
  readonly hashes: Uint8Array;
  readonly #pieceBytes: number;
  #hash = createSha256();
  /** Bytes left of the current piece, and of all pieces. */
  #pieceLeft: number;
  #left: number;
  #done = 0;

  constructor(count: number, pieceBytes: number, bytes: number) {
    this.hashes = new Uint8Array(count * HASH_BYTES);
    this.#pieceBytes = pieceBytes;
    this.#left = bytes;
    this.#pieceLeft = Math.min(pieceBytes, bytes);
  }

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + this.#pieceLeft);
      this.#hash.update(part);
      this.#pieceLeft -= part.length;
      this.#left -= part.length;
      at += part.length;
      if (this.#pieceLeft === 0) this.#end();
    }
  }

  #end(): void {
    this.hashes.set(this.#hash.digest(), this.#done++ * HASH_BYTES);
    this.#hash = createSha256();
    this.#pieceLeft = Math.min(this.#pieceBytes, this.#left);
  }
}

/** Sends the whole of a small file that has been read already. */
export async function sendSmall(
  outbox: Outbox,
  bytes: Uint8Array,
  { request, known, rate, onSent }: SendOptions,
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
  const hashes = known ?? sha256(bytes);
  await outbox.message({ kind: "pieces", request, hashes });
}

/** Waits until the rate allows `bytes`. What is in the outbox is sent first. */
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
