/**
 * One content that this process receives and serves at the same time: which
 * pieces are verified and on the disk, how to read them back, and whom to
 * notify of new ones.
 *
 * @module
 */

import { closeSync, read, readSync } from "node:fs";
import { promisify } from "node:util";
import { onDispose } from "../base/collections.ts";
import type { Limits } from "../base/limits.ts";
import type { Manifest } from "../content/manifest.ts";
import { type PieceRun, PieceSet } from "../content/piece_set.ts";
import type { AnnounceGained, HeldContent } from "../node/served.ts";
import type { DiskSpeed, OpenedFile } from "../share/opened_file.ts";
import type { ShareFile } from "../share/shared_file.ts";
import { Follower } from "./follower.ts";

const readAt = promisify(read);

/** The content that is held. */
export interface HeldFile {
  /** The name that grants are compared with; it is never sent to clients. */
  readonly name: string;
  readonly manifest: Manifest;
  /** SHA-256 of the whole file, if a node has sent it. */
  readonly sha256?: string | undefined;
  /** The file, open for reading; it is closed with the holding. */
  readonly descriptor: number;
  /** Pieces that the file has. */
  readonly have: Iterable<number>;
  /**
   * Whether everybody who knows the content id may have it. Otherwise a holder
   * that checks grants asks for one.
   */
  readonly isOpen?: boolean;
}

/** Serves pieces of one content while it is received. Disposing ends that. */
export class Holding implements HeldContent, Disposable {
  readonly manifest: Manifest;
  readonly sha256: string | undefined;
  /** Whether it needs no grant. */
  readonly isOpen: boolean;
  readonly pieces: PieceSet;
  /** The content as a file of a service. */
  readonly file: ShareFile;
  /** Pieces in the order in which they were gained. */
  readonly gained: number[] = [];
  readonly #descriptor: number;
  readonly #limits: Limits;
  readonly #followers = new Set<Follower>();
  #news: ReturnType<typeof setTimeout> | undefined;
  /** Running reads. */
  #readCount = 0;
  #isClosed = false;

  constructor(held: HeldFile, limits: Limits) {
    const { manifest, name } = held;
    const { size, contentId } = manifest;
    this.manifest = manifest;
    this.isOpen = held.isOpen ?? false;
    this.sha256 = held.sha256;
    this.pieces = new PieceSet(manifest.pieceCount, held.have);
    this.#descriptor = held.descriptor;
    this.#limits = limits;
    this.file = {
      name,
      size,
      // Nobody can find it by name, so these fields are not sent.
      ...{ modifiedMs: 0, isExecutable: false, path: "" },
      ...{ changedAt: 0, device: 0, inode: null },
      version: contentId.slice(0, 32),
    };
  }

  /** Whether all pieces exist. */
  get isComplete(): boolean {
    return this.pieces.isComplete;
  }

  /** Notes pieces that have been verified and saved. */
  gain({ first, count }: PieceRun): void {
    if (this.#isClosed) return;
    for (let piece = first; piece < first + count; piece++) {
      if (this.pieces.add(piece)) this.gained.push(piece);
    }
    this.#news ??= setTimeout(() => {
      this.#news = undefined;
      for (const follower of this.#followers) follower.notice();
    }, this.#limits.gainedPauseMs);
  }

  follow(emit: AnnounceGained): Disposable {
    const follower = new Follower(this, emit, this.#limits);
    this.#followers.add(follower);
    return onDispose(() => {
      this.#followers.delete(follower);
      follower[Symbol.dispose]();
    });
  }

  /** The open file; disposing of the result closes nothing. */
  opened(speed: DiskSpeed): OpenedFile {
    const readNow = (buffer: Uint8Array, position: number) =>
      speed.time(() =>
        readSync(this.#descriptor, buffer, 0, buffer.length, position)
      );
    const readThen = async (buffer: Uint8Array, position: number) => {
      this.#readCount++;
      try {
        const { length } = buffer;
        const { bytesRead } = await readAt(
          this.#descriptor,
          buffer,
          0,
          length,
          position,
        );
        return this.#isClosed ? 0 : bytesRead;
      } finally {
        this.#readCount--;
        this.#closeIfUnused();
      }
    };
    return {
      file: this.file,
      read: (buffer, position) => {
        // Its descriptor may belong to another file now.
        if (this.#isClosed) return 0;
        return speed.isQuick
          ? readNow(buffer, position)
          : readThen(buffer, position);
      },
      readSync: () => false,
      isUnchanged: () => !this.#isClosed,
      isStill: () => !this.#isClosed,
      [Symbol.dispose]: () => {},
    };
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#news);
    for (const follower of this.#followers) follower[Symbol.dispose]();
    this.#closeIfUnused();
  }

  /**
   * Closes the file when no read runs: a running read could otherwise read
   * another file that gets the same descriptor.
   */
  #closeIfUnused(): void {
    if (this.#isClosed && this.#readCount === 0) closeSync(this.#descriptor);
  }
}
