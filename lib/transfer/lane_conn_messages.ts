/**
 * Messages between the main thread and a lane about connections in the lane.
 *
 * @module
 */

import type { LaneError } from "./lane_files.ts";

/** An order to a lane; `conn` is the number of one of its connections. */
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
  /** The main thread has used `bytes` of the bytes that it got. */
  | { readonly kind: "ack"; readonly conn: number; readonly bytes: number }
  | { readonly kind: "close_write"; readonly conn: number }
  | { readonly kind: "hang_up"; readonly conn: number };

/** The progress of the pieces of a request. */
export interface Verdict {
  /** The request. */
  readonly request: number;
  /** Number of pieces, from the first on, that are correct and written. */
  readonly right: number;
  /** Whether the hash of the next piece is wrong. */
  readonly isWrong: boolean;
  /** Whether the file still has a name. */
  readonly hasName: boolean;
  /** Why writing has stopped. */
  readonly error: LaneError | undefined;
}

/**
 * A part of the received data: bytes for the main thread, or a number of file
 * bytes that stayed in the lane, or the result of verifying those.
 */
export type ArrivedPart = Uint8Array | number | Verdict;

/** A report of a lane about one of its connections. */
export type LaneConnReply =
  | {
    readonly kind: "dialled";
    readonly conn: number;
    readonly local: Deno.NetAddr;
    readonly remote: Deno.NetAddr;
  }
  | {
    readonly kind: "arrived";
    readonly conn: number;
    readonly parts: readonly ArrivedPart[];
  }
  /** Nothing more arrives; with an error unless the peer half-closed. */
  | {
    readonly kind: "ended";
    readonly conn: number;
    readonly error: LaneError | undefined;
  };

/** What each of the shared cells counts. */
export const CELL = {
  /** Received bytes, modulo 2^32. */
  received: 0,
  /** Whether the lane writes at the moment, and therefore does not read. */
  isWriting: 1,
  /** Milliseconds of all writes. */
  writingMs: 2,
} as const;

/** Frame types and limits, which the code in the worker cannot import. */
export interface LaneConnTerms {
  readonly dataType: number;
  readonly frameHeaderBytes: number;
  readonly dataHeaderBytes: number;
  /** Bytes of the largest body of a data frame. */
  readonly mostBytes: number;
  /** Most bytes that the main thread may have received and not used. */
  readonly unusedBytes: number;
  /** Bytes of the buffer of a conn; a larger piece makes it larger. */
  readonly bufferBytes: number;
  /** Milliseconds between two reports of progress to the main thread. */
  readonly reportMs: number;
}
