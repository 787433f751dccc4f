/**
 * One connection to a source. It opens one session after the other, and keeps
 * each full of requests while there is something to request.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Path } from "../base/conn.ts";
import { isBug } from "../base/errors.ts";
import type { LaneConn } from "./lane_conn.ts";
import type { Task } from "./plan_types.ts";
import type { BatchReceiver, Skipped } from "./batch.ts";
import type { TaskReceiver } from "./receiving.ts";
import type { NodeSession } from "./session.ts";
import type { Source } from "./source.ts";

/** A request, as it is to be made. */
export interface Request {
  /** What it is for. */
  readonly task: Task;
  /** Content id or version to ask for. */
  readonly of: string;
  /** Bytes that it asks for. */
  readonly bytes: number;
  /** Where they go. */
  readonly receiver: TaskReceiver;
  /** Whether it is for a small file, which others may be asked for with. */
  readonly isSmall: boolean;
}

/** What a connection works for. */
export interface Work {
  /** File bytes asked of one connection before they come. */
  readonly windowBytes: number;
  /** Requests on one connection before their answers come. */
  readonly windowRequestCount: number;
  /** Aborted when all is over. */
  readonly signal: AbortSignal;
  /** Whether there is nothing left to do for anybody. */
  isOver(): boolean;
  /** The next request, if there is one now. */
  next(connection: Connection, options: NextOptions): Request | undefined;
  /** A session was opened. */
  opened(connection: Connection, session: NodeSession): void;
  /** Bytes of the small files that one request asks for. */
  readonly batchBytes: number;
  /** Small files that one request asks for. */
  readonly batchFileCount: number;
  /** Takes the files of a request for several. */
  receiveMany(
    connection: Connection,
    requests: readonly Request[],
    onBytes: (count: number) => void,
  ): BatchReceiver;
  /** The node refused a request. */
  refused(connection: Connection, request: Request, refused: Skipped): void;
  /** What has come for requests, by some path, may be verified. */
  accept(
    connection: Connection,
    requests: readonly Request[],
    path: Path,
  ): Promise<void>;
  /** Keeps a running part in view. */
  track(part: Promise<void>): void;
  /** A session broke off. */
  brokeOff(connection: Connection, error: unknown): void;
}

/** Options of {@linkcode Work.next}. */
export interface NextOptions {
  /** Whether it is time to look at what others were asked for. */
  readonly mayTakeOver: boolean;
  /** The conn of the session, where a lane owns it. */
  readonly conn: LaneConn | undefined;
  /** Hears of bytes of the request as they come. */
  readonly onBytes: (count: number) => void;
}

/** What is under way in one session. */
interface Flight {
  /** Small files that are to be asked for together. */
  readonly gathered: Request[];
  requests: number;
  bytes: number;
  /** Bytes that have come in all. */
  receivedBytes: number;
  /** Requests that wait for their answer, or whose answer is being verified. */
  readonly reading: Set<Promise<void>>;
  error: unknown;
}

// What a connection is asked for before anything has come over it.
const FIRST_WINDOW_BYTES = 1024 * 1024;
// The first files that are asked for together.
const LEAST_BATCH_BYTES = 64 * 1024;
// While so many are under way, the next waits until it is full.
const REQUESTS_AHEAD = 2;
// Between two attempts to reach a source that broke off.
const RETRY_MS = 500;
const RETRY_MAX_MS = 2_000;
const IDLE_LOOK_MS = 250;

/** One connection to a source. */
export class Connection {
  /** Its id. */
  readonly id: string;
  /** The source. */
  readonly source: Source;
  readonly #work: Work;
  #session: NodeSession | undefined;
  /** Milliseconds for which sessions that have ended were waited for. */
  #waitedMs = 0;
  #resume = () => {};
  /** When the session, or the attempt to open one, began. */
  #triedAt = 0;
  /** Whether its sessions are in lanes. */
  #isLane = false;
  /** Whether something of its own has changed, or it has idled for a while. */
  #looksAround = true;

  /** Uses `session` first, where there is one. */
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

  /** One session after the other, until the source is out or all is done. */
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
   * One session in a lane, until it fails or all is done. An error of `open`
   * is no trouble, because the other connections continue.
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

  /** Whether sessions in lanes do its work. */
  get #rests(): boolean {
    return !this.#isLane && this.source.laneCount > 0;
  }

  /** When the session that broke off, or the attempt to open it, began. */
  get triedAt(): number {
    return this.#triedAt;
  }

  /** There may be something for it to do. */
  wake(): void {
    this.#resume();
  }

  /** Resolves when it is woken, or after so many milliseconds. */
  async #changed(withinMs?: number): Promise<void> {
    const timer = withinMs === undefined
      ? undefined
      : setTimeout(() => this.#lookAround(), withinMs);
    await new Promise<void>((resolve) => this.#resume = resolve);
    clearTimeout(timer);
  }

  #lookAround(): void {
    this.#looksAround = true;
    this.wake();
  }

  /** Milliseconds for which it owed pieces that we were ready to read. */
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
    if (session === undefined) return;
    if (this.#work.isOver()) session.abort(new Error("done"));
    await session[Symbol.asyncDispose]();
  }

  /** Keeps a session full of requests until nothing is left for it. */
  async #keepFull(session: NodeSession): Promise<void> {
    const flight: Flight = {
      gathered: [],
      requests: 0,
      bytes: 0,
      receivedBytes: 0,
      reading: new Set(),
      error: null,
    };
    while (!this.#isOver) {
      if (flight.error !== null) {
        // What has come whole before that counts.
        await Promise.all(flight.reading);
        throw flight.error;
      }
      // A holder that only tells what it gains may leave while it is asked nothing.
      if (session.failure !== null && flight.requests === 0) {
        throw session.failure;
      }
      if (this.#rests && flight.requests === 0) {
        if (flight.gathered.length === 0) return;
        this.#askGathered(session, flight, this.#countingIn(flight));
      } else if (!this.#rests) this.#fill(session, flight);
      // An idle source looks again now and then: others may have become slow.
      const isIdle = flight.requests === 0;
      await this.#changed(isIdle ? IDLE_LOOK_MS : undefined);
    }
  }

  #countingIn(flight: Flight): (count: number) => void {
    return (count) => {
      flight.bytes -= count;
      flight.receivedBytes += count;
    };
  }

  /** Asks for more, once half of what is under way has come. */
  #fill(session: NodeSession, flight: Flight): void {
    const { windowBytes, windowRequestCount } = this.#work;
    // Small at first, so that the first to answer does not get all of a file.
    const window = Math.min(
      windowBytes,
      FIRST_WINDOW_BYTES + flight.receivedBytes,
    );
    const isLow = flight.requests <= windowRequestCount / 2 &&
      flight.bytes <= window / 2;
    const mayTakeOver = this.#looksAround;
    const onBytes = this.#countingIn(flight);
    const { lane: conn } = session;
    const isOpen = () =>
      flight.requests < windowRequestCount && flight.bytes < window;
    if (isLow) this.#looksAround = false;
    while (isLow && isOpen()) {
      const request = this.#work.next(this, { mayTakeOver, conn, onBytes });
      if (request === undefined) break;
      flight.bytes += request.bytes;
      if (request.isSmall) this.#gather(session, flight, request, onBytes);
      else this.#ask(session, flight, request);
    }
    // More small files may come until one of these is answered.
    if (flight.requests < REQUESTS_AHEAD) {
      this.#askGathered(session, flight, onBytes);
    }
  }

  /** Adds a small file to those that are asked for together. */
  #gather(
    session: NodeSession,
    flight: Flight,
    request: Request,
    onBytes: (count: number) => void,
  ): void {
    const { batchBytes, batchFileCount } = this.#work;
    // A connection that breaks off loses at most as much as it has brought.
    const most = Math.max(LEAST_BATCH_BYTES, flight.receivedBytes);
    const bytes = sum(flight.gathered) + request.bytes;
    if (bytes > Math.min(most, batchBytes)) {
      this.#askGathered(session, flight, onBytes);
    }
    if (flight.gathered.push(request) === batchFileCount) {
      this.#askGathered(session, flight, onBytes);
    }
  }

  #askGathered(
    session: NodeSession,
    flight: Flight,
    onBytes: (count: number) => void,
  ): void {
    const requests = flight.gathered.splice(0);
    if (requests.length > 1) this.#askMany(session, flight, requests, onBytes);
    else if (requests.length === 1) this.#ask(session, flight, requests[0]!);
  }

  /** Makes one request; its answer is handled in the background. */
  #ask(session: NodeSession, flight: Flight, request: Request): void {
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
  #askMany(
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
  #skipRest(batch: BatchReceiver, why: Skipped): void {
    while (batch.left > 0) batch.skip(why);
  }
}

/** Bytes that requests ask for. */
function sum(requests: readonly Request[]): number {
  return requests.reduce((sum, { bytes }) => sum + bytes, 0);
}
