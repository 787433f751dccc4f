/**
 * Reports to a client which pieces of a content are held, and then which pieces
 * are gained.
 *
 * @module
 */

import type { PieceRun } from "../content/piece_set.ts";
import type { Channel } from "../protocol/channel.ts";
import { refusal } from "../protocol/hello.ts";
import type { Outbox } from "./outbox.ts";
import type { HeldContent, TakenOffer } from "./served.ts";
import { WORK_MS } from "./work_ledger.ts";
import type { ClientWork } from "./work_queue.ts";

/** Reports for one client. Disposing ends them. */
export class PieceAnnouncements implements Disposable {
  readonly #channel: Channel;
  readonly #outbox: Outbox;
  readonly #work: ClientWork;
  /** Contents whose gained pieces are reported to it. */
  readonly #followed = new Map<string, Disposable>();

  constructor(channel: Channel, outbox: Outbox, { work }: {
    readonly work: ClientWork;
  }) {
    this.#channel = channel;
    this.#outbox = outbox;
    this.#work = work;
  }

  /** Answers which pieces are held; without `held`, the content is complete. */
  async answer(
    { request, of }: { readonly request: number; readonly of: string },
    held: HeldContent | undefined,
  ): Promise<void> {
    if (held === undefined || held.pieces.isComplete) {
      const has = { kind: "has", request, complete: true } as const;
      return await this.#outbox.message(has);
    }
    const bitmap = held.pieces.format();
    // Begins now, so that no gained piece is missed.
    this.#followed.get(of)?.[Symbol.dispose]();
    const { promise: reported, resolve } = Promise.withResolvers<void>();
    const follow = held.follow(async (runs) => {
      await reported;
      await this.#announceGained(request, runs);
    });
    this.#followed.set(of, follow);
    this.#work.charge(WORK_MS.sendByte * bitmap.length);
    await this.#outbox.message({ kind: "has", request, bitmap });
    await this.#outbox.flush();
    resolve();
  }

  /**
   * Answers whether an offer is taken. If sending fails, the offer is dropped.
   */
  async answerOffer(
    { request }: { readonly request: number },
    taken: TakenOffer | undefined,
  ): Promise<void> {
    try {
      await this.#outbox.message(
        taken === undefined
          ? refusal("not_wanted", "no pieces are wanted", request)
          : { kind: "taken", request },
      );
      await this.#outbox.flush();
    } catch (error) {
      taken?.[Symbol.dispose]();
      throw error;
    }
  }

  /** Sends gained pieces, between whole frames of other answers. */
  #announceGained(request: number, runs: readonly PieceRun[]): Promise<void> {
    return this.#channel.send({
      ...{ kind: "gained", request },
      runs: runs.map(({ first, count }) => [first, count]),
    });
  }

  [Symbol.dispose](): void {
    for (const follow of this.#followed.values()) follow[Symbol.dispose]();
  }
}
