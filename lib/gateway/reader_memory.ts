/**
 * The memory of all readers of a gateway: how much each may ask for ahead, and
 * the buffers of parts, which are used again. Pure.
 *
 * @module
 */

import { onDispose } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";
import { BusyFailure } from "./failures.ts";

// Parts are 256 KiB, 512 KiB or 1 MiB, and the last of a file is shorter.
const LEAST_BYTES = 256 * 1024;

/** Shares memory among readers. */
export class ReaderMemory {
  readonly #limits: Limits;
  readonly #idle: ArrayBuffer[] = [];
  #idleBytes = 0;
  #readers = 0;
  /** Pieces of readers whose pieces are larger than a small window. */
  #largeBytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * A reader of a file with pieces of such a size begins; disposing says that it
   * has ended. It holds a whole piece, however many readers there are.
   *
   * @throws {BusyFailure} if readers hold too many large pieces already.
   */
  enter(pieceBytes: number): Disposable {
    const { gatewaySmallWindowBytes, gatewayLargePiecesBytes } = this.#limits;
    const large = pieceBytes > gatewaySmallWindowBytes ? pieceBytes : 0;
    if (large > 0 && this.#largeBytes + large > gatewayLargePiecesBytes) {
      throw new BusyFailure("undelivered", {
        what: "Cannot read file",
        why: "others read files with large pieces, which take all the memory",
        remedy: "try again later",
      });
    }
    this.#readers++;
    this.#largeBytes += large;
    return onDispose(() => {
      this.#readers--;
      this.#largeBytes -= large;
    });
  }

  /** Bytes that each reader may ask for ahead: less, the more readers there are. */
  get windowBytes(): number {
    const {
      gatewayReadersBytes: all,
      gatewayWindowBytes: most,
      gatewaySmallWindowBytes: least,
    } = this.#limits;
    const share = all / Math.max(1, this.#readers);
    return Math.min(most, Math.max(least, Math.floor(share)));
  }

  /** Bytes of buffers that wait to be used again. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A buffer for `bytes`, with any content. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    const size = Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(bytes)));
    const at = this.#idle.findLastIndex(({ byteLength }) =>
      byteLength === size
    );
    const [buffer = new ArrayBuffer(size)] = at < 0
      ? []
      : this.#idle.splice(at, 1);
    if (at >= 0) this.#idleBytes -= size;
    return new Uint8Array(buffer, 0, bytes);
  }

  /** Gives a buffer back. Nobody may use it any more. */
  giveBack({ buffer }: Uint8Array<ArrayBuffer>): void {
    this.#idle.push(buffer);
    this.#idleBytes += buffer.byteLength;
    while (this.#idleBytes > this.#limits.gatewayWindowBytes) {
      this.#idleBytes -= this.#idle.shift()!.byteLength;
    }
  }

  /**
   * Frees a buffer that is not needed any more, though something may still be
   * reading from it or writing to it: it is not used again, and its memory does
   * not wait for a garbage collection.
   */
  static free({ buffer }: Uint8Array<ArrayBuffer>): void {
    if (!buffer.detached) buffer.transfer(0);
  }
}
