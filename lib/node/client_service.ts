/**
 * A node's answers to one client: finds, lists, describes and sends files of
 * the share. It takes one request at a time, so a client never has two at work
 * here. Each request is charged its cost, and waits for its turn among the
 * requests of all clients.
 *
 * @module
 */

import { type Grant, isGranted, onlyNameOf } from "../access/grant.ts";
import { addressGroup } from "../base/address.ts";
import { isShared } from "../guard/admission.ts";
import type { Channel } from "../protocol/channel.ts";
import type { Counts } from "../guard/counts.ts";
import type { DescribeOutcome, Digests } from "../share/digests.ts";
import { isShortage } from "../base/errors.ts";
import { refusal } from "../protocol/hello.ts";
import type { Limits } from "../base/limits.ts";
import {
  isContentId,
  pieceBytesOf,
  pieceCountOf,
} from "../content/manifest.ts";
import {
  type ClientToNode,
  DIRECTION,
  type ListedFile,
  type MessageOf,
} from "../protocol/messages.ts";
import { type BufferPool, Outbox, writeBytes } from "./outbox.ts";
import type { RateLimit } from "../base/rate.ts";
import type { OpenedFile, ReadRefusal } from "../share/opened_file.ts";
import type { Share } from "../share/share.ts";
import type { ShareFile } from "../share/shared_file.ts";
import { whenRoom } from "../base/shortage.ts";
import { orAborted } from "../base/waiting.ts";
import { PieceSender, type SendOptions } from "./send.ts";
import { WORK_MS } from "./work_ledger.ts";
import type { ClientWork, WorkQueue } from "./work_queue.ts";

/** What all clients of a node share. */
export interface Service {
  /** The folder. */
  readonly share: Share;
  /** What is known of its content. */
  readonly digests: Digests;
  /** The numbers. */
  readonly limits: Limits;
  /** Holds all sending to a rate. */
  readonly rate: RateLimit | undefined;
  /** Buffers to send from. */
  readonly buffers: BufferPool;
  /** Whose turn it is. */
  readonly work: WorkQueue;
  /** Clients that have said hello. */
  clientCount: number;
  /** Clients that are being sent something right now. */
  busyCount: number;
  /** Requests so far, by kind. */
  readonly requests: Counts;
  /** Bytes of files sent so far, to all clients. */
  sentBytes: number;
}

/** What one client was sent. */
export interface Served {
  /** Its address, or the group of it. */
  readonly to: string;
  /** Files, counted whenever it went on to another. */
  readonly files: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** The name, where it was one file. */
  readonly name?: string;
}

// While a large file is being hashed for a client, it hears so often that we
// have not gone.
const WORKING_MS = 5_000;
// What a listed file takes in a frame beside its name.
const LISTED_BYTES = 300;

/** Answers one client until it leaves. */
export class ClientService implements Disposable {
  readonly #channel: Channel;
  readonly #service: Service;
  readonly #outbox: Outbox;
  readonly #sender: PieceSender;
  readonly #work: ClientWork;
  /** Takes turns with others where files are hashed. */
  readonly #asker: unknown;
  /** What the client may have; all there is where there is none. */
  #grant: Grant | undefined;
  /** The file that is being sent piece by piece, open between two requests. */
  #opened: OpenedFile | null = null;
  #lastFile: ShareFile | undefined;
  #fileCount = 0;
  #bytes = 0;

  /**
   * Answers over `channel`, on which hello has been said; the work is counted
   * under `source`, the group of the client's address.
   */
  constructor(
    channel: Channel,
    service: Service,
    source: string = addressGroup(channel.conn.remote.host),
  ) {
    this.#channel = channel;
    this.#service = service;
    this.#work = service.work.enter(source);
    this.#asker = isShared(source) ? this : source;
    this.#outbox = new Outbox(
      channel,
      () => writeBytes(service.limits.sendBufferBytes, service.clientCount),
      service.buffers,
    );
    this.#sender = new PieceSender(this.#outbox, {
      limits: service.limits,
      rate: service.rate,
      onSent: (bytes) => {
        service.sentBytes += bytes;
        this.#work.charge(WORK_MS.sendByte * bytes, "sent");
      },
    });
  }

  /** What the client was sent so far. */
  get served(): Served {
    const { name } = this.#lastFile ?? {};
    return {
      to: addressGroup(this.#channel.conn.remote.host),
      files: this.#fileCount,
      bytes: this.#bytes,
      ...(this.#fileCount === 1 && name !== undefined ? { name } : {}),
    };
  }

  /** Answers until the client ends; within `grant`, if there is one. */
  async run(grant?: Grant): Promise<void> {
    this.#grant = grant;
    this.#service.clientCount++;
    try {
      await this.#answerAll();
    } finally {
      this.#service.clientCount--;
    }
  }

  async #answerAll(): Promise<void> {
    for (;;) {
      // Answers leave together as long as requests are here already.
      if (!this.#channel.hasWholeFrame) {
        await this.#outbox.flush();
        this.#outbox.rest();
      }
      const message = await this.#channel.receive(DIRECTION.clientToNode);
      if (message === null) return;
      this.#service.requests.add(message.kind);
      this.#work.charge(WORK_MS.request, "sent");
      await this.#turn();
      this.#service.busyCount++;
      try {
        await this.#answer(message);
      } finally {
        this.#service.busyCount--;
      }
    }
  }

  /** Waits until it is this client's turn, where it is not. */
  async #turn(): Promise<void> {
    const turn = this.#work.turn();
    if (turn === undefined) return;
    await this.#outbox.flush(); // what is there already need not wait
    await turn;
  }

  #answer(message: ClientToNode): Promise<void> {
    switch (message.kind) {
      case "find":
        return this.#find(message);
      case "browse":
        return this.#browse(message);
      case "describe":
        return this.#describe(message);
      case "read":
        return this.#read(message);
    }
  }

  async #find({ request, name }: MessageOf<"find">): Promise<void> {
    const { share, digests, limits } = this.#service;
    // Before it is looked up: whether there is such a file is not told.
    if (!this.#mayName(name)) {
      return await this.#outbox.message(
        refusal("unauthorized", "not authorized", request),
      );
    }
    const file = await share.find(name);
    if (file === undefined) {
      this.#work.charge(WORK_MS.miss);
      return await this.#outbox.message(
        refusal("not_found", "no such file here", request),
      );
    }
    // What is hashed at once need not be fetched without its content id.
    if (file.size <= limits.hashOnFindBytes) await this.#describeFile(file);
    const wanted = this.#grant?.content;
    if (wanted !== undefined) {
      await this.#whileWorking(
        request,
        (signal) => this.#describeFile(file, signal),
      );
      if (digests.of(file)?.content !== wanted) {
        return await this.#outbox.message(
          refusal("other_content", "it has another content here", request),
        );
      }
    }
    const { size, modifiedMs, version } = file;
    const digest = digests.of(file) ?? {};
    await this.#outbox.message({
      kind: "found",
      request,
      size,
      modifiedMs,
      version,
      ...digest,
      ...bitOf(file),
    });
  }

  async #browse({ request, prefix }: MessageOf<"browse">): Promise<void> {
    const { share, digests, limits } = this.#service;
    this.#work.charge(WORK_MS.miss); // also where no file has the prefix
    // A list without the files that are still to be found would mislead.
    if (!share.isScanned) {
      const scanned = (left: AbortSignal) => orAborted(share.scanned(), left);
      await this.#whileWorking(request, scanned);
    }
    let files: ListedFile[] = [];
    let room = limits.frameControlBytes;
    for await (const file of this.#listed(prefix)) {
      // At most three bytes a unit, as UTF-8 or escaped in JSON.
      const needed = LISTED_BYTES + 3 * file.name.length;
      if (room < needed || files.length === limits.listingPageCount) {
        await this.#outbox.message({
          kind: "files",
          request,
          files,
          more: true,
        });
        this.#work.charge(files.length * WORK_MS.list);
        files = [];
        room = limits.frameControlBytes;
      }
      room -= needed;
      const { name, size, modifiedMs, version } = file;
      const content = digests.of(file)?.content;
      const known = content === undefined ? {} : { content };
      files.push({
        name,
        size,
        modifiedMs,
        version,
        ...known,
        ...bitOf(file),
      });
    }
    this.#work.charge(files.length * WORK_MS.list);
    await this.#outbox.message({ kind: "files", request, files, more: false });
  }

  /** Files that the client may have and whose names begin with `prefix`. */
  async *#listed(prefix: string): AsyncGenerator<ShareFile> {
    const { share } = this.#service;
    const only = this.#grant && onlyNameOf(this.#grant);
    if (only !== undefined) {
      const file = share.named(only);
      const isListed = file?.name.startsWith(prefix) && this.#may(file);
      if (file !== undefined && isListed) yield file;
      return;
    }
    // All that begins with both begins with the longer one.
    const granted = this.#grant?.prefix ?? "";
    if (!prefix.startsWith(granted) && !granted.startsWith(prefix)) return;
    const both = granted.length > prefix.length ? granted : prefix;
    for (const files of share.browse(both)) {
      this.#work.charge(files.length * WORK_MS.look);
      await this.#turn();
      for (const file of files) if (this.#may(file)) yield file;
    }
  }

  #mayName(name: string): boolean {
    return this.#grant === undefined || isGranted(this.#grant, name);
  }

  /** Whether the client may have a file as it is now. */
  #may(file: ShareFile): boolean {
    const content = this.#grant?.content;
    return this.#mayName(file.name) &&
      (content === undefined ||
        this.#service.digests.of(file)?.content === content);
  }

  /**
   * The file that a content id or version stands for now, if the client may have
   * it; what it may not have looks like what is not there.
   */
  #fileOf(of: string): ShareFile | undefined {
    const { share, digests } = this.#service;
    const isContent = isContentId(of);
    const file = isContent ? digests.withContent(of) : share.versioned(of);
    if (file === undefined || this.#may(file)) return file;
    if (!isContent) return undefined;
    // The same content may be there under a name that the client may have.
    for (const other of share.withContent(of)) {
      if (this.#may(other)) return other;
    }
    return undefined;
  }

  async #describe({ request, of }: MessageOf<"describe">): Promise<void> {
    const file = this.#fileOf(of);
    if (file === undefined) return await this.#refuse("gone", request);
    const outcome = await this.#whileWorking(
      request,
      (signal) => this.#describeFile(file, signal),
    );
    if (outcome.kind === "refused") {
      return await this.#refuse(outcome.reason, request);
    }
    const { content, sha256, manifest } = outcome.described;
    await this.#outbox.message({
      kind: "manifest",
      request,
      size: file.size,
      content,
      sha256,
    });
    const { hashes } = manifest;
    const { limits } = this.#service;
    this.#work.charge(WORK_MS.sendByte * hashes.length);
    for (let sent = 0; sent < hashes.length;) {
      const most = Math.min(hashes.length - sent, limits.frameDataBytes);
      sent += await this.#outbox.data(request, most, (target) => {
        target.set(hashes.subarray(sent, sent + target.length));
        return target.length;
      });
    }
  }

  /** Describes a file; hashing it, where it is not known yet, is charged. */
  #describeFile(
    file: ShareFile,
    signal?: AbortSignal,
  ): Promise<DescribeOutcome> {
    const { digests } = this.#service;
    if (file.size > 0 && digests.manifestOf(file) === undefined) {
      this.#work.charge(WORK_MS.hashByte * file.size);
    }
    return digests.describe(file, this.#asker, signal);
  }

  /**
   * `work`, and a word to the client now and then until it is done. Its signal
   * is aborted when that word shows that the client has left.
   */
  async #whileWorking<T>(
    request: number,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    await this.#outbox.flush(); // the answer before this one goes first
    const left = new AbortController();
    const timer = setInterval(() => {
      // The answer would fail to be sent too.
      this.#channel.send({ kind: "working", request })
        .catch(() => left.abort(CLIENT_LEFT));
    }, WORKING_MS);
    try {
      return await work(left.signal);
    } finally {
      clearInterval(timer);
    }
  }

  async #read(message: MessageOf<"read">): Promise<void> {
    const { request, of, first, count } = message;
    const file = this.#fileOf(of);
    if (file === undefined) return await this.#refuse("gone", request);
    if (first + count > pieceCountOf(file.size)) {
      return await this.#outbox.message(
        refusal("bad_range", "the file has fewer pieces", request),
      );
    }
    const { digests } = this.#service;
    const known = digests.manifestOf(file)?.hashesOf(first, count);
    const options = { request, first, count, known };
    const refused = this.#isQuick(file)
      ? await this.#sendSmall(file, options)
      : await this.#sendPieces(file, options);
    if (refused !== undefined) return await this.#refuse(refused, request);
    const start = first * pieceBytesOf(file.size);
    const end = Math.min(file.size, start + count * pieceBytesOf(file.size));
    this.#bytes += end - start;
    if (this.#lastFile?.version !== file.version) this.#fileCount++;
    this.#lastFile = file;
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
      this.#letGo();
      const { share } = this.#service;
      const outcome = await this.#whenRoom(() => share.open(file));
      if (outcome.kind === "refused") return outcome.reason;
      this.#opened = outcome.opened;
    }
    const sent = await this.#sender.send(this.#opened, options);
    if (sent === "completed") return undefined;
    this.#letGo();
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

  #letGo(): void {
    this.#opened?.[Symbol.dispose]();
    this.#opened = null;
  }

  async #refuse(reason: ReadRefusal, request: number): Promise<void> {
    this.#work.charge(WORK_MS.miss);
    await this.#outbox.message(refusal(reason, REFUSAL_TEXT[reason], request));
  }

  [Symbol.dispose](): void {
    this.#letGo();
    this.#work[Symbol.dispose]();
    this.#outbox[Symbol.dispose]();
  }
}

const CLIENT_LEFT = new Deno.errors.ConnectionReset("the client left");
const UNREADABLE = { kind: "refused", reason: "unreadable" } as const;

const REFUSAL_TEXT = {
  gone: "it was changed, replaced or removed: no such version is here now",
  changed: "the file has changed",
  unreadable: "the file cannot be read",
} as const;

/** What a client is told of the executable bit: nothing where there is none. */
function bitOf({ isExecutable }: ShareFile): { executable?: true } {
  return isExecutable ? { executable: true } : {};
}
