/**
 * Reports which files a node's clients fetch: the start and the end of a fetch,
 * up to a rate, and further fetches as sums. Clients at one address share a
 * rate, and their connections cannot be distinguished: a piece that is sent to
 * that address again counts for the next fetch of its file. A small file costs
 * only a few additions. Pure: the clock is an option.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { ShareFile } from "../share/shared_file.ts";
import { Budget, Fetch, Gathered } from "./fetch.ts";
import type { FetchEvent, FetchTotals, RunningFetch } from "./fetch_types.ts";

/** Options of {@linkcode Fetches}. */
export interface FetchesOptions {
  readonly limits: Limits;
  readonly now: () => number;
  /** Whether the pieces that were not sent are zeros, which clients skip. */
  readonly lacksOnlyZeros: (fetch: Fetch) => boolean;
  readonly onEvent: (event: FetchEvent) => void;
  /**
   * Called for the first client after a pause: `look` must be called regularly.
   */
  readonly onActive: () => void;
}

/** All clients at one address. */
interface Client {
  readonly to: string;
  readonly budget: Budget;
  /** The first fetch of each file, by name; it links to the next ones. */
  readonly fetches: Map<string, Fetch>;
  gathered: Gathered | null;
  connectionCount: number;
  /** The version of the file that was sent completely last. */
  wholeVersion: string;
}

/** All fetches of a node. */
export class Fetches {
  readonly #options: FetchesOptions;
  readonly #clients = new Map<string, Client>();
  readonly #budget: Budget;
  /** Files sent to several clients that are not reported one by one. */
  #rest: Gathered | null = null;
  readonly #restClients = new Set<string>();
  readonly #served = new Set<string>();
  #isMore = false;
  #fetchCount = 0;
  #gatheredCount = 0;
  #files = 0;

  constructor(options: FetchesOptions) {
    this.#options = options;
    const { fetchNodeBurstCount, fetchNodeRefillMs } = options.limits;
    this.#budget = new Budget(fetchNodeBurstCount, fetchNodeRefillMs);
  }

  /** The totals since the start. */
  get totals(): FetchTotals {
    const clients = this.#served.size;
    return { files: this.#files, clients, isMore: this.#isMore };
  }

  /** Whether `look` must be called. */
  get isActive(): boolean {
    return this.#fetchCount > 0 || this.#gatheredCount > 0 ||
      this.#rest !== null;
  }

  /** A connection of a client begins. */
  enter(to: string): FetchVisit {
    return new FetchVisit(() => this.#clientOf(to), this);
  }

  #clientOf(to: string): Client {
    const known = this.#clients.get(to);
    if (known !== undefined) return known;
    const { fetchBurstCount, fetchRefillMs } = this.#options.limits;
    const client = {
      to,
      budget: new Budget(fetchBurstCount, fetchRefillMs),
      fetches: new Map<string, Fetch>(),
      gathered: null,
      connectionCount: 0,
      wholeVersion: "",
    };
    this.#clients.set(to, client);
    if (this.#served.size < this.#options.limits.servedAddressCount) {
      this.#served.add(to);
    } else if (!this.#served.has(to)) this.#isMore = true;
    return client;
  }

  /** The fetch of a file, if it is reported separately. */
  fetchOf(client: Client, file: ShareFile): Fetch | null {
    const { limits, now } = this.#options;
    const known = client.fetches.get(file.name);
    if (known?.file.version === file.version) return known;
    if (known !== undefined) this.#endAll(client, known);
    const at = now();
    const isLarge = file.size >= limits.fetchAloneBytes;
    if (!isLarge && client.gathered !== null) return null;
    if (this.#fetchCount >= limits.fetchCount) return null;
    if (!this.#takesBudget(client)) return null;
    const fetch = new Fetch(file, at);
    fetch.isBudgeted = true;
    client.fetches.set(file.name, fetch);
    const { isActive } = this;
    this.#fetchCount++;
    if (!isActive) this.#options.onActive();
    // At the end of a fetch, a few pieces may be requested twice.
    if (file.version !== client.wholeVersion) this.#reportStart(client, fetch);
    return fetch;
  }

  #takesBudget({ budget }: Client): boolean {
    const now = this.#options.now();
    return budget.take(now) && this.#budget.take(now);
  }

  #reportStart({ to }: Client, fetch: Fetch): void {
    const { name, size } = fetch.file;
    fetch.isReported = true;
    this.#options.onEvent({ event: "fetch_started", name, to, size });
  }

  /** Files sent to a client that are not reported one by one. */
  gatheredOf(client: Client): Gathered {
    return client.gathered ??= this.#gather();
  }

  #gather(): Gathered {
    const { isActive } = this;
    this.#gatheredCount++;
    if (!isActive) this.#options.onActive();
    return new Gathered(this.#options.now());
  }

  /** Notes sent pieces: each counts for the first fetch that lacks it. */
  took(client: Client, first: Fetch, pieces: Pieces): void {
    const end = pieces.first + pieces.count;
    for (let piece = pieces.first; piece < end; piece++) {
      let fetch = first;
      for (let nth = 1; fetch.has(piece); nth++) {
        const again = fetch.again ?? this.#again(client, fetch, nth);
        if (again === null) break;
        fetch = again;
      }
      fetch.took(piece);
    }
    for (const fetch of first.all()) {
      // A client requests at most this much twice: more is another client.
      const isOther = fetch.bytes > this.#options.limits.windowBytes;
      if (fetch.isReported || fetch.isWhole || !isOther) continue;
      fetch.isBudgeted ||= this.#takesBudget(client);
      if (fetch.isBudgeted) this.#reportStart(client, fetch);
    }
    if (first.isWhole) this.#endWhole(client, first);
  }

  /** The fetch after the `nth`; at most one for each connection. */
  #again(client: Client, fetch: Fetch, nth: number): Fetch | null {
    const { limits, now } = this.#options;
    const isFull = this.#fetchCount >= limits.fetchCount;
    if (isFull || nth >= client.connectionCount) return null;
    this.#fetchCount++;
    return fetch.again = new Fetch(fetch.file, now());
  }

  /** Ends a fetch; the next one gets what is still being sent. */
  #endWhole(client: Client, fetch: Fetch): void {
    const { movingBytes, requestCount } = fetch;
    const isMoving = requestCount > 1 || movingBytes > 0;
    const again = fetch.again ??
      (isMoving ? this.#again(client, fetch, 1) : null);
    fetch.move(-movingBytes);
    fetch.check(this.#options.now());
    this.#end(client, fetch);
    if (again === null) return;
    again.requestCount = requestCount;
    again.move(movingBytes);
    client.fetches.set(fetch.file.name, again);
    if (again.isWhole) this.#endWhole(client, again);
  }

  #endAll(client: Client, first: Fetch): void {
    for (const fetch of first.all()) {
      fetch.check(this.#options.now());
      this.#end(client, fetch);
    }
  }

  #end(client: Client, fetch: Fetch): void {
    const { file: { name, size, version }, ms, bytes } = fetch;
    const { to } = client;
    client.fetches.delete(name);
    fetch.isEnded = true;
    this.#fetchCount--;
    const isWhole = fetch.isWhole || this.#options.lacksOnlyZeros(fetch);
    if (bytes === 0 && !isWhole) return;
    if (!fetch.isReported && !isWhole) return;
    if (isWhole) client.wholeVersion = version;
    if (!fetch.isBudgeted && !this.#takesBudget(client)) {
      const gathered = this.gatheredOf(client);
      gathered.files++;
      gathered.bytes += bytes;
      gathered.name = name;
      return;
    }
    this.#files++;
    this.#options.onEvent(
      { event: "fetch_ended", name, to, size, bytes, ms, isWhole },
    );
  }

  /** A connection of a client has ended. */
  left(client: Client): void {
    if (--client.connectionCount > 0) return;
    const now = this.#options.now();
    for (const fetch of client.fetches.values()) this.#endAll(client, fetch);
    if (client.gathered !== null) {
      client.gathered.check(now);
      this.#reportGathered(client, client.gathered);
    }
    this.#clients.delete(client.to);
  }

  #reportGathered(client: Client, gathered: Gathered): void {
    const { to } = client;
    client.gathered = null;
    this.#gatheredCount--;
    const { files, bytes, ms, name, startedAt, movedAt } = gathered;
    this.#files += files;
    if (files === 0) return;
    if (this.#budget.take(movedAt)) {
      return this.#options.onEvent({
        ...{ event: "files_sent", to, clients: 1, files, bytes, ms },
        ...(files === 1 ? { name } : {}),
      });
    }
    const rest = this.#rest ??= new Gathered(startedAt);
    rest.files += files;
    rest.bytes += bytes;
    rest.movedAt = movedAt;
    if (this.#restClients.size < this.#options.limits.servedAddressCount) {
      this.#restClients.add(to);
    }
  }

  /** Measures the rates of fetches, and ends stalled ones. */
  check(): void {
    const now = this.#options.now();
    const isQuiet = ({ movedAt }: { movedAt: number }) =>
      now - movedAt >= this.#options.limits.fetchQuietMs;
    for (const client of this.#clients.values()) {
      for (const first of client.fetches.values()) {
        for (const fetch of first.all()) fetch.check(now);
        const isOver = first.requestCount === 0 && first.all().every(isQuiet);
        if (isOver) this.#endAll(client, first);
      }
      const { gathered } = client;
      if (gathered === null) continue;
      gathered.check(now);
      if (isQuiet(gathered)) this.#reportGathered(client, gathered);
    }
    if (this.#rest !== null && this.#budget.take(now)) this.#reportRest();
  }

  /** Reports the remaining sums, at the end. */
  end(): void {
    if (this.#rest !== null) this.#reportRest();
  }

  #reportRest(): void {
    const { files, bytes, ms } = this.#rest!;
    const clients = this.#restClients.size;
    this.#rest = null;
    this.#restClients.clear();
    this.#options.onEvent({ event: "files_sent", clients, files, bytes, ms });
  }

  /** What is being sent, oldest first. */
  running(): RunningFetch[] {
    const running: { startedAt: number; shown: RunningFetch }[] = [];
    for (const { to, fetches, gathered } of this.#clients.values()) {
      const all = fetches.values().flatMap((first) => first.all());
      for (const fetch of all) {
        const { file, startedAt, bytesPerSecond } = fetch;
        if (!fetch.isReported) continue;
        const { name, size } = file;
        // Pieces for other clients at the address may be counted too.
        const bytes = Math.min(fetch.bytes, size);
        const shown = { name, to, files: 1, bytes, size, bytesPerSecond };
        running.push({ startedAt, shown });
      }
      if (gathered === null) continue;
      const { name, files, bytes, bytesPerSecond, startedAt } = gathered;
      const one = files > 1 ? {} : { name };
      const shown = { ...one, to, files, bytes, bytesPerSecond };
      running.push({ startedAt, shown });
    }
    return running.sort((a, b) => a.startedAt - b.startedAt)
      .map(({ shown }) => shown);
  }
}

/** Consecutive pieces of a file. */
interface Pieces {
  readonly first: number;
  readonly count: number;
}

/** The files that are sent over one connection of a client. */
export class FetchVisit implements Disposable {
  readonly #enter: () => Client;
  readonly #fetches: Fetches;
  #client: Client | null = null;
  /** The fetch of the current request. */
  #fetch: Fetch | null = null;
  /** Bytes of the current request in pieces that are not complete yet. */
  #movingBytes = 0;
  #lastVersion = "";

  constructor(enter: () => Client, fetches: Fetches) {
    this.#enter = enter;
    this.#fetches = fetches;
  }

  /** A request for pieces of a file is about to be answered. */
  begin(file: ShareFile): void {
    const client = this.#join();
    let fetch = this.#current;
    if (
      fetch === null || fetch.isEnded || fetch.file.version !== file.version
    ) {
      fetch = this.#fetches.fetchOf(client, file);
      this.#fetch = fetch;
    }
    if (fetch !== null) fetch.requestCount++;
    else this.#fetches.gatheredOf(client).name = file.name;
  }

  /** A request for many files is about to be answered. */
  beginMany(): void {
    this.#join();
    this.#fetch = null;
  }

  /** The fetch, or the one that follows it if it has ended. */
  get #current(): Fetch | null {
    while (this.#fetch?.isEnded && this.#fetch.again !== null) {
      this.#fetch = this.#fetch.again;
    }
    return this.#fetch;
  }

  #join(): Client {
    if (this.#client !== null) return this.#client;
    this.#client = this.#enter();
    this.#client.connectionCount++;
    return this.#client;
  }

  /** The request has been answered, or refused. */
  rest(): void {
    const fetch = this.#current;
    if (fetch === null) return;
    fetch.requestCount--;
    // Bytes that did not complete a piece count as sent too.
    fetch.movingBytes -= this.#movingBytes;
    this.#movingBytes = 0;
  }

  /** Bytes of files were sent. */
  sent(bytes: number): void {
    const fetch = this.#current;
    if (fetch !== null) {
      fetch.move(bytes);
      this.#movingBytes += bytes;
    } else this.#fetches.gatheredOf(this.#client!).bytes += bytes;
  }

  /** Pieces of a file were sent. */
  took(file: ShareFile, first: number, count: number): void {
    const fetch = this.#current;
    if (fetch !== null) {
      fetch.move(-this.#movingBytes);
      this.#movingBytes = 0;
      if (fetch.isEnded) return;
      this.#fetches.took(this.#client!, fetch, { first, count });
      return;
    }
    const gathered = this.#fetches.gatheredOf(this.#client!);
    if (this.#lastVersion !== file.version) gathered.files++;
    this.#lastVersion = file.version;
    gathered.name = file.name;
  }

  [Symbol.dispose](): void {
    if (this.#client !== null) this.#fetches.left(this.#client);
    this.#client = null;
  }
}
