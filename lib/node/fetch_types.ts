/**
 * What a node reports about the fetches of its clients. Types only.
 *
 * @module
 */

/** Events about fetches. */
export type FetchEvent =
  /** A client begins to fetch a file. */
  | { event: "fetch_started"; name: string; to: string; size: number }
  /** It has all of the file, disconnected, or asks for no more of it. */
  | {
    event: "fetch_ended";
    name: string;
    to: string;
    size: number;
    /** Bytes of the file that it was sent. */
    bytes: number;
    ms: number;
    /** Whether that was all of the file. */
    isWhole: boolean;
  }
  /** Files that were not reported one by one. */
  | {
    event: "files_sent";
    /** The client; nothing if there were several. */
    to?: string;
    clients: number;
    files: number;
    bytes: number;
    ms: number;
    /** The file, if it was only one. */
    name?: string;
  };

/** What a client is being sent. */
export interface RunningFetch {
  /** The client's address, or the group of it. */
  readonly to: string;
  /** The file; missing for several that are reported together. */
  readonly name?: string;
  /** Files so far. */
  readonly files: number;
  /** Bytes so far. */
  readonly bytes: number;
  /** Bytes of the file, if it is reported separately. */
  readonly size?: number;
  /** Over the last second or two. */
  readonly bytesPerSecond: number;
}

/** What was sent since the start. */
export interface FetchTotals {
  /** Files, each as often as it was fetched. */
  readonly files: number;
  /** Addresses that fetched any. */
  readonly clients: number;
  /** Whether there were more addresses than are counted. */
  readonly isMore: boolean;
}
