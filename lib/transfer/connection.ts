/**
 * One connection to a source. It opens one session after another, and sends
 * requests on each as long as there is something to request.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Path } from "../base/conn.ts";
import { isBug } from "../base/errors.ts";
import type { LaneConn } from "./lane_conn.ts";
import type { Task } from "./plan_types.ts";
import type { BatchReceiver, FileRefusal } from "./batch.ts";
import type { TaskReceiver } from "./receiving.ts";
import type { NodeSession } from "./session.ts";
import type { Source } from "./source.ts";

/** A request to send. */
export interface Request {
  /** The task that it belongs to. */
  readonly task: Task;
  /** Content id or version to ask for. */
  readonly of: string;
  /** Number of requested bytes. */
  readonly bytes: number;
  /** Receives the bytes. */
  readonly receiver: TaskReceiver;
  /** Whether it is for a small file, which can share a request with others. */
  readonly isSmall: boolean;
}

/** The download that a connection works for. */
export interface Work {
  /** Most file bytes in flight on one connection. */
  readonly windowBytes: number;
  /** Most requests in flight on one connection. */
  readonly windowRequestCount: number;
  /** Aborted when the download ends. */
  readonly signal: AbortSignal;
  /** Whether no connection has anything left to do. */
  isOver(): boolean;
  /** The next request, if there is one now. */
  next(connection: Connection, options: NextOptions): Request | undefined;
  /** A session was opened. */
  opened(connection: Connection, session: NodeSession): void;
  /** Most bytes of small files in one request. */
  readonly batchBytes: number;
  /** Most small files in one request. */
  readonly batchFileCount: number;
  /** Receives the files of a request for several. */
  receiveMany(
    connection: Connection,
    requests: readonly Request[],
    onBytes: (count: number) => void,
  ): BatchReceiver;
  /** The node refused a request. */
  refused(connection: Connection, request: Request, refused: FileRefusal): void;
  /** Verifies what has arrived for requests, by a path. */
  accept(
    connection: Connection,
    requests: readonly Request[],
    path: Path,
  ): Promise<void>;
  /** Waits for a running part before the download ends. */
  track(part: Promise<void>): void;
  /** A session ended with an error. */
  brokeOff(connection: Connection, error: unknown): void;
}

/** Options of {@linkcode Work.next}. */
export interface NextOptions {
  /** Whether pieces requested from other sources may be taken over. */
  readonly mayTakeOver: boolean;
  /** The conn of the session, if a lane owns it. */
  readonly conn: LaneConn | undefined;
  /** Called with the number of bytes of the request as they arrive. */
  readonly onBytes: (count: number) => void;
}

/** What is in flight in one session. */
interface Flight {
  /** Small files that will be requested together. */
  readonly gathered: Request[];
  requests: number;
  bytes: number;
  /** All bytes that have arrived. */
  receivedBytes: number;
  /** Requests without an answer, or whose answer is being verified. */
  readonly reading: Set<Promise<void>>;
  error: unknown;
}

// Requested from a connection before anything has arrived over it.
const FIRST_WINDOW_BYTES = 1024 * 1024;
// Bytes of the first files that are requested together.
const LEAST_BATCH_BYTES = 64 * 1024;
// While this many are in flight, the next waits until it is full.
const REQUESTS_AHEAD = 2;
// Pause between two attempts to reach a source after a session failed.
const RETRY_MS = 500;
const RETRY_MAX_MS = 2_000;
// How often an idle source checks what it can do.
const IDLE_LOOK_MS = 250;

/** One connection to a source. */
export class Connection {
  /** Its id. */
  readonly id: string;
  /** The source. */
  readonly source: Source;
  readonly #work: Work;
  #session: NodeSession | undefined;
  /** Milliseconds in which ended sessions made the client wait. */
  #waitedMs = 0;
  #resume = () => {};
  /** When the session, or the attempt to open one, began. */
  #triedAt = 0;
  /** Whether its sessions are in lanes. */
  #isLane = false;
  /** What is in flight in the session, if there is one. */
  #flight: Flight | undefined;
  /** Small files that were added since it last looked for some. */
  #newCount = 0;
  /** Whether its own state has changed, or it has been idle for a while. */
  #looksAround = true;

  /** Uses `session` first, if there is one. */
  constructor(
    id: string,
    { source, work, session }: {
      source: Source;
      work: Work;
      session: NodeSession | undefined;
    },
  ) {
    this.id = id;
    this.source = source;
    this.#work = work;
    this.#session = session;
  }

  /**
   * Runs one session after another, until the source is excluded or all is
   * done.
   */
  async serve(): Promise<void> {
    const { source } = this;
    const { signal } = this.#work;
    while (!this.#isOver) {
      if (this.#rests) {
        await this.#changed();
        continue;
      }
      this.#triedAt = performance.now();
      try {
        const session = this.#session ??= await source.given.open(signal);
        source.path = session.path;
        this.#work.opened(this, session);
        await this.#keepFull(session);
      } catch (error) {
        if (this.#work.isOver()) return;
        if (isBug(error)) throw error;
        this.#work.brokeOff(this, error);
      } finally {
        await this.#dispose();
      }
      if (this.#isOver) return;
      if (this.#rests) continue;
      const waitMs = Math.min(RETRY_MS * source.failureCount, RETRY_MAX_MS);
      await delay(waitMs, { signal }).catch(() => {});
    }
  }

  /**
   * Runs one session in a lane, until it fails or all is done. If `open` fails,
   * the other connections continue.
   */
  async serveInLane(
    open: (signal: AbortSignal) => Promise<NodeSession>,
  ): Promise<void> {
    const { source } = this;
    this.#isLane = true;
    this.#triedAt = performance.now();
    let session: NodeSession;
    try {
      session = this.#session = await open(this.#work.signal);
    } catch (error) {
      if (isBug(error)) throw error;
      return;
    }
    source.laneCount++;
    try {
      await this.#keepFull(session);
    } catch (error) {
      if (this.#work.isOver()) return;
      if (isBug(error)) throw error;
      this.#work.brokeOff(this, error);
    } finally {
      source.laneCount--;
      await this.#dispose();
    }
  }

  /** Whether sessions in lanes replace this one. */
  get #rests(): boolean {
    return !this.#isLane && this.source.laneCount > 0;
  }

  /** When the failed session, or the attempt to open it, began. */
  get triedAt(): number {
    return this.#triedAt;
  }

  /** Wakes it: something has changed. */
  wake(): void {
    this.#resume();
  }

  /**
   * Wakes it for a new file, unless it has requested enough already. While it
   * is busy, small files wait until they fill a request.
   */
  wakeForFile(isSmall: boolean): void {
    const flight = this.#flight;
    if (flight === undefined) return this.wake();
    if (!this.#isLow(flight)) return;
    const mayWait = isSmall && flight.requests >= REQUESTS_AHEAD;
    if (mayWait && ++this.#newCount < this.#work.batchFileCount) return;
    this.wake();
  }

  /** Resolves when it is woken. */
  #changed(): Promise<void> {
    return new Promise((resolve) => this.#resume = resolve);
  }

  #lookAround(): void {
    this.#looksAround = true;
    this.wake();
  }

  /**
   * Milliseconds for which requested pieces that we could read were missing.
   */
  waitedMs(now: number): number {
    return this.#waitedMs + (this.#session?.waitedMs(now) ?? 0);
  }

  /** Whether we have let the session wait for long. */
  get wasHeld(): boolean {
    return this.#session?.wasHeld ?? false;
  }

  /** Whether there is a session. */
  get isOpen(): boolean {
    return this.#session !== undefined;
  }

  get #isOver(): boolean {
    return this.#work.isOver() || this.source.out;
  }

  async #dispose(): Promise<void> {
    const session = this.#session;
    this.#waitedMs = this.waitedMs(performance.now());
    this.#session = undefined;
    this.#flight = undefined;
    if (session === undefined) return;
    if (this.#work.isOver()) session.abort(new Error("done"));
    await session[Symbol.asyncDispose]();
  }

  /** Keeps a session full of requests until nothing is left for it. */
  async #keepFull(session: NodeSession): Promise<void> {
    const flight: Flight = this.#flight = {
      gathered: [],
      requests: 0,
      bytes: 0,
      receivedBytes: 0,
      reading: new Set(),
      error: null,
    };
    // An idle source checks again regularly: others may have become slow.
    const looks = setInterval(() => {
      if (flight.requests === 0) this.#lookAround();
    }, IDLE_LOOK_MS);
    using stack = new DisposableStack();
    stack.defer(() => clearInterval(looks));
    while (!this.#isOver) {
      if (flight.error !== null) {
        // Pieces that arrived complete before that are still used.
        await Promise.all(flight.reading);
        throw flight.error;
      }
      // A holder that only reports gained pieces may leave between requests.
      if (session.failure !== null && flight.requests === 0) {
        throw session.failure;
      }
      if (this.#rests && flight.requests === 0) {
        if (flight.gathered.length === 0) return;
        this.#requestGathered(session, flight, this.#countingIn(flight));
      } else if (!this.#rests) this.#fill(session, flight);
      await this.#changed();
    }
  }

  #countingIn(flight: Flight): (count: number) => void {
    return (count) => {
      flight.bytes -= count;
      flight.receivedBytes += count;
    };
  }

  /** The most bytes in flight. */
  #windowOf({ receivedBytes }: Flight): number {
    // Small at first, so that the first to answer does not get all of a file.
    return Math.min(
      this.#work.windowBytes,
      FIRST_WINDOW_BYTES + receivedBytes,
    );
  }

  /** Whether at least half of the window has arrived. */
  #isLow(flight: Flight): boolean {
    return flight.requests <= this.#work.windowRequestCount / 2 &&
      flight.bytes <= this.#windowOf(flight) / 2;
  }

  /** Requests more when half of the window has arrived. */
  #fill(session: NodeSession, flight: Flight): void {
    if (this.#isLow(flight)) this.#takeMore(session, flight);
    // More small files may come until one of these is answered.
    const isWaiting = flight.gathered.length > 0;
    if (isWaiting && flight.requests < REQUESTS_AHEAD) {
      this.#requestGathered(session, flight, this.#countingIn(flight));
    }
  }

  /** Requests more until the window is full. */
  #takeMore(session: NodeSession, flight: Flight): void {
    const { windowRequestCount } = this.#work;
    const window = this.#windowOf(flight);
    const mayTakeOver = this.#looksAround;
    const onBytes = this.#countingIn(flight);
    const { lane: conn } = session;
    this.#looksAround = false;
    this.#newCount = 0;
    while (flight.requests < windowRequestCount && flight.bytes < window) {
      const request = this.#work.next(this, { mayTakeOver, conn, onBytes });
      if (request === undefined) break;
      flight.bytes += request.bytes;
      if (request.isSmall) this.#gather(session, flight, request, onBytes);
      else this.#request(session, flight, request);
    }
  }

  /** Adds a small file to those that will be requested together. */
  #gather(
    session: NodeSession,
    flight: Flight,
    request: Request,
    onBytes: (count: number) => void,
  ): void {
    const { batchBytes, batchFileCount } = this.#work;
    // A connection that fails loses at most as much as it has delivered.
    const most = Math.max(LEAST_BATCH_BYTES, flight.receivedBytes);
    const bytes = sum(flight.gathered) + request.bytes;
    if (bytes > Math.min(most, batchBytes)) {
      this.#requestGathered(session, flight, onBytes);
    }
    if (flight.gathered.push(request) === batchFileCount) {
      this.#requestGathered(session, flight, onBytes);
    }
  }

  #requestGathered(
    session: NodeSession,
    flight: Flight,
    onBytes: (count: number) => void,
  ): void {
    const requests = flight.gathered.splice(0);
    if (requests.length > 1) {
      this.#requestMany(session, flight, requests, onBytes);
    } else if (requests.length === 1) {
      this.#request(session, flight, requests[0]!);
    }
  }

  /** Sends one request; its answer is handled in the background. */
  #request(session: NodeSession, flight: Flight, request: Request): void {
    const { task: { first, count }, of, bytes, receiver } = request;
    flight.requests++;
    const reading = session.read({ of, first, count }, receiver).then(
      (refused) => refused && this.#work.refused(this, request, refused),
      (error) => flight.error ??= error,
    ).then(() => {
      flight.requests--;
      flight.bytes -= bytes - receiver.receivedBytes;
      return this.#work.accept(this, [request], session.path);
    }).finally(() => this.#lookAround());
    flight.reading.add(reading);
    this.#work.track(reading.finally(() => flight.reading.delete(reading)));
  }

  /** The same for several small files. */
  #requestMany(
    session: NodeSession,
    flight: Flight,
    requests: readonly Request[],
    onBytes: (count: number) => void,
  ): void {
    flight.requests++;
    const bytes = sum(requests);
    const batch = this.#work.receiveMany(this, requests, onBytes);
    const reading = session.readMany(requests.map(({ of }) => of), batch).then(
      (refused) => refused && this.#skipRest(batch, refused),
      (error) => flight.error ??= error,
    ).then(() => {
      flight.requests--;
      flight.bytes -= bytes - batch.receivedBytes;
      batch.end();
      for (const [at, why] of batch.skipped) {
        this.#work.refused(this, requests[at]!, why);
      }
      return this.#work.accept(this, requests, session.path);
    }).finally(() => this.#lookAround());
    flight.reading.add(reading);
    this.#work.track(reading.finally(() => flight.reading.delete(reading)));
  }

  /** The node refused the rest of a request. */
  #skipRest(batch: BatchReceiver, why: FileRefusal): void {
    while (batch.left > 0) batch.skip(why);
  }
}

/** Sum of the bytes of requests. */
function sum(requests: readonly Request[]): number {
  return requests.reduce((sum, { bytes }) => sum + bytes, 0);
}
