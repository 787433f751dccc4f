/**
 * What the two parts of a lane's code share. Types only.
 *
 * @module
 */

/** An error of the system, as it travels between threads. */
export interface LaneError {
  /** Name of its class, such as `PermissionDenied`. */
  readonly name: string;
  /** Its words. */
  readonly message: string;
  /** The system's code, such as `ENOSPC`. */
  readonly code: string | undefined;
}

/** The files of a lane, and what it does with pieces. */
export interface LaneFiles {
  /** Those that are open. */
  readonly open: ReadonlyMap<number, Deno.FsFile>;
  /** SHA-256 of `bytes`. */
  hashOf(bytes: Uint8Array): Uint8Array;
  /** Writes all of `bytes`. */
  write(file: Deno.FsFile, position: number, bytes: Uint8Array): void;
  /** An error as it travels between threads. */
  described(error: unknown): LaneError;
}
