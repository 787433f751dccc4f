/**
 * A node that sends file pieces, over one or several connections: what it
 * has delivered, and how often it failed.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import type { Path } from "../base/conn.ts";
import type { NodeSession } from "./session.ts";

/** A node that sends files. */
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
   * @throws {SourceExhausted} if trying again would not help.
   */
  open(signal: AbortSignal): Promise<NodeSession>;
  /**
   * Opens another session in addition to `session`, over a conn that a lane
   * owns, if that is possible.
   */
  openInLane?(
    session: NodeSession,
    signal: AbortSignal,
  ): Promise<NodeSession>;
  /** Notes bytes that have arrived from it, correct or not. */
  received?(): void;
  /** Notes that it has sent correct pieces that were missing. */
  arrived?(): void;
  /**
   * A holder is removed, and may be added again; `mayReturn` says whether that
   * is useful.
   */
  ended?(end: { mayReturn: boolean }): void;
}

/** A source will deliver nothing more, whether it is connected or not. */
export class SourceExhausted extends Error {
  override readonly name: string = "SourceExhausted";
}

/** Why a source was excluded, or was missing for a while. */
export interface SourceTrouble {
  /** The node. */
  readonly source: string;
  /** The cause in words. Text of a stranger in it is escaped. */
  readonly cause: string;
  /** The kind of trouble. */
  readonly kind: "broke_off" | "lied" | "slow" | "lost_file";
  /** The code of the refusal, if it refused. */
  readonly code?: string;
  /** Whether the node is excluded. */
  readonly out: boolean;
  /** The file that it concerns, if it is about one. */
  readonly file?: number;
}

// The longest wait that one check counts: a busy process checks late.
const LOOK_MS = 1_000;
// Another source must be this much faster: otherwise our own line is slow.
const MUCH_QUICKER = 2;

/** The progress of a source after a time of waiting for it. */
interface Mark {
  readonly bytes: number;
  readonly waitedMs: number;
}

/** The data about a source while it takes part. */
export class Source {
  /** The source as it was added. */
  readonly given: DownloadSource;
  /** Ids of its connections. */
  readonly connections: string[];
  /** Sessions in lanes: while there are any, no others are used. */
  laneCount = 0;
  /** How often sessions in lanes have been begun. */
  laneRounds = 0;
  /** Sessions in lanes that the node has room for, as far as is known. */
  laneRoom = Infinity;
  /** Whether it is excluded. */
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

  /** None of its connections is open at first. */
  constructor(given: DownloadSource, connectionCount: number) {
    this.given = given;
    this.connections = Array.from(
      { length: connectionCount },
      (_, n) => `${given.id} ${n}`,
    );
  }

  /** A session in a lane could not be opened: no more lanes are tried. */
  refusesLane(): void {
    this.laneRoom = Math.max(1, this.laneCount);
  }

  /** Notes bytes that have arrived, correct or not. */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
    this.given.received?.();
  }

  /** Notes correct whole pieces that have arrived. */
  arrived(bytes: number): void {
    this.#arrivedBytes += bytes;
    if (bytes > 0) this.given.arrived?.();
  }

  /**
   * Whether to try it again after its exclusion: it delivered what it promised.
   */
  get mayReturn(): boolean {
    return !this.lied && (!this.wasOpened || this.#arrivedBytes > 0);
  }

  /** Number of its failures that count. */
  get failureCount(): number {
    return this.#failures;
  }

  /**
   * Whether a connection that was opened before the last failure fails for the
   * same reason: a node that stops ends all of its connections.
   */
  hasFailedSince(triedAt: number): boolean {
    return triedAt < this.#failedAt;
  }

  /**
   * Notes that a connection failed at `now`. Returns whether the source is
   * still useful: the only source may fail any number of times if it
   * delivers something each time.
   */
  brokeOff(isOnly: boolean, now: number): boolean {
    this.#failedAt = now;
    const isOfUse = this.takeProgress() && isOnly;
    if (isOfUse || this.#failures === 0) this.#brokeOffAt = now;
    this.#failures = isOfUse ? 1 : this.#failures + 1;
    return isOfUse;
  }

  /** Whether pieces have arrived since the last call. */
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
   * connections has been waited for in all. It is judged by these alone: Time
   * in which our own rate, memory or disk delayed it does not count.
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

  /** Recent bytes a second, while the client waited for it. */
  get bytesPerSecond(): number {
    const { bytes, waitedMs } = this.#marks[0]!;
    const ms = Math.max(1, this.#waitedMs - waitedMs);
    return (this.#receivedBytes - bytes) / ms * 1000;
  }

  /**
   * Whether it is too slow: the client has waited long enough to know, and one
   * of the others delivers much more.
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
