/**
 * A conn that speaks messages: typed send and receive, one writer at a time,
 * deadlines, and bounded queues. It knows the form of a message, not its
 * meaning. Control frames wait in a bounded queue. File bytes are never queued:
 * their sender waits until the conn has taken them.
 *
 * @module
 */

import { type Conn, formatEndpoint } from "../base/conn.ts";
import { ProtocolError, type ProtocolErrorCode } from "../base/errors.ts";
import { type FrameHeader, FrameReader } from "./frame.ts";
import { FrameSender } from "./frame_sender.ts";
import type { Limits } from "../base/limits.ts";
import { DATA_FRAME_TYPE, type DataFrame, REQUEST_BYTES } from "./bulk.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type MessageKind,
  type MessageOf,
} from "./messages.ts";
import { TokenBucket } from "../guard/admission.ts";
import {
  ConnDeadlines,
  type Deadlines,
  type ProgressWatch,
} from "./deadline.ts";

/** Options of {@linkcode Channel}. */
export interface ChannelOptions {
  /** The numbers that bound the peer. */
  readonly limits: Limits;
  /** Whether the peer may send file bytes. */
  readonly acceptsData?: boolean;
  /**
   * A peer for which no write completes within this time is a slow consumer.
   */
  readonly writeStallMs: number;
  /**
   * A peer is idle after this time without a new frame or a byte of file data.
   */
  readonly idleMs: number;
  /** Whether the control rate of the limits applies to the peer's messages. */
  readonly limitsRate?: boolean;
  /** Size of the read-ahead buffer; small where many channels are idle. */
  readonly readAheadBytes?: number;
  /** Deadlines shared by many idle channels. */
  readonly deadlines?: Deadlines;
}

/**
 * The frame that answers a message; `undefined` for none, `null` to end the
 * conversation.
 */
export type Answer = Uint8Array | undefined | null;

/** A conversation with one peer, in messages. */
export class Channel implements AsyncDisposable {
  readonly conn: Conn;
  #options: ChannelOptions;
  readonly #frames: FrameReader;
  readonly #watch: ConnDeadlines;
  #progress: ProgressWatch;
  readonly #rate: TokenBucket | null;
  /** Messages of the peer that are not counted against its rate. */
  #offered = 0;
  #unknownFrames = 0;
  #phase: "hello" | "open" = "hello";
  readonly #sender: FrameSender;
  /** Answers that wait, to be sent together with others. */
  readonly #answers: Uint8Array[] = [];
  #answerBytes = 0;

  /** Takes ownership of `conn`. */
  constructor(conn: Conn, options: ChannelOptions) {
    this.conn = conn;
    this.#options = options;
    const { limits } = options;
    this.#watch = new ConnDeadlines(conn, options.deadlines);
    this.#progress = this.#watchProgress();
    this.#sender = new FrameSender(conn, {
      limits,
      watch: this.#watch,
      stallMs: options.writeStallMs,
      slow: (what) => this.#error("slow_consumer", what),
    });
    this.#frames = new FrameReader(conn, {
      limitFor: (type) => this.#limitFor(type),
      now: () => performance.now(),
      ...(options.readAheadBytes === undefined
        ? {}
        : { bufferBytes: options.readAheadBytes }),
    });
    this.#rate = options.limitsRate
      ? new TokenBucket(
        limits.controlRatePerSecond,
        limits.controlBurstCount,
        performance.now(),
      )
      : null;
  }

  #watchProgress(): ProgressWatch {
    return this.#watch.watchProgress({
      done: () => this.conn.progress?.() ?? this.#frames.readBytes,
      ms: this.#options.idleMs,
      reason: () => this.#idleError(),
    });
  }

  #limitFor(type: number): number {
    const { limits, acceptsData } = this.#options;
    if (this.#phase === "hello") return limits.frameBeforeHelloBytes;
    return acceptsData && type === DATA_FRAME_TYPE
      ? limits.frameDataBytes + REQUEST_BYTES
      : limits.frameControlBytes;
  }

  /**
   * Starts again, before hello, with swapped roles: the end that asked now
   * answers. Nothing may be in progress.
   */
  swapRoles(
    options: Required<Pick<ChannelOptions, "acceptsData" | "idleMs">>,
  ): void {
    this.#options = { ...this.#options, ...options };
    this.#progress = this.#watchProgress();
    this.#phase = "hello";
  }

  /** Allows larger frames: both sides have said hello. */
  openUp(): void {
    this.#phase = "open";
  }

  /**
   * Queues messages. Messages queued during a write leave together in the next
   * one. Resolves when the conn has taken them.
   *
   * @throws {ProtocolError} `slow_consumer` if the queue is full.
   */
  send(...messages: Message[]): Promise<void> {
    return this.sendFrames(...messages.map(encodeMessage));
  }

  /** Queues encoded frames. */
  sendFrames(...frames: Uint8Array[]): Promise<void> {
    const held = this.#answers.splice(0);
    this.#answerBytes = 0;
    return this.#sender.send(held.length === 0 ? frames : [...held, ...frames]);
  }

  /**
   * Sends frames with file bytes, without queueing. When this resolves, the
   * caller may use the buffer again.
   */
  sendBulk(frames: Uint8Array): Promise<void> {
    return this.#sender.sendBulk(frames);
  }

  /** Whether the whole next message has been read already. */
  get hasWholeFrame(): boolean {
    return this.#frames.hasWholeFrame;
  }

  /**
   * Receives the next message, which must be one of `allowed`. Skips messages
   * of kinds that this version does not know. `null` if the peer has ended.
   * `sendHeld` sends what the caller holds back: nothing waits behind what is
   * skipped.
   *
   * @throws {ProtocolError} if the peer breaks a rule, or is idle.
   */
  async receive<Kind extends MessageKind>(
    allowed: readonly Kind[],
    sendHeld?: () => Promise<void>,
  ): Promise<MessageOf<Kind> | null> {
    for (;;) {
      const header = this.#frames.nextAhead() ?? await this.#header();
      if (header === null) return null;
      const message = await this.#message(header, allowed);
      if (message !== undefined) return message;
      await this.#sendHeld();
      await sendHeld?.();
    }
  }

  /**
   * Receives messages until the peer or `answer` ends, and sends the answers in
   * the same order. Answers to messages that arrived together are sent
   * together. A slow answer does not delay those before it.
   *
   * @throws {ProtocolError} if the peer breaks a rule, or is idle.
   */
  async answerAll<Kind extends MessageKind>(
    allowed: readonly Kind[],
    answer: (message: MessageOf<Kind>) => Answer | Promise<Answer>,
  ): Promise<void> {
    for (;;) {
      const message = await this.receive(allowed);
      if (message === null) return;
      const answered = answer(message);
      const frame = answered instanceof Promise
        ? await this.#sendingHeld(answered)
        : answered;
      if (frame === null) return await this.#sendHeld();
      if (frame !== undefined) {
        this.#answers.push(frame);
        this.#answerBytes += frame.length;
      }
      const isHeld = this.hasWholeFrame && this.#answerBytes < HELD_BYTES &&
        this.#answers.length < HELD_COUNT;
      if (!isHeld) await this.#sendHeld();
    }
  }

  /** Sends the answers that were held, if there are any. */
  async #sendHeld(): Promise<void> {
    if (this.#answers.length > 0) await this.sendFrames();
  }

  /** Waits for an answer, and sends the held ones in the meantime. */
  async #sendingHeld(answered: Promise<Answer>): Promise<Answer> {
    if (this.#answers.length === 0) return await answered;
    const [answer] = await Promise.all([answered, this.sendFrames()]);
    return answer;
  }

  /**
   * Like {@linkcode receive}, but file bytes may come too. The caller must read
   * them with {@linkcode readData} before it receives anything else.
   */
  async receiveOrData<Kind extends MessageKind>(
    allowed: readonly Kind[],
  ): Promise<MessageOf<Kind> | DataFrame | null> {
    for (;;) {
      const header = this.#frames.nextAhead() ?? await this.#header();
      if (header === null) return null;
      if (header.type === DATA_FRAME_TYPE) return await this.#dataFrame(header);
      const message = await this.#message(header, allowed);
      if (message !== undefined) return message;
    }
  }

  /**
   * Thousands of idle peers wait here, so this is the only async function in
   * which they do.
   */
  async #header(): Promise<FrameHeader | null> {
    using _idle = this.conn.progress === undefined
      ? this.#watch.expect(this.#options.idleMs, () => this.#idleError())
      : this.#progress.begin();
    try {
      while (await this.#frames.more()) {
        const header = this.#frames.nextAhead();
        if (header !== undefined) return header;
      }
      return null;
    } catch (error) {
      throw this.#watch.reasonFor(error);
    }
  }

  /**
   * The message that follows `header`; `undefined` if it is skipped. Without a
   * promise if it has been read ahead.
   */
  #message<Kind extends MessageKind>(
    header: FrameHeader,
    allowed: readonly Kind[],
  ): Promise<MessageOf<Kind> | undefined> | MessageOf<Kind> | undefined {
    this.#admit(header);
    const { type, length } = header;
    const body = new Uint8Array(length);
    if (!this.#frames.hasAhead(length)) {
      return this.#readBody(body).then(() =>
        this.#decoded({ type, body }, allowed)
      );
    }
    this.#frames.takeAhead(body);
    return this.#decoded({ type, body }, allowed);
  }

  async #readBody(body: Uint8Array): Promise<void> {
    using _deadline = this.#watch.expect(
      this.#options.limits.controlBodyMs,
      () => this.#error("timed_out", "did not finish a message"),
    );
    await this.#watch.guard(this.#frames.readBodyInto(body));
  }

  #admit({ type }: FrameHeader): void {
    if (this.#offered > 0) this.#offered--;
    else if (this.#rate?.take(performance.now()) === false) {
      throw this.#error("rate_limited", "sends messages too fast");
    }
    if (type === DATA_FRAME_TYPE) {
      throw this.#error(
        "wrong_phase",
        "sent file bytes that were not requested",
      );
    }
  }

  #decoded<Kind extends MessageKind>(
    frame: { type: number; body: Uint8Array },
    allowed: readonly Kind[],
  ): MessageOf<Kind> | undefined {
    const message = decodeMessage(frame, allowed);
    if (message.kind !== "unknown") return message as MessageOf<Kind>;
    if (++this.#unknownFrames > this.#options.limits.unknownFrameCount) {
      throw this.#error("rate_limited", "sends too many unknown messages");
    }
    return undefined;
  }

  async #dataFrame(header: FrameHeader): Promise<DataFrame> {
    if (header.length <= REQUEST_BYTES) {
      throw this.#error(
        "bad_message",
        "left out file bytes that must be there",
      );
    }
    const request = new Uint8Array(REQUEST_BYTES);
    await this.readData(request);
    return {
      kind: "data",
      request: new DataView(request.buffer).getUint32(0),
      length: header.length - REQUEST_BYTES,
    };
  }

  /**
   * Keeps the timers of deadlines between frames until disposed of, for a
   * caller that expects many frames. Has no effect if channels share their
   * deadlines.
   */
  holdTimers(): Disposable {
    const timers = new DisposableStack();
    timers.use(this.#progress.hold());
    timers.use(this.#watch.hold());
    return timers;
  }

  /** Reads the bytes announced by a {@linkcode DataFrame} into `target`. */
  async readData(target: Uint8Array): Promise<void> {
    if (this.#frames.hasAhead(target.length)) {
      this.#frames.takeAhead(target);
      return;
    }
    using _idle = this.#progress.begin();
    await this.#watch.guard(this.#frames.readBodyInto(target));
  }

  /**
   * Allows the peer one more message that does not count against its rate.
   * Allowances that it does not use end with the channel.
   */
  offer(): void {
    this.#offered = 1;
  }

  /** Ends the channel with the reason of `signal`. Disposing cancels this. */
  endOn(signal: AbortSignal | undefined): Disposable {
    const end = () => {
      const { reason } = signal!;
      const isTimeout = reason instanceof DOMException &&
        reason.name === "TimeoutError";
      this.abort(
        isTimeout ? this.#error("timed_out", "took too long") : reason,
      );
    };
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
    return {
      [Symbol.dispose]: () => signal?.removeEventListener("abort", end),
    };
  }

  /** Ends the channel; pending calls throw `error`. */
  abort(error: Error): void {
    this.#watch.end(error);
  }

  /**
   * Ends the channel gracefully: sends the queue, tells the peer that nothing
   * follows, and closes the conn.
   */
  async close(): Promise<void> {
    try {
      await this.#sender.ended();
      using _stall = this.#watch.expect(
        this.#options.writeStallMs,
        () => this.#error("slow_consumer", "does not read"),
      );
      await this.#watch.guard(this.conn.closeWrite());
    } catch {
      // The peer is gone, so the farewell does not matter.
    } finally {
      this.#watch.end(this.#error("idle", "was closed"));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #idleError(): ProtocolError {
    return this.#error("idle", "sent nothing");
  }

  #error(code: ProtocolErrorCode, what: string): ProtocolError {
    return new ProtocolError(
      code,
      `Cannot go on with ${formatEndpoint(this.conn.remote)}: it ${what}`,
    );
  }
}

// Answers are held to leave together up to about this size.
const HELD_BYTES = 32 * 1024;
// And at most this many, so that the queue has room for them.
const HELD_COUNT = 32;
