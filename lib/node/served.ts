/**
 * What a service sends to clients: the files of a share, or the pieces of
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
    | "readTogether"
  > {
  /**
   * Whether each piece is verified when it is read, and sent only if it is
   * correct.
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
   * Reports pieces that are gained from now on. A report without runs only
   * shows that this end is alive. Ends when disposed of, or when all pieces
   * exist.
   */
  follow(emit: AnnounceGained): Disposable;
}

/** Sends a report to a client; resolves when it is sent. */
export type AnnounceGained = (runs: readonly PieceRun[]) => Promise<void>;

/** An offer of a client: pieces of a content that this end may request. */
export interface PieceOffer {
  readonly of: string;
  /** The id of the client as a holder, as it claims. */
  readonly id: string;
}

/** An offer that is taken. Disposing makes room for another. */
export interface TakenOffer extends Disposable {
  /**
   * Requests pieces over the client's connection, as long as that is useful.
   */
  receive(channel: Channel): Promise<void>;
}

/**
 * Takes an offer of a client, which is counted under `source`; `undefined`
 * refuses it.
 */
export type TakeOffer = (
  offer: PieceOffer,
  source: string,
) => TakenOffer | undefined;

/** Decides which client is sent pieces next. */
export interface ReadTurns {
  /**
   * Notes that a client fetches a file version with others; disposing ends it.
   */
  join(file: string): Disposable;
  /**
   * Whether so many clients fetch it that their requests must wait for turns.
   */
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

/** The client that waits for a turn, and how long it may take. */
export interface TakeTurnOptions {
  /**
   * The key under which its turns are counted; by default, each request counts
   * separately.
   */
  readonly group?: unknown;
  /** How much longer than others it may take: the time of a rate limit. */
  readonly ownMs?: number;
  /** Ends the wait, because the client has disconnected. */
  readonly signal?: AbortSignal;
}

/** A turn; it ends when disposed of. */
export interface ReadTurn extends Disposable {
  /** Notes that the pieces were sent: others may get them from that reader. */
  sent(): void;
}
