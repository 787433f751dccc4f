/**
 * Bytes to frames and back: `type[1] length[4, unsigned big-endian]
 * body[length]`. Knows neither sockets nor messages. The length is only the
 * peer's claim, so it is checked against a limit before anything is allocated.
 *
 * @module
 */

import type { Conn } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";

/** Bytes before the body of every frame. */
export const FRAME_HEADER_BYTES = 5;

/** The header of a frame, as the peer sent it. */
export interface FrameHeader {
  /** The permanent number of the message. */
  readonly type: number;
  /** Bytes of the body. */
  readonly length: number;
}

/** Writes a frame header into `target` at `offset`. */
export function writeFrameHeader(
  target: Uint8Array,
  offset: number,
  header: FrameHeader,
): void {
  const view = new DataView(target.buffer, target.byteOffset + offset);
  view.setUint8(0, header.type);
  view.setUint32(1, header.length);
}

/** Encodes a whole frame into a new buffer. */
export function encodeFrame(type: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  writeFrameHeader(frame, 0, { type, length: body.length });
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

// While reads follow each other quickly, the read-ahead buffer is at least this
// large, so that one read takes a whole request, or several that arrive
// together.
const BUSY_BUFFER_BYTES = 2048;
// A peer is busy after this many reads, if none came this long after the last.
const BUSY_READS = 8;
const BUSY_GAP_MS = 1_000;

/** Options of {@linkcode FrameReader}. */
export interface FrameReaderOptions {
  /** The most bytes that the body of a frame of this type may have now. */
  limitFor: (type: number) => number;
  /**
   * Size of the read-ahead buffer, which may grow while the peer is busy; larger
   * bodies go directly to the caller's buffer.
   */
  bufferBytes?: number;
  /**
   * A monotonic clock, in milliseconds. Without one the buffer keeps its size.
   */
  now?: () => number;
}

/**
 * Reads frames from a conn: {@linkcode next} for the header, then the body, in
 * one buffer or directly into the caller's. Keeps only a small read-ahead
 * buffer. Does not close the conn.
 */
export class FrameReader {
  readonly #source: Pick<Conn, "read">;
  readonly #limitFor: (type: number) => number;
  readonly #bufferBytes: number;
  readonly #now: () => number;
  #buffer: Uint8Array;
  #start = 0;
  #end = 0;
  #bodyLeft = 0;
  #readBytes = 0;
  /** The time of the last read ahead. */
  #filledAt = 0;
  /** The number of reads ahead that followed each other quickly. */
  #quickReads = 0;

  /** Reads from `source`; nothing else may read from it at the same time. */
  constructor(source: Pick<Conn, "read">, options: FrameReaderOptions) {
    this.#source = source;
    this.#limitFor = options.limitFor;
    this.#bufferBytes = options.bufferBytes ?? 4096;
    this.#now = options.now ?? (() => Infinity);
    this.#buffer = new Uint8Array(this.#bufferBytes);
  }

  /** Bytes read from the source so far. */
  get readBytes(): number {
    return this.#readBytes;
  }

  /** Bytes of the current body that are not read yet. */
  get bodyLeft(): number {
    return this.#bodyLeft;
  }

  /** Whether it is between two frames, with nothing read ahead. */
  get isBetween(): boolean {
    return this.#bodyLeft === 0 && this.#start === this.#end;
  }

  /** Whether the next frame has been read ahead, header and body. */
  get hasWholeFrame(): boolean {
    const ahead = this.#end - this.#start;
    if (this.#bodyLeft > 0 || ahead < FRAME_HEADER_BYTES) return false;
    return ahead >= FRAME_HEADER_BYTES + this.#headerAhead().length;
  }

  /**
   * Reads the header of the next frame; `null` if the peer ended between two
   * frames. The previous body must have been read.
   *
   * @throws {ProtocolError} `frame_too_large` before anything is allocated,
   * `truncated` if the stream ends inside the header.
   */
  async next(): Promise<FrameHeader | null> {
    for (;;) {
      const header = this.nextAhead();
      if (header !== undefined) return header;
      if (!await this.more()) return null;
    }
  }

  /**
   * Waits for more of the next header; `false` if the peer ended between two
   * frames. It is one promise and not an async function, because all idle peers
   * wait here.
   *
   * @throws {ProtocolError} `truncated` if the stream ends inside the header.
   */
  more(): Promise<boolean> {
    return this.#fill("header");
  }

  /**
   * The header of the next frame if it has been read ahead. Without a promise,
   * because hundreds of small frames may arrive at once.
   *
   * @throws {ProtocolError} `frame_too_large` before anything is allocated.
   */
  nextAhead(): FrameHeader | undefined {
    if (this.#bodyLeft > 0) {
      throw new TypeError(
        `Cannot read the next frame: ${this.#bodyLeft} bytes of the last body are unread`,
      );
    }
    if (this.#end - this.#start < FRAME_HEADER_BYTES) return undefined;
    const header = this.#headerAhead();
    const limit = this.#limitFor(header.type);
    if (header.length > limit) throw tooLarge(header, limit);
    this.#start += FRAME_HEADER_BYTES;
    this.#bodyLeft = header.length;
    return header;
  }

  #headerAhead(): FrameHeader {
    const view = new DataView(this.#buffer.buffer, this.#start);
    return { type: view.getUint8(0), length: view.getUint32(1) };
  }

  /** Whether `bytes` of the current body have been read ahead. */
  hasAhead(bytes: number): boolean {
    return this.#end - this.#start >= Math.min(bytes, this.#bodyLeft);
  }

  /** Fills `target` from the read-ahead buffer, which must hold enough. */
  takeAhead(target: Uint8Array): void {
    if (this.#take(target) < target.length) {
      throw new RangeError("Cannot take bytes: they have not been read ahead");
    }
    this.#bodyLeft -= target.length;
  }

  /**
   * Fills `target` from the current body.
   *
   * @throws {RangeError} if the body has fewer bytes left than `target`.
   * @throws {ProtocolError} `truncated` if the stream ends first.
   */
  async readBodyInto(target: Uint8Array): Promise<void> {
    if (target.length > this.#bodyLeft) {
      throw new RangeError(
        `Cannot read ${target.length} bytes: the body has ${this.#bodyLeft} left`,
      );
    }
    let filled = this.#take(target);
    while (filled < target.length) {
      const rest = target.subarray(filled);
      if (rest.length < this.#buffer.length) {
        await this.#fill("body");
        filled += this.#take(rest);
      } else {
        const read = await this.#source.read(rest);
        if (read === null) throw truncated("body");
        this.#readBytes += read;
        filled += read;
      }
    }
    this.#bodyLeft -= target.length;
  }

  /** Moves read-ahead bytes into `target`; returns how many. */
  #take(target: Uint8Array): number {
    const count = Math.min(target.length, this.#end - this.#start);
    target.set(this.#buffer.subarray(this.#start, this.#start + count));
    this.#start += count;
    return count;
  }

  /** Reads more ahead; `false` if the stream ends between two frames. */
  #fill(part: "header" | "body"): Promise<boolean> {
    if (this.#start === this.#end) {
      this.#start = this.#end = 0;
      this.#fit();
    } else if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const free = this.#buffer.subarray(this.#end);
    return this.#source.read(free).then((count) => this.#filled(count, part));
  }

  /** Resizes the empty buffer to suit the peer. */
  #fit(): void {
    const bytes = this.#quickReads < BUSY_READS
      ? this.#bufferBytes
      : Math.max(this.#bufferBytes, BUSY_BUFFER_BYTES);
    if (this.#buffer.length !== bytes) this.#buffer = new Uint8Array(bytes);
  }

  #filled(count: number | null, part: "header" | "body"): boolean {
    if (count !== null) {
      const now = this.#now();
      const isQuick = now - this.#filledAt < BUSY_GAP_MS;
      this.#quickReads = isQuick ? this.#quickReads + 1 : 0;
      this.#filledAt = now;
      this.#readBytes += count;
      this.#end += count;
      return true;
    }
    if (part === "header" && this.#start === this.#end) return false;
    throw truncated(part);
  }
}

function truncated(part: string): ProtocolError {
  return new ProtocolError(
    "truncated",
    `Cannot read frame: the stream ended inside its ${part}`,
  );
}

/**
 * Reads one frame and not a byte more, because something other than frames may
 * follow. `null` if the peer ended before the frame.
 *
 * @throws {ProtocolError} `frame_too_large` before anything is allocated,
 * `truncated` if the stream ends inside the frame.
 */
export async function readFrame(
  source: Pick<Conn, "read">,
  limitBytes: number,
): Promise<{ type: number; body: Uint8Array } | null> {
  const head = new Uint8Array(FRAME_HEADER_BYTES);
  const first = await source.read(head);
  if (first === null) return null;
  await readRest(source, head.subarray(first), "header");
  const view = new DataView(head.buffer);
  const type = view.getUint8(0);
  const length = view.getUint32(1);
  if (length > limitBytes) throw tooLarge({ type, length }, limitBytes);
  const body = new Uint8Array(length);
  await readRest(source, body, "body");
  return { type, body };
}

async function readRest(
  source: Pick<Conn, "read">,
  target: Uint8Array,
  part: string,
): Promise<void> {
  for (let filled = 0; filled < target.length;) {
    const read = await source.read(target.subarray(filled));
    if (read === null) throw truncated(part);
    filled += read;
  }
}

function tooLarge({ type, length }: FrameHeader, limit: number): ProtocolError {
  return new ProtocolError(
    "frame_too_large",
    `Cannot read frame 0x${type.toString(16).padStart(2, "0")}: ` +
      `length must be <= ${limit}, found ${length}`,
  );
}
