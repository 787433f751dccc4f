/**
 * A conn that speaks messages: typed send and receive, one writer at a time,
 * deadlines, and bounded queues. It knows the form of a message, not its
 * meaning. Control frames wait in a bounded queue. File bytes are never queued:
 * their sender waits until the conn has taken them.
 *
 * @module
 */

import { type Conn, formatEndpoint, writeAll } from "../base/conn.ts";
import { ProtocolError, type ProtocolErrorCode } from "../base/errors.ts";
import { type FrameHeader, FrameReader } from "./frame.ts";
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

/** A conversation with one peer, in messages. */
export class Channel implements AsyncDisposable {
  readonly conn: Conn;
  #options: ChannelOptions;
  readonly #frames: FrameReader;
  readonly #watch: ConnDeadlines;
  #progress: ProgressWatch;
  readonly #rate: TokenBucket | null;
  /** Messages of the peer that do not count against its rate. */
  #offered = 0;
  #unknownFrames = 0;
  #phase: "hello" | "open" = "hello";
  readonly #queue: QueuedFrames[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | null = null;
  #partBytes = FIRST_PART_BYTES;

  /** Takes ownership of `conn`. */
  constructor(conn: Conn, options: ChannelOptions) {
    this.conn = conn;
    this.#options = options;
    const { limits } = options;
    this.#watch = new ConnDeadlines(conn, options.deadlines);
    this.#progress = this.#watchProgress();
    this.#frames = new FrameReader(conn, {
      limitFor: (type) => this.#limitFor(type),
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
   * Begins again, before hello: from now on the peer asks, and this end answers,
   * or the other way round. Nothing may be under way.
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
    const { limits } = this.#options;
    const bytes = joined(frames);
    if (
      this.#queue.length + frames.length > limits.sendQueueFrameCount ||
      this.#queuedBytes + bytes.length > limits.sendQueueBytes
    ) {
      const error = this.#error("slow_consumer", "reads too slowly");
      this.#watch.end(error);
      return Promise.reject(error);
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ bytes, resolve, reject });
    this.#queuedBytes += bytes.length;
    if (this.#writing === null) this.#writing = this.#drain();
    return promise;
  }

  /**
   * Sends frames with file bytes, without queueing. When this resolves, the
   * caller may use the buffer again.
   */
  async sendBulk(frames: Uint8Array): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    this.#writing = this.#write(frames).finally(() => {
      this.#writing = this.#queue.length > 0 ? this.#drain() : null;
    });
    await this.#writing;
  }

  /** Writes until the queue is empty. Never rejects. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0);
      this.#queuedBytes = 0;
      try {
        await this.#write(joined(batch.map(({ bytes }) => bytes)));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = null;
  }

  /** Whether the whole next message has been read already. */
  get hasWholeFrame(): boolean {
    return this.#frames.hasWholeFrame;
  }

  /**
   * Writes all of `bytes`, each part under the stall deadline. A slow peer gets
   * smaller parts, so that it does not count as stalled.
   */
  async #write(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length;) {
      const part = bytes.subarray(offset, offset + this.#partBytes);
      const startedAt = performance.now();
      using _stall = this.#watch.expect(
        this.#options.writeStallMs,
        () => this.#error("slow_consumer", "does not read"),
      );
      await this.#watch.guard(writeAll(this.conn, part));
      this.#adapt(part.length, performance.now() - startedAt);
      offset += part.length;
    }
  }

  /**
   * Aims at parts that take about a second, at least 4 KiB. Doubles them for a
   * quick peer.
   */
  #adapt(bytes: number, ms: number): void {
    if (ms < ADAPT_FROM_MS) {
      this.#partBytes = Math.min(2 * this.#partBytes, MOST_PART_BYTES);
    } else this.#partBytes = Math.max(4096, Math.ceil(bytes / ms * 1000));
  }

  /**
   * Receives the next message, which must be one of `allowed`. Skips messages
   * of kinds that this version does not know. `null` if the peer has ended.
   *
   * @throws {ProtocolError} if the peer breaks a rule, or is idle.
   */
  async receive<Kind extends MessageKind>(
    allowed: readonly Kind[],
  ): Promise<MessageOf<Kind> | null> {
    for (;;) {
      const header = this.#frames.nextAhead() ?? await this.#header();
      if (header === null) return null;
      const message = await this.#message(header, allowed);
      if (message !== undefined) return message;
    }
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

  /** Reads the message behind `header`; `undefined` if it is skipped. */
  async #message<Kind extends MessageKind>(
    header: FrameHeader,
    allowed: readonly Kind[],
  ): Promise<MessageOf<Kind> | undefined> {
    const { limits } = this.#options;
    if (this.#offered > 0) this.#offered--;
    else if (this.#rate?.take(performance.now()) === false) {
      throw this.#error("rate_limited", "sends messages too fast");
    }
    if (header.type === DATA_FRAME_TYPE) {
      throw this.#error(
        "wrong_phase",
        "sent file bytes that were not requested",
      );
    }
    const body = await this.#body(header.length);
    const message = decodeMessage({ type: header.type, body }, allowed);
    if (message.kind !== "unknown") return message as MessageOf<Kind>;
    if (++this.#unknownFrames > limits.unknownFrameCount) {
      throw this.#error("rate_limited", "sends too many unknown messages");
    }
    return undefined;
  }

  async #body(length: number): Promise<Uint8Array> {
    const body = new Uint8Array(length);
    if (this.#frames.hasAhead(length)) {
      this.#frames.takeAhead(body);
      return body;
    }
    using _deadline = this.#watch.expect(
      this.#options.limits.controlBodyMs,
      () => this.#error("timed_out", "did not finish a message"),
    );
    await this.#watch.guard(this.#frames.readBodyInto(body));
    return body;
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
   * Keeps the timers of deadlines between frames until disposed of, for a caller
   * that expects many in a row. Not where channels share their deadlines.
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
      while (this.#writing !== null) await this.#writing;
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

const FIRST_PART_BYTES = 128 * 1024;
// A peer that takes less than this within the stall time is stalled, not slow.
const MOST_PART_BYTES = 256 * 1024;
// A write that takes longer shows how fast the peer reads.
const ADAPT_FROM_MS = 1_000;

interface QueuedFrames {
  readonly bytes: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Joins the parts. A single part is not copied. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
