/**
 * Reads a part of one content in order, from the nodes that have it. It
 * verifies pieces before it returns them. It requests only a window ahead of
 * the reader, so a paused reader holds no more than that, and no node waits.
 *
 * @module
 */

import { isBug, ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { orAborted, within } from "../base/waiting.ts";
import type { ListedNode } from "../client/nodes.ts";
import {
  type Manifest,
  pieceBytesOf,
  pieceLength,
} from "../content/manifest.ts";
import {
  cutToSection,
  piecesOfSection,
  type Section,
} from "../content/section.ts";
import {
  HASHED_AT_ONCE_BYTES,
  type Hasher,
  hashParts,
} from "../transfer/hashing.ts";
import type { NodeSessions, SessionLease } from "./node_sessions.ts";
import { ReaderMemory } from "./reader_memory.ts";
import type { StalledNodes } from "./stalled_nodes.ts";

/** A node with the content, and what to ask it for. */
export interface ContentHolder {
  readonly node: ListedNode;
  /** Content id or version. */
  readonly of: string;
}

/** Options of {@linkcode readVerified}. */
export interface ReadOptions {
  readonly manifest: Manifest;
  readonly holders: readonly ContentHolder[];
  readonly sessions: NodeSessions;
  readonly hasher: Hasher;
  /** The limits for requests ahead of the reader. */
  readonly memory: ReaderMemory;
  /** Nodes that are asked after the others. */
  readonly stalled: StalledNodes;
  /** When a node has stalled, and what is still received after a cancellation. */
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** Called for each node that has sent bytes. */
  readonly from: (node: string) => void;
  /** Called with the reason why a node is no longer asked. */
  readonly failed: (node: ListedNode, error: unknown) => void;
}

/** No node is left that could give the rest. */
export class NoHolderLeft extends Error {
  override readonly name = "NoHolderLeft";
}

// The largest request, and the first: the first byte must come at once.
const TASK_BYTES = 1024 * 1024;
const FIRST_WINDOW_BYTES = 256 * 1024;
// Bytes that are noticed together: a node sends up to a MiB in one frame, which
// takes a slow line longer than `gatewayStallMs`.
const PART_BYTES = 8 * 1024;
// Nodes that are asked for the same pieces: each takes memory for them.
const MOST_ATTEMPTS = 3;

/** Pieces that have been asked for together. */
interface Task {
  readonly first: number;
  readonly bytes: Promise<Uint8Array<ArrayBuffer>>;
}

/** Pieces that were asked for at one node. */
interface Attempt {
  readonly line: Line;
  readonly given: Promise<Uint8Array<ArrayBuffer>>;
  /** Never rejects. */
  readonly ended: Promise<EndedAttempt>;
}

interface FailedAttempt {
  readonly holder: ContentHolder;
  readonly error: unknown;
}

type EndedAttempt = FailedAttempt | {
  readonly holder: ContentHolder;
  readonly bytes: Uint8Array<ArrayBuffer>;
};

function attemptOf(
  holder: ContentHolder,
  line: Line,
  given: Promise<Uint8Array<ArrayBuffer>>,
): Attempt {
  line.awaited++;
  const ended = given.then(
    (bytes) => ({ holder, bytes }),
    (error: unknown) => ({ holder, error }),
  );
  return { line, given, ended };
}

/**
 * A session of this reader, and the bytes that it still owes. It is returned
 * when it owes nothing, so a paused reader has none.
 */
interface Line {
  readonly lease: Promise<SessionLease>;
  owedBytes: number;
  requests: number;
  /** Those of them that somebody waits for. */
  awaited: number;
  /** The lease, once there is one. */
  given?: SessionLease;
}

/**
 * The bytes of a section, in order; each part is valid until the next.
 *
 * @throws {NoHolderLeft} when no holder is left.
 */
export async function* readVerified(
  section: Section,
  options: ReadOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  using _place = options.memory.enter(pieceBytesOf(options.manifest.size));
  const reader = new Reader(section, options);
  try {
    for (let task = reader.next(); task; task = reader.next()) {
      const bytes = await reader.give(task);
      const position = task.first * reader.pieceBytes;
      yield cutToSection(bytes, position, section);
      reader.taken(bytes);
    }
  } finally {
    reader.cancel();
  }
}

class Reader {
  readonly pieceBytes: number;
  readonly #options: ReadOptions;
  readonly #tasks: Task[] = [];
  /** What the reader waits for. */
  #awaited: Task | undefined;
  /** Bytes that have arrived and that the reader has not taken yet. */
  #given: Uint8Array<ArrayBuffer> | undefined;
  readonly #out = new Set<string>();
  /** One for each node. */
  readonly #lines = new Map<string, Line>();
  readonly #end: number;
  #nextPiece: number;
  /**
   * Grows with what the reader takes, so a client that reads only the start
   * gets little more.
   */
  #windowBytes = FIRST_WINDOW_BYTES;
  #aheadBytes = 0;
  #turn = 0;
  #isOver = false;

  constructor(section: Section, options: ReadOptions) {
    const { size } = options.manifest;
    const { first, end } = piecesOfSection(section, size);
    this.#options = options;
    this.pieceBytes = pieceBytesOf(size);
    this.#nextPiece = first;
    this.#end = end;
  }

  /** The next task in order; asks for those behind it. */
  next(): Task | undefined {
    this.#options.signal.throwIfAborted();
    this.#fill();
    return this.#tasks.shift();
  }

  /** The bytes of a task, which are the reader's until it has taken them. */
  async give(task: Task): Promise<Uint8Array<ArrayBuffer>> {
    this.#awaited = task;
    // A stalled node must not keep a disconnected reader.
    const bytes = await orAborted(task.bytes, this.#options.signal);
    this.#awaited = undefined;
    return this.#given = bytes;
  }

  /** The reader has taken a part, and does not need it any more. */
  taken(part: Uint8Array<ArrayBuffer>): void {
    this.#given = undefined;
    this.#aheadBytes -= part.length;
    this.#windowBytes += part.length;
    this.#options.memory.giveBack(part);
  }

  #fill(): void {
    const most = Math.min(this.#windowBytes, this.#options.memory.windowBytes);
    while (
      this.#nextPiece < this.#end &&
      (this.#aheadBytes < most || this.#tasks.length === 0)
    ) {
      const room = Math.max(0, most - this.#aheadBytes);
      const wanted = Math.min(room, TASK_BYTES, Math.max(most / 4, 1));
      const count = Math.min(
        Math.max(1, Math.floor(wanted / this.pieceBytes)),
        this.#end - this.#nextPiece,
      );
      const { size } = this.#options.manifest;
      const last = this.#nextPiece + count - 1;
      const bytes = (count - 1) * this.pieceBytes + pieceLength(size, last);
      const task = {
        first: this.#nextPiece,
        bytes: this.#fetch(this.#nextPiece, { count, bytes }),
      };
      task.bytes.catch(() => {}); // thrown where the reader waits for it
      this.#tasks.push(task);
      this.#nextPiece += count;
      this.#aheadBytes += bytes;
    }
  }

  /**
   * Pieces from some holder: from the next one if one fails, and from the next
   * one too while one sends too little.
   */
  async #fetch(
    first: number,
    task: { count: number; bytes: number },
  ): Promise<Uint8Array<ArrayBuffer>> {
    const running = new Map<ContentHolder, Attempt>();
    try {
      let stalls = 0;
      for (let isAgain = false; !this.#isOver;) {
        const left = this.#left;
        const idle = left.filter((holder) => !running.has(holder));
        const holder = this.#nextOf(idle);
        if (holder !== undefined) {
          const line = this.#lineTo(holder.node);
          const given = this.#from(holder, line, { first, ...task });
          running.set(holder, attemptOf(holder, line, given));
        } else if (running.size === 0) throw new NoHolderLeft();
        const round = Math.floor(stalls / Math.max(1, left.length));
        const ended = await this.#firstOf(running, {
          watched: idle.length > 1 ? holder : undefined,
          round,
        });
        if (ended === undefined) {
          stalls++;
          if (running.size > MOST_ATTEMPTS) this.#abandonFirst(running);
          continue;
        }
        running.get(ended.holder)!.line.awaited--;
        running.delete(ended.holder);
        if ("bytes" in ended) return ended.bytes;
        isAgain = this.#failed(ended, isAgain);
      }
    } finally {
      while (running.size > 0) this.#abandonFirst(running);
    }
    throw new NoHolderLeft();
  }

  get #left(): ContentHolder[] {
    return this.#options.holders.filter(({ node }) => !this.#out.has(node.id));
  }

  /** Notes a failed attempt. Returns whether the next failure counts. */
  #failed(
    { holder: { node }, error }: FailedAttempt,
    isAgain: boolean,
  ): boolean {
    this.#options.signal.throwIfAborted();
    if (this.#isOver) throw new NoHolderLeft();
    if (isBug(error)) throw error;
    // A connection that was kept may have ended meanwhile.
    const isLie = error instanceof ProtocolError &&
      error.code === "corrupt_piece";
    if (!isAgain && !isLie && !(error instanceof RefusedPieces)) return true;
    if (this.#out.has(node.id)) return false;
    this.#out.add(node.id);
    this.#options.failed(node, error);
    return false;
  }

  /** The next in turn, of those that have not stalled if there are any. */
  #nextOf(holders: readonly ContentHolder[]): ContentHolder | undefined {
    const { stalled } = this.#options;
    const now = performance.now();
    const quick = holders.filter(({ node }) => !stalled.has(node.id, now));
    const among = quick.length > 0 ? quick : holders;
    return among[this.#turn++ % Math.max(1, among.length)];
  }

  /**
   * The first attempt that ends; `undefined` if the node of `watched` sends too
   * little. Each round of all nodes waits twice as long as the one before.
   */
  async #firstOf(
    running: ReadonlyMap<ContentHolder, Attempt>,
    { watched, round }: { watched: ContentHolder | undefined; round: number },
  ): Promise<EndedAttempt | undefined> {
    const ended = Promise.race(
      Array.from(running.values(), (one) => one.ended),
    );
    if (watched === undefined) return await ended;
    const { stalled, limits: { gatewayStallMs, gatewayStallBytes } } =
      this.#options;
    const { line } = running.get(watched)!;
    // Of the whole session: answers to others may come before this one.
    const movedBytes = () => line.given?.movedBytes ?? 0;
    for (let moved = -Infinity; movedBytes() - moved >= gatewayStallBytes;) {
      moved = movedBytes();
      const first = await within(ended, gatewayStallMs * 2 ** round);
      if (first !== undefined) return first;
    }
    stalled.note(watched.node.id, performance.now());
    return undefined;
  }

  /**
   * Nobody waits for the oldest attempt any more. If that is so for all requests
   * over its connection, the connection ends: a node that sends a byte now and
   * then would hold their memory for as long as it likes.
   */
  #abandonFirst(running: Map<ContentHolder, Attempt>): void {
    const [[holder, { line, given }]] = running as unknown as [
      [ContentHolder, Attempt],
    ];
    running.delete(holder);
    void given.then(ReaderMemory.free, () => {}); // nobody awaits it any more
    if (--line.awaited > 0) return;
    const { id } = holder.node;
    if (this.#lines.get(id) === line) this.#lines.delete(id);
    void line.lease.then((lease) => lease.leave(), () => {});
  }

  async #from(
    { node, of }: ContentHolder,
    line: Line,
    { first, count, bytes }: { first: number; count: number; bytes: number },
  ): Promise<Uint8Array<ArrayBuffer>> {
    line.requests++;
    line.owedBytes += bytes;
    let at = 0;
    let lease: SessionLease | undefined;
    let unused: Uint8Array<ArrayBuffer> | undefined;
    try {
      const taken = lease = line.given = await line.lease;
      const { session } = taken;
      if (this.#isOver) throw new NoHolderLeft();
      const buffer = unused = this.#options.memory.take(bytes);
      const refused = await session.read({ of, first, count }, {
        target: (length) => {
          // An empty target would be asked for again and again.
          if (at + length > bytes) throw tooMany();
          const end = at + Math.min(length, PART_BYTES);
          return Promise.resolve(buffer.subarray(at, end));
        },
        filled: (length) => {
          at += length;
          line.owedBytes -= length;
          taken.moved(length);
        },
        pieces: () => {}, // the manifest says what is right
      });
      if (refused !== undefined) throw new RefusedPieces(refused.text);
      if (at < bytes) throw new RefusedPieces("it sent too few bytes");
      const right = await this.#verified(buffer, first);
      this.#options.from(node.name);
      unused = undefined;
      return right;
    } finally {
      if (unused !== undefined) ReaderMemory.free(unused);
      line.owedBytes -= bytes - at;
      line.requests--;
      if (line.requests === 0 || lease?.session.failure !== null) {
        if (this.#lines.get(node.id) === line) this.#lines.delete(node.id);
        lease?.release();
      }
    }
  }

  #lineTo(node: ListedNode): Line {
    const known = this.#lines.get(node.id);
    if (known !== undefined) return known;
    const lease = this.#options.sessions.lease(node);
    const line = { lease, owedBytes: 0, requests: 0, awaited: 0 };
    this.#lines.set(node.id, line);
    return line;
  }

  /** @throws {ProtocolError} if a piece is not what it must be. */
  async #verified(
    buffer: Uint8Array<ArrayBuffer>,
    first: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { hasher, manifest } = this.#options;
    const { pieceBytes } = this;
    const { bytes, hashes } = buffer.length <= HASHED_AT_ONCE_BYTES
      ? { bytes: buffer, hashes: hashParts(buffer, pieceBytes) }
      : await hasher.hash(buffer, pieceBytes);
    if (hashes.every((hash, n) => manifest.has(first + n, hash))) {
      return bytes as Uint8Array<ArrayBuffer>;
    }
    throw new ProtocolError("corrupt_piece", "it sent a wrong piece");
  }

  /**
   * The reader has stopped. A connection with much data still to come, and no
   * other user, is closed, because the next request would wait behind that
   * data. Others count as used until all of it has arrived. Buffers are freed:
   * a socket may still read the one that was given out.
   */
  cancel(): void {
    this.#isOver = true;
    if (this.#given !== undefined) ReaderMemory.free(this.#given);
    const unused = [...this.#tasks, ...this.#awaited ? [this.#awaited] : []];
    for (const { bytes } of unused) {
      void bytes.then(ReaderMemory.free, () => {}); // nobody awaits it any more
    }
    for (const line of this.#lines.values()) {
      void line.lease.then(({ users, session }) => {
        if (
          users === 1 && line.owedBytes > this.#options.limits.gatewayDrainBytes
        ) {
          session.abort(new Error("the reader stopped"));
        }
      }, () => {}); // its user has reported it
    }
  }
}

function tooMany(): ProtocolError {
  return new ProtocolError(
    "corrupt_piece",
    "it sent more bytes than were requested",
  );
}

/** The node does not give the pieces. */
class RefusedPieces extends Error {
  override readonly name = "RefusedPieces";
}
