/**
 * The client's side of a conversation with one node. Requests are sent without
 * waiting for each other, and answers come in order. File bytes are read
 * directly into the requester's buffer.
 *
 * @module
 */

import { isAccessRefusal } from "../access/refusal.ts";
import type { Channel } from "../protocol/channel.ts";
import { onDispose } from "../base/collections.ts";
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
  unsolicited,
} from "./answers.ts";
import {
  HoldingAnswer,
  type HoldingOutcome,
  type HoldingRequest,
} from "./holding_answer.ts";
import { Keepalives } from "./keepalives.ts";

/** The node refuses to serve this client. */
export class Denied extends Error {
  override readonly name = "Denied";
  /** The code of the refusal, as sent. */
  readonly code: string;

  constructor({ code, text }: { code: string; text: string }) {
    super(text);
    this.code = code;
  }
}

// Nodes disconnect a client that reads nothing for three times as long.
const HELD_MS = 10_000;

/** A session with a node, after both hellos. Disposing ends it. */
export class NodeSession implements AsyncDisposable {
  /** The path of its connection. */
  readonly path: Path;
  readonly #channel: Channel;
  /** Whether the node may have to hash a file before it answers `find`. */
  readonly #isGranted: boolean;
  readonly #findWorks: (askedAt: number) => void;
  readonly #waiting: Answer[] = [];
  /** What the node has of contents that it is still receiving, by request. */
  readonly #holdings = new Map<number, HoldingAnswer>();
  /** Whether it has sent `holding`, as clients do that fetch together. */
  #takesTurns = false;
  /** Milliseconds in which this client chose not to read. */
  #heldMs = 0;
  /** Runs while this client waits for pieces. */
  readonly #waited = new WaitClock();
  #nextRequest = 1;
  #pumping = false;
  #workingCount = 0;
  readonly #stays = new Keepalives();
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
   * Sends the hello to the node `id`, together with a `find` for `name`. Calls
   * `findWorks` if the node must hash a file before it answers, with the time
   * of the request.
   *
   * @throws {ProtocolError} if it is another node, or breaks the protocol.
   * @throws {Denied} if it does not serve this client.
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

  /** The remote address: of the node, or of the relay for a tunnel. */
  get remote(): Endpoint {
    return this.#channel.conn.remote;
  }

  /** Whether the node has a file of that name. */
  find(name: string): Promise<MessageOf<"found"> | Refused> {
    const answer = this.#foundOrRefused();
    return this.#call({ kind: "find", request: answer.request, name }, answer);
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
   * `works` is called while the node still prepares its list.
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
      if (!answer.isDone) this.abort(new Error("the listing was stopped"));
    }
  }

  /**
   * The manifest of a file, by content id or version. `works` is called while
   * the node still hashes it.
   *
   * @throws {ProtocolError} `corrupt_piece` if it does not have the requested
   * content id.
   */
  async describe(of: string, works?: () => void): Promise<DescribeAnswer> {
    const answer = new ManifestAnswer(this.#nextRequest++, this.#from, works);
    const { request } = answer;
    const described = await this.#call(
      { kind: "describe", request, of },
      answer,
    );
    const isOther = described.kind === "described" && isContentId(of) &&
      described.manifest.contentId !== of;
    if (isOther) throw lie(this.#from, "a manifest of another content");
    return described;
  }

  /**
   * Requests pieces, which `receiver` gets in order. Resolves when the last one
   * has arrived, or to the node's refusal.
   */
  read(
    task: { of: string; first: number; count: number },
    receiver: PieceReceiver,
  ): Promise<Refused | undefined> {
    const request = this.#nextRequest++;
    const takesTurns = this.#takesTurns;
    const pieces = { count: task.count, receiver, takesTurns };
    const answer = new PiecesAnswer(request, pieces, this.#from);
    receiver.requested?.(request);
    return this.#call({ kind: "read", request, ...task }, answer);
  }

  /**
   * Requests small files by content ids or versions. Resolves when the last has
   * been answered, or to the node's refusal of the request.
   */
  readMany(
    of: readonly string[],
    receiver: BatchTaker,
  ): Promise<Refused | undefined> {
    const request = this.#nextRequest++;
    const answer = new BatchAnswer(request, receiver, this.#from);
    return this.#call({ kind: "readMany", request, of: [...of] }, answer);
  }

  /**
   * Asks which pieces of a content the node has, and receives reports of those
   * that it gains, until it has all or the conversation ends.
   */
  async holding(
    of: string,
    holding: HoldingRequest,
  ): Promise<HoldingOutcome> {
    this.#takesTurns = true;
    const request = this.#nextRequest++;
    const answer = new HoldingAnswer(request, holding, this.#from);
    this.#holdings.set(request, answer);
    return await this.#call({ kind: "holding", request, of }, answer);
  }

  /**
   * Offers pieces of a content, as the holder `id`. Resolves to the channel, on
   * which the peer then sends its requests, or to its refusal.
   */
  async offer(of: string, id: string): Promise<Channel | Refused> {
    const request = this.#nextRequest++;
    const kinds = ["taken", "refused"] as const;
    const answer = new OneAnswer(request, kinds, this.#from);
    const offer = { kind: "offer", request, of, id } as const;
    const answered = await this.#call(offer, answer);
    return answered.kind === "taken" ? this.#channel : answered;
  }

  /**
   * Sends a request. Its answer is registered before that, because answers
   * arrive in the order of the requests.
   */
  async #call<T>(
    message: ClientToNode,
    answer: Answer & { promise: Promise<T> },
  ): Promise<T> {
    this.#await(answer);
    answer.promise.catch(ignore); // awaited below, after sending
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
    // It already reads, for reports of gained pieces: this answer may be next.
    else if (this.#waiting.length === 1) this.#startClock();
  }

  /** Whether an answer is expected, or a report of gained pieces. */
  get #expectsMore(): boolean {
    return this.#waiting.length > 0 ||
      this.#holdings.values().some(({ goesOn }) => goesOn);
  }

  /** Receives as long as something is expected. Never rejects. */
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
   * Milliseconds of waiting for pieces: some were requested, and this client
   * was ready to read them.
   */
  waitedMs(now: number): number {
    return this.#waited.read(now);
  }

  /**
   * Whether this client, because it had no room or by its own rate limit, did
   * not read for so long that the node may have disconnected it.
   */
  get wasHeld(): boolean {
    return this.#heldMs + (this.lane?.heldMs ?? 0) >= HELD_MS;
  }

  /** Why it has ended, if it has. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** The conn, if a lane owns it. */
  get lane(): LaneConn | undefined {
    const { conn } = this.#channel;
    return conn instanceof LaneConn ? conn : undefined;
  }

  /** Starts the clock if the next answer is for pieces. */
  #startClock(): void {
    if (this.#waiting[0]?.owesPieces) this.#waited.start(performance.now());
  }

  /** A read from the channel, timed if it is for pieces. */
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
    // If the session has failed, nothing makes room for the message.
    if (this.#failure !== null) throw this.#failure;
    if (message === null) {
      throw new ProtocolError("truncated", "it closed the connection");
    }
    if (message.kind === "gained") return this.#gained(message);
    const first = this.#waiting[0];
    if (first === undefined || message.request !== first.request) {
      // A refusal without a request ends the conversation.
      if (message.kind !== "refused" || message.request !== undefined) {
        throw unsolicited(this.#from);
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
   * Handles `working`: the node is alive and still prepares an answer, because
   * it hashes a file or scans its share. It says so every 5 s.
   */
  #works({ works }: Answer): void {
    const isFlood = !this.#stays.take(performance.now()) ||
      ++this.#workingCount > LIMITS.workingCount;
    if (works === undefined || isFlood) throw unsolicited(this.#from);
    works();
  }

  #gained(message: MessageOf<"gained">): void {
    const holding = this.#holdings.get(message.request);
    if (holding === undefined) throw unsolicited(this.#from);
    holding.gain(message, performance.now());
  }

  async #receiveData(
    { receiver }: Answer,
    length: number,
  ): Promise<void> {
    if (receiver === undefined) throw unsolicited(this.#from);
    for (let left = length; left > 0;) {
      const from = performance.now();
      const target = await receiver.target(left);
      if (target.length === 0) throw unsolicited(this.#from); // no room for more
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

  /** The address of the peer, for errors. */
  get #from(): string {
    return formatEndpoint(this.#channel.conn.remote);
  }

  /** Ends the conversation when `signal` is aborted, with its reason. */
  endOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const end = () => this.#fail(signal.reason);
    signal.addEventListener("abort", end);
    this.#ending = onDispose(() => signal.removeEventListener("abort", end));
    if (signal.aborted) end();
  }

  /** Ends the conversation at once; pending requests fail with `reason`. */
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
