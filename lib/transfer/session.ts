/**
 * The client's side of a conversation with one node. Requests are sent without
 * waiting for each other, and answers come in order. File bytes are read
 * directly into the requester's buffer.
 *
 * @module
 */

import { isAccessRefusal } from "../access/refusal.ts";
import type { Channel } from "../protocol/channel.ts";
import { type Endpoint, formatEndpoint, type Path } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";
import { greet } from "../protocol/hello.ts";
import { isContentId } from "../content/manifest.ts";
import { LIMITS } from "../base/limits.ts";
import { LaneConn } from "./lane_conn.ts";
import { WaitClock } from "./pace.ts";
import {
  type ClientToNode,
  DIRECTION,
  type ListedFile,
  type MessageOf,
} from "../protocol/messages.ts";
import {
  type Answer,
  BatchAnswer,
  type BatchTaker,
  type DescribeAnswer,
  lie,
  ListingAnswer,
  ManifestAnswer,
  OneAnswer,
  type PieceReceiver,
  PiecesAnswer,
  type Refused,
  unasked,
} from "./answers.ts";
import {
  HoldingAnswer,
  type HoldingOutcome,
  type HoldingQuestion,
} from "./holding_answer.ts";
import { Stays } from "./stays.ts";

/** The node will have nothing to do with this client. */
export class Denied extends Error {
  override readonly name = "Denied";
  /** Why, as it travels. */
  readonly code: string;

  constructor({ code, text }: { code: string; text: string }) {
    super(text);
    this.code = code;
  }
}

// Nodes leave a client that reads nothing for three times as long.
const HELD_MS = 10_000;

/** A node that has said hello. Disposing parts from it. */
export class NodeSession implements AsyncDisposable {
  /** The path that it goes by. */
  readonly path: Path;
  readonly #channel: Channel;
  /** Whether files may have to be hashed before they may be found. */
  readonly #isGranted: boolean;
  readonly #findWorks: (askedAt: number) => void;
  readonly #waiting: Answer[] = [];
  /** What the node has of contents that it is still receiving, by request. */
  readonly #holdings = new Map<number, HoldingAnswer>();
  /** Whether it has asked what is held, as clients that fetch together do. */
  #takesTurns = false;
  /** Milliseconds for which it was not read from, for reasons of ours. */
  #heldMs = 0;
  /** Runs while pieces are waited for. */
  readonly #waited = new WaitClock();
  #nextRequest = 1;
  #pumping = false;
  #workingCount = 0;
  readonly #stays = new Stays();
  #failure: Error | null = null;
  #ending: Disposable | null = null;

  private constructor(
    channel: Channel,
    { path, grant, findWorks = ignore }: {
      path: Path;
      grant?: string;
      findWorks?: ((askedAt: number) => void) | undefined;
    },
  ) {
    this.#channel = channel;
    this.path = path;
    this.#isGranted = grant !== undefined;
    this.#findWorks = findWorks;
  }

  /**
   * Greets the node `id`, and asks it for `name` in the same breath.
   * `findWorks` hears that the node hashes before it finds a file, and when that
   * was asked for.
   *
   * @throws {ProtocolError} when it is another, or does something wrong.
   * @throws {Denied} when it does not serve this client.
   */
  static async open(
    channel: Channel,
    { id, path, find, grant, findWorks }: {
      id: string;
      path: Path;
      find?: string;
      grant?: string;
      findWorks?: (askedAt: number) => void;
    },
  ): Promise<{ session: NodeSession; found?: MessageOf<"found"> | Refused }> {
    const session = new NodeSession(channel, {
      path,
      findWorks,
      ...grant === undefined ? {} : { grant },
    });
    const answer = session.#foundOrRefused();
    const { request } = answer;
    const first = find === undefined
      ? []
      : [{ kind: "find", request, name: find } as const];
    const introduction = {
      role: "client",
      ...(grant === undefined ? {} : { grant }),
    };
    const outcome = await greet(channel, introduction, ...first);
    if (outcome.kind === "refused") {
      throw new ProtocolError("wrong_service", `it refused: ${outcome.text}`);
    }
    if (outcome.hello.role !== "node" || outcome.hello.id !== id) {
      throw new ProtocolError(
        "identity_mismatch",
        "it is not the node that was listed",
      );
    }
    if (find === undefined) return { session };
    session.#await(answer);
    return { session, found: await answer.promise };
  }

  /** Where it goes to: the node, or the relay that it goes through. */
  get remote(): Endpoint {
    return this.#channel.conn.remote;
  }

  /** Whether the node has a file of that name. */
  find(name: string): Promise<MessageOf<"found"> | Refused> {
    const answer = this.#foundOrRefused();
    return this.#ask({ kind: "find", request: answer.request, name }, answer);
  }

  #foundOrRefused(): OneAnswer<"found" | "refused"> {
    const askedAt = performance.now();
    return new OneAnswer(
      this.#nextRequest++,
      ["found", "refused"],
      this.#from,
      this.#isGranted ? () => this.#findWorks(askedAt) : undefined,
    );
  }

  /**
   * All files whose names begin with `prefix`; they must be read to the end.
   * `works` hears that the node still prepares its list.
   */
  async *browse(
    prefix: string,
    works?: () => void,
  ): AsyncGenerator<readonly ListedFile[]> {
    const answer = new ListingAnswer(this.#nextRequest++, this.#from, works);
    this.#await(answer);
    try {
      await this.#send({ kind: "browse", request: answer.request, prefix });
      yield* answer.pages();
    } finally {
      // After an early stop, unwanted answers are still in flight.
      if (!answer.isDone) this.abort(new Error("the listing was broken off"));
    }
  }

  /**
   * The manifest of a file, by content id or version. `works` hears that the
   * node still hashes it.
   *
   * @throws {ProtocolError} `corrupt_piece` when it does not have the content id
   * that was asked for.
   */
  async describe(of: string, works?: () => void): Promise<DescribeAnswer> {
    const answer = new ManifestAnswer(this.#nextRequest++, this.#from, works);
    const { request } = answer;
    const described = await this.#ask(
      { kind: "describe", request, of },
      answer,
    );
    const isOther = described.kind === "described" && isContentId(of) &&
      described.manifest.contentId !== of;
    if (isOther) throw lie(this.#from, "a manifest of another content");
    return described;
  }

  /**
   * Asks for pieces, which go to `receiver` in order. Resolves when the last
   * has come, or to the node's refusal.
   */
  read(
    task: { of: string; first: number; count: number },
    receiver: PieceReceiver,
  ): Promise<Refused | undefined> {
    const request = this.#nextRequest++;
    const takesTurns = this.#takesTurns;
    const pieces = { count: task.count, receiver, takesTurns };
    const answer = new PiecesAnswer(request, pieces, this.#from);
    receiver.asked?.(request);
    return this.#ask({ kind: "read", request, ...task }, answer);
  }

  /**
   * Asks for small files by content ids or versions. Resolves when the last has
   * been answered, or to the node's refusal of the request.
   */
  readMany(
    of: readonly string[],
    receiver: BatchTaker,
  ): Promise<Refused | undefined> {
    const request = this.#nextRequest++;
    const answer = new BatchAnswer(request, receiver, this.#from);
    return this.#ask({ kind: "readMany", request, of: [...of] }, answer);
  }

  /**
   * Asks which pieces of a content the node has, and hears of those that it gains
   * until it has all, or the conversation ends.
   */
  async holding(
    of: string,
    question: HoldingQuestion,
  ): Promise<HoldingOutcome> {
    this.#takesTurns = true;
    const request = this.#nextRequest++;
    const answer = new HoldingAnswer(request, question, this.#from);
    this.#holdings.set(request, answer);
    return await this.#ask({ kind: "holding", request, of }, answer);
  }

  /**
   * Offers pieces of a content, as the holder `id`. Resolves to the channel, on
   * which the peer asks from then on, or to its refusal.
   */
  async offer(of: string, id: string): Promise<Channel | Refused> {
    const request = this.#nextRequest++;
    const kinds = ["taken", "refused"] as const;
    const answer = new OneAnswer(request, kinds, this.#from);
    const offer = { kind: "offer", request, of, id } as const;
    const answered = await this.#ask(offer, answer);
    return answered.kind === "taken" ? this.#channel : answered;
  }

  /**
   * Sends a request. Its answer is expected from before that, because answers
   * come in the order of the requests.
   */
  async #ask<T>(
    message: ClientToNode,
    answer: Answer & { promise: Promise<T> },
  ): Promise<T> {
    this.#await(answer);
    answer.promise.catch(ignore); // told below, once sending is through
    await this.#send(message);
    return await answer.promise;
  }

  #send(message: ClientToNode): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return this.#channel.send(message);
  }

  #await(answer: Answer): void {
    if (this.#failure !== null) {
      answer.fail(this.#failure);
      return;
    }
    this.#waiting.push(answer);
    if (!this.#pumping) void this.#pump();
    // For news it reads already: this answer may come next.
    else if (this.#waiting.length === 1) this.#startClock();
  }

  /** Whether an answer is waited for, or news of pieces. */
  get #expectsMore(): boolean {
    return this.#waiting.length > 0 ||
      this.#holdings.values().some(({ goesOn }) => goesOn);
  }

  /** Receives for as long as somebody waits. Never rejects. */
  async #pump(): Promise<void> {
    this.#pumping = true;
    using _timers = this.#channel.holdTimers();
    try {
      while (this.#expectsMore) await this.#receive();
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error("thrown"));
    } finally {
      this.#pumping = false;
    }
  }

  /**
   * Milliseconds for which pieces were waited for: the node owed some, and
   * nothing of ours kept them from being read.
   */
  waitedMs(now: number): number {
    return this.#waited.read(now);
  }

  /**
   * Whether it was not read from for so long, for want of room or by our own
   * rate, that its node may have taken us for gone.
   */
  get wasHeld(): boolean {
    return this.#heldMs + (this.lane?.heldMs ?? 0) >= HELD_MS;
  }

  /** Why it has ended, if it has. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** The conn, where a lane owns it. */
  get lane(): LaneConn | undefined {
    const { conn } = this.#channel;
    return conn instanceof LaneConn ? conn : undefined;
  }

  /** Waits for the first answer, if it is for pieces. */
  #startClock(): void {
    if (this.#waiting[0]?.owesPieces) this.#waited.start(performance.now());
  }

  /** A read from the channel, timed where it is for pieces. */
  async #timed<T>(read: Promise<T>): Promise<T> {
    this.#startClock();
    try {
      return await read;
    } finally {
      this.#waited.stop(performance.now());
    }
  }

  async #receive(): Promise<void> {
    const message = await this.#timed(
      this.#channel.receiveOrData(DIRECTION.nodeToClient),
    );
    // It may have failed by now; then nothing makes room for the message.
    if (this.#failure !== null) throw this.#failure;
    if (message === null) {
      throw new ProtocolError("truncated", "it hung up");
    }
    if (message.kind === "gained") return this.#gained(message);
    const first = this.#waiting[0];
    if (first === undefined || message.request !== first.request) {
      // Without a request it is the node that ends the conversation.
      if (message.kind !== "refused" || message.request !== undefined) {
        throw unasked(this.#from);
      }
      if (isAccessRefusal(message.code)) throw new Denied(message);
      throw new ProtocolError("wrong_phase", `it ended: ${message.text}`);
    }
    if (message.kind === "working") return this.#works(first);
    if (message.kind === "data") await this.#receiveData(first, message.length);
    else {
      const room = first.take(message);
      if (room !== undefined) await room;
    }
    if (first.isDone) this.#waiting.shift();
  }

  /**
   * The node works on an answer, and has not gone: it hashes a file, or scans its
   * share. It says so every 5 s, and no file takes for ever.
   */
  #works({ works }: Answer): void {
    const isFlood = !this.#stays.take(performance.now()) ||
      ++this.#workingCount > LIMITS.workingCount;
    if (works === undefined || isFlood) throw unasked(this.#from);
    works();
  }

  #gained(message: MessageOf<"gained">): void {
    const holding = this.#holdings.get(message.request);
    if (holding === undefined) throw unasked(this.#from);
    holding.gain(message, performance.now());
  }

  async #receiveData(
    { receiver }: Answer,
    length: number,
  ): Promise<void> {
    if (receiver === undefined) throw unasked(this.#from);
    for (let left = length; left > 0;) {
      const from = performance.now();
      const target = await receiver.target(left);
      this.#heldMs += performance.now() - from;
      await this.#timed(this.#channel.readData(target));
      receiver.filled(target.length);
      left -= target.length;
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#ending?.[Symbol.dispose]();
    for (const answer of this.#waiting.splice(0)) answer.fail(error);
    this.#channel.abort(error);
  }

  /** Who it is, for errors. */
  get #from(): string {
    return formatEndpoint(this.#channel.conn.remote);
  }

  /** Ends the conversation with the reason of `signal`, until it has ended. */
  endOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const end = () => this.#fail(signal.reason);
    signal.addEventListener("abort", end);
    this.#ending = {
      [Symbol.dispose]: () => signal.removeEventListener("abort", end),
    };
    if (signal.aborted) end();
  }

  /** Ends the conversation at once; what waits fails with `reason`. */
  abort(reason: Error): void {
    this.#fail(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#waiting.length > 0) {
      this.#fail(new Error("the session was closed"));
    } else await this.#channel.close();
    this.#ending?.[Symbol.dispose]();
    this.#failure ??= new Error("the session was closed");
  }
}

function ignore(): void {}
