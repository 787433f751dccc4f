/**
 * Handles received pieces: has them verified and written, marks the correct
 * ones in the plan, and reports the nodes of wrong ones.
 *
 * @module
 */

import type { Path } from "../base/conn.ts";
import { pieceLength } from "../content/manifest.ts";
import type { Connection, Request } from "./connection.ts";
import type { Arrived } from "./download_options.ts";
import type { Hasher } from "./hashing.ts";
import type { Plan } from "./plan.ts";
import type { Task } from "./plan_types.ts";
import type { IncomingFile, SavedPieces } from "./receiving.ts";
import type { SlabPool } from "./slabs.ts";
import type { Source } from "./source.ts";
import { type Verified, verify, verifyNow } from "./verifying.ts";

/** Options of {@linkcode Arrivals}. */
export interface ArrivalsOptions {
  readonly hasher: Hasher;
  readonly plan: Plan;
  readonly slabs: SlabPool;
  /** Waits for a running part: any error of it ends the download. */
  readonly track: (part: Promise<void>) => void;
  /** Bytes of a source have been verified, and are being written. */
  readonly onBytes: (arrived: Arrived) => void;
  /** Pieces have been verified, and are written. */
  readonly onSaved: (task: Task) => void;
  /** A node sent bytes of a file that do not match their hash. */
  readonly lied: (source: Source, index: number, file: IncomingFile) => void;
  /** All of a file has been written. */
  readonly finish: (index: number, file: IncomingFile) => void;
}

/** Takes the pieces of one download. */
export class Arrivals {
  readonly #options: ArrivalsOptions;

  constructor(options: ArrivalsOptions) {
    this.#options = options;
  }

  /**
   * Verifies what has arrived for requests, writes it, and updates the plan.
   * The node is judged after that, so its correct pieces are used.
   */
  async accept(
    connection: Connection,
    requests: readonly Request[],
    path: Path,
  ): Promise<void> {
    const accepting = requests.map((request) =>
      this.#acceptOne(connection, request, path)
    );
    // As with small files: 48 promises fewer.
    const isDone = accepting.every((one) => typeof one === "boolean");
    const accepted = isDone ? accepting : await Promise.all(accepting);
    for (const { task, receiver: { file } } of requests) {
      // Another source was quicker. Otherwise leftovers would fill the window.
      if (file.ended) this.#options.plan.release(connection.id, task, false);
    }
    const wrong = requests.filter((_, at) => !accepted[at]);
    for (const { receiver: { file } } of wrong) file.lied = true;
    for (const { task, receiver: { file } } of wrong) {
      this.#options.lied(connection.source, task.file, file);
    }
  }

  /** The same for one request. Returns whether all of its bytes are correct. */
  #acceptOne(
    connection: Connection,
    { task, receiver }: Request,
    path: Path,
  ): Promise<boolean> | boolean {
    if (receiver.saved !== undefined) {
      return this.#acceptSaved(connection, { task, receiver }, path);
    }
    const slab = receiver.take();
    if (slab === undefined) return true;
    const { claimed, wholeCount, file } = receiver;
    const length = file.bytesOf({ ...task, count: wholeCount });
    const bytes = firstBytes(slab, length);
    const pieces = { file, first: task.first, bytes, claimed };
    const take = (verified: Verified) =>
      this.#verified(connection, { task, receiver, verified }, path);
    const verified = verifyNow(pieces);
    return verified === undefined
      ? verify(pieces, this.#options.hasher).then(take)
      : take(verified);
  }

  /** Gives the right pieces to the sink. Returns whether all are right. */
  #verified(
    connection: Connection,
    { task, receiver: { file, wholeCount }, verified }:
      & Pick<Request, "task" | "receiver">
      & { readonly verified: Verified },
    path: Path,
  ): boolean {
    const { right } = verified;
    const good = { ...task, count: right };
    const isWanted = right > 0 && !file.ended &&
      this.#arrived(connection, { task: good, file, path });
    // Pieces that are being written keep their slab, wanted or not.
    const isUsed = isWanted || verified.written !== undefined;
    if (isWanted) file.note(task.first, verified.hashes?.slice(0, right) ?? []);
    if (isUsed) this.#write(good, file, verified);
    else this.#options.slabs.release(verified.bytes);
    return right === wholeCount;
  }

  /** Reports to the plan the pieces of a task that a lane has written. */
  async #acceptSaved(
    connection: Connection,
    { task, receiver }: Pick<Request, "task" | "receiver">,
    path: Path,
  ): Promise<boolean> {
    const { file, saved, wholeCount } = receiver;
    file.writing++;
    let outcome: SavedPieces;
    try {
      outcome = await saved!();
    } catch (error) {
      file.isDamaged = true;
      throw error;
    } finally {
      file.writing--;
    }
    const { right, isWrong } = outcome;
    if (right > 0 && !file.ended) {
      const good = { ...task, count: right };
      this.#arrived(connection, { task: good, file, path });
      this.#options.onSaved(good);
    }
    // Even if no piece is new: others may have waited for this write.
    this.#finishIfWhole(task.file, file);
    // The node claimed hashes for this many pieces.
    return !isWrong || right >= wholeCount;
  }

  /**
   * Writes pieces that have arrived. The plan has already counted them: a sink
   * that needs pieces in order keeps some waiting, and in the meantime their
   * source must be free to fetch the missing ones.
   */
  #write(task: Task, file: IncomingFile, { bytes, written }: Verified): void {
    const right = firstBytes(bytes, file.bytesOf(task));
    const writing = written ?? file.given.sink.write(task.first, right);
    file.writing++;
    const ended = () => {
      file.writing--;
      this.#options.slabs.release(bytes);
    };
    this.#options.track(writing.then(() => {
      ended();
      this.#options.onSaved(task);
      this.#finishIfWhole(task.file, file);
    }, (error) => {
      file.isDamaged = true;
      ended();
      throw error;
    }));
  }

  #finishIfWhole(index: number, file: IncomingFile): void {
    const isWhole = this.#options.plan.isComplete(index) &&
      file.writing === 0 &&
      !file.isDamaged;
    if (isWhole && !file.ended) this.#options.finish(index, file);
  }

  /**
   * Reports to the plan. Returns whether any of the pieces was still wanted.
   */
  #arrived(
    { id, source }: Connection,
    { task, file: { given }, path }: {
      task: Task;
      file: IncomingFile;
      path: Path;
    },
  ): boolean {
    const now = performance.now();
    let bytes = 0;
    for (let piece = task.first; piece < task.first + task.count; piece++) {
      const arrival = this.#options.plan.arrived(id, task.file, piece, now);
      if (arrival === "wanted") bytes += pieceLength(given.size, piece);
    }
    source.arrived(bytes);
    if (bytes === 0) return false;
    const { file } = task;
    this.#options.onBytes({ source: source.given.id, path, file, bytes });
    return true;
  }
}

/** The first bytes of a buffer; a small file has a view of its own already. */
function firstBytes(bytes: Uint8Array, length: number): Uint8Array {
  return length === bytes.length ? bytes : bytes.subarray(0, length);
}
