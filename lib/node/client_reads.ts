/**
 * Sends pieces of files to one client. Keeps the file of the last request open,
 * because the next one is mostly about the same file.
 *
 * @module
 */

import { isShortage } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import type { SharedRate } from "../base/shared_rate.ts";
import { whenRoom } from "../base/shortage.ts";
import { pieceBytesOf, pieceCountOf } from "../content/manifest.ts";
import {
  type OpenedFile,
  type ReadRefusal,
  readWhole,
  type SmallFileOutcome,
} from "../share/opened_file.ts";
import type { ShareFile } from "../share/shared_file.ts";
import type { Shared } from "./granted_files.ts";
import type { FetchVisit } from "./fetches.ts";
import type { Outbox } from "./outbox.ts";
import type { PiecesSent } from "./receivers.ts";
import { PieceSender, type SendOptions } from "./send.ts";
import { type ManyFiles, ManySender } from "./send_many.ts";
import type { ServedDigests } from "./served.ts";
import { WORK_MS } from "./work_ledger.ts";
import type { ClientWork } from "./work_queue.ts";

/** The bytes and files that one client was sent. */
export interface Served {
  /** Its address, or the group of it. */
  readonly to: string;
  /** Files, counted each time the client continues with another. */
  readonly files: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** The name, if it was one file. */
  readonly name?: string;
}

/** The buffers and rates with which a node sends. */
export interface ReadService extends Shared {
  readonly limits: Limits;
  /** Limits all sending of the node; can change. */
  rate: SharedRate | undefined;
  /** Bytes of files sent so far, to all clients. */
  sentBytes: number;
}

/** Options of {@linkcode ClientReads}. */
export interface ClientReadsOptions {
  readonly service: ReadService;
  /** The key under which its part of a limited rate is counted. */
  readonly group: unknown;
  /** Notes what the client fetches; disposed of with these reads. */
  readonly visit: FetchVisit;
  /** Called for pieces that were sent. */
  readonly onSent: (pieces: Omit<PiecesSent, "to">) => void;
}

/** Sends to one client what it asks for. Disposing closes the last file. */
export class ClientReads implements Disposable {
  readonly #service: ReadService;
  readonly #outbox: Outbox;
  readonly #sender: PieceSender;
  readonly #work: ClientWork;
  readonly #visit: FetchVisit;
  /** The file that is being sent piece by piece, open between two requests. */
  #opened: OpenedFile | null = null;
  #lastFile: ShareFile | undefined;
  #fileCount = 0;
  #bytes = 0;
  readonly #onSent: ClientReadsOptions["onSent"];

  constructor(
    outbox: Outbox,
    work: ClientWork,
    { service, group, visit, onSent }: ClientReadsOptions,
  ) {
    this.#visit = visit;
    this.#service = service;
    this.#onSent = onSent;
    this.#outbox = outbox;
    this.#work = work;
    this.#sender = new PieceSender(outbox, {
      limits: service.limits,
      rate: () => service.rate,
      group,
      onSent: (bytes) => this.#count(bytes),
      onHashed: (bytes) => this.#chargeHashing(bytes),
    });
  }

  #chargeHashing(bytes: number): void {
    // Each of them is sent too: others come first, but no client has to pause.
    this.#work.charge(WORK_MS.hashByte * bytes, "sent");
  }

  #count(bytes: number): void {
    this.#service.sentBytes += bytes;
    this.#visit.sent(bytes);
    this.#work.charge(WORK_MS.sendByte * bytes, "sent");
  }

  /** What the client was sent so far. */
  get sent(): Omit<Served, "to"> {
    const { name } = this.#lastFile ?? {};
    return {
      files: this.#fileCount,
      bytes: this.#bytes,
      ...(this.#fileCount === 1 && name !== undefined ? { name } : {}),
    };
  }

  /** Sends pieces that the file has. Returns the reason if it cannot. */
  async send(
    file: ShareFile,
    pieces: Omit<SendOptions, "known">,
  ): Promise<ReadRefusal | undefined> {
    const { first, count } = pieces;
    const { digests, share: { isReadBack } } = this.#service;
    const known = digests.manifestOf(file)?.hashesOf(first, count);
    const options = { ...pieces, known, isReadBack };
    this.#visit.begin(file);
    try {
      const refused = this.#isQuick(file)
        ? await this.#sendSmall(file, options)
        : await this.#sendPieces(file, options);
      if (refused !== undefined) return refused;
      this.#note(file, { first, count });
      return undefined;
    } finally {
      this.#visit.rest();
    }
  }

  /** Notes which pieces the client was sent of a file. */
  #note(
    file: ShareFile,
    { first, count }: { first: number; count: number },
  ): void {
    const { name, size } = file;
    const start = first * pieceBytesOf(size);
    this.#bytes += Math.min(size, start + count * pieceBytesOf(size)) - start;
    this.#visit.took(file, first, count);
    this.#onSent({ name, first, count });
    if (this.#lastFile?.version !== file.version) this.#fileCount++;
    this.#lastFile = file;
  }

  /** Sends small files, one after the other, and skips those that it cannot. */
  async sendMany(
    wanted: { request: number; of: readonly string[] },
    client: Pick<ManyFiles, "fileOf" | "turn" | "skip">,
  ): Promise<void> {
    const { digests, limits, share } = this.#service;
    this.#visit.beginMany();
    await new ManySender(wanted, {
      ...client,
      limits,
      outbox: this.#outbox,
      sender: this.#sender,
      hashOf: (file) => hashOf(file, digests),
      hashed: (bytes) => this.#chargeHashing(bytes),
      isQuick: () => this.#service.rate === undefined && share.isQuick,
      readNow: (file, target) => share.readSmall(file, target),
      readTogether: (read) => share.readTogether(read),
      read: (file) => this.#readWhole(file),
      begin: () => this.#work.charge(WORK_MS.request, "sent"),
      took: (file) =>
        this.#note(file, { first: 0, count: pieceCountOf(file.size) }),
      sent: (bytes) => this.#count(bytes),
    }).send();
  }

  /** The whole of a small file, from a disk that may be slow. */
  async #readWhole(file: ShareFile): Promise<SmallFileOutcome> {
    const { share } = this.#service;
    if (share.isQuick) return await this.#whenRoom(() => share.readSmall(file));
    const outcome = await this.#whenRoom(() => share.open(file));
    if (outcome.kind === "refused") return outcome;
    using opened = outcome.opened;
    return await readWhole(opened);
  }

  #isQuick({ size }: ShareFile): boolean {
    return size <= this.#service.limits.smallFileBytes &&
      this.#service.share.isQuick;
  }

  async #sendSmall(
    file: ShareFile,
    options: SendOptions,
  ): Promise<ReadRefusal | undefined> {
    const { share } = this.#service;
    const outcome = await this.#whenRoom(() => share.readSmall(file));
    if (outcome.kind === "refused") return outcome.reason;
    await this.#sender.sendSmall(outcome.bytes, options);
    return undefined;
  }

  async #sendPieces(
    file: ShareFile,
    options: SendOptions,
  ): Promise<ReadRefusal | undefined> {
    if (this.#opened?.file.version !== file.version) {
      this.#close();
      const { share } = this.#service;
      const outcome = await this.#whenRoom(() => share.open(file));
      if (outcome.kind === "refused") return outcome.reason;
      this.#opened = outcome.opened;
    }
    const sent = await this.#sender.send(this.#opened, options);
    if (sent === "completed") return undefined;
    this.#close();
    return sent;
  }

  /** What `open` gives, as soon as there is a file descriptor for it. */
  async #whenRoom<T>(open: () => T): Promise<T | typeof UNREADABLE> {
    const { acceptPauseMs: pauseMs, shortageMs: mostMs } = this.#service.limits;
    try {
      return open();
    } catch (error) {
      if (!isShortage(error)) throw error;
    }
    await this.#outbox.flush(); // what is there already need not wait
    try {
      return await whenRoom(open, { pauseMs, mostMs });
    } catch (error) {
      if (isShortage(error)) return UNREADABLE;
      throw error;
    }
  }

  #close(): void {
    this.#opened?.[Symbol.dispose]();
    this.#opened = null;
  }

  [Symbol.dispose](): void {
    this.#visit[Symbol.dispose]();
    this.#close();
  }
}

const UNREADABLE = { kind: "refused", reason: "unreadable" } as const;

/** The hash of a file of one piece, if it is known: no manifest is made. */
function hashOf(
  file: ShareFile,
  digests: ServedDigests,
): Uint8Array | undefined {
  const sha256 = digests.of(file)?.sha256;
  return sha256 === undefined
    ? digests.manifestOf(file)?.hashes
    : Uint8Array.fromHex(sha256);
}
