/**
 * The options, events and figures of a node. Types only.
 *
 * @module
 */

import type { FurtherRelay } from "../access/further_relay.ts";
import type { RelayAddress } from "../base/address.ts";
import type { Endpoint } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import type { Token } from "../access/token.ts";
import type { HistogramSnapshot } from "../guard/counts.ts";
import type { IncidentEvent, IncidentTotals } from "../guard/incidents.ts";
import type { Identity } from "../identity/identity.ts";
import type { KnownRelays } from "../identity/known_relays.ts";
import type { DigestStore } from "../share/manifest_cache.ts";
import type { SharedPath } from "../share/shared_path.ts";
import type { SkipCounts, SkipEvent } from "../share/skipped.ts";
import type { ShareEvent } from "../share/upkeep_types.ts";
import type { RelayDialEvent } from "../uplink/relay_dialer.ts";
import type { ClockEvent } from "../base/clock_watch.ts";
import type { Served } from "./client_reads.ts";
import type { FetchEvent, FetchTotals, RunningFetch } from "./fetch_types.ts";
import type { PiecesSent } from "./receivers.ts";
import type { IndexEvent } from "./index_updater.ts";
import type { RegistrarEvent, TunnelMode } from "./registrar.ts";

/** Events of a node. */
export type NodeEvent =
  | FetchEvent
  | IncidentEvent
  | RegistrarEvent
  | ClockEvent
  | IndexEvent
  | RelayDialEvent
  | ShareEvent
  | SkipEvent
  /** The node accepts connections. */
  | {
    event: "node_listening";
    host: string;
    port: number;
    id: string;
    name: string;
    encrypted: boolean;
  }
  /**
   * The folder is large: clients can fetch by name while it is scanned.
   * `directory` lists several folders one after the other.
   */
  | { event: "scanning"; directory: string; files: number }
  /** The folder has been scanned; or all of several, as before. */
  | { event: "sharing"; directory: string; files: number; skipped: SkipCounts }
  /** All files have been hashed, `files` of them since the last such event. */
  | { event: "hashed"; files: number }
  /** A client that received bytes has disconnected. */
  | ({ event: "served" } & Served);

/** What can change while a node runs. */
export interface NodeSettings {
  /** Shares names that begin with a dot, too. */
  readonly hidden?: boolean;
  /** Leaves out the files and folders that match. */
  readonly exclude?: readonly string[];
  /** The most bytes a second to send; no limit by default. */
  readonly limitRate?: number;
}

/** Options of `serveNode`. */
export interface NodeOptions {
  /** The relay to register with. */
  relay: RelayAddress;
  /**
   * Further relays to register with, side by side. One that is down does not
   * disturb the others. Either all are private, or none.
   */
  relays?: readonly FurtherRelay[];
  /** Port to listen on; 0 lets the system pick. */
  port: number;
  /** The folder or the file to share. */
  directory?: string;
  /**
   * Several folders and files to share, each under a name of its own; in place of
   * `directory`.
   */
  paths?: readonly SharedPath[];
  /** Shares names that begin with a dot, too. */
  hidden?: boolean;
  /**
   * Leaves out the files and folders that match, each a line as in a `.gitignore`
   * for the names of the whole share. Every folder can hold more such lines in a
   * `.p2pignore`.
   */
  exclude?: readonly string[];
  /**
   * Reports each entry of the folder that is not shared, once, at the start.
   */
  listSkipped?: boolean;
  /** Display name of the node; by default part of its id. */
  name?: string;
  /** Address to bind; all addresses of the machine by default. */
  host?: string;
  /** The address for clients, if it is not the one that the node listens at. */
  advertise?: { host: string; port?: number };
  /**
   * Whether to register addresses of local networks, by default yes: machines in
   * the same network find the node there.
   */
  lanAddress?: boolean;
  /** The identity of the node; by default a new one. */
  identity?: Identity;
  /** Runs without encryption; the relay and clients must do the same. */
  plaintext?: boolean;
  /**
   * The node token of a private relay. With it the node registers with no open
   * relay, and serves only clients with a grant of its relay.
   */
  token?: Token;
  /** Remembers the relay between runs. */
  knownRelays?: KnownRelays;
  /** Stores digests between runs. */
  digestStore?: DigestStore;
  /**
   * When clients may come through the relay: if the relay cannot dial the node
   * (`auto`, the default), `always`, or `never`.
   */
  tunnels?: TunnelMode;
  /**
   * Whether the relay may know fingerprints of the names; by default yes.
   * Otherwise clients ask this node for every name.
   */
  index?: boolean;
  /**
   * The key of fingerprints that the clients have too, in place of the relay's:
   * 32 bytes.
   */
  indexKey?: Uint8Array;
  /** The most bytes a second to send, to all clients together. */
  limitRate?: number;
  /** Numbers that replace those of `limits.ts`. */
  limits?: Partial<Limits>;
  /** Closes the node when aborted. */
  signal?: AbortSignal;
  /** Called for every event. */
  onEvent?: (event: NodeEvent) => void;
  /**
   * Called several times a second with the running fetches, while there are
   * any; then once with none.
   */
  onFetches?: (running: readonly RunningFetch[]) => void;
  /** Called for pieces that were sent, of any file to any client. */
  onSent?: (sent: PiecesSent) => void;
}

/** The content of a shared file. */
export interface SharedContent {
  /** Bytes of the file. */
  readonly size: number;
  /** Content id. */
  readonly content: string;
  /** Pieces that are all zeros, which no client fetches. */
  readonly zeroPieces: readonly number[];
}

/** A node in numbers, at one moment. Counts are since its start. */
export interface NodeStats extends IncidentTotals {
  /** Number of shared files. */
  readonly fileCount: number;
  /** Files that wait for being checked or hashed. */
  readonly backlogCount: number;
  /** Open connections. */
  readonly connectionCount: number;
  /** Of these, connections that have not said hello yet. */
  readonly handshakeCount: number;
  /** Seconds from accept to hello. */
  readonly handshakes: HistogramSnapshot;
  /** Requests of clients, by kind. */
  readonly requests: Readonly<Record<string, number>>;
  /** Bytes of files sent. */
  readonly sentBytes: number;
  /** What they were, and to how many. */
  readonly fetches: FetchTotals;
}

/** A running node. Disposing closes it. */
export interface NodeServer extends AsyncDisposable {
  /** The address that it listens at. */
  readonly address: Endpoint;
  /** Its id. */
  readonly id: string;
  /** Number of shared files. */
  readonly fileCount: number;
  /** Open connections. */
  readonly connectionCount: number;
  /** A snapshot of the node in numbers. */
  stats(): NodeStats;
  /**
   * Hashes a shared file, if that has not been done; `undefined` if it is not
   * shared or cannot be read.
   */
  describe(name: string): Promise<SharedContent | undefined>;
  /**
   * Takes other settings in place of all of these, reads each `.p2pignore` again,
   * and resolves when the share obeys them.
   */
  change(settings: NodeSettings): Promise<void>;
  /** Whether its folder exists and can be read, now. */
  isShareReadable(): Promise<boolean>;
  /** Withdraws, stops accepting, and ends open connections. Idempotent. */
  close(): Promise<void>;
}
