/**
 * Handles a source that failed, sent wrong data or is too slow: decides
 * whether to try it again, and what to report.
 *
 * @module
 */

import { describeCause, ProtocolError } from "../base/errors.ts";
import { show } from "../base/text.ts";
import type { Connection } from "./connection.ts";
import type { DownloadOptions, FileFailure } from "./download_options.ts";
import type { HolderFiles } from "./holder_files.ts";
import type { Plan } from "./plan.ts";
import { type Source, SourceExhausted } from "./source.ts";
import type { Sources } from "./sources.ts";

/** Options of {@linkcode SourceTroubles}. */
export interface SourceTroublesOptions
  extends Pick<DownloadOptions, "limits" | "onTrouble"> {
  readonly describe: ((error: unknown) => string) | undefined;
  readonly plan: Plan;
  readonly sources: Sources;
  readonly holders: HolderFiles;
  /**
   * Called with the files that fail; released pieces may be requested
   * elsewhere.
   */
  readonly settle: (givenUp: readonly number[], failure: FileFailure) => void;
  /** Files may have no source any more. */
  readonly onOut: () => void;
}

/** Judges the sources of one download. */
export class SourceTroubles {
  readonly #options: SourceTroublesOptions;

  constructor(options: SourceTroublesOptions) {
    this.#options = options;
  }

  /** A session failed, or could not be opened. */
  brokeOff(connection: Connection, error: unknown): void {
    const { plan, settle } = this.#options;
    const { source, id, isOpen, wasHeld } = connection;
    if (source.out) { // the reason has been reported
      return settle(plan.release(id), "undelivered");
    }
    const lied = error instanceof ProtocolError &&
      error.code === "corrupt_piece";
    // The source waited for us, not we for it; or another connection has
    // reported it.
    const isExcused = !lied &&
      (wasHeld && source.takeProgress() ||
        source.hasFailedSince(connection.triedAt));
    if (isExcused) {
      return settle(plan.release(id, undefined, false), "undelivered");
    }
    this.#failed(connection, error, { lied, isOpen });
  }

  #failed(
    { source, id }: Connection,
    error: unknown,
    { lied, isOpen }: { lied: boolean; isOpen: boolean },
  ): void {
    const { plan, sources, settle, onTrouble, limits } = this.#options;
    const describe = this.#options.describe ?? describeCause;
    const now = performance.now();
    const isExhausted = error instanceof SourceExhausted;
    const isOnly = sources.activeCount === 1 || this.#isSeed(source);
    const isOfUse = source.brokeOff(isOnly, now);
    const givenUp = plan.release(id, undefined, !isOfUse);
    const isLast = source.failureCount >= limits.sourceFailureCount;
    // Opening another connection may find another path.
    const isFinal = isExhausted && !isOpen;
    if (lied || isFinal || (isLast && !this.#mayComeBack(source, now))) {
      givenUp.push(...this.putOut(source, { lied }));
    }
    settle(givenUp, lied ? "corrupt" : "undelivered");
    onTrouble({
      source: source.given.id,
      kind: lied ? "lied" : "broke_off",
      cause: isExhausted ? error.message : describe(error),
      out: source.out,
    });
  }

  /** Whether it is a node with a file that holders help with. */
  #isSeed({ given }: Source): boolean {
    return !given.isHolder && this.#options.holders.isSeed(given.id);
  }

  /**
   * Whether to wait for a node although it fails: the only one, behind a tunnel,
   * which comes back by itself when the relay does; or the seed of a swarm, which
   * may have pieces that nobody else has.
   */
  #mayComeBack(source: Source, now: number): boolean {
    const { limits, sources } = this.#options;
    const failingMs = source.failingMs(now);
    if (this.#isSeed(source)) return failingMs < limits.swarmSeedPatienceMs;
    return source.path === "tunnel" && sources.activeCount === 1 &&
      failingMs < limits.tunnelPatienceMs;
  }

  /**
   * Excludes all connections of a node; returns the files that fail with it.
   */
  putOut(source: Source, { lied = false } = {}): number[] {
    source.out = true;
    source.lied ||= lied;
    this.#options.onOut();
    return source.connections.flatMap((id) => this.#options.plan.drop(id));
  }

  /** A source sent bytes of a file that do not match their hash. */
  lied(source: Source, { index, name }: { index: number; name: string }): void {
    if (source.out) return;
    const { settle, onTrouble } = this.#options;
    settle(this.putOut(source, { lied: true }), "corrupt");
    onTrouble({
      source: source.given.id,
      kind: "lied",
      cause: `sent bytes of ${show(name)} that do not match their hash`,
      out: true,
      file: index,
    });
  }

  /**
   * Whether a source may be slow because others have their turns: the seed of a
   * swarm in which clients help. The others pass on the pieces that it sends
   * them.
   */
  hasManyReaders(source: Source): boolean {
    return this.#options.sources.activeHolderCount > 0 && this.#isSeed(source);
  }

  /** Excludes a source that is too slow while another is left. */
  tooSlow(source: Source, lowestBytesPerSecond: number): void {
    const { settle, onTrouble } = this.#options;
    settle(this.putOut(source), "undelivered");
    const cause = `slower than ${lowestBytesPerSecond} bytes a second`;
    const { id } = source.given;
    onTrouble({ source: id, kind: "slow", cause, out: true });
  }
}
