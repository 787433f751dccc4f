/** A holder of part of a file, and one client of it, over a conn in memory. */

import { join } from "@std/path";
import { openSync } from "node:fs";
import { Channel } from "../../lib/protocol/channel.ts";
import type { Conn } from "../../lib/base/conn.ts";
import { HASH_BYTES, sha256 } from "../../lib/base/hash.ts";
import { type Limits, limitsWith } from "../../lib/base/limits.ts";
import { SharedRate } from "../../lib/base/shared_rate.ts";
import { Manifest, pieceBytesOf } from "../../lib/content/manifest.ts";
import { Counts } from "../../lib/guard/counts.ts";
import { ClientService, type Service } from "../../lib/node/client_service.ts";
import { FetchWatch } from "../../lib/node/fetch_watch.ts";
import { BufferPool } from "../../lib/node/outbox.ts";
import { SlowReaders } from "../../lib/node/slow_readers.ts";
import { WorkQueue } from "../../lib/node/work_queue.ts";
import { DIRECTION } from "../../lib/protocol/messages.ts";
import { HeldDigests, HeldFiles } from "../../lib/swarm/held_files.ts";
import { Holding } from "../../lib/swarm/holding.ts";
import { memoryPair } from "../_memory_conn.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";

export const PIECE = 256 * 1024;

/** A file of so many whole pieces, and what there is to know of it. */
export function contentOf(
  pieceCount: number,
  seed = 1,
): { bytes: Uint8Array; manifest: Manifest } {
  const bytes = randomBytes(pieceCount * PIECE, seededRandom(seed));
  const hashes = new Uint8Array(pieceCount * HASH_BYTES);
  for (let piece = 0; piece < pieceCount; piece++) {
    const part = bytes.subarray(piece * PIECE, (piece + 1) * PIECE);
    hashes.set(sha256(part), piece * HASH_BYTES);
  }
  return { bytes, manifest: new Manifest(bytes.length, hashes) };
}

/** What {@linkcode holderOf} makes. */
export interface OneHolder {
  readonly holding: Holding;
  readonly files: HeldFiles;
  readonly service: Service;
  /** The partial file. */
  readonly path: string;
  /** Writes pieces to the file, and then announces them. */
  gain(first: number, count: number): void;
  /** Begins to serve another client; its end of the conn. */
  serve(): { conn: Conn; client: ClientService };
}

/** A service that gives held files. */
function serviceOf(
  files: HeldFiles,
  { limits, rate }: { limits: Limits; rate: number | undefined },
  stack: AsyncDisposableStack,
): Service {
  const digests = new HeldDigests(files);
  const watch = new FetchWatch({
    ...{ limits, digests },
    onEvent: () => {},
    onFetches: undefined,
  });
  return {
    ...{ share: files, digests, limits },
    rate: rate === undefined ? undefined : new SharedRate(rate),
    buffers: new BufferPool(limits.sendBufferBytes),
    slowReaders: new SlowReaders(limits),
    work: stack.use(new WorkQueue(limits)),
    clientCount: 0,
    busyCount: 0,
    fetches: stack.use(watch).fetches,
    requests: new Counts(DIRECTION.clientToNode),
    heldOf: (content) => files.heldOf(content),
    sentBytes: 0,
  };
}

/** Holds some pieces of a content; `stack` ends everything. */
export async function holderOf(
  content: { bytes: Uint8Array; manifest: Manifest },
  { have = [], limits: given = {}, rate }: {
    have?: readonly number[];
    limits?: Partial<Limits>;
    rate?: number;
  },
  stack: AsyncDisposableStack,
): Promise<OneHolder> {
  const limits = limitsWith(given);
  const { bytes, manifest } = content;
  const folder = stack.use(await tempShare({ partial: "" }));
  const path = join(folder.path, "partial");
  const writer = stack.adopt(
    await Deno.open(path, { write: true }),
    (file) => file.close(),
  );
  const pieceBytes = pieceBytesOf(bytes.length);
  const write = (piece: number) => {
    const from = piece * pieceBytes;
    writer.seekSync(from, Deno.SeekMode.Start);
    writer.writeSync(bytes.subarray(from, from + pieceBytes));
  };
  have.forEach(write);
  const descriptor = openSync(path, "r");
  const holding = stack.use(
    new Holding({ name: "big.iso", manifest, descriptor, have }, limits),
  );
  const files = new HeldFiles();
  files.add(holding);
  const service = serviceOf(files, { limits, rate }, stack);
  return {
    holding,
    files,
    service,
    path,
    gain: (first, count) => {
      for (let piece = first; piece < first + count; piece++) write(piece);
      holding.gain({ first, count });
    },
    serve: () => {
      const [conn, far] = memoryPair({ capacityBytes: 4 * PIECE });
      const channel = stack.use(
        new Channel(far, {
          ...{ limits, writeStallMs: 30_000, idleMs: 60_000 },
        }),
      );
      channel.openUp();
      const client = stack.use(new ClientService(channel, service));
      return { conn, client };
    },
  };
}
