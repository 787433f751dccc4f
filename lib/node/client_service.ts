/**
 * Answers one client of a node: sends pieces of files, and leaves requests
 * about them to `share_answers.ts`. It handles one request of a
 * client at a time. Each request is charged its cost, and waits for its turn among
 * the requests of all clients.
 *
 * @module
 */

import type { Grant } from "../access/grant.ts";
import { addressGroup } from "../base/address.ts";
import { isShared } from "../guard/admission.ts";
import type { Channel } from "../protocol/channel.ts";
import type { Counts } from "../guard/counts.ts";
import type { Limits } from "../base/limits.ts";
import { refusal } from "../protocol/hello.ts";
import { pieceBytesOf, pieceCountOf } from "../content/manifest.ts";
import type { PieceRun } from "../content/piece_set.ts";
import {
  type ClientToNode,
  DIRECTION,
  type MessageOf,
} from "../protocol/messages.ts";
import { type BufferPool, Outbox, writeBytes } from "./outbox.ts";
import type { ReadRefusal } from "../share/opened_file.ts";
import type { ShareFile } from "../share/shared_file.ts";
import type { Fetches } from "./fetches.ts";
import { ClientTurns, type TurnService } from "./client_turns.ts";
import { ClientReads, type ReadService, type Served } from "./client_reads.ts";
import { GrantedFiles } from "./granted_files.ts";
import { isSentByItsName, type PiecesSent } from "./receivers.ts";
import { SKIP_TEXT } from "./send_many.ts";
import { ShareAnswers } from "./share_answers.ts";
import { PieceAnnouncements } from "./piece_announcements.ts";
import type { HeldContent, ReadTurn, TakenOffer, TakeOffer } from "./served.ts";
import type { SlowReaders } from "./slow_readers.ts";
import { WORK_MS } from "./work_ledger.ts";
import { whileWorking } from "./working.ts";
import type { ClientWork, WorkQueue } from "./work_queue.ts";

/** The parts of a node that all its clients share. */
export interface Service extends ReadService, TurnService {
  readonly limits: Limits;
  /** Buffers to send from. */
  readonly buffers: BufferPool;
  /** Bounds the memory that slow clients hold. */
  readonly slowReaders: SlowReaders;
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

/** Answers one client until it disconnects. */
export class ClientService implements Disposable {
  readonly #channel: Channel;
  readonly #service: Service;
  readonly #outbox: Outbox;
  readonly #reads: ClientReads;
  readonly #work: ClientWork;
  readonly #source: string;
  /** Identifies the client, or its address group, for turns with others. */
  readonly #requester: unknown;
  readonly #news: PieceAnnouncements;
  readonly #turns: ClientTurns;
  /** The files that the client may fetch. */
  readonly #files: GrantedFiles;
  readonly #answers: ShareAnswers;

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
    this.#requester = isShared(source) ? this : source;
    this.#outbox = new Outbox(
      channel,
      () => writeBytes(service.limits.sendBufferBytes, service.clientCount),
      service.buffers,
      { sending: (bytes) => this.#holds(bytes) },
    );
    const to = addressGroup(channel.conn.remote.host);
    const { onSent } = service;
    this.#reads = new ClientReads(this.#outbox, this.#work, {
      service,
      group: this.#requester,
      visit: service.fetches.enter(to),
      onSent: (pieces) => onSent?.({ to, ...pieces }),
    });
    const work = this.#work;
    this.#news = new PieceAnnouncements(channel, this.#outbox, { work });
    this.#turns = new ClientTurns(service, this.#requester);
    this.#files = new GrantedFiles(service);
    this.#answers = new ShareAnswers(service, {
      ...{
        requester: this.#requester,
        files: this.#files,
        outbox: this.#outbox,
        work,
      },
      turn: () => this.#turn(),
      refuse: (reason, request) => this.#refuse(reason, request),
      whileWorking: (request, work) => this.#whileWorking(request, work),
    });
  }

  /** Notes memory that the client holds until it has read what is sent to it. */
  #holds(bytes: number): Disposable {
    return this.#service.slowReaders.sending({
      group: this.#source,
      bytes,
      end: () => this.#channel.tooSlow(),
    });
  }

  /** What was sent to the client so far. */
  get served(): Served {
    const to = addressGroup(this.#channel.conn.remote.host);
    return { to, ...this.#reads.sent };
  }

  /**
   * Answers until the client ends, or until it offers wanted pieces, which this
   * end then requests. Serves only files within `grant`, and only contents that
   * are `allowed`, if these are given.
   */
  async run(
    grant?: Grant,
    allowed?: (content: string) => boolean,
  ): Promise<TakenOffer | undefined> {
    this.#files.limitTo(grant, allowed);
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
        return this.#answers.find(message);
      case "browse":
        return this.#answers.browse(message);
      case "describe":
        return this.#answers.describe(message);
      case "read":
        return this.#read(message);
      case "readMany":
        return this.#readMany(message);
      case "holding":
        return this.#holding(message);
    }
  }

  /** See {@linkcode whileWorking}. */
  #whileWorking<T>(
    request: number,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const [channel, outbox] = [this.#channel, this.#outbox];
    return whileWorking({ channel, outbox, request }, work);
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

  /** Reports a file of which a client needed no bytes. */
  #reportUnsent(): void {
    const { onSent, digests } = this.#service;
    const { found: file } = this.#answers;
    if (onSent === undefined || file === undefined) return;
    if (this.#reads.sent.files > 0 || !isSentByItsName(file, digests)) return;
    const { to } = this.served;
    onSent({ to, name: file.name, first: 0, count: 0 });
  }

  [Symbol.dispose](): void {
    this.#reportUnsent();
    this.#news[Symbol.dispose]();
    this.#turns[Symbol.dispose]();
    this.#reads[Symbol.dispose]();
    this.#work[Symbol.dispose]();
    this.#outbox[Symbol.dispose]();
  }
}
