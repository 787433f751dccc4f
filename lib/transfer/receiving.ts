/**
 * A file that is being received: where its pieces go, which hashes they must
 * have, and how the pieces of one request are joined.
 *
 * @module
 */

import { ProtocolError } from "../base/errors.ts";
import { HASH_BYTES, isHashAt } from "../base/hash.ts";
import { Manifest, pieceBytesOf, pieceCountOf } from "../content/manifest.ts";
import type { RarestFirst, Task } from "./plan_types.ts";
import { show } from "../base/text.ts";
import type { PieceReceiver } from "./answers.ts";
import type { LaneConn } from "./lane_conn.ts";
import { RequestSlab, type RequestSlabOptions } from "./request_slab.ts";

/** The result of saving pieces in a worker that verifies and writes them. */
export interface PiecesSaving {
  /** How many of them, from the first on, are right. */
  readonly right: Promise<number>;
  /** Resolves when these are written. The bytes are in use until then. */
  readonly written: Promise<void>;
}

/** Consecutive requested pieces. */
export interface ExpectedPieces {
  /** The number of the first. */
  readonly first: number;
  /** Bytes of all. */
  readonly bytes: number;
  /** The hashes that they must have, 32 bytes each. */
  readonly hashes: Uint8Array;
}

/** What a lane has saved of the pieces of a request. */
export interface SavedPieces {
  /** How many of them, from the first on, are right and have been written. */
  readonly right: number;
  /** Whether the next one is wrong. */
  readonly isWrong: boolean;
}

/** Where the pieces of one file go. */
export interface Sink {
  /**
   * Takes consecutive whole pieces, verified, from piece `first` on. The bytes
   * may be used until it resolves.
   */
  write(first: number, bytes: Uint8Array): Promise<void>;
  /**
   * Takes consecutive whole pieces that have not been verified, and their
   * expected hashes. Writes the pieces up to the first wrong one, outside the
   * main thread. Returns nothing if only `write` can be used now.
   */
  save?(
    first: number,
    bytes: Uint8Array,
    hashes: Uint8Array,
  ): PiecesSaving | undefined;
  /**
   * Orders the lane of `conn` to save the pieces of a request as it receives
   * them. Returns nothing if that is not possible. The caller calls the
   * returned function when no more of the pieces come; it throws the error of
   * the disk.
   */
  expect?(
    conn: LaneConn,
    request: number,
    pieces: ExpectedPieces,
  ): (() => Promise<SavedPieces>) | undefined;
  /** All pieces have been written. Returns nothing if that is all. */
  finish(): Promise<void> | undefined;
  /** No more bytes follow: a waiting `write` must end. */
  abandon?(): void;
}

/** A file to be received. */
export interface DownloadFile {
  /** Its name, for events. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The content that it must have, if that is known. */
  readonly content?: string | undefined;
  /** The hashes of its pieces, if it has more than one and they are known. */
  readonly manifest?: Manifest | undefined;
  /** What to request from each source, by node id: a content id or a version. */
  readonly sources: Map<string, string>;
  /** Pieces that exist already. */
  readonly have?: readonly number[];
  /** Whether the sink takes pieces in order. */
  readonly inOrder?: boolean;
  /** Requests the rarest pieces first; needed if sources are holders. */
  readonly rarest?: RarestFirst | undefined;
  /** Where the pieces go. */
  readonly sink: Sink;
}

/** What is known of a file while it is being received. */
export class IncomingFile {
  /** The file as the caller requested it. */
  readonly given: DownloadFile;
  /** Bytes of a piece. */
  readonly pieceBytes: number;
  /** How many there are. */
  readonly pieceCount: number;
  /** Whether a node has sent bytes that do not match its hashes. */
  lied = false;
  /** Writes under way. */
  writing = 0;
  /** Whether a write failed: its pieces are missing, so it never finishes. */
  isDamaged = false;
  /** Whether it is complete, or has been given up. */
  ended = false;
  /** Hashes as they were found. */
  readonly #found: Uint8Array;

  /** Nothing has arrived yet. */
  constructor(given: DownloadFile) {
    this.given = given;
    this.pieceBytes = pieceBytesOf(given.size);
    this.pieceCount = pieceCountOf(given.size);
    const isKnown = given.manifest !== undefined;
    this.#found = new Uint8Array(isKnown ? 0 : this.pieceCount * HASH_BYTES);
  }

  /**
   * Hashes of all pieces if they are known, otherwise of those that arrived.
   */
  get hashes(): Uint8Array {
    return this.given.manifest?.hashes ?? this.#found;
  }

  /** How many whole pieces fit into `bytes`, and at least one. */
  piecesIn(bytes: number): number {
    return Math.max(1, Math.floor(bytes / this.pieceBytes));
  }

  /** Bytes of the pieces of a task. */
  bytesOf({ first, count }: Task): number {
    const start = first * this.pieceBytes;
    return Math.min(count * this.pieceBytes, this.given.size - start);
  }

  /** How many hashes are right, from that of piece `first` on. */
  countRight(
    first: number,
    hashes: readonly Uint8Array[],
    claimed: Uint8Array,
  ): number {
    const { manifest, content, size } = this.given;
    for (const [at, hash] of hashes.entries()) {
      const isRight = manifest !== undefined
        ? manifest.has(first + at, hash)
        : content !== undefined
        ? new Manifest(size, hash).contentId === content
        : isHashAt(claimed, at, hash);
      if (!isRight) return at;
    }
    return hashes.length;
  }

  /**
   * Records the hashes of pieces, from `first` on, that are written next:
   * without a manifest, nodes may send different hashes.
   */
  note(first: number, hashes: readonly Uint8Array[]): void {
    if (this.given.manifest !== undefined) return;
    for (const [at, hash] of hashes.entries()) {
      this.#found.set(hash, (first + at) * HASH_BYTES);
    }
  }
}

/** Options of {@linkcode TaskReceiver}. */
export interface TaskReceiverOptions extends RequestSlabOptions {
  /** The conn of the request, if a lane owns it. */
  readonly conn: LaneConn | undefined;
}

/** Takes the pieces of one task into one slab. */
export class TaskReceiver implements PieceReceiver {
  /** The file that they are of. */
  readonly file: IncomingFile;
  readonly #task: Task;
  readonly #options: TaskReceiverOptions;
  /** Its own slab, unless the file comes in a batch. */
  #slab: RequestSlab | undefined;
  /** The part of the slab of a batch that has the file, until it is taken. */
  #part: Uint8Array | undefined;
  /** Hashes of the pieces that are whole, as the node gave them. */
  claimed: Uint8Array = NO_HASHES;
  /**
   * Reports which of the pieces a lane has saved, if a lane receives them.
   */
  saved: (() => Promise<SavedPieces>) | undefined;

  /** Nothing has arrived yet. */
  constructor(
    file: IncomingFile,
    task: Task,
    options: TaskReceiverOptions,
  ) {
    this.file = file;
    this.#task = task;
    this.#options = options;
  }

  get #ownSlab(): RequestSlab {
    return this.#slab ??= new RequestSlab(
      this.file.bytesOf(this.#task),
      this.#options,
    );
  }

  /** Bytes that have arrived. */
  get receivedBytes(): number {
    return this.#part?.length ?? this.#slab?.receivedBytes ?? 0;
  }

  /** Pieces that are whole. */
  get wholeCount(): number {
    return this.claimed.length / HASH_BYTES;
  }

  requested(request: number): void {
    const { manifest, sink } = this.file.given;
    const { conn } = this.#options;
    if (conn === undefined || manifest === undefined || this.file.ended) return;
    const { first, count } = this.#task;
    const hashes = manifest.hashes.slice(
      first * HASH_BYTES,
      (first + count) * HASH_BYTES,
    );
    const bytes = this.file.bytesOf(this.#task);
    this.saved = sink.expect?.(conn, request, { first, bytes, hashes });
  }

  async target(length: number): Promise<Uint8Array> {
    const slab = this.#ownSlab;
    const { room } = slab;
    if (room === 0) throw tooMany(this.file.given.name);
    return this.saved === undefined
      ? await slab.target(length)
      : NOWHERE.subarray(0, Math.min(length, room));
  }

  filled(length: number): void {
    this.#ownSlab.filled(length);
  }

  pieces(hashes: Uint8Array): void {
    const claimed = new Uint8Array(this.claimed.length + hashes.length);
    claimed.set(this.claimed);
    claimed.set(hashes, this.claimed.length);
    this.claimed = claimed;
    const wanted = this.file.bytesOf({ ...this.#task, count: this.wholeCount });
    if (this.receivedBytes === wanted) return;
    throw new ProtocolError(
      "corrupt_piece",
      `the pieces must have ${wanted} bytes, found ${this.receivedBytes}`,
    );
  }

  /** The whole file has arrived, in a slab that others share; with its hash. */
  receive(part: Uint8Array, hash: Uint8Array): void {
    this.#part = part;
    this.claimed = hash;
  }

  /**
   * The slab, which the caller must release; nothing if no piece is complete.
   */
  take(): Uint8Array | undefined {
    const { slabs } = this.#options;
    const slab = this.#part === undefined
      ? this.#ownSlab.end()
      : this.#slab?.end();
    if (slab === undefined) {
      const part = this.#part;
      this.#part = undefined;
      return part;
    }
    slabs.filled(slab);
    if (this.wholeCount > 0) return slab;
    slabs.release(slab);
    return undefined;
  }
}

const NO_HASHES = new Uint8Array();

// Bytes that a lane has saved are counted here, and not copied.
const NOWHERE = new Uint8Array(1024 * 1024);

function tooMany(name: string): ProtocolError {
  return new ProtocolError(
    "corrupt_piece",
    `more bytes of ${show(name)} than were requested`,
  );
}
