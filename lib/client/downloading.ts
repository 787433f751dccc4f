/**
 * The parts that streaming and saving share: sources, hasher, limits, and the
 * needed manifests.
 *
 * @module
 */

import type { ContentGroup } from "../content/choice.ts";
import { isBug, ProtocolError } from "../base/errors.ts";
import { type Manifest, pieceBytesOf } from "../content/manifest.ts";
import type { Limits } from "../base/limits.ts";
import { RateLimit } from "../base/rate.ts";
import { show } from "../base/text.ts";
import { firstGiven } from "../base/waiting.ts";
import type { DownloadOptions } from "../transfer/download_options.ts";
import type { DownloadSource } from "../transfer/source.ts";
import {
  HASHED_AT_ONCE_BYTES,
  type Hasher,
  PlainHasher,
} from "../transfer/hashing.ts";
import { startLane } from "../transfer/lane.ts";
import { Lanes } from "../transfer/lanes.ts";
import { LANE_DIALLER } from "../transport/lane_dialler.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { QuerySessions } from "./query_sessions.ts";
import { causeOf } from "./events.ts";
import type { HashRequest, HashWaits } from "./hash_waits.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";
import type { TransferOptions } from "./transfer_options.ts";

/** A node as a download knows it, with a session where one is open already. */
export function sourceOf(
  peers: Peers,
  { node, session, lanes }: {
    node: ListedNode;
    session?: NodeSession;
    lanes?: Lanes | undefined;
  },
): DownloadSource {
  const source = {
    id: node.id,
    session,
    open: async (signal: AbortSignal) =>
      (await peers.open(node, { signal })).session,
  };
  if (lanes === undefined) return source;
  return {
    ...source,
    openInLane: (session, signal) =>
      peers.openInLane(node, { session, lanes, signal }),
  };
}

/** What to ask each node for, by its id: a content id, or else a version. */
export function sourcesOf({ offers }: ContentGroup): Map<string, string> {
  return new Map(
    offers.map(({ node, content, version }) => [node, content ?? version]),
  );
}

// Below this, starting a worker takes longer than it saves.
const WORKER_FROM_BYTES = 16 * 1024 * 1024;

/** The hasher that is fastest for files of these sizes. */
export function hasherFor(sizes: readonly number[]): Hasher {
  const bytes = sizes.reduce(
    (sum, size) => size > HASHED_AT_ONCE_BYTES ? sum + size : sum,
    0,
  );
  return bytes >= WORKER_FROM_BYTES ? startLane() : new PlainHasher();
}

// The share of all bytes: the others arrive as without lanes, with more work.
const LARGE_PART = 0.9;

/**
 * Lanes for files of these sizes that own connections, if that pays: several
 * cores, mostly large files, and no rate to hold. Not on Windows, because a
 * locked file can be opened only once there.
 */
export function lanesFor(
  sizes: readonly number[],
  { limits, limitRate }: { limits: Limits; limitRate?: number | undefined },
): Lanes | undefined {
  const sumOf = (sizes: readonly number[]) =>
    sizes.reduce((sum, size) => sum + size, 0);
  const { lanesFromBytes: least } = limits;
  const isFile = (size: number) => size >= Math.min(least, WORKER_FROM_BYTES);
  const large = sumOf(sizes.filter(isFile));
  const isLarge = large >= least && large >= LARGE_PART * sumOf(sizes);
  if (!isLarge || limitRate !== undefined) return undefined;
  if (Deno.build.os === "windows") return undefined;
  const cores = navigator.hardwareConcurrency || 2;
  const pieceBytes = pieceBytesOf(Math.max(...sizes));
  const buffers = Math.floor(limits.slabBytes / pieceBytes);
  const count = Math.min(cores, limits.laneCount, buffers);
  const others = Array.from(
    { length: count - 1 },
    () => startLane(LANE_DIALLER),
  );
  return new Lanes([startLane(LANE_DIALLER), ...others]);
}

/** The bounds of a download, from the options of the user. */
export function boundsOf(
  { limits }: Peers,
  { connections = 1, limitRate, lowestSpeed }: TransferOptions,
): Pick<
  DownloadOptions,
  "limits" | "connections" | "rate" | "lowestBytesPerSecond" | "describe"
> {
  return {
    limits,
    connections,
    rate: limitRate === undefined ? undefined : new RateLimit(limitRate),
    lowestBytesPerSecond: lowestSpeed ?? limits.lowestBytesPerSecond,
    describe: causeOf,
  };
}

/** A node that may describe a file. */
export interface Describer {
  /** The node. */
  readonly node: ListedNode;
  /** A session with it, if there is one. */
  readonly session?: NodeSession | undefined;
  /** Content id or version to ask it for. */
  readonly of: string;
}

/** Options of {@linkcode manifestFrom}. */
export interface ManifestOptions {
  /** The file's name. */
  readonly name: string;
  /** Bounds the waits for nodes that hash it. */
  readonly hashWaits: HashWaits;
  /** Bytes that the file must have. */
  readonly size: number;
  /** Hashes that it must begin with. */
  readonly start?: Uint8Array;
  /** Asks a node whose session has ended. */
  readonly asides: QuerySessions;
  /** Stops asking. */
  readonly signal: AbortSignal;
  /** Milliseconds of a node's silence after which the next is asked as well. */
  readonly patienceMs: number;
  /** A node refused, with a code, or described another file. */
  readonly onUnfit: (node: ListedNode, cause: string, code?: string) => void;
  /** The connection to a node failed. */
  readonly onError: (node: ListedNode, error: unknown) => void;
}

/**
 * The manifest from the first node that gives it; nothing if none does. A node
 * that is silent, or says that it is hashing, delays nothing: the next is
 * asked too.
 */
export async function manifestFrom(
  describers: readonly Describer[],
  options: ManifestOptions,
): Promise<Manifest | undefined> {
  const failed = new Set<Describer>();
  const ask = async (describer: Describer, over: AbortSignal) => {
    const manifest = await askForManifest(describer, {
      ...options,
      others: () =>
        describers.some((one) => one !== describer && !failed.has(one))
          ? "pending"
          : "none",
    }, over);
    if (manifest === undefined) failed.add(describer);
    return manifest;
  };
  return await firstGiven(describers, ask, options);
}

/** The answer of one node; after `over` nothing is reported about it. */
async function askForManifest(
  { node, session, of }: Describer,
  options: ManifestOptions & Pick<HashRequest, "others">,
  over: AbortSignal,
): Promise<Manifest | undefined> {
  const { name, size, start, hashWaits, others } = options;
  const { asides, signal, onUnfit, onError } = options;
  try {
    const describe = async (open: NodeSession) => {
      // Other requests to it would wait behind an answer that never arrives.
      const late = new ProtocolError(
        "timed_out",
        "it did not describe the file",
      );
      const leave = () => open.abort(late);
      over.addEventListener("abort", leave);
      try {
        const request = { of, name, bytes: size, others };
        return await hashWaits.describe(node, open, request);
      } finally {
        over.removeEventListener("abort", leave);
      }
    };
    const answer = await asides.ask(node, describe, session, over);
    if (over.aborted) return undefined;
    if (answer.kind === "refused") {
      onUnfit(node, `it refused: ${show(answer.text)}`, answer.code);
      return undefined;
    }
    const { manifest } = answer;
    if (manifest.size === size && beginsWith(manifest.hashes, start)) {
      return manifest;
    }
    onUnfit(node, "it has another content");
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (over.aborted) return undefined;
    if (isBug(error)) throw error;
    onError(node, error);
  }
  return undefined;
}

function beginsWith(bytes: Uint8Array, start?: Uint8Array): boolean {
  if (start === undefined) return true;
  return bytes.length >= start.length &&
    start.every((byte, at) => byte === bytes[at]);
}
