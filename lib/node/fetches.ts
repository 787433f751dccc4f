/**
 * Tells which files a node's clients fetch: the begin and the end of a fetch,
 * up to a rate, and all others together. Clients at one address count as one. A
 * small file costs a few additions. Pure: the clock is an option.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { ShareFile } from "../share/shared_file.ts";
import { Budget, Fetch, Gathered } from "./fetch.ts";
import type { FetchEvent, FetchTotals, RunningFetch } from "./fetch_types.ts";

/** Options of {@linkcode Fetches}. */
export interface FetchesOptions {
  readonly limits: Pick<
    Limits,
    | "fetchBurstCount"
    | "fetchRefillMs"
    | "fetchNodeBurstCount"
    | "fetchNodeRefillMs"
    | "fetchCount"
    | "fetchAloneBytes"
    | "fetchQuietMs"
    | "servedAddressCount"
  >;
  readonly now: () => number;
  /** Whether no client needs the pieces that were not sent. */
  readonly isSpared: (fetch: Fetch) => boolean;
  readonly onEvent: (event: FetchEvent) => void;
  /** A client is served after a time without any: `look` is due now and then. */
  readonly onActive: () => void;
}

/** All clients at one address. */
interface Client {
  readonly to: string;
  readonly budget: Budget;
  /** By name. */
  readonly fetches: Map<string, Fetch>;
  gathered: Gathered | null;
  connectionCount: number;
  /** The version of the file that it was sent all of last. */
  wholeVersion: string;
}

/** All fetches of a node. */
export class Fetches {
  readonly #options: FetchesOptions;
  readonly #clients = new Map<string, Client>();
  readonly #budget: Budget;
  /** What was sent to several clients, beyond what may be told of each. */
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

  /** What was sent since the start. */
  get totals(): FetchTotals {
    const clients = this.#served.size;
    return { files: this.#files, clients, isMore: this.#isMore };
  }

  /** Whether looks are due. */
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

  /** The fetch of a file, if it is told by itself. */
  fetchOf(client: Client, file: ShareFile): Fetch | null {
    const { limits, now, onEvent } = this.#options;
    const known = client.fetches.get(file.name);
    if (known?.file.version === file.version) return known;
    if (known !== undefined) this.#end(client, known);
    const at = now();
    const isLarge = file.size >= limits.fetchAloneBytes;
    if (!isLarge && client.gathered !== null) return null;
    if (this.#fetchCount >= limits.fetchCount) return null;
    if (!client.budget.take(at) || !this.#budget.take(at)) return null;
    const fetch = new Fetch(file, at);
    client.fetches.set(file.name, fetch);
    const { isActive } = this;
    this.#fetchCount++;
    if (!isActive) this.#options.onActive();
    // A few pieces may be asked for twice, at the end of a fetch.
    if (file.version !== client.wholeVersion) {
      fetch.isTold = true;
      const { name, size } = file;
      onEvent({ event: "fetch_started", name, to: client.to, size });
    }
    return fetch;
  }

  /** What a client is sent beside fetches that are told by themselves. */
  gatheredOf(client: Client): Gathered {
    return client.gathered ??= this.#gather();
  }

  #gather(): Gathered {
    const { isActive } = this;
    this.#gatheredCount++;
    if (!isActive) this.#options.onActive();
    return new Gathered(this.#options.now());
  }

  /** Pieces of a fetch were sent. */
  took(client: Client, fetch: Fetch): void {
    if (!fetch.isWhole || fetch.isEnded) return;
    fetch.look(this.#options.now());
    this.#end(client, fetch);
  }

  #end(client: Client, fetch: Fetch): void {
    const { file: { name, size, version }, ms } = fetch;
    const { to } = client;
    client.fetches.delete(name);
    fetch.isEnded = true;
    this.#fetchCount--;
    const isWhole = fetch.isWhole || this.#options.isSpared(fetch);
    if (fetch.bytes === 0 && !isWhole) return;
    if (!fetch.isTold && !isWhole) return;
    if (isWhole) client.wholeVersion = version;
    this.#files++;
    const bytes = fetch.bytes;
    this.#options.onEvent(
      { event: "fetch_ended", name, to, size, bytes, ms, isWhole },
    );
  }

  /** A connection of a client has ended. */
  left(client: Client): void {
    if (--client.connectionCount > 0) return;
    const now = this.#options.now();
    for (const fetch of client.fetches.values()) {
      fetch.look(now);
      this.#end(client, fetch);
    }
    if (client.gathered !== null) {
      client.gathered.look(now);
      this.#tellGathered(client, client.gathered);
    }
    this.#clients.delete(client.to);
  }

  #tellGathered(client: Client, gathered: Gathered): void {
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

  /** Notices how fast everything moves, and ends what does not. */
  look(): void {
    const now = this.#options.now();
    const isQuiet = ({ movedAt }: { movedAt: number }) =>
      now - movedAt >= this.#options.limits.fetchQuietMs;
    for (const client of this.#clients.values()) {
      for (const fetch of client.fetches.values()) {
        fetch.look(now);
        if (fetch.requestCount === 0 && isQuiet(fetch)) {
          this.#end(client, fetch);
        }
      }
      const { gathered } = client;
      if (gathered === null) continue;
      gathered.look(now);
      if (isQuiet(gathered)) this.#tellGathered(client, gathered);
    }
    if (this.#rest !== null && this.#budget.take(now)) this.#tellRest();
  }

  /** Tells what is left, at the end. */
  end(): void {
    if (this.#rest !== null) this.#tellRest();
  }

  #tellRest(): void {
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
      for (const fetch of fetches.values()) {
        const { file, startedAt, bytes, bytesPerSecond } = fetch;
        if (!fetch.isTold) continue;
        const { name, size } = file;
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

/** What one connection of a client is sent. */
export class FetchVisit implements Disposable {
  readonly #enter: () => Client;
  readonly #fetches: Fetches;
  #client: Client | null = null;
  /** The fetch that the request under way is for. */
  #current: Fetch | null = null;
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
      this.#current = fetch;
    }
    if (fetch !== null) fetch.requestCount++;
    else this.#fetches.gatheredOf(client).name = file.name;
  }

  /** A request for many files is about to be answered. */
  beginMany(): void {
    this.#join();
    this.#current = null;
  }

  #join(): Client {
    if (this.#client !== null) return this.#client;
    this.#client = this.#enter();
    this.#client.connectionCount++;
    return this.#client;
  }

  /** The request has been answered, or refused. */
  rest(): void {
    if (this.#current !== null) this.#current.requestCount--;
  }

  /** Bytes of files were sent. */
  sent(bytes: number): void {
    if (this.#current !== null) this.#current.bytes += bytes;
    else this.#fetches.gatheredOf(this.#client!).bytes += bytes;
  }

  /** Pieces of a file were sent. */
  took(file: ShareFile, first: number, count: number): void {
    if (this.#current !== null) {
      this.#current.took(first, count);
      this.#fetches.took(this.#client!, this.#current);
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
