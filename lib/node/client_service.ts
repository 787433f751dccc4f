/**
 * A node's answers to one client: finds, lists, describes and sends files of
 * the share. It handles one request of a client at a time. Each request is
 * charged its cost, and waits for its turn among the requests of all clients.
 *
 * @module
 */

import type { Grant } from "../access/grant.ts";
import { addressGroup } from "../base/address.ts";
import { isShared } from "../guard/admission.ts";
import type { Channel } from "../protocol/channel.ts";
import type { Counts } from "../guard/counts.ts";
import type { DescribeOutcome } from "../share/digests.ts";
import type { Limits } from "../base/limits.ts";
import { refusal } from "../protocol/hello.ts";
import { pieceBytesOf, pieceCountOf } from "../content/manifest.ts";
import type { PieceRun } from "../content/piece_set.ts";
import {
  type ClientToNode,
  DIRECTION,
  type ListedFile,
  type MessageOf,
} from "../protocol/messages.ts";
import { type BufferPool, Outbox, writeBytes } from "./outbox.ts";
import type { ReadRefusal } from "../share/opened_file.ts";
import type { ShareFile } from "../share/shared_file.ts";
import { orAborted } from "../base/waiting.ts";
import type { Fetches } from "./fetches.ts";
import { ClientTurns, type TurnService } from "./client_turns.ts";
import { ClientReads, type ReadService, type Served } from "./client_reads.ts";
import { GrantedFiles } from "./granted_files.ts";
import { isSentByItsName, type PiecesSent } from "./receivers.ts";
import { SKIP_TEXT } from "./send_many.ts";
import { HeldNews } from "./held_news.ts";
import type { HeldContent, ReadTurn, TakenOffer, TakeOffer } from "./served.ts";
import { WORK_MS } from "./work_ledger.ts";
import type { ClientWork, WorkQueue } from "./work_queue.ts";

/** The parts of a node that all its clients share. */
export interface Service extends ReadService, TurnService {
  readonly limits: Limits;
  /** Buffers to send from. */
  readonly buffers: BufferPool;
  /** Decides which client is next. */
  readonly work: WorkQueue;
  /** Clients that have sent a hello. */
  clientCount: number;
  /** Clients that are being sent something right now. */
  busyCount: number;
  /** The current fetches of clients. */
  readonly fetches: Fetches;
  /** Requests so far, by kind. */
  readonly requests: Counts;
  /** Called for pieces that were sent. */
  readonly onSent?: ((sent: PiecesSent) => void) | undefined;
  /** Finds an incomplete content; by default there are none. */
  readonly heldOf?: (content: string) => HeldContent | undefined;
  /** Takes pieces that clients offer; by default none are wanted. */
  readonly takeOffer?: TakeOffer;
}

// While a client waits because a file is hashed, or because others have their
// turns, this often a message shows it that we are alive.
const WORKING_MS = 5_000;
// Bytes of a listed file in a frame, without its name.
const LISTED_BYTES = 300;

/** Answers one client until it leaves. */
export class ClientService implements Disposable {
  readonly #channel: Channel;
  readonly #service: Service;
  readonly #outbox: Outbox;
  readonly #reads: ClientReads;
  readonly #work: ClientWork;
  readonly #source: string;
  /** Identifies the client, or its address group, for turns with others. */
  readonly #asker: unknown;
  /** The last file that the client found by name. */
  #found: ShareFile | undefined;
  readonly #news: HeldNews;
  readonly #turns: ClientTurns;
  /** The files that the client may fetch. */
  #files: GrantedFiles;

  /**
   * Answers over `channel`, after both hellos; the work is counted under
   * `source`, the group of the client's address.
   */
  constructor(
    channel: Channel,
    service: Service,
    source: string = addressGroup(channel.conn.remote.host),
  ) {
    this.#channel = channel;
    this.#service = service;
    this.#source = source;
    this.#work = service.work.enter(source);
    this.#asker = isShared(source) ? this : source;
    this.#outbox = new Outbox(
      channel,
      () => writeBytes(service.limits.sendBufferBytes, service.clientCount),
      service.buffers,
    );
    const to = addressGroup(channel.conn.remote.host);
    const { onSent } = service;
    this.#reads = new ClientReads(this.#outbox, this.#work, {
      service,
      group: this.#asker,
      visit: service.fetches.enter(to),
      onSent: (pieces) => onSent?.({ to, ...pieces }),
    });
    const work = this.#work;
    this.#news = new HeldNews(channel, this.#outbox, { work });
    this.#turns = new ClientTurns(service, this.#asker);
    this.#files = new GrantedFiles(service, undefined);
  }

  /** What was sent to the client so far. */
  get served(): Served {
    const to = addressGroup(this.#channel.conn.remote.host);
    return { to, ...this.#reads.sent };
  }

  /**
   * Answers until the client ends, or offers pieces that are wanted: then this
   * end requests them. Within `grant`, if there is one.
   */
  async run(grant?: Grant): Promise<TakenOffer | undefined> {
    this.#files = new GrantedFiles(this.#service, grant);
    this.#service.clientCount++;
    try {
      return await this.#answerAll();
    } finally {
      this.#service.clientCount--;
    }
  }

  async #answerAll(): Promise<TakenOffer | undefined> {
    for (;;) {
      // While further requests have arrived already, answers are sent together.
      if (!this.#channel.hasWholeFrame) {
        await this.#outbox.flush();
        this.#outbox.rest();
      }
      const message = await this.#channel.receive(
        DIRECTION.clientToNode,
        () => this.#outbox.flush(),
      );
      if (message === null) return undefined;
      this.#service.requests.add(message.kind);
      this.#work.charge(WORK_MS.request, "sent");
      await this.#turn();
      if (message.kind === "offer") {
        const taken = this.#take(message);
        await this.#news.answerOffer(message, taken);
        if (taken === undefined) continue;
        return taken;
      }
      this.#service.busyCount++;
      try {
        await this.#answer(message);
      } finally {
        this.#service.busyCount--;
      }
    }
  }

  /** Waits until it is this client's turn. */
  async #turn(): Promise<void> {
    const turn = this.#work.turn();
    if (turn === undefined) return;
    await this.#outbox.flush(); // earlier answers need not wait
    await turn;
  }

  #answer(message: Exclude<ClientToNode, { kind: "offer" }>): Promise<void> {
    switch (message.kind) {
      case "find":
        return this.#find(message);
      case "browse":
        return this.#browse(message);
      case "describe":
        return this.#describe(message);
      case "read":
        return this.#read(message);
      case "readMany":
        return this.#readMany(message);
      case "holding":
        return this.#holding(message);
    }
  }

  async #find({ request, name }: MessageOf<"find">): Promise<void> {
    const { share, digests, limits } = this.#service;
    // Checked before the look-up, so the answer does not show whether the file
    // exists.
    if (!this.#files.mayName(name)) {
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
    // A small file is hashed at once, so that its answer has the content id.
    if (file.size <= limits.hashOnFindBytes) await this.#describeFile(file);
    const wanted = this.#files.content;
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
    this.#found = file;
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
    // Without the files that the scan has not found yet, the list would
    // mislead.
    if (!share.isScanned) {
      const scanned = (left: AbortSignal) => orAborted(share.scanned(), left);
      await this.#whileWorking(request, scanned);
    }
    let files: ListedFile[] = [];
    let room = limits.frameControlBytes;
    const listed = this.#files.listed(prefix, async (lookedAt) => {
      this.#work.charge(lookedAt * WORK_MS.look);
      await this.#turn();
    });
    for await (const file of listed) {
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

  async #describe({ request, of }: MessageOf<"describe">): Promise<void> {
    const file = this.#files.standingFor(of);
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

  /** Describes a file; if it must be hashed first, that is charged. */
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
   * Does `work`, and regularly sends `working` to the client until it is done.
   * If sending fails, because the client has left, its signal is aborted.
   */
  async #whileWorking<T>(
    request: number,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    await this.#outbox.flush(); // earlier answers are sent first
    const left = new AbortController();
    const timer = setInterval(() => {
      // If this cannot be sent, the answer could not be sent either.
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
    const file = this.#files.standingFor(of);
    if (file === undefined) return await this.#refuse("gone", request);
    const held = this.#service.heldOf?.(of);
    if (first + count > pieceCountOf(file.size)) {
      return await this.#outbox.message(
        refusal("bad_range", "the file has fewer pieces", request),
      );
    }
    if (held?.pieces.hasAll({ first, count }) === false) {
      return await this.#refuse("gone", request);
    }
    for (let sent = 0; sent < count;) {
      const left = { first: first + sent, count: count - sent };
      const run = this.#turns.next(file.version, left);
      const refused = await this.#sendRun(file, { request, ...run });
      if (refused) return await this.#refuse(refused, request);
      sent += run.count;
    }
  }

  /** Sends pieces in one turn, if they need one. */
  async #sendRun(
    file: ShareFile,
    run: PieceRun & { readonly request: number },
  ): Promise<ReadRefusal | void> {
    const isNeeded = this.#turns.isNeededFor(file.version);
    using turn = isNeeded ? await this.#readTurn(file, run) : undefined;
    const refused = await this.#reads.send(file, run);
    if (turn === undefined || refused !== undefined) return refused;
    await this.#outbox.flush(); // the turn is for the connection
    turn.sent();
  }

  /** Waits for its turn, which may take minutes; the client gets `working`. */
  async #readTurn(
    { version, size }: ShareFile,
    { request, ...run }: PieceRun & { readonly request: number },
  ): Promise<ReadTurn | undefined> {
    const bytes = run.count * pieceBytesOf(size);
    return await this.#whileWorking(
      request,
      (signal) => this.#turns.take(version, { ...run, bytes }, signal),
    );
  }

  #readMany({ request, of }: MessageOf<"readMany">): Promise<void> {
    return this.#reads.sendMany({ request, of }, {
      fileOf: (wanted) => this.#files.standingFor(wanted),
      turn: () => this.#turn(),
      skip: async (code) => {
        this.#work.charge(WORK_MS.miss);
        const text = SKIP_TEXT[code];
        await this.#outbox.message({ kind: "skipped", request, code, text });
      },
    });
  }

  async #holding({ request, of }: MessageOf<"holding">): Promise<void> {
    const file = this.#files.standingFor(of);
    if (file === undefined) return await this.#refuse("gone", request);
    this.#turns.join(file.version);
    await this.#news.answer({ request, of }, this.#service.heldOf?.(of));
  }

  /** Takes an offer of wanted pieces, from a client that may have the file. */
  #take({ of, id }: MessageOf<"offer">): TakenOffer | undefined {
    if (this.#files.standingFor(of) === undefined) return undefined;
    return this.#service.takeOffer?.({ of, id }, this.#source);
  }

  async #refuse(reason: ReadRefusal, request: number): Promise<void> {
    this.#work.charge(WORK_MS.miss);
    await this.#outbox.message(refusal(reason, SKIP_TEXT[reason], request));
  }

  /** Reports a file that a client has without being sent any of it. */
  #tellUnsent(): void {
    const { onSent, digests } = this.#service;
    const file = this.#found;
    if (onSent === undefined || file === undefined) return;
    if (this.#reads.sent.files > 0 || !isSentByItsName(file, digests)) return;
    const { to } = this.served;
    onSent({ to, name: file.name, first: 0, count: 0 });
  }

  [Symbol.dispose](): void {
    this.#tellUnsent();
    this.#news[Symbol.dispose]();
    this.#turns[Symbol.dispose]();
    this.#reads[Symbol.dispose]();
    this.#work[Symbol.dispose]();
    this.#outbox[Symbol.dispose]();
  }
}

const CLIENT_LEFT = new Deno.errors.ConnectionReset("the client left");

/** The field for the executable bit; none if it is not set. */
function bitOf({ isExecutable }: ShareFile): { executable?: true } {
  return isExecutable ? { executable: true } : {};
}
