/**
 * The node's answer to a request for many small files: all of their bytes one
 * after the other, then their hashes. A file that cannot be sent is skipped, and
 * the others follow.
 *
 * @module
 */

import { isShortage } from "../base/errors.ts";
import { HASH_BYTES, sha256 } from "../base/hash.ts";
import type { Limits } from "../base/limits.ts";
import type { ReadRefusal, SmallFileOutcome } from "../share/opened_file.ts";
import type { ShareFile } from "../share/shared_file.ts";
import type { Outbox } from "./outbox.ts";
import type { PieceSender } from "./send.ts";

/** Why a file of the request is skipped. */
export type SkipReason = ReadRefusal | "bad_range";

/** What the answer to a request for many files needs of its node. */
export interface ManyFiles {
  readonly limits: Limits;
  readonly outbox: Outbox;
  readonly sender: PieceSender;
  /** The file that a content id or version stands for, if the client may have it. */
  fileOf(of: string): ShareFile | undefined;
  /** The hash of a file of one piece, if it is known. */
  hashOf(file: ShareFile): Uint8Array | undefined;
  /** Whether several files may be read at once, and sent without a pause. */
  isQuick(): boolean;
  /** Reads a file at once. Throws if no descriptor is free. */
  readNow(file: ShareFile, target: Uint8Array<ArrayBuffer>): SmallFileOutcome;
  /**
   * Runs `read`, which reads several files at once. If this returns `false`,
   * nothing that was read may be sent.
   */
  readTogether(read: () => void): boolean;
  /** Reads a file, however long it takes. */
  read(file: ShareFile): Promise<SmallFileOutcome>;
  /** Another file is being worked at: charges it. */
  begin(): void;
  /** Gives others a turn if it is time. */
  turn(): Promise<void>;
  /** Bytes of a file have been hashed, because its hash was not known. */
  hashed(bytes: number): void;
  /** A file goes into the outbox. */
  took(file: ShareFile): void;
  /** Notes `bytes` that were put into the outbox, not sent by the sender. */
  sent(bytes: number): void;
  /** A file is left out of the answer. */
  skip(reason: SkipReason): Promise<void>;
}

/** The texts that a client gets. */
export const SKIP_TEXT: Readonly<Record<SkipReason, string>> = {
  gone: "it was changed, replaced or removed: no such version is here now",
  changed: "the file has changed",
  unreadable: "the file cannot be read",
  "bad_range": "it is not a small file",
};

/** A file of the request, or why it cannot be sent. */
type Wanted = ShareFile | SkipReason;

/** A file that was read. */
interface ReadFile {
  readonly file: ShareFile;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Files that were read together. */
interface Run {
  readonly read: readonly ReadFile[];
  /** Why the next one cannot be sent, if it was tried. */
  readonly refused: SkipReason | undefined;
  /** Whether no descriptor was free for the next one. */
  readonly isShort: boolean;
}

/** Answers one request for many files. */
export class ManySender {
  readonly #request: number;
  readonly #from: ManyFiles;
  readonly #wanted: readonly string[];
  /** The file that comes next. */
  #at = 0;
  /** Hashes of the files that were sent and not confirmed yet. */
  #hashes: Uint8Array[] = [];

  /** Answers `request` with the files that `of` stand for. */
  constructor(
    { request, of }: { request: number; of: readonly string[] },
    from: ManyFiles,
  ) {
    this.#request = request;
    this.#wanted = of;
    this.#from = from;
  }

  /** Sends all files that can be sent, and skips the others. */
  async send(): Promise<void> {
    while (this.#at < this.#wanted.length) {
      await this.#from.turn();
      const next = this.#look();
      if (typeof next === "string") await this.#skip(next);
      else if (this.#from.isQuick()) await this.#sendRun(next);
      else await this.#sendOne(next);
    }
    await this.#vouch();
  }

  /** The next file, or one of those after it. */
  #look(after = 0): Wanted {
    const file = this.#from.fileOf(this.#wanted[this.#at + after]!);
    if (file === undefined) return "gone";
    const { smallFileBytes } = this.#from.limits;
    const isSmall = file.size > 0 && file.size <= smallFileBytes;
    return isSmall ? file : "bad_range";
  }

  async #skip(reason: SkipReason): Promise<void> {
    this.#from.begin();
    this.#at++;
    await this.#vouch(); // files are answered in the order of the request
    await this.#from.skip(reason);
  }

  /** Sends the next file, and those after it, up to one that must be skipped. */
  async #sendRun(first: ShareFile): Promise<void> {
    const { outbox, limits: { frameDataBytes } } = this.#from;
    let run: Run = { read: [], refused: undefined, isShort: false };
    let isRight = true;
    const sent = await outbox.data(this.#request, frameDataBytes, (target) => {
      isRight = this.#from.readTogether(() => run = this.#read(first, target));
      if (!isRight) return 0;
      let used = 0;
      for (const { file, bytes } of run.read) {
        used += bytes.length;
        this.#took(file, bytes);
      }
      return used;
    });
    this.#from.sent(sent);
    // Now their folders are looked at for each file.
    if (!isRight) return await this.#sendOne(first);
    const { refused, isShort } = run;
    if (refused !== undefined) await this.#skip(refused);
    const next = isShort ? this.#look() : undefined;
    if (typeof next === "object") await this.#sendOne(next);
  }

  /** Reads the next files into place, as many as fit and can be read at once. */
  #read(first: ShareFile, target: Uint8Array<ArrayBuffer>): Run {
    const startedAt = performance.now();
    const read: ReadFile[] = [];
    let used = 0;
    for (let file: Wanted = first; typeof file === "object";) {
      if (used + file.size > target.length) break;
      const bytes = target.subarray(used, used + file.size);
      try {
        const outcome = this.#from.readNow(file, bytes);
        if (outcome.kind === "refused") {
          return { read, refused: outcome.reason, isShort: false };
        }
      } catch (error) {
        if (!isShortage(error)) throw error;
        return { read, refused: undefined, isShort: true };
      }
      used += file.size;
      read.push({ file, bytes });
      const isLast = this.#at + read.length === this.#wanted.length;
      const { turnMs } = this.#from.limits;
      if (isLast || performance.now() - startedAt >= turnMs) break;
      file = this.#look(read.length);
    }
    return { read, refused: undefined, isShort: false };
  }

  /** Sends the next file alone, as the disk and the rate allow. */
  async #sendOne(file: ShareFile): Promise<void> {
    const { sender } = this.#from;
    const outcome = await this.#from.read(file);
    if (outcome.kind === "refused") return await this.#skip(outcome.reason);
    await this.#vouch();
    this.#took(file, outcome.bytes);
    const [known] = this.#hashes.splice(0);
    await sender.sendSmall(outcome.bytes, { request: this.#request, known });
  }

  /** The next file has been read. */
  #took(file: ShareFile, bytes: Uint8Array): void {
    this.#from.begin();
    this.#at++;
    this.#hashes.push(this.#from.hashOf(file) ?? this.#hash(bytes));
    this.#from.took(file);
  }

  #hash(bytes: Uint8Array): Uint8Array {
    this.#from.hashed(bytes.length);
    return sha256(bytes);
  }

  /** Vouches for the files that were sent since the last time. */
  async #vouch(): Promise<void> {
    if (this.#hashes.length === 0) return;
    const hashes = new Uint8Array(this.#hashes.length * HASH_BYTES);
    for (const [n, hash] of this.#hashes.entries()) {
      hashes.set(hash, n * HASH_BYTES);
    }
    this.#hashes = [];
    const { outbox } = this.#from;
    await outbox.message({ kind: "pieces", request: this.#request, hashes });
  }
}
