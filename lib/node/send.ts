/**
 * The node's side of a transfer: writes pieces of a file to an outbox, in runs,
 * each followed by the hashes that vouch for it.
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

/** What is asked for, and how it is to be sent. */
export interface SendOptions {
  /** The request that this answers. */
  readonly request: number;
  /** First piece. */
  readonly first: number;
  /** Number of pieces. */
  readonly count: number;
  /** Hashes of the pieces that are asked for, where they are known already. */
  readonly known: Uint8Array | undefined;
  /** The numbers. */
  readonly limits: Limits;
  /** Holds all sending of the node to a rate. */
  readonly rate: RateLimit | undefined;
  /** Told of bytes of the file that have been put into the outbox. */
  readonly onSent?: (bytes: number) => void;
}

/**
 * Sends pieces of an open file, in runs. Stops with `changed`, before the hashes
 * that would vouch for a run, where it is no longer part of the version that was
 * opened.
 */
export async function sendPieces(
  outbox: Outbox,
  opened: OpenedFile,
  options: SendOptions,
): Promise<SendOutcome> {
  const { first, count, known, limits, rate } = options;
  const pieceBytes = pieceBytesOf(opened.file.size);
  // Where bytes come slowly, each piece that is whole shall count.
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

/** Sends pieces that are vouched for together. */
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
        isReadable = false; // the disk fails; the client may ask another
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

/** Hashes of pieces in a row, whose bytes come in parts of any length. */
class PieceHashing {
  /** Of all pieces, one after the other. */
  readonly hashes: Uint8Array;
  readonly #pieceBytes: number;
  #hash = createSha256();
  /** Bytes until the piece ends, and until all do. */
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

/** Sends the whole of a small file, which has been read already. */
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
