/**
 * The parts of a channel that it needs while its peer speaks. The channel drops
 * them while the peer is silent, because most of a relay's peers are silent.
 *
 * @module
 */

import type { Conn } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import { TokenBucket } from "../guard/token_bucket.ts";
import type { ConnDeadlines, Deadlines, ProgressWatch } from "./deadline.ts";
import { FrameReader } from "./frame.ts";
import { FrameSender } from "./frame_sender.ts";

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
  /** Size of the read-ahead buffer; small if many channels are idle. */
  readonly readAheadBytes?: number;
  /** Deadlines shared by many idle channels. */
  readonly deadlines?: Deadlines;
  /**
   * After this time without a new frame, {@linkcode Channel.answerAll} returns
   * where the conn can sleep. Shorter than `idleMs`.
   */
  readonly parkMs?: number;
}

/** What the parts need of their channel. */
export interface ChannelPartsOptions {
  readonly options: ChannelOptions;
  readonly watch: ConnDeadlines;
  /** The most bytes that the body of a frame of this type may have now. */
  readonly limitFor: (type: number) => number;
  /** The error about a peer that reads too slowly or not at all. */
  readonly slow: (what: string) => Error;
}

// Answers are held to leave together up to about this size.
const HELD_BYTES = 32 * 1024;
// Small enough that the queue can take all of them in addition to its content.
const HELD_COUNT = 32;

/** The parts of one channel. */
export class ChannelParts {
  readonly frames: FrameReader;
  readonly sender: FrameSender;
  /** The peer's rate, if it is limited. */
  readonly rate: TokenBucket | null;
  progress: ProgressWatch | null = null;
  /** Answers that wait for the answers to other messages of the same read. */
  readonly answers: Uint8Array[] = [];

  constructor(
    conn: Conn,
    { options, watch, limitFor, slow }: ChannelPartsOptions,
  ) {
    const { limits, readAheadBytes, writeStallMs, limitsRate } = options;
    this.frames = new FrameReader(conn, {
      limitFor,
      now: () => performance.now(),
      ...(readAheadBytes === undefined ? {} : { bufferBytes: readAheadBytes }),
    });
    this.sender = new FrameSender(conn, {
      limits,
      watch,
      stallMs: writeStallMs,
      slow,
    });
    this.rate = limitsRate
      ? new TokenBucket(
        limits.controlRatePerSecond,
        limits.controlBurstCount,
        performance.now(),
      )
      : null;
  }

  /** Whether answers may wait for those to the messages after them. */
  get mayHold(): boolean {
    if (!this.frames.hasWholeFrame || this.answers.length >= HELD_COUNT) {
      return false;
    }
    return this.answers.reduce((sum, { length }) => sum + length, 0) <
      HELD_BYTES;
  }

  /** Whether the channel works the same without them. */
  isSpare(now: number): boolean {
    return this.frames.isBetween && this.sender.isIdle &&
      this.answers.length === 0 && (this.rate?.isFull(now) ?? true);
  }
}
