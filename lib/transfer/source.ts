/**
 * A node that files come from, over one connection or several: what has come of
 * it, and how often it broke off.
 *
 * @module
 */

import type { Path } from "../conn.ts";
import type { NodeSession } from "./session.ts";

/** A node that files come from. */
export interface DownloadSource {
  /** Id of the node. */
  readonly id: string;
  /** A session that is open already; the download disposes of it. */
  readonly session?: NodeSession | undefined;
  /**
   * Opens another session.
   *
   * @throws {SourceExhausted} when it is of no use to try again.
   */
  open(signal: AbortSignal): Promise<NodeSession>;
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
  /** Whether the node takes part no more. */
  readonly out: boolean;
  /** The file it concerns, where it is one. */
  readonly file?: number;
}

const SLOW_SECONDS = 30;

/** What is known of a source while it takes part. */
export class Source {
  /** What was given of it. */
  readonly given: DownloadSource;
  /** Ids of its connections. */
  readonly connections: readonly string[];
  /** Whether it takes part no more. */
  out = false;
  /** The path of its last session. */
  path: Path = "direct";
  #failures = 0;
  /** Bytes at the start of each of the last seconds. */
  readonly #history: number[] = [];
  #receivedBytes = 0;
  #arrivedBytes = 0;
  #arrivedAtFailure = 0;
  #brokeOffAt = 0;

  /** Has so many connections, none of them open. */
  constructor(given: DownloadSource, connectionCount: number) {
    this.given = given;
    this.connections = Array.from(
      { length: connectionCount },
      (_, n) => `${given.id} ${n}`,
    );
  }

  /** Bytes have come, right or not. */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
  }

  /** Whole pieces have come, and are right. */
  arrived(bytes: number): void {
    this.#arrivedBytes += bytes;
  }

  /** Times that it broke off, as far as they count. */
  get failureCount(): number {
    return this.#failures;
  }

  /**
   * A connection broke off at `now`; whether it is of use all the same. While
   * there is no other, it may fail as often as it brings something.
   */
  brokeOff(isOnly: boolean, now: number): boolean {
    const isOfUse = isOnly && this.#arrivedBytes > this.#arrivedAtFailure;
    this.#arrivedAtFailure = this.#arrivedBytes;
    if (isOfUse || this.#failures === 0) this.#brokeOffAt = now;
    this.#failures = isOfUse ? 1 : this.#failures + 1;
    return isOfUse;
  }

  /** Milliseconds for which it has only failed. */
  failingMs(now: number): number {
    return now - this.#brokeOffAt;
  }

  /**
   * A second has passed; bytes a second of late, once that has been for long
   * enough to judge it by.
   */
  secondPassed(): number | undefined {
    this.#history.push(this.#receivedBytes);
    if (this.#history.length <= SLOW_SECONDS) return undefined;
    const before = this.#history.shift()!;
    return (this.#receivedBytes - before) / SLOW_SECONDS;
  }
}
