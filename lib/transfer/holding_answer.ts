/**
 * The answer to a request for the pieces that a peer has of one content: what
 * it had, and what it has gained since. Knows no connection.
 *
 * @module
 */

import { type PieceRun, PieceSet } from "../content/piece_set.ts";
import type { MessageOf, NodeToClient } from "../protocol/messages.ts";
import {
  type Answer,
  lie,
  OutcomeAnswer,
  type Refused,
  unsolicited,
} from "./answers.ts";
import { Keepalives } from "./keepalives.ts";

/** Which pieces the peer has, or a refusal. */
export type HoldingOutcome =
  | { readonly kind: "has"; readonly pieces: PieceSet }
  | Refused;

/** The content that is asked about. */
export interface HoldingRequest {
  /** Pieces of it. */
  readonly pieceCount: number;
  /** Called for pieces that the peer has gained, once for each. */
  readonly onGained: (runs: readonly PieceRun[]) => void;
}

/** Follows what one peer has of one content. */
export class HoldingAnswer extends OutcomeAnswer<HoldingOutcome>
  implements Answer {
  readonly #holding: HoldingRequest;
  /** Its pieces; none before its answer, or after a refusal. */
  #pieces: PieceSet | undefined;
  readonly #stays = new Keepalives();

  constructor(request: number, holding: HoldingRequest, from: string) {
    super(request, from);
    this.#holding = holding;
  }

  /** Whether the peer will announce more pieces. */
  get goesOn(): boolean {
    return this.#pieces !== undefined && !this.#pieces.isComplete;
  }

  take(message: NodeToClient): void {
    if (message.kind === "refused") return this.settle(message);
    if (message.kind !== "has") throw unsolicited(this.from);
    const pieces = this.#read(message);
    this.#pieces = pieces;
    this.settle({ kind: "has", pieces });
  }

  #read({ bitmap, complete }: MessageOf<"has">): PieceSet {
    const { pieceCount } = this.#holding;
    if (complete) return new PieceSet(pieceCount, Array(pieceCount).keys());
    const pieces = PieceSet.parse(bitmap ?? "", pieceCount);
    if (pieces === undefined) {
      throw lie(this.from, "a bitmap that does not fit the file");
    }
    return pieces;
  }

  /**
   * Takes newly gained pieces, each of which may be sent once; an empty
   * message only shows that the peer is still connected.
   */
  gain({ runs }: MessageOf<"gained">, now: number): void {
    const pieces = this.#pieces;
    if (pieces === undefined) throw unsolicited(this.from);
    if (runs.length === 0) {
      if (!this.#stays.take(now)) throw unsolicited(this.from);
      return;
    }
    const gained = runs.map(([first, count]) => ({ first, count }));
    for (const { first, count } of gained) {
      for (let piece = first; piece < first + count; piece++) {
        if (piece >= pieces.count || !pieces.add(piece)) {
          throw lie(this.from, "pieces that it cannot have gained");
        }
      }
    }
    this.#holding.onGained(gained);
  }
}
