/**
 * What the main thread and a lane tell each other about connections in the lane.
 *
 * @module
 */

import type { LaneError } from "./lane_files.ts";

/** What a lane is told to do with its connections, which `conn` numbers. */
export type LaneConnOrder =
  | {
    readonly kind: "dial";
    readonly conn: number;
    readonly hostname: string;
    readonly port: number;
    /** What the peer must present; plaintext without it. */
    readonly pin: unknown;
    /** Shared memory, in which the lane counts; see {@linkcode CELL}. */
    readonly cells: Int32Array<SharedArrayBuffer>;
  }
  | { readonly kind: "send"; readonly conn: number; readonly bytes: Uint8Array }
  /** The file bytes of a request go to a file that was opened before. */
  | {
    readonly kind: "expect";
    readonly conn: number;
    readonly request: number;
    readonly file: number;
    readonly position: number;
    readonly bytes: number;
    readonly partBytes: number;
    readonly hashes: Uint8Array;
  }
  /** The main thread has used so many of the bytes that it got. */
  | { readonly kind: "ack"; readonly conn: number; readonly bytes: number }
  | { readonly kind: "close_write"; readonly conn: number }
  | { readonly kind: "hang_up"; readonly conn: number };

/** How far the pieces of a request have come. */
export interface Verdict {
  /** The request. */
  readonly request: number;
  /** So many, from the first on, are right and have been written. */
  readonly right: number;
  /** Whether the next one has another hash than it must have. */
  readonly isWrong: boolean;
  /** Whether the file still has a name. */
  readonly hasName: boolean;
  /** Why no more is written. */
  readonly error: LaneError | undefined;
}

/**
 * A part of what came: bytes, or a number of file bytes that stayed in the lane,
 * or what became of these.
 */
export type Came = Uint8Array | number | Verdict;

/** What a lane says of its connections. */
export type LaneConnReply =
  | {
    readonly kind: "dialled";
    readonly conn: number;
    readonly local: Deno.NetAddr;
    readonly remote: Deno.NetAddr;
  }
  | {
    readonly kind: "came";
    readonly conn: number;
    readonly parts: readonly Came[];
  }
  /** Nothing more comes; an error unless the peer half-closed. */
  | {
    readonly kind: "ended";
    readonly conn: number;
    readonly error: LaneError | undefined;
  };

/** What each of the shared cells counts. */
export const CELL = {
  /** Bytes that have come, modulo 2^32. */
  received: 0,
  /** Whether the lane writes, and so does not read. */
  isWriting: 1,
  /** Milliseconds for which it has written in all. */
  writingMs: 2,
} as const;

/** Types of frames, and limits, which the code cannot import. */
export interface LaneConnTerms {
  readonly dataType: number;
  readonly frameHeaderBytes: number;
  readonly dataHeaderBytes: number;
  /** Bytes of the largest body of a data frame. */
  readonly mostBytes: number;
  /** Bytes that the main thread may get and not have used. */
  readonly unusedBytes: number;
  /** Bytes of the buffer of a conn; a larger piece makes it larger. */
  readonly bufferBytes: number;
  /** Milliseconds after which the main thread hears how far it is. */
  readonly tellMs: number;
}
