/**
 * Downloads in memory: sources, sinks, and files to receive.
 */

import { assertRejects } from "@std/assert";
import { Channel } from "../../lib/protocol/channel.ts";
import type { Conn, Path } from "../../lib/base/conn.ts";
import { type Limits, limitsWith } from "../../lib/base/limits.ts";
import { DIRECTION, type MessageOf } from "../../lib/protocol/messages.ts";
import { Download } from "../../lib/transfer/download.ts";
import type {
  DownloadOptions,
  FileFailure,
} from "../../lib/transfer/download_options.ts";
import type {
  DownloadFile,
  PiecesSaving,
  Sink,
} from "../../lib/transfer/receiving.ts";
import type {
  DownloadSource,
  SourceTrouble,
} from "../../lib/transfer/source.ts";
import { hashParts, PlainHasher } from "../../lib/transfer/hashing.ts";
import { NodeSession } from "../../lib/transfer/session.ts";
import type { Lie } from "../_evil_node.ts";
import { within } from "../_event_log.ts";
import {
  describeBytes,
  type DescribedBytes,
  honestExcept,
  type SendPiece,
} from "../_lies.ts";
import { memoryPair } from "../_memory_conn.ts";
import { randomBytes, seededRandom } from "../_random.ts";

export const PIECE = 256 * 1024;

// Pieces that are asked for together.
export const TASK = 4;

export const MIB = 1024 * 1024;

export const LARGE = describeBytes(
  "large",
  randomBytes(8 * MIB + 3, seededRandom(1)),
);

export const SMALL = describeBytes(
  "small",
  randomBytes(1_000, seededRandom(2)),
);

/** A node at the other end of conns in memory. */
export class Source implements DownloadSource {
  readonly id: string;
  readonly #lie: Lie;
  readonly #limits: Limits;
  readonly #conns: Conn[] = [];
  readonly #talks: Promise<void>[] = [];
  /** What was read from it, in order. */
  readonly reads: MessageOf<"read">[] = [];
  /** Requests for several files, in order. */
  readonly batches: MessageOf<"readMany">[] = [];
  /** Sessions that were opened. */
  openCount = 0;
  /** The path that the next session goes by. */
  path: Path = "direct";
  /** Bytes that are on their way in each direction. */
  capacityBytes = PIECE;
  #onRead = () => {};

  constructor(id: string, lie: Lie, limits: Partial<Limits> = {}) {
    this.id = id;
    this.#lie = lie;
    this.#limits = limitsWith(limits);
  }

  async open(): Promise<NodeSession> {
    this.openCount++;
    const { capacityBytes } = this;
    const conns = memoryPair({ capacityBytes });
    this.#conns.push(...conns);
    const options = {
      limits: this.#limits,
      acceptsData: true,
      writeStallMs: 15_000,
      idleMs: this.#limits.pieceStallMs,
    };
    const [client, node] = conns.map((conn) => new Channel(conn, options));
    this.#talks.push(this.#talk(node!));
    const id = this.id.padEnd(52, "a");
    return (await NodeSession.open(client!, { id, path: this.path })).session;
  }

  /** Resolves when it has been asked so often. */
  async asked(count: number): Promise<void> {
    while (this.reads.length < count) {
      await new Promise<void>((resolve) => this.#onRead = resolve);
    }
  }

  /** Pieces that it was asked for, each as often as it was. */
  get pieces(): number[] {
    return this.reads.flatMap(({ first, count }) =>
      Array.from({ length: count }, (_, n) => first + n)
    );
  }

  async #talk(channel: Channel): Promise<void> {
    try {
      const id = this.id.padEnd(52, "a");
      await channel.send({ kind: "hello", protocol: 1, role: "node", id });
      await channel.receive(["hello"]);
      channel.openUp();
      for (;;) {
        const message = await channel.receive(DIRECTION.clientToNode);
        if (message === null) break;
        if (message.kind === "read") this.reads.push(message);
        if (message.kind === "readMany") this.batches.push(message);
        this.#onRead();
        await this.#lie(channel, message);
      }
    } catch {
      // One side closes the connection.
    }
    channel.conn.close();
  }

  /** Waits until all its talks have ended; whether all conns are closed. */
  async end(): Promise<void> {
    await within(Promise.all(this.#talks), `${this.id} ending`);
    for (const conn of this.#conns) {
      await assertRejects(() => conn.write(Uint8Array.of(0)));
    }
  }
}

/** Keeps pieces in memory. */
class MemorySink implements Sink {
  readonly bytes: Uint8Array;
  isFinished = false;
  onWrite: () => Promise<void> = () => Promise.resolve();

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  async write(first: number, bytes: Uint8Array): Promise<void> {
    await this.onWrite();
    this.bytes.set(bytes, first * PIECE);
  }

  finish(): Promise<void> {
    this.isFinished = true;
    return Promise.resolve();
  }
}

/** As of two threads: it is never known at once. Needs no clock, nor ports. */
async function laterBySomeTurns<T>(value: T): Promise<T> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  return value;
}

/** Verifies the pieces that it writes, as a file in a lane does. */
export class SavingSink extends MemorySink {
  /** Pieces that came to be saved, right or not. */
  savedCount = 0;

  save(first: number, bytes: Uint8Array, hashes: Uint8Array): PiecesSaving {
    const found = hashParts(bytes, PIECE);
    this.savedCount += found.length;
    const wrong = found.findIndex((hash, at) =>
      !hash.every((byte, n) => byte === hashes[32 * at + n])
    );
    const count = wrong < 0 ? found.length : wrong;
    const right = laterBySomeTurns(count);
    const written = right.then(() =>
      this.write(first, bytes.subarray(0, count * PIECE))
    );
    written.catch(() => {}); // the caller reports it
    return { right, written };
  }
}

/** Where pieces are verified and written, in the test that runs. */
let isSavedElsewhere = false;

/** A test in which a lane verifies and writes pieces. */
export function testInLane(name: string, run: () => Promise<void>): void {
  Deno.test(name, async () => {
    isSavedElsewhere = true;
    try {
      await run();
    } finally {
      isSavedElsewhere = false;
    }
  });
}

/** A test that must come to the same wherever pieces are verified and written. */
export function testInBoth(name: string, run: () => Promise<void>): void {
  Deno.test(name, run);
  testInLane(`${name}, and where a lane writes`, run);
}

/**
 * Small windows, so that no source is asked for everything at once. No source
 * takes over the pieces of another: each would count as stalled if the machine
 * stood still for a moment.
 */
export const SHARED: Partial<Limits> = {
  windowBytes: 2 * MIB,
  takeOverMs: 600_000,
};

/** A download, and all its events. */
interface Run {
  readonly download: Download;
  readonly finished: number[];
  readonly failed: [number, FileFailure][];
  readonly trouble: SourceTrouble[];
  /** Bytes by source. */
  readonly bytes: Record<string, number>;
}

export function start(options: Partial<DownloadOptions> = {}): Run {
  const finished: number[] = [];
  const failed: [number, FileFailure][] = [];
  const trouble: SourceTrouble[] = [];
  const bytes: Record<string, number> = {};
  const download = new Download({
    limits: limitsWith(SHARED),
    hasher: new PlainHasher(),
    sharesSlabs: isSavedElsewhere,
    connections: 1,
    lowestBytesPerSecond: 1,
    signal: new AbortController().signal,
    onBytes: ({ source, bytes: count }) =>
      bytes[source] = (bytes[source] ?? 0) + count,
    onFinished: (file) => finished.push(file),
    onFailed: (file, failure) => failed.push([file, failure]),
    onTrouble: (reported) => trouble.push(reported),
    ...options,
  });
  return { download, finished, failed, trouble, bytes };
}

/** A file to be received from `sources`, and where it goes. */
export function wanted(
  { bytes, manifest, listed }: DescribedBytes,
  sources: readonly Source[],
  options: Partial<DownloadFile> = {},
): { file: DownloadFile; sink: MemorySink } {
  const sink = new (isSavedElsewhere ? SavingSink : MemorySink)(bytes.length);
  const { contentId: content } = manifest;
  const file = {
    name: listed.name,
    size: bytes.length,
    content,
    manifest,
    sources: new Map(sources.map(({ id }) => [id, content])),
    sink,
    ...options,
  };
  return { file, sink };
}

/** Runs to the end, and waits until everything is closed. */
export async function finish(
  { download }: Run,
  sources: readonly Source[],
): Promise<void> {
  download.close();
  await within(download.run(), "the end of the download");
  for (const source of sources) await source.end();
}

export function sourceWith(
  id: string,
  piece?: SendPiece,
  file = LARGE,
): Source {
  const files = { [file.listed.name]: file.bytes };
  return new Source(
    id,
    honestExcept(files, piece === undefined ? {} : { piece }),
  );
}

/** Receives one file from sources, and what came of it. */
export async function receive(
  sources: readonly Source[],
  { of = LARGE, options = {}, file: changes = {} }: {
    of?: DescribedBytes;
    options?: Partial<DownloadOptions>;
    file?: Partial<DownloadFile>;
  } = {},
): Promise<Run & { sink: MemorySink }> {
  const run = start(options);
  const { file, sink } = wanted(of, sources, changes);
  run.download.addFile(file);
  for (const source of sources) run.download.addSource(source);
  await finish(run, sources);
  return { ...run, sink };
}
