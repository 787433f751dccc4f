/**
 * The order in which a node or a holder serves the clients of a swarm: a piece
 * to one reader after the other, a few readers at a time, and first the pieces
 * that were not sent yet while a reader waited. Pure.
 *
 * Turns are shared by address group: while others wait, a group has one turn at
 * a time. In one of eight turns, a group that has waited for two turns of each
 * other group is next. Slow groups have separate places, so they delay no quick
 * reader.
 *
 * A few quick streams finish pieces that readers can pass on; many slow ones
 * finish none for long. Readers that ask for the same piece at the same time can
 * give it to each other: one of them gets it at once, and the others after the
 * pieces that nobody has yet.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { PieceRun } from "../content/piece_set.ts";

/** A request to serve now. */
export interface ReaderTurn<Request> {
  readonly reader: string;
  readonly request: Request;
}

/** The readers of one address group. */
interface Group<Request> {
  readonly key: unknown;
  /** The requests of each reader that has some; the next reader is first. */
  readonly waiting: Map<string, Request[]>;
  /** Places that its readers have. */
  servedCount: number;
  /** Its readers that are still receiving, and have no place now. */
  lateCount: number;
  /** Whether the last of its turns that had an end took too long. */
  wasLate: boolean;
  /** The turns that all had before it began to wait. */
  since: number;
}

/** What a reader is being sent. */
interface Served<Request> {
  readonly request: Request;
  readonly group: Group<Request>;
  isLate: boolean;
}

/** A reader that may have a turn. */
interface Candidate<Request> {
  readonly reader: string;
  readonly group: Group<Request>;
}

/** What the readers of one content have asked for. */
export class Readers<Request extends PieceRun> {
  readonly #numbers: Limits;
  /** By group; the one that has waited longest is first. */
  readonly #groups = new Map<unknown, Group<Request>>();
  /** Readers that are being served, and their requests. */
  readonly #served = new Map<string, Served<Request>>();
  /** How often pieces were sent, including those being sent now. */
  readonly #sent = new Map<number, number>();
  /** Turns that were given so far. */
  #turnCount = 0;
  /** Pieces sent again since the one that waits longest had a turn. */
  #passedCount = 0;
  /** The turns given before the last one of a group that waited too long. */
  #overdueAt = 0;

  /** Nobody has asked for anything. */
  constructor(numbers: Limits) {
    this.#numbers = numbers;
  }

  /** Readers that have a place: something is being sent to them in time. */
  get servedCount(): number {
    return placesOf(this.#groups.values());
  }

  /** Groups with kept data. */
  get groupCount(): number {
    return this.#groups.size;
  }

  /** Whether nobody waits or is being sent something. */
  get isIdle(): boolean {
    if (this.#served.size > 0) return false;
    return this.#groups.values().every(({ waiting }) => waiting.size === 0);
  }

  /**
   * Notes a request of a reader in an address group; by default it is a group of
   * its own. `false` if this reader has too many waiting.
   */
  request(reader: string, request: Request, key: unknown = reader): boolean {
    const group = this.#groups.get(key) ?? newGroup<Request>(key);
    const requests = group.waiting.get(reader) ?? [];
    if (requests.length >= this.#numbers.swarmReaderQueueCount) return false;
    if (group.waiting.size === 0) this.#toEnd(group);
    requests.push(request);
    group.waiting.set(reader, requests);
    return true;
  }

  /** A group begins to wait, after all others. */
  #toEnd(group: Group<Request>): void {
    group.since = this.#turnCount;
    this.#groups.delete(group.key);
    this.#groups.set(group.key, group);
  }

  /**
   * The next request to serve; `undefined` if there is none, or enough readers
   * are served. The caller calls {@linkcode Readers.sent} afterwards.
   */
  next(): ReaderTurn<Request> | undefined {
    const found = this.#first(false) ?? this.#first(true);
    if (found === undefined) return undefined;
    const { reader, group } = found;
    const requests = group.waiting.get(reader)!;
    const request = requests.shift()!;
    group.waiting.delete(reader);
    if (requests.length > 0) group.waiting.set(reader, requests); // the last
    group.servedCount++;
    this.#turnCount++;
    this.#toEnd(group);
    this.#served.set(reader, { request, group, isLate: false });
    this.#count(request, 1);
    return { reader, request };
  }

  /** The next of the quick or of the slow groups. */
  #first(isSlow: boolean): Candidate<Request> | undefined {
    const groups = this.#groupsWithRoom(isSlow);
    const [oldest] = groups;
    if (oldest === undefined) return undefined;
    const isOverdue = this.#isOverdue(oldest, groups.length);
    if (isOverdue) this.#overdueAt = this.#turnCount;
    const candidates = (isOverdue ? [oldest] : groups)
      .flatMap((group) => this.#freeReaders(group));
    return isOverdue ? candidates[0] : this.#preferred(candidates);
  }

  /**
   * Whether a group has waited for two turns of each other group. New pieces keep
   * most turns: in a swarm many groups wait that long for pieces that others have.
   */
  #isOverdue({ since }: Group<Request>, groupCount: number): boolean {
    const { swarmPassCount } = this.#numbers;
    const passed = this.#turnCount - since;
    return passed > Math.max(swarmPassCount, 2 * groupCount) &&
      this.#turnCount - this.#overdueAt > swarmPassCount;
  }

  /**
   * Of the quick or of the slow groups, those that may have a turn now. A group
   * with several turns counts once against groups that have none.
   */
  #groupsWithRoom(isSlow: boolean): Group<Request>[] {
    const { swarmReaderCount } = this.#numbers;
    const groups = [...this.#groups.values()]
      .filter((group) => isLate(group) === isSlow);
    const waiting = groups.filter((group) => this.#isWaiting(group));
    const unserved = waiting.filter(({ servedCount }) => servedCount === 0);
    if (unserved.length === 0) {
      return placesOf(groups) < swarmReaderCount ? waiting : [];
    }
    const served = groups.filter(({ servedCount }) => servedCount > 0);
    return served.length < swarmReaderCount ? unserved : [];
  }

  #isWaiting({ waiting }: Group<Request>): boolean {
    return waiting.keys().some((reader) => !this.#served.has(reader));
  }

  #freeReaders(group: Group<Request>): Candidate<Request>[] {
    return [...group.waiting.keys()]
      .filter((reader) => !this.#served.has(reader))
      .map((reader) => ({ reader, group }));
  }

  /**
   * Readers have turns for pieces that were not sent yet. A piece that was
   * sent to a client that does not pass it on is wanted by many, but counts as
   * sent. Of the other requests, the latest is served first: its reader knows
   * best what it cannot get elsewhere. Now and then it is the one that has
   * waited longest.
   */
  #preferred(
    candidates: readonly Candidate<Request>[],
  ): Candidate<Request> | undefined {
    let partlyNew: Candidate<Request> | undefined;
    let least = 1;
    for (const candidate of candidates) {
      const [request] = candidate.group.waiting.get(candidate.reader)!;
      const part = this.#sentPart(request!);
      if (part === 0) return candidate;
      if (part < least) partlyNew = candidate;
      least = Math.min(part, least);
    }
    const oldest = candidates.at(0);
    const newest = candidates.at(-1);
    if (partlyNew !== undefined || newest === oldest) {
      return partlyNew ?? newest;
    }
    if (this.#passedCount++ < this.#numbers.swarmPassCount) return newest;
    this.#passedCount = 0;
    return oldest;
  }

  /** Of the pieces of a request, the part that was sent already. */
  #sentPart({ first, count }: PieceRun): number {
    let sent = 0;
    for (let piece = first; piece < first + count; piece++) {
      if ((this.#sent.get(piece) ?? 0) > 0) sent++;
    }
    return sent / count;
  }

  #count({ first, count }: PieceRun, by: 1 | -1): void {
    for (let piece = first; piece < first + count; piece++) {
      this.#sent.set(piece, (this.#sent.get(piece) ?? 0) + by);
    }
  }

  /**
   * A reader takes too long: it no longer occupies a place of its group, and
   * the group is served separately until it takes something in time.
   */
  late(reader: string): void {
    const served = this.#served.get(reader);
    if (served === undefined || served.isLate) return;
    served.isLate = true;
    const { group } = served;
    group.servedCount--;
    group.lateCount++;
    group.wasLate = true;
  }

  /** All that a reader was served has been sent. */
  sent(reader: string): void {
    const served = this.#served.get(reader);
    if (served === undefined) return;
    if (!served.isLate) served.group.wasLate = false;
    this.#end(reader, served);
  }

  /** Forgets a reader; pieces that were being sent to it do not count. */
  left(reader: string): void {
    const served = this.#served.get(reader);
    for (const group of this.#groups.values()) {
      if (group.waiting.delete(reader)) this.#forgetIdle(group);
    }
    if (served === undefined) return this.#rest();
    this.#count(served.request, -1);
    this.#end(reader, served);
  }

  #end(reader: string, { group, isLate }: Served<Request>): void {
    this.#served.delete(reader);
    if (isLate) group.lateCount--;
    else group.servedCount--;
    this.#forgetIdle(group);
    this.#rest();
  }

  /** Forgets a group that wants nothing; a slow one only if there are many. */
  #forgetIdle(group: Group<Request>): void {
    if (!isIdle(group)) return;
    if (!group.wasLate) this.#groups.delete(group.key);
    if (this.#groups.size <= this.#numbers.swarmLateGroupCount) return;
    const oldest = this.#groups.values().find(isIdle);
    if (oldest !== undefined) this.#groups.delete(oldest.key);
  }

  /** If no reader waits, no piece has priority: the counts start again. */
  #rest(): void {
    if (this.isIdle) this.#sent.clear();
  }
}

function newGroup<Request>(key: unknown): Group<Request> {
  return {
    ...{ key, waiting: new Map(), since: 0 },
    ...{ servedCount: 0, lateCount: 0, wasLate: false },
  };
}

/** Whether the readers of a group take too long. */
function isLate({ lateCount, wasLate }: Group<unknown>): boolean {
  return lateCount > 0 || wasLate;
}

function isIdle(group: Group<unknown>): boolean {
  return group.waiting.size + group.servedCount + group.lateCount === 0;
}

function placesOf(groups: Iterable<Group<unknown>>): number {
  let count = 0;
  for (const { servedCount } of groups) count += servedCount;
  return count;
}
