/**
 * What a service gives to clients: the files of a share, or the pieces of
 * contents that are still being received. Types only.
 *
 * @module
 */

import type { PieceRun, PieceSet } from "../content/piece_set.ts";
import type { Channel } from "../protocol/channel.ts";
import type { Digests } from "../share/digests.ts";
import type { FileDigest } from "../share/file_table.ts";
import type { Share } from "../share/share.ts";
import type { ShareFile } from "../share/shared_file.ts";

/** The files. */
export interface ServedFiles extends
  Pick<
    Share,
    | "find"
    | "named"
    | "versioned"
    | "browse"
    | "withContent"
    | "isScanned"
    | "scanned"
    | "isQuick"
    | "open"
    | "readSmall"
  > {
  /**
   * Whether each piece is hashed when it is read, although its hash is known, and
   * sent only if it is right.
   */
  readonly isReadBack?: boolean;
}

/** Their content ids and manifests. */
export interface ServedDigests
  extends Pick<Digests, "withContent" | "manifestOf" | "describe"> {
  /** What is known of a file's content. */
  of(file: ShareFile): ServedDigest | undefined;
}

/** A digest; the hash of the whole may not be known. */
export type ServedDigest = Pick<FileDigest, "content"> & Partial<FileDigest>;

/** A content of which some pieces may be missing. */
export interface HeldContent {
  /** The pieces that can be sent. */
  readonly pieces: PieceSet;
  /**
   * Tells a client of pieces that are gained from now on; without runs, that this
   * end is still there. Ends when disposed of, or when all pieces are there.
   */
  follow(tell: TellGained): Disposable;
}

/** Resolves when a client has been told. */
export type TellGained = (runs: readonly PieceRun[]) => Promise<void>;

/** Pieces of a content that a client has, and this end may ask for. */
export interface Offer {
  readonly of: string;
  /** The id that the client has as a holder, by its own word. */
  readonly id: string;
}

/** An offer that is taken. Disposing makes room for another. */
export interface TakenOffer extends Disposable {
  /** Asks for pieces over the client's connection, until that is of no use. */
  receive(channel: Channel): Promise<void>;
}

/**
 * Takes an offer of a client that is counted under `source`, or does not want
 * it.
 */
export type TakeOffer = (
  offer: Offer,
  source: string,
) => TakenOffer | undefined;

/** Whose turn it is to be sent pieces. */
export interface ReadTurns {
  /** A client fetches that file version with others, until disposed of. */
  join(file: string): Disposable;
  /** Whether so many do that their requests must wait for turns. */
  isNeededFor(file: string): boolean;
  /**
   * Resolves when it is the turn of a request for pieces of that file version.
   * Rejects with the reason of the signal if that is aborted before.
   */
  take(
    file: string,
    run: PieceRun,
    options?: TakeTurnOptions,
  ): Promise<ReadTurn>;
}

/** Who waits for a turn, and how long it may take. */
export interface TakeTurnOptions {
  /** What its turns are counted under; by default, each request is apart. */
  readonly group?: unknown;
  /** How much longer than others it may take: the time of a rate limit. */
  readonly ownMs?: number;
  /** Ends the wait, because the client has left. */
  readonly signal?: AbortSignal;
}

/** A turn; it ends when disposed of. */
export interface ReadTurn extends Disposable {
  /** The pieces were sent: others may have them of that reader. */
  sent(): void;
}
