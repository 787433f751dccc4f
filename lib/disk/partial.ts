/**
 * A file that is being received. It has a temporary name until it is complete,
 * verified and durable; one step then publishes it under its final name, and
 * never over another file unless requested. The program hashes the bytes that
 * an interrupted run left before it uses them, and trusts nothing else about
 * them.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { dirname } from "@std/path/dirname";
import { syncFolder } from "../base/durable.ts";
import { Failure } from "../base/errors.ts";
import { createSha256 } from "../base/hash.ts";
import { type Manifest, pieceLength } from "../content/manifest.ts";
import { runsOfData } from "../content/zeros.ts";
import type {
  ExpectedPieces,
  PiecesSaving,
  SavedPieces,
  Sink,
} from "../transfer/receiving.ts";
import type { LaneConn, LaneSaved } from "../transfer/lane_conn.ts";
import type { Hasher, LaneFile } from "../transfer/hashing.ts";
import { writeAt } from "./at_position.ts";
import { cannot, notSynced, unsaved } from "./disk_failure.ts";
import { EarlySync } from "./early_sync.ts";
import { changeMode, type Inode, isInode } from "./leftover_file.ts";
import { existingEntryAt } from "./existing_entry.ts";
import { replaced, requirePlace } from "./own_place.ts";
import { openPartial, partialPathOf } from "./partial_name.ts";
import {
  modeFor,
  publish,
  removePublished,
  type TargetOptions,
  writtenAt,
} from "./publishing.ts";
import { REHASH_BYTES, rightPieces } from "./rehash.ts";

/** Options of {@linkcode PartialFile.open}. */
export interface PartialFileOptions extends TargetOptions {
  /** Bytes of the whole. */
  readonly size: number;
  /** Hashes pieces, and may write them in the same place. */
  readonly hasher?: Hasher | undefined;
}

/** A file that is received. Its opener calls `finish`, `keep` or `discard`. */
export class PartialFile implements Sink {
  /** The final name. */
  readonly path: string;
  readonly #partialPath: string;
  readonly #file: Deno.FsFile;
  /** The folder in which it was opened. */
  readonly #folder: Inode;
  readonly #size: number;
  readonly #options: TargetOptions;
  /** Its size when it was opened; everything after that is zeros. */
  readonly #heldBytes: number;
  /** Whether a sync has failed. */
  #isLost = false;
  /** Pieces after that with data: they are no longer holes. */
  readonly #filled = new Set<number>();
  #writes: Promise<void> = Promise.resolve();
  /** The first error of a write; the pieces of that write are missing. */
  #failure: { error: unknown } | undefined;
  #lane: LaneFile | undefined;
  /** Resolves when the lane has opened it, or has failed to. */
  #opening: Promise<void> = Promise.resolve();
  #closed = false;
  readonly #early: EarlySync | undefined;

  private constructor(
    path: string,
    { file, folder, heldBytes }: {
      file: Deno.FsFile;
      folder: Inode;
      heldBytes: number;
    },
    { size, ...options }: TargetOptions & { size: number },
  ) {
    this.path = path;
    this.#partialPath = partialPathOf(path);
    this.#file = file;
    this.#folder = folder;
    this.#heldBytes = heldBytes;
    this.#size = size;
    this.#options = options;
    if (options.sync ?? true) {
      this.#early = new EarlySync(() => this.#sync("syncData"));
    }
  }

  /**
   * Opens the partial file for `path`, new or left by an earlier run, for this
   * process alone.
   *
   * @throws {Failure} of kind `local` if that is impossible, or another process
   * has it.
   */
  static async open(
    path: string,
    { hasher, ...options }: PartialFileOptions,
  ): Promise<PartialFile> {
    const partialPath = partialPathOf(path);
    let file: Deno.FsFile | undefined;
    try {
      requirePlace(path, options.folder);
      const folder = options.folder ?? await Deno.stat(dirname(path));
      await removePublished(partialPath, path);
      file = await openPartial(path);
      requirePlace(path, options.folder);
      const info = await file.stat();
      const opened = { file, folder, heldBytes: info.size };
      const partial = new PartialFile(path, opened, options);
      partial.#opening = partial.#openInLane(info, hasher);
      return partial;
    } catch (error) {
      file?.close();
      throw error instanceof Failure ? error : cannot("save", path, error);
    }
  }

  /**
   * Opens it in the lane that hashes pieces, for {@linkcode save}. Pieces that
   * arrive earlier are written by {@linkcode write}.
   */
  async #openInLane(info: Inode, hasher: Hasher | undefined): Promise<void> {
    // On Windows a lock excludes other handles, even of this process.
    if (Deno.build.os === "windows") return;
    try {
      this.#lane = await hasher?.open?.(this.#partialPath, info);
    } catch {
      // The hasher has ended; its users get that error.
    }
  }

  /** Closes it in the lane, even while it is being opened there. */
  async #closeInLane(): Promise<void> {
    await this.#opening;
    await this.#lane?.close();
  }

  /**
   * Another descriptor of it, for reading; the caller closes it. It still works
   * after the file has its final name.
   *
   * @throws {Failure} of kind `local` if another file has its name.
   */
  openToRead(): number {
    const descriptor = openSync(this.#partialPath, constants.O_RDONLY);
    if (isInode(fstatSync(descriptor), this.#file.statSync())) {
      return descriptor;
    }
    closeSync(descriptor);
    throw cannot("save", this.path, new Deno.errors.NotFound("replaced"));
  }

  /** Its size on the disk, including wrong bytes. */
  async byteCount(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  /**
   * Hashes the bytes that it already has.
   *
   * @returns the pieces with the right hash.
   * @throws the signal's reason when aborted.
   */
  async resume(
    manifest: Manifest,
    hasher: Hasher,
    signal?: AbortSignal,
  ): Promise<number[]> {
    try {
      const pieces = rightPieces(this.#file, manifest, hasher, signal);
      return await Array.fromAsync(pieces);
    } catch (error) {
      signal?.throwIfAborted();
      throw cannot("continue with", this.path, error);
    }
  }

  /**
   * Writes pieces to their place, one write after the other. Zeros that are
   * already there stay a hole. If a piece is written twice, the second write
   * counts.
   */
  write(first: number, bytes: Uint8Array): Promise<void> {
    const pieceBytes = pieceLength(this.#size, 0);
    const position = first * pieceBytes;
    const write = this.#writes.then(async () => {
      try {
        if (position < this.#heldBytes) {
          await writeAt(this.#file, position, bytes);
        } else {
          const isFilled = (at: number) => this.#filled.has(first + at);
          for (
            const { start, end } of runsOfData(bytes, pieceBytes, isFilled)
          ) {
            for (let at = start; at < end; at += pieceBytes) {
              this.#filled.add(first + at / pieceBytes);
            }
            const part = bytes.subarray(start, end);
            await writeAt(this.#file, position + start, part);
          }
        }
      } catch (error) {
        throw cannot("save", this.path, error);
      }
      await this.#requireName();
    });
    this.#follow(write);
    return write;
  }

  /** Makes later writes wait for this one, and remembers its failure. */
  #follow(write: Promise<void>): void {
    const settled = write.catch((error) => {
      this.#failure ??= { error };
    });
    this.#writes = this.#writes.then(() => settled);
  }

  /** Waits for all writes; throws the first error. */
  async #written(): Promise<void> {
    await this.#writes;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #wrote(bytes: number): void {
    const syncing = this.#closed ? undefined : this.#early?.wrote(bytes);
    if (syncing !== undefined) this.#follow(syncing);
  }

  /** As {@linkcode write}, but the lane writes the pieces that are right. */
  save(
    first: number,
    bytes: Uint8Array,
    hashes: Uint8Array,
  ): PiecesSaving | undefined {
    if (this.#closed || this.#lane === undefined) return undefined;
    const partBytes = pieceLength(this.#size, 0);
    const position = first * partBytes;
    const saving = this.#lane.save(bytes, { position, partBytes, hashes });
    const written = saving.written.then(
      async (hasName) => {
        if (!hasName) throw await this.#nameless();
        this.#wrote(bytes.length);
      },
      (error) => {
        throw cannot("save", this.path, error);
      },
    );
    this.#follow(written);
    return { right: saving.right, written };
  }

  /**
   * Orders the lane that receives the pieces of a request to save them, if that
   * is possible.
   *
   * @returns a function to call when no more of them arrive. It resolves to
   * what was saved, and throws the error of the disk.
   */
  expect(
    conn: LaneConn,
    request: number,
    { first, bytes, hashes }: ExpectedPieces,
  ): (() => Promise<SavedPieces>) | undefined {
    if (this.#closed) return undefined;
    const partBytes = pieceLength(this.#size, 0);
    const position = first * partBytes;
    const pieces = { position, bytes, partBytes, hashes };
    const saved = this.#lane?.expect(conn, request, pieces);
    if (saved === undefined) return undefined;
    return () => {
      conn.forget(request);
      const outcome = this.#outcomeOf(saved);
      this.#follow(outcome.then(() => {}));
      return outcome;
    };
  }

  async #outcomeOf(saved: LaneSaved): Promise<SavedPieces> {
    const { error, hasName } = saved;
    if (error !== undefined) throw cannot("save", this.path, error);
    if (!hasName) throw await this.#nameless();
    this.#wrote(saved.right * pieceLength(this.#size, 0));
    return saved;
  }

  /**
   * Makes sure that pieces are zeros: writes zeros only if an earlier run has
   * left other bytes there.
   */
  async clear(pieces: readonly number[]): Promise<void> {
    const pieceBytes = pieceLength(this.#size, 0);
    for (const piece of pieces) {
      const left = this.#heldBytes - piece * pieceBytes;
      if (left <= 0) continue;
      const length = Math.min(left, pieceLength(this.#size, piece));
      await this.write(piece, new Uint8Array(length));
    }
  }

  /** Throws if the file has no name any more: it would be lost. */
  async #requireName(): Promise<void> {
    if (this.#file.statSync().nlink === 0) throw await this.#nameless();
  }

  async #nameless(): Promise<Failure> {
    const isFolderMissing = await isMissing(dirname(this.path));
    return unsaved(this.path, {
      why: isFolderMissing
        ? "its folder was removed while it was being received"
        : "its partial file was removed while it was being received",
      remedy: isFolderMissing
        ? "create the folder again, and repeat the command"
        : "repeat the command",
      cause: new Deno.errors.NotFound("removed"),
    });
  }

  /**
   * SHA-256 of the file, 64 hexadecimal digits. Throws if a write failed, and
   * the signal's reason when aborted.
   */
  async sha256(signal?: AbortSignal): Promise<string> {
    try {
      await this.#closeInLane();
      await this.#written();
      // This call alone writes the zeros at the end.
      await this.#file.truncate(this.#size);
      return await this.#hash(signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof Failure ? error : cannot("save", this.path, error);
    }
  }

  async #hash(signal: AbortSignal | undefined): Promise<string> {
    const hash = createSha256();
    const buffer = new Uint8Array(REHASH_BYTES);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    for (let left = this.#size; left > 0;) {
      signal?.throwIfAborted();
      const read = await this.#file.read(buffer.subarray(0, left));
      if (read === null) break; // the hash will then differ
      hash.update(buffer.subarray(0, read));
      left -= read;
    }
    return hash.digest("hex");
  }

  /**
   * Makes the file durable, unless the options say otherwise, and publishes it.
   * Throws if that or a write failed, and keeps the partial file for the next run
   * if its bytes are durable.
   */
  async finish(): Promise<void> {
    try {
      // The lane may still receive pieces that other nodes have delivered.
      await this.#closeInLane();
      await this.#written();
      await this.#file.truncate(this.#size); // an earlier version may have been longer
      await this.#file.utime(new Date(), new Date(writtenAt(this.#options)));
      const { sync = true } = this.#options;
      if (sync) await this.#sync().then(() => this.#written()); // the early one
      const mode = await modeFor(this.path, this.#options);
      await this.#requirePlace(this.#partialPath);
      changeMode(this.#partialPath, this.#file, mode);
      await publish(this.#partialPath, this.path, this.#options);
      await this.#requirePlace(this.path);
      this.#close();
      if (sync) await syncFolder(dirname(this.path));
    } catch (error) {
      // If another process saved the same file first, this one is not needed.
      const isDone = error instanceof Deno.errors.AlreadyExists &&
        await existingEntryAt(this.path, this.#size) === "same_size";
      await (isDone ? this.discard() : this.keep());
      throw error instanceof Failure ? error : cannot("save", this.path, error);
    }
  }

  /**
   * If it fails, the bytes are lost, although they can still be read: the system
   * reports that once, and says later that they are on the disk.
   */
  async #sync(how: "sync" | "syncData" = "sync"): Promise<void> {
    try {
      await this.#file[how]();
    } catch (error) {
      this.#isLost = true;
      throw notSynced(this.path, error);
    }
  }

  /** Throws unless it has `name` in the folder in which it was opened. */
  async #requirePlace(name: string): Promise<void> {
    requirePlace(this.path, this.#options.folder);
    const folder = await Deno.stat(dirname(name));
    if (
      isInode(folder, this.#folder) &&
      isInode(await Deno.lstat(name), await this.#file.stat())
    ) return;
    throw replaced(this.path);
  }

  /** Keeps the partial file for the next run, unless its bytes are lost. */
  async keep(): Promise<void> {
    if (this.#closed) return;
    await this.#closeInLane();
    await this.#writes;
    const { sync = true } = this.#options;
    if (sync && !this.#isLost) await this.#sync().catch(() => {});
    this.#close();
    // If this fails too, the disk is read-only.
    if (this.#isLost) await Deno.remove(this.#partialPath).catch(() => {});
  }

  /** Removes it. */
  async discard(): Promise<void> {
    if (this.#closed) return;
    await this.#closeInLane();
    await this.#writes;
    this.#close();
    await Deno.remove(this.#partialPath);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close(); // this also ends the lock
  }
}

async function isMissing(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}
