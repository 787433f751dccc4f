/**
 * Counts how much of each file each client received, and how often it received
 * all of it, from the pieces that a node sent. Pure: time is an argument.
 *
 * @module
 */

import { putLast } from "../base/collections.ts";
import { pieceCountOf, pieceLength } from "../content/manifest.ts";
import { zeroPieces } from "../content/zeros.ts";
import type { ShareFile } from "../share/shared_file.ts";
import type { ServedDigests } from "./served.ts";

/**
 * Pieces that a client was sent. None, if it asked for a file, needed none of
 * its pieces, and disconnected.
 */
export interface PiecesSent {
  /** The client's address, or the group of it. */
  readonly to: string;
  /** The file. */
  readonly name: string;
  /** The first piece. */
  readonly first: number;
  /** How many pieces. */
  readonly count: number;
}

/** Whether no piece of the file is ever sent: it is empty, or zeros. */
export function isSentByItsName(
  file: ShareFile,
  digests: Pick<ServedDigests, "manifestOf">,
): boolean {
  if (file.size === 0) return true;
  const manifest = digests.manifestOf(file);
  return manifest !== undefined &&
    zeroPieces(manifest).length === manifest.pieceCount;
}

/** A file whose receivers are counted. */
export interface SentFile {
  /** Bytes of the file. */
  readonly size: number;
  /** Pieces that no client has to fetch. */
  readonly spared?: readonly number[];
}

/** How much of a file a client has been sent. */
export interface ReceiverProgress {
  /** The client's address, or the group of it. */
  readonly to: string;
  /** The file. */
  readonly name: string;
  /** Bytes sent of the current fetch, each counted once. */
  readonly bytes: number;
  /** Bytes that one fetch takes. */
  readonly total: number;
  /** Milliseconds since the first piece of this fetch. */
  readonly ms: number;
}

// A client that asks again and again for one piece counts no further.
const MOST_TIMES = 250;

interface Receiver {
  readonly to: string;
  readonly name: string;
  /** How often each piece was sent, without those of complete fetches. */
  readonly times: Uint8Array;
  /** Pieces that were not sent yet. */
  left: number;
  bytes: number;
  startedAt: number;
}

/**
 * The fetches of all receivers. Clients at one address count together: a fetch
 * is complete as often as every piece went there.
 */
export class Receivers {
  readonly #mostReceivers: number;
  readonly #files = new Map<string, SentFile & { total: number }>();
  /** By address and name, the one that was sent something last at the end. */
  readonly #receivers = new Map<string, Receiver>();

  /**
   * Remembers `mostReceivers`; if there are more, the quietest is forgotten.
   */
  constructor(mostReceivers: number) {
    this.#mostReceivers = mostReceivers;
  }

  /** Adds a file. */
  add(name: string, file: SentFile): void {
    const { size, spared = [] } = file;
    const total = spared.reduce(
      (sum, piece) => sum - pieceLength(size, piece),
      size,
    );
    this.#files.set(name, { ...file, total });
  }

  /**
   * Notes pieces of a file that was added. Returns how far its receiver is, and
   * whether that completes a fetch.
   */
  note(
    { to, name, first, count }: PiecesSent,
    now: number,
  ): { progress: ReceiverProgress; isComplete: boolean } | undefined {
    const file = this.#files.get(name);
    if (file === undefined) return undefined;
    const receiver = this.#receiverOf(to, name, now);
    const { times } = receiver;
    if (receiver.bytes === 0) receiver.startedAt = now;
    const end = Math.min(first + count, times.length);
    for (let piece = first; piece < end; piece++) {
      const before = times[piece]!;
      times[piece] = Math.min(before + 1, MOST_TIMES);
      if (before > 0) continue;
      receiver.left--;
      receiver.bytes += pieceLength(file.size, piece);
    }
    const { bytes, startedAt } = receiver;
    const progress = {
      to,
      name,
      bytes,
      total: file.total,
      ms: now - startedAt,
    };
    // For a file that needs no pieces, only this shows it.
    const isComplete = receiver.left === 0 && (count === 0 || file.total > 0);
    if (isComplete) this.#beginNext(receiver, file, now);
    return { progress, isComplete };
  }

  #receiverOf(to: string, name: string, now: number): Receiver {
    const key = `${to}\n${name}`;
    const { size, spared = [] } = this.#files.get(name)!;
    const known = this.#receivers.get(key);
    const count = pieceCountOf(size);
    const receiver = known ?? {
      to,
      name,
      times: new Uint8Array(count),
      left: count - spared.length,
      bytes: 0,
      startedAt: now,
    };
    if (known === undefined) {
      for (const at of spared) {
        receiver.times[at] = 1;
      }
    }
    putLast(this.#receivers, [key, receiver], this.#mostReceivers);
    return receiver;
  }

  /** Takes one complete fetch off; what was sent twice is part of the next. */
  #beginNext(receiver: Receiver, { size, spared = [] }: SentFile, now: number) {
    const { times } = receiver;
    for (let piece = 0; piece < times.length; piece++) times[piece]!--;
    for (const piece of spared) times[piece] = 1;
    receiver.left = 0;
    receiver.bytes = 0;
    receiver.startedAt = now;
    const isSpared = new Set(spared);
    for (let piece = 0; piece < times.length; piece++) {
      if (times[piece] === 0) receiver.left++;
      else if (!isSpared.has(piece)) {
        receiver.bytes += pieceLength(size, piece);
      }
    }
  }
}
