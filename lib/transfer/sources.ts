/**
 * All sources of a download with their connections: which ones take part, how
 * long each has been silent, and which are too slow.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import type { Source } from "./source.ts";

/** The sources of one download. */
export class Sources {
  readonly #sources = new Map<string, Source>();
  readonly #connections = new Map<string, Connection>();

  /** Whether there is a source of that id. */
  has(id: string): boolean {
    return this.#sources.has(id);
  }

  /** Whether a source takes part. */
  isActive(id: string): boolean {
    return this.#sources.get(id)?.out === false;
  }

  /** Adds a source. */
  add(source: Source): void {
    this.#sources.set(source.given.id, source);
  }

  /** Forgets an excluded source. */
  remove({ given, connections }: Source): void {
    this.#sources.delete(given.id);
    for (const id of connections) this.#connections.delete(id);
  }

  /** Sources that have nothing but this content. */
  onlyFor(content: string | undefined): Source[] {
    const only: Source[] = [];
    if (content === undefined) return only;
    for (const source of this.#sources.values()) {
      if (source.given.content === content) only.push(source);
    }
    return only;
  }

  /** Adds a connection of one of them. */
  addConnection(connection: Connection): void {
    this.#connections.set(connection.id, connection);
  }

  /** Wakes some sources, or all: there may be something to request. */
  wake(ids: Iterable<string> = this.#sources.keys()): void {
    for (const id of ids) {
      for (const connection of this.#sources.get(id)?.connections ?? []) {
        this.#connections.get(connection)?.wake();
      }
    }
  }

  /** Wakes sources of a new file, except those that are busy. */
  wakeForFile(ids: Iterable<string>, isSmall: boolean): void {
    for (const id of ids) {
      for (const connection of this.#sources.get(id)?.connections ?? []) {
        this.#connections.get(connection)?.wakeForFile(isSmall);
      }
    }
  }

  /** Sources that take part. */
  get activeCount(): number {
    let count = 0;
    for (const { out } of this.#sources.values()) if (!out) count++;
    return count;
  }

  /** Holders among these. */
  get activeHolderCount(): number {
    let count = 0;
    for (const { out, given } of this.#sources.values()) {
      if (!out && given.isHolder) count++;
    }
    return count;
  }

  /** Milliseconds in which the client waited for a connection. */
  waitedMs(connection: string, now: number): number {
    return this.#connections.get(connection)?.waitedMs(now) ?? 0;
  }

  /**
   * Called every second. Returns the first source that owes pieces and is too
   * slow compared with the others, so that only one at a time is excluded.
   */
  secondPassed(
    { lowestBytesPerSecond, now, isBusy, isExempt = () => false }: {
      lowestBytesPerSecond: number;
      now: number;
      isBusy: (connection: string) => boolean;
      /** Whether the slowness of a source is acceptable. */
      isExempt?: (source: Source) => boolean;
    },
  ): Source | undefined {
    const all = [...this.#sources.values()];
    for (const source of all) {
      const { connections } = source;
      source.secondPassed(connections.map((id) => this.waitedMs(id, now)));
    }
    return all.find((source) =>
      !source.out && source.connections.some(isBusy) &&
      source.isSlow(lowestBytesPerSecond, all) && !isExempt(source)
    );
  }
}
