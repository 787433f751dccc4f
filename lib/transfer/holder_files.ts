/**
 * Keeps the plan up to date about sources that have only some pieces of a file:
 * asks each for its pieces when a session with it opens, and then receives the
 * new ones. It asks nodes too, because that shows them which clients fetch the
 * file together.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import type { PieceRun } from "../content/piece_set.ts";
import type { Plan } from "./plan.ts";
import type { IncomingFile } from "./receiving.ts";
import type { NodeSession } from "./session.ts";
import type { Source } from "./source.ts";

/** Options of {@linkcode HolderFiles}. */
export interface HolderFilesOptions {
  readonly plan: Plan;
  /** The current files, by their index. */
  readonly files: ReadonlyMap<number, IncomingFile>;
  /** There may be something to ask a source for. */
  readonly wake: (source: string) => void;
  /** Tracks a running part. */
  readonly track: (part: Promise<void>) => void;
  readonly limits: Limits;
}

/** The pieces that holders among the sources have. */
export class HolderFiles {
  readonly #options: HolderFilesOptions;
  /** The last session with each source. */
  readonly #sessions = new Map<Source, NodeSession>();
  /** Since when no source has some pieces of a file, by its index. */
  readonly #nowhereSince = new Map<number, number>();

  constructor(options: HolderFilesOptions) {
    this.#options = options;
  }

  /** A source was added: a holder may have any piece of the files so far. */
  added({ given: { id, isHolder, content: only } }: Source): void {
    if (!isHolder) return;
    for (const [index, { given }, content] of this.#held(only)) {
      given.sources.set(id, content);
      this.#options.plan.holderHas(index, id, new Uint8Array());
    }
  }

  /** A session with a source was opened. */
  opened(source: Source, session: NodeSession): void {
    this.#sessions.set(source, session);
    for (const [index] of this.#held(source.given.content)) {
      this.#request(index, source, session);
    }
  }

  /** A file was added: sources may have been open before it. */
  fileAdded(index: number): void {
    const content = heldContent(this.#options.files.get(index)!);
    if (content === undefined) return; // as with nearly all of many small files
    for (const [source, session] of this.#sessions) {
      const only = source.given.content;
      if (only === undefined || only === content) {
        this.#request(index, source, session);
      }
    }
  }

  /** A source is excluded. */
  dropped(source: Source): void {
    this.#sessions.delete(source);
  }

  #request(index: number, { given }: Source, session: NodeSession): void {
    const { id, isHolder } = given;
    const { pieceCount, given: { content, sources } } = this.#options.files
      .get(index)!;
    const file = { index, pieceCount, content: content! };
    if (isHolder) {
      sources.set(id, file.content);
      this.#options.track(this.#follow(file, id, session));
    } else if (sources.has(id)) {
      this.#options.track(this.#join(file, session));
    }
  }

  /** Tells a node that this client fetches a file together with others. */
  async #join(
    { pieceCount, content }: { pieceCount: number; content: string },
    session: NodeSession,
  ): Promise<void> {
    try {
      const holding = { pieceCount, onGained: () => {} };
      // The answer does not matter: it has the file, or refuses to send pieces.
      await session.holding(content, holding);
    } catch (error) {
      if (isBug(error)) throw error;
      // The connection finds out by itself.
    }
  }

  /** Whether a node has a file that holders help with. */
  isSeed(node: string): boolean {
    for (const [, { given }] of this.#held()) {
      if (given.sources.has(node)) return true;
    }
    return false;
  }

  /** Files with pieces that no source has had for long. */
  lost(now: number): number[] {
    const { plan, limits } = this.#options;
    const lost: number[] = [];
    for (const [index] of this.#held()) {
      if (plan.nowhere(index).length === 0) {
        this.#nowhereSince.delete(index);
        continue;
      }
      const since = this.#nowhereSince.get(index) ?? now;
      this.#nowhereSince.set(index, since);
      if (now - since >= limits.swarmNowhereMs) lost.push(index);
    }
    return lost;
  }

  /** The files that holders may have, of all contents or of one, by index. */
  *#held(
    only?: string,
  ): Generator<[index: number, file: IncomingFile, content: string]> {
    for (const [index, file] of this.#options.files) {
      const content = heldContent(file);
      if (content === undefined) continue;
      if (only === undefined || only === content) yield [index, file, content];
    }
  }

  async #follow(
    { index, pieceCount, content }: {
      index: number;
      pieceCount: number;
      content: string;
    },
    id: string,
    session: NodeSession,
  ): Promise<void> {
    const { plan, wake } = this.#options;
    const onGained = (runs: readonly PieceRun[]) => {
      if (plan.holderGained(index, id, runs)) wake(id);
    };
    try {
      const holding = { pieceCount, onGained };
      const outcome = await session.holding(content, holding);
      if (outcome.kind === "refused") {
        // Its connections try a few times, and then exclude it.
        return session.abort(new Error("it no longer holds the file"));
      }
      const { pieces } = outcome;
      const has = pieces.isComplete ? "complete" : pieces.bitmap;
      plan.holderHas(index, id, has);
      wake(id);
    } catch (error) {
      if (isBug(error)) throw error;
      // The connection finds out by itself.
    }
  }
}

/** The content of a file that holders may have. */
function heldContent(
  { ended, given: { rarest, content } }: IncomingFile,
): string | undefined {
  return ended || !rarest ? undefined : content;
}
