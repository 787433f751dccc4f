/**
 * A conn that speaks messages: typed send and receive, one writer at a time,
 * deadlines, and bounded queues. Knows what a message is, not what it means.
 *
 * Control frames are queued, a bounded number of them; file bytes are never
 * queued: whoever sends them waits until the conn has taken them.
 *
 * @module
 */

import { type Conn, formatEndpoint, writeAll } from "./conn.ts";
import { ProtocolError, type ProtocolErrorCode } from "./errors.ts";
import { type FrameHeader, FrameReader } from "./frame.ts";
import type { Limits } from "./limits.ts";
import {
  DATA_FRAME_TYPE,
  DATA_HEADER_BYTES,
  type DataFrame,
  decodeMessage,
  encodeMessage,
  type Message,
  type MessageKind,
  type MessageOf,
  REQUEST_BYTES,
  writeDataHeader,
} from "./messages.ts";
import { TokenBucket } from "./admission.ts";

/** Options of {@linkcode Channel}. */
export interface ChannelOptions {
  /** The numbers that bound the peer. */
  readonly limits: Limits;
  /** Whether file bytes may come in. */
  readonly acceptsData?: boolean;
  /** Without a write done for so long, the peer is a slow consumer. */
  readonly writeStallMs: number;
  /** Without a frame begun, or a byte of file data, for so long, it is idle. */
  readonly idleMs: number;
  /** Holds the peer's messages to the control rate of the limits. */
  readonly limitsRate?: boolean;
  /** Bytes read ahead; small where many channels idle. */
  readonly readAheadBytes?: number;
}

/** One peer, spoken to in messages. */
export class Channel implements AsyncDisposable {
  readonly conn: Conn;
  readonly #options: ChannelOptions;
  readonly #frames: FrameReader;
  readonly #watch: Watch;
  readonly #rate: TokenBucket | null;
  #unknownFrames = 0;
  #phase: "hello" | "open" = "hello";
  #queuedFrames = 0;
  #queuedBytes = 0;
  #writes: Promise<void> = Promise.resolve();

  /** Takes `conn` over. */
  constructor(conn: Conn, options: ChannelOptions) {
    this.conn = conn;
    this.#options = options;
    const { limits } = options;
    this.#watch = new Watch(conn);
    this.#frames = new FrameReader(this.#watch, {
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

  #limitFor(type: number): number {
    const { limits, acceptsData } = this.#options;
    if (this.#phase === "hello") return limits.frameBeforeHelloBytes;
    return acceptsData && type === DATA_FRAME_TYPE
      ? limits.frameDataBytes + REQUEST_BYTES
      : limits.frameControlBytes;
  }

  /** Greets have been exchanged: larger frames may come now. */
  openUp(): void {
    this.#phase = "open";
  }

  /**
   * Queues messages, which leave in one write. Resolves when the conn has
   * taken them.
   *
   * @throws {ProtocolError} `slow_consumer` when too much is queued already.
   */
  send(...messages: Message[]): Promise<void> {
    return this.sendFrames(...messages.map(encodeMessage));
  }

  /** Queues frames that are encoded already. */
  sendFrames(...frames: Uint8Array[]): Promise<void> {
    const { limits } = this.#options;
    const bytes = frames.length === 1 ? frames[0]! : concat(frames);
    this.#queuedFrames += frames.length;
    this.#queuedBytes += bytes.length;
    if (
      this.#queuedFrames > limits.sendQueueFrameCount ||
      this.#queuedBytes > limits.sendQueueBytes
    ) {
      const error = this.#error("slow_consumer", "reads too slowly");
      this.#watch.end(error);
      return Promise.reject(error);
    }
    return this.#write(bytes).finally(() => {
      this.#queuedFrames -= frames.length;
      this.#queuedBytes -= bytes.length;
    });
  }

  /**
   * Sends file bytes that lie in `buffer` from {@linkcode DATA_HEADER_BYTES}
   * on; the header is written before them. The caller may use the buffer again
   * when this resolves.
   */
  sendData(
    buffer: Uint8Array,
    data: { request: number; length: number },
  ): Promise<void> {
    writeDataHeader(buffer, 0, data);
    return this.#write(buffer.subarray(0, DATA_HEADER_BYTES + data.length));
  }

  /** One write after the other, each under the stall deadline. */
  #write(bytes: Uint8Array): Promise<void> {
    const write = this.#writes.then(async () => {
      using _stall = this.#watch.expect(
        this.#options.writeStallMs,
        () => this.#error("slow_consumer", "does not read"),
      );
      await this.#watch.guard(writeAll(this.conn, bytes));
    });
    this.#writes = write.catch(() => {}); // told to whoever sent it
    return write;
  }

  /**
   * The next message, which must be one of `allowed`; messages of kinds this
   * version does not know are skipped. `null` where the peer has ended.
   *
   * @throws {ProtocolError} when the peer breaks a rule, or is idle.
   */
  async receive<Kind extends MessageKind>(
    allowed: readonly Kind[],
  ): Promise<MessageOf<Kind> | null> {
    for (;;) {
      const header = await this.#header();
      if (header === null) return null;
      const message = await this.#message(header, allowed);
      if (message !== undefined) return message;
    }
  }

  /**
   * As {@linkcode receive}, where file bytes may come as well. They must be
   * read, with {@linkcode readData}, before anything else is received.
   */
  async receiveOrData<Kind extends MessageKind>(
    allowed: readonly Kind[],
  ): Promise<MessageOf<Kind> | DataFrame | null> {
    for (;;) {
      const header = await this.#header();
      if (header === null) return null;
      if (header.type === DATA_FRAME_TYPE) return await this.#dataFrame(header);
      const message = await this.#message(header, allowed);
      if (message !== undefined) return message;
    }
  }

  async #header(): Promise<FrameHeader | null> {
    using _idle = this.#watch.expect(
      this.#options.idleMs,
      () => this.#error("idle", "sent nothing"),
    );
    return await this.#watch.guard(this.#frames.next());
  }

  /** The message behind `header`; `undefined` for one that is skipped. */
  async #message<Kind extends MessageKind>(
    header: FrameHeader,
    allowed: readonly Kind[],
  ): Promise<MessageOf<Kind> | undefined> {
    const { limits } = this.#options;
    if (this.#rate?.take(performance.now()) === false) {
      throw this.#error("rate_limited", "sends messages too fast");
    }
    if (header.type === DATA_FRAME_TYPE) {
      throw this.#error("wrong_phase", "sent file bytes nobody asked for");
    }
    using _body = this.#watch.expect(
      limits.controlBodyMs,
      () => this.#error("timed_out", "did not finish a message"),
    );
    const body = await this.#watch.guard(this.#frames.readBody());
    const message = decodeMessage({ type: header.type, body }, allowed);
    if (message.kind !== "unknown") return message as MessageOf<Kind>;
    if (++this.#unknownFrames > limits.unknownFrameCount) {
      throw this.#error("rate_limited", "sends too many unknown messages");
    }
    return undefined;
  }

  async #dataFrame(header: FrameHeader): Promise<DataFrame> {
    if (header.length < REQUEST_BYTES) {
      throw this.#error("bad_message", "sent file bytes for no request");
    }
    const request = new Uint8Array(REQUEST_BYTES);
    await this.readData(request);
    return {
      kind: "data",
      request: new DataView(request.buffer).getUint32(0),
      length: header.length - REQUEST_BYTES,
    };
  }

  /** Reads the bytes that a {@linkcode DataFrame} announced into `target`. */
  async readData(target: Uint8Array): Promise<void> {
    using _idle = this.#watch.expectProgress(
      this.#options.idleMs,
      () => this.#error("idle", "sent nothing"),
    );
    await this.#watch.guard(this.#frames.readBodyInto(target));
  }

  /** Ends the channel as `error` says; pending calls throw it. */
  abort(error: Error): void {
    this.#watch.end(error);
  }

  /**
   * Ends the channel gracefully: what is queued leaves, the peer is told that
   * nothing follows, and the conn is closed.
   */
  async close(): Promise<void> {
    try {
      await this.#writes;
      using _stall = this.#watch.expect(
        this.#options.writeStallMs,
        () => this.#error("slow_consumer", "does not read"),
      );
      await this.#watch.guard(this.conn.closeWrite());
    } catch {
      // The peer is gone; there is nobody left to part from.
    } finally {
      this.#watch.end(this.#error("idle", "was closed"));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #error(code: ProtocolErrorCode, what: string): ProtocolError {
    return new ProtocolError(
      code,
      `Cannot go on with ${formatEndpoint(this.conn.remote)}: it ${what}`,
    );
  }
}

/**
 * Deadlines on a conn, and the reason for which it was closed in place of what
 * the interrupted call threw. Reads go through it, so that it sees progress.
 */
class Watch {
  readonly #conn: Conn;
  #reason: Error | null = null;
  #progressAt = 0;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    const count = await this.#conn.read(buffer);
    this.#progressAt = performance.now();
    return count;
  }

  /** Ends the conn unless disposed of within `ms`. */
  expect(ms: number, reason: () => Error): Disposable {
    const timer = setTimeout(() => this.end(reason()), ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  /** Ends the conn when nothing is read for `ms`, unless disposed of. */
  expectProgress(ms: number, reason: () => Error): Disposable {
    this.#progressAt = performance.now();
    const check = () => {
      const left = this.#progressAt + ms - performance.now();
      if (left <= 0) this.end(reason());
      else timer = setTimeout(check, left);
    };
    let timer = setTimeout(check, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  /** Ends the conn. */
  end(reason: Error): void {
    this.#reason ??= reason;
    this.#conn.close();
  }

  /** `step`, or the reason for which the conn was ended meanwhile. */
  async guard<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      throw this.#reason ?? error;
    }
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
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
