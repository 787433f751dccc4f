/**
 * A node that file pieces come from, over one or several connections: what it
 * has delivered, and how often it failed.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import type { Path } from "../base/conn.ts";
import type { NodeSession } from "./session.ts";

/** A node that files come from. */
export interface DownloadSource {
  /** Id of the node. */
  readonly id: string;
  /** Whether it may have only some pieces of files; it is asked which. */
  readonly isHolder?: boolean;
  /** The only content that it is asked for; of a holder alone. */
  readonly content?: string;
  /** A session that is open already; the download disposes of it. */
  readonly session?: NodeSession | undefined;
  /**
   * Opens another session.
   *
   * @throws {SourceExhausted} when it is of no use to try again.
   */
  open(signal: AbortSignal): Promise<NodeSession>;
  /**
   * Opens another session beside `session`, over a conn that a lane owns, where
   * that is possible.
   */
  openInLane?(
    session: NodeSession,
    signal: AbortSignal,
  ): Promise<NodeSession>;
  /** Bytes have come from it, right or not. */
  received?(): void;
  /** Pieces have come from it that are right, and were missing. */
  arrived?(): void;
  /**
   * A holder takes part no more, and may be added again; `mayReturn` says whether
   * that is of use.
   */
  ended?(end: { mayReturn: boolean }): void;
}

/** Nothing more may come from a source, whether it is there or not. */
export class SourceExhausted extends Error {
  override readonly name: string = "SourceExhausted";
}

/** Why a source was put out, or was not there for a while. */
export interface SourceTrouble {
  /** The node. */
  readonly source: string;
  /** In words; may hold a stranger's, escaped. */
  readonly cause: string;
  /** What it amounts to. */
  readonly kind: "broke_off" | "lied" | "slow" | "lost_file";
  /** The code of a refusal, where it refused. */
  readonly code?: string;
  /** Whether the node takes part no more. */
  readonly out: boolean;
  /** The file it concerns, where it is one. */
  readonly file?: number;
}

// Between two looks; a process that was busy for longer has not waited longer.
const LOOK_MS = 1_000;
// Another must be so much quicker: else it is our own line that is slow.
const MUCH_QUICKER = 2;

/** How far a source had come when it had been waited for so long. */
interface Mark {
  readonly bytes: number;
  readonly waitedMs: number;
}

/** What is known of a source while it takes part. */
export class Source {
  /** What was given of it. */
  readonly given: DownloadSource;
  /** Ids of its connections. */
  readonly connections: string[];
  /** Sessions in lanes: while there are any, no others are used. */
  laneCount = 0;
  /** How often sessions in lanes have been begun. */
  laneRounds = 0;
  /** Sessions in lanes that the node has room for, as far as is known. */
  laneRoom = Infinity;
  /** Whether it takes part no more. */
  out = false;
  /** Whether it sent bytes that do not match their hash. */
  lied = false;
  /** Whether a session with it has been opened. */
  wasOpened = false;
  /** The path of its last session. */
  path: Path = "direct";
  #failures = 0;
  /** Marks of the last `slowMs` of waiting, a second apart. */
  readonly #marks: Mark[] = [{ bytes: 0, waitedMs: 0 }];
  /** The clocks of its connections, at the last look. */
  #clocks: readonly number[] = [];
  #waitedMs = 0;
  #receivedBytes = 0;
  #arrivedBytes = 0;
  #arrivedAtFailure = 0;
  #brokeOffAt = 0;
  #failedAt = -Infinity;

  /** Has so many connections, none of them open. */
  constructor(given: DownloadSource, connectionCount: number) {
    this.given = given;
    this.connections = Array.from(
      { length: connectionCount },
      (_, n) => `${given.id} ${n}`,
    );
  }

  /** A session in a lane could not be opened: no more are tried than are there. */
  refusesLane(): void {
    this.laneRoom = Math.max(1, this.laneCount);
  }

  /** Bytes have come, right or not. */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
    this.given.received?.();
  }

  /** Whole pieces have come, and are right. */
  arrived(bytes: number): void {
    this.#arrivedBytes += bytes;
    if (bytes > 0) this.given.arrived?.();
  }

  /** Whether to try it again after it is out: what it promised, it gave. */
  get mayReturn(): boolean {
    return !this.lied && (!this.wasOpened || this.#arrivedBytes > 0);
  }

  /** Times that it broke off, as far as they count. */
  get failureCount(): number {
    return this.#failures;
  }

  /**
   * Whether a connection that has been tried since then breaks off for the same
   * reason as another before it: a node that leaves ends all of them.
   */
  hasFailedSince(triedAt: number): boolean {
    return triedAt < this.#failedAt;
  }

  /**
   * A connection broke off at `now`; whether it is of use all the same. While
   * there is no other, it may fail as often as it brings something.
   */
  brokeOff(isOnly: boolean, now: number): boolean {
    this.#failedAt = now;
    const isOfUse = this.takeProgress() && isOnly;
    if (isOfUse || this.#failures === 0) this.#brokeOffAt = now;
    this.#failures = isOfUse ? 1 : this.#failures + 1;
    return isOfUse;
  }

  /** Whether pieces have come since this was last asked. */
  takeProgress(): boolean {
    const before = this.#arrivedAtFailure;
    this.#arrivedAtFailure = this.#arrivedBytes;
    return this.#arrivedBytes > before;
  }

  /** Milliseconds for which it has only failed. */
  failingMs(now: number): number {
    return now - this.#brokeOffAt;
  }

  /**
   * A second has passed; `clocks` are the milliseconds for which each of its
   * connections has been waited for in all. It is judged by these alone: time in
   * which our own rate, memory or disk held it says nothing of it.
   */
  secondPassed(clocks: readonly number[]): void {
    const waited = clocks.map((ms, n) => ms - (this.#clocks[n] ?? 0));
    this.#clocks = clocks;
    this.#waitedMs += Math.min(LOOK_MS, Math.max(...waited));
    const marks = this.#marks;
    if (this.#waitedMs - marks.at(-1)!.waitedMs >= LOOK_MS) {
      marks.push({ bytes: this.#receivedBytes, waitedMs: this.#waitedMs });
    }
    while (
      marks.length > 1 && this.#waitedMs - marks[1]!.waitedMs >= LIMITS.slowMs
    ) marks.shift();
  }

  /** Bytes a second that it has delivered of late, while it was waited for. */
  get bytesPerSecond(): number {
    const { bytes, waitedMs } = this.#marks[0]!;
    const ms = Math.max(1, this.#waitedMs - waitedMs);
    return (this.#receivedBytes - bytes) / ms * 1000;
  }

  /**
   * Whether it is slower than it may be: it has been waited for long enough to
   * know, and one of the others delivers much more.
   */
  isSlow(lowestBytesPerSecond: number, others: Iterable<Source>): boolean {
    const rate = this.bytesPerSecond;
    const isJudged = this.#waitedMs - this.#marks[0]!.waitedMs >= LIMITS.slowMs;
    if (!isJudged || rate >= lowestBytesPerSecond) return false;
    const enough = Math.max(lowestBytesPerSecond, MUCH_QUICKER * rate);
    for (const other of others) {
      if (other !== this && !other.out && other.bytesPerSecond >= enough) {
        return true;
      }
    }
    return false;
  }
}
