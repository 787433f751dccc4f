/**
 * Keeps the plan up to date about sources that have only some pieces of a file:
 * asks each what it has when a session with it opens, and hears what it gains.
 * Nodes are asked too: by that they know who fetches the file with others.
 *
 * @module
 */

import { isBug } from "../base/errors.ts";
import type { PieceRun } from "../content/piece_set.ts";
import type { Plan } from "./plan.ts";
import type { IncomingFile } from "./receiving.ts";
import type { NodeSession } from "./session.ts";
import type { Source } from "./source.ts";

/** Options of {@linkcode HolderFiles}. */
export interface HolderFilesOptions {
  readonly plan: Plan;
  /** Files by their index, those of the present moment. */
  readonly files: ReadonlyMap<number, IncomingFile>;
  /** There may be something to ask a source for. */
  readonly wake: (source: string) => void;
  /** Keeps a running part in view. */
  readonly track: (part: Promise<void>) => void;
}

/** What the holders among the sources have. */
export class HolderFiles {
  readonly #options: HolderFilesOptions;

  constructor(options: HolderFilesOptions) {
    this.#options = options;
  }

  /** A source was added: a holder may have any piece of the files so far. */
  added({ given: { id, isHolder } }: Source): void {
    if (!isHolder) return;
    for (const [index, { given }, content] of this.#held()) {
      given.sources.set(id, content);
      this.#options.plan.holderHas(index, id, new Uint8Array());
    }
  }

  /** A session with a source was opened. */
  opened({ given: { id, isHolder } }: Source, session: NodeSession): void {
    for (const [index, { pieceCount, given }, content] of this.#held()) {
      const file = { index, pieceCount, content };
      if (isHolder) this.#options.track(this.#follow(file, id, session));
      else if (given.sources.has(id)) {
        this.#options.track(this.#join(file, session));
      }
    }
  }

  /** Tells a node that this client fetches a file together with others. */
  async #join(
    { pieceCount, content }: { pieceCount: number; content: string },
    session: NodeSession,
  ): Promise<void> {
    try {
      const question = { pieceCount, onGained: () => {} };
      // Whatever it answers: it has the file, or refuses to send pieces.
      await session.holding(content, question);
    } catch (error) {
      if (isBug(error)) throw error;
      // The connection finds out by itself.
    }
  }

  /** The files that holders may have, by index. */
  *#held(): Generator<[index: number, file: IncomingFile, content: string]> {
    for (const [index, file] of this.#options.files) {
      const { rarest, content } = file.given;
      if (rarest && content !== undefined) yield [index, file, content];
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
      const question = { pieceCount, onGained };
      const outcome = await session.holding(content, question);
      if (outcome.kind === "refused") {
        // Its connections try a few times, and then it is out.
        return session.abort(new Error("it holds the file no longer"));
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
