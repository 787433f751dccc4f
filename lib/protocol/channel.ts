/**
 * A conn that speaks messages: typed send and receive, one writer at a time,
 * deadlines, and bounded queues. It knows the form of a message, not its
 * meaning. Control frames wait in a bounded queue. File bytes are never queued:
 * their sender waits until the conn has taken them.
 *
 * @module
 */

import { onDispose } from "../base/collections.ts";
import { type Conn, formatEndpoint, type Sleeper } from "../base/conn.ts";
import { ProtocolError, type ProtocolErrorCode } from "../base/errors.ts";
import { type ChannelOptions, ChannelParts } from "./channel_parts.ts";
import type { FrameHeader, FrameReader } from "./frame.ts";
import { DATA_FRAME_TYPE, type DataFrame, REQUEST_BYTES } from "./bulk.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type MessageKind,
  type MessageOf,
} from "./messages.ts";
import { requireRoom } from "./no_room.ts";
import { ConnDeadlines, type Passing, type ProgressWatch } from "./deadline.ts";

export type { ChannelOptions };

/**
 * The frame that answers a message; `undefined` for none, `null` to end the
 * conversation.
 */
export type EncodedAnswer = Uint8Array | undefined | null;

/** A conversation with one peer, in messages. */
export class Channel implements AsyncDisposable, Sleeper, Passing {
  readonly conn: Conn;
  #options: ChannelOptions;
  readonly #watch: ConnDeadlines;
  #madeParts: ChannelParts | null = null;
  /** Messages of the peer that do not count against its rate. */
  #offered = 0;
  #unknownFrames = 0;
  #phase: "hello" | "open" = "hello";
  #sleeper: Sleeper | null = null;
  #sleep: Disposable | null = null;

  /** Takes ownership of `conn`. */
  constructor(conn: Conn, options: ChannelOptions) {
    this.conn = conn;
    this.#options = options;
    this.#watch = new ConnDeadlines(conn, options.deadlines);
  }

  /** What is needed while the peer speaks. */
  get #parts(): ChannelParts {
    return this.#madeParts ??= new ChannelParts(this.conn, {
      options: this.#options,
      watch: this.#watch,
      limitFor: (type) => this.#limitFor(type),
      slow: (what) => this.#error("slow_consumer", what),
    });
  }

  get #frames(): FrameReader {
    return this.#parts.frames;
  }

  get #progress(): ProgressWatch {
    return this.#parts.progress ??= this.#watch.watchProgress({
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
    this.#parts.progress = null;
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
    const { sender, answers } = this.#parts;
    const held = answers.splice(0);
    return sender.send(held.length === 0 ? frames : [...held, ...frames]);
  }

  /**
   * Sends frames with file bytes, without queueing. When this resolves, the
   * caller may use the buffer again.
   */
  sendBulk(frames: Uint8Array): Promise<void> {
    return this.#parts.sender.sendBulk(frames);
  }

  /** Whether the whole next message has been read already. */
  get hasWholeFrame(): boolean {
    return this.#frames.hasWholeFrame;
  }

  /**
   * Receives the next message, which must be one of `allowed`. Skips messages
   * of kinds that this version does not know. `null` if the peer has ended.
   * `sendHeld` sends the answers that the caller holds back, so none waits
   * behind a skipped frame.
   *
   * @throws {ProtocolError} if the peer breaks a rule, or is idle.
   */
  receive<Kind extends MessageKind>(
    allowed: readonly Kind[],
    sendHeld?: () => Promise<void>,
  ): Promise<MessageOf<Kind> | null> {
    const { idleMs: ms } = this.#options;
    return this.#receive(allowed, { ms, sendHeld }) as Promise<
      MessageOf<Kind> | null
    >;
  }

  /**
   * The same; `undefined` if nothing has arrived for `ms`, if that is shorter.
   */
  async #receive<Kind extends MessageKind>(
    allowed: readonly Kind[],
    { ms, sendHeld }: {
      readonly ms: number;
      readonly sendHeld?: (() => Promise<void>) | undefined;
    },
  ): Promise<MessageOf<Kind> | null | undefined> {
    for (;;) {
      const header = this.#frames.nextAhead() ?? await this.#header(ms);
      if (header === null || header === undefined) return header;
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
   * @returns whether it has ended. Otherwise nothing has arrived recently: wait
   * with {@linkcode sleep}, and then call this again.
   * @throws {ProtocolError} if the peer breaks a rule, or is idle.
   */
  async answerAll<Kind extends MessageKind>(
    allowed: readonly Kind[],
    answer: (
      message: MessageOf<Kind>,
    ) => EncodedAnswer | Promise<EncodedAnswer>,
  ): Promise<boolean> {
    const { idleMs, parkMs = idleMs } = this.#options;
    const ms = this.conn.sleep === undefined
      ? idleMs
      : Math.min(parkMs, idleMs);
    for (;;) {
      const message = await this.#receive(allowed, { ms });
      if (message === undefined) return false;
      if (message === null) return true;
      const answered = answer(message);
      const frame = answered instanceof Promise
        ? await this.#sendingHeld(answered)
        : answered;
      if (frame === null) {
        await this.#sendHeld();
        return true;
      }
      if (frame !== undefined) this.#parts.answers.push(frame);
      if (!this.#parts.mayHold) await this.#sendHeld();
    }
  }

  /** Sends the answers that were held, if there are any. */
  async #sendHeld(): Promise<void> {
    if (this.#parts.answers.length > 0) await this.sendFrames();
  }

  /** Waits for an answer, and sends the held ones in the meantime. */
  async #sendingHeld(answered: Promise<EncodedAnswer>): Promise<EncodedAnswer> {
    if (this.#parts.answers.length === 0) return await answered;
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
      const header = this.#frames.nextAhead() ??
        await this.#header(this.#options.idleMs);
      if (header === null || header === undefined) return null;
      if (header.type === DATA_FRAME_TYPE) return await this.#dataFrame(header);
      const message = await this.#message(header, allowed);
      if (message !== undefined) return message;
    }
  }

  /**
   * Waits for the next header; `undefined` if there is none after `ms`, if that
   * is less than the time after which the peer is idle. It is the only async
   * function in which peers wait.
   */
  async #header(ms: number): Promise<FrameHeader | null | undefined> {
    let isLate = false;
    using _idle = this.conn.progress !== undefined
      ? this.#progress.begin()
      : ms === this.#options.idleMs
      ? this.#watch.schedule(ms, this)
      : this.#watch.schedule(ms, {
        pass: () => {
          isLate = true;
          this.conn.interrupt!();
        },
      });
    try {
      while (await this.#frames.more()) {
        const header = this.#frames.nextAhead();
        if (header !== undefined) return header;
        if (!isLate) continue;
        if (this.#frames.isBetween) return undefined;
        return await this.#header(this.#options.idleMs);
      }
      return null;
    } catch (error) {
      throw this.#watch.reasonFor(error);
    }
  }

  /**
   * Calls `sleeper` when the peer has sent something, has disconnected, or has
   * been idle for too long. Until then almost nothing is kept.
   */
  sleep(sleeper: Sleeper): void {
    const { idleMs, parkMs = 0 } = this.#options;
    if (this.#madeParts?.isSpare(performance.now())) this.#madeParts = null;
    this.#sleeper = sleeper;
    this.#sleep = this.#watch.schedule(idleMs - parkMs, this);
    this.conn.sleep!(this);
  }

  /** The conn wakes it. */
  wake(): void {
    const sleeper = this.#sleeper;
    this.#sleep?.[Symbol.dispose]();
    this.#sleep = null;
    this.#sleeper = null;
    sleeper?.wake();
  }

  /** The peer has been idle for too long. */
  pass(): void {
    this.abort(this.#idleError());
  }

  /**
   * The message behind `header`; `undefined` if it is skipped. Without a
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
    else if (this.#parts.rate?.take(performance.now()) === false) {
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
    requireRoom(message);
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
    return onDispose(() => signal?.removeEventListener("abort", end));
  }

  /** Ends the channel, because the peer takes too long for what it is sent. */
  tooSlow(): void {
    this.abort(this.#error("slow_consumer", "reads too slowly"));
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
      await this.#madeParts?.sender.ended();
      using _stall = this.#watch.expect(
        this.#options.writeStallMs,
        () => this.#error("slow_consumer", "does not read"),
      );
      await this.#watch.guard(this.conn.closeWrite());
    } catch {
      // The peer has disconnected, so the farewell does not matter.
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
      `Cannot continue with ${formatEndpoint(this.conn.remote)}: it ${what}`,
    );
  }
}
