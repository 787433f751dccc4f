/**
 * The node's side of a transfer: writes pieces of a file to an outbox in runs.
 * The hashes of each run follow it.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import { createSha256, HASH_BYTES, sha256 } from "../base/hash.ts";
import type { Limits } from "../base/limits.ts";
import { pieceBytesOf } from "../content/manifest.ts";
import type { Outbox } from "./outbox.ts";
import type { RateUser } from "../base/rate_shares.ts";
import type { SharedRate } from "../base/shared_rate.ts";
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
  /** Whether the bytes are hashed anyway, and compared with these. */
  readonly isReadBack?: boolean | undefined;
}

/** Options of {@linkcode PieceSender}. */
export interface PieceSenderOptions {
  readonly limits: Limits;
  /** The current rate limit for everything that the node sends. */
  readonly rate: () => SharedRate | undefined;
  /**
   * The key under which its part of the rate is counted: the client's address
   * group.
   */
  readonly group?: unknown;
  /** Called with the number of file bytes put into the outbox. */
  readonly onSent: (bytes: number) => void;
  /** Called with the number of bytes hashed, if hashes were not known. */
  readonly onHashed: (bytes: number) => void;
}

/** Sends pieces to one client. */
export class PieceSender {
  readonly #outbox: Outbox;
  readonly #options: PieceSenderOptions;
  readonly #user: RateUser;
  /**
   * Bytes of the next run. Runs double from one piece, so that a connection
   * that breaks loses at most as much as it brought.
   */
  #runBytes = 0;

  /** Sends through `outbox`. */
  constructor(outbox: Outbox, options: PieceSenderOptions) {
    this.#outbox = outbox;
    this.#options = options;
    const { group = this } = options;
    this.#user = { group, connection: this };
  }

  /**
   * Sends pieces of an open file in runs. Stops with `changed`, before the
   * hashes of a run, if the file is no longer the opened version.
   */
  async send(opened: OpenedFile, options: SendOptions): Promise<SendOutcome> {
    const { first, count, known } = options;
    const { limits } = this.#options;
    const pieceBytes = pieceBytesOf(opened.file.size);
    for (let sent = 0; sent < count;) {
      const most = Math.max(1, Math.floor(this.#runBytes / pieceBytes));
      const run = { first: first + sent, count: Math.min(most, count - sent) };
      const [from, to] = [sent, sent + run.count].map((n) => n * HASH_BYTES);
      const outcome = await this.#sendRun(opened, {
        ...options,
        ...run,
        known: known?.subarray(from, to),
      });
      if (outcome !== "completed") return outcome;
      sent += run.count;
      // At a limited rate, each complete piece should count.
      if (this.#options.rate() !== undefined) continue;
      const brought = 2 * run.count * pieceBytes;
      this.#runBytes = Math.min(
        limits.runBytes,
        Math.max(this.#runBytes, brought),
      );
    }
    return "completed";
  }

  /** Sends the pieces of one run. */
  async #sendRun(
    opened: OpenedFile,
    { request, first, count, known, isReadBack = false }: SendOptions,
  ): Promise<SendOutcome> {
    const { limits, onSent, onHashed } = this.#options;
    const { size } = opened.file;
    const pieceBytes = pieceBytesOf(size);
    let position = first * pieceBytes;
    const end = Math.min(size, (first + count) * pieceBytes);
    const hashing = known === undefined || isReadBack
      ? new PieceHashing(count, pieceBytes, end - position)
      : undefined;
    let reserved = 0;
    while (position < end) {
      const rate = this.#options.rate();
      // A rate counts all that is reserved, so no more than will be sent.
      if (rate !== undefined && reserved === 0) {
        reserved = Math.min(
          ...[end - position, rate.stepBytes, limits.frameDataBytes],
        );
        await this.#pace(rate, reserved);
      }
      const most = Math.min(
        ...[end - position, limits.frameDataBytes],
        rate === undefined ? Infinity : reserved,
      );
      let isReadable = true;
      const length = await this.#outbox.data(request, most, async (target) => {
        try {
          const read = await opened.read(target, position);
          hashing?.add(target.subarray(0, read));
          if (hashing !== undefined) onHashed(read);
          return read;
        } catch (error) {
          if (isBug(error)) throw error;
          isReadable = false; // the disk failed; the client may ask another node
          return 0;
        }
      });
      if (length === 0) return isReadable ? "changed" : "unreadable";
      onSent(length);
      position += length;
      reserved = Math.max(0, reserved - length);
    }
    if (!opened.isUnchanged()) return "changed";
    const hashes = known ?? hashing!.hashes;
    const isRight = hashing?.hashes.every((byte, at) => byte === hashes[at]);
    if (isRight === false) return "unreadable"; // the disk lost it
    await this.#outbox.message({ kind: "pieces", request, hashes });
    return "completed";
  }

  /** Sends the whole of a small file that has been read already. */
  async sendSmall(
    bytes: Uint8Array,
    { request, known }: Pick<SendOptions, "request" | "known">,
  ): Promise<void> {
    const { onSent, onHashed } = this.#options;
    let reserved = 0;
    for (let sent = 0; sent < bytes.length;) {
      const rate = this.#options.rate();
      if (rate !== undefined && reserved === 0) {
        reserved = Math.min(bytes.length - sent, rate.stepBytes);
        await this.#pace(rate, reserved);
      }
      const left = bytes.length - sent;
      const most = rate === undefined ? left : Math.min(left, reserved);
      const length = await this.#outbox.data(request, most, (target) => {
        target.set(bytes.subarray(sent, sent + target.length));
        return target.length;
      });
      onSent(length);
      sent += length;
      reserved = Math.max(0, reserved - length);
    }
    if (bytes.length === 0) return; // no pieces
    if (known === undefined) onHashed(bytes.length);
    const hashes = known ?? sha256(bytes);
    await this.#outbox.message({ kind: "pieces", request, hashes });
  }

  /**
   * Waits until `bytes` may be sent. Flushes the outbox before it waits, so
   * that a client that takes nothing, or has disconnected, reserves nothing.
   */
  async #pace(rate: SharedRate, bytes: number): Promise<void> {
    if (rate.begin(bytes, this.#user)) return;
    await this.#outbox.flush();
    await rate.wait(bytes, this.#user);
  }
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
