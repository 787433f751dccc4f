/**
 * Tells a client which pieces of a content are held, and then which are gained.
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

/** News for one client. Disposing ends them. */
export class HeldNews implements Disposable {
  readonly #channel: Channel;
  readonly #outbox: Outbox;
  readonly #work: ClientWork;
  /** Contents of which it hears what pieces are gained. */
  readonly #followed = new Map<string, Disposable>();

  constructor(channel: Channel, outbox: Outbox, { work }: {
    readonly work: ClientWork;
  }) {
    this.#channel = channel;
    this.#outbox = outbox;
    this.#work = work;
  }

  /** Answers what is held of a content: all of it, without `held`. */
  async answer(
    { request, of }: { readonly request: number; readonly of: string },
    held: HeldContent | undefined,
  ): Promise<void> {
    if (held === undefined || held.pieces.isComplete) {
      const has = { kind: "has", request, complete: true } as const;
      return await this.#outbox.message(has);
    }
    const bitmap = held.pieces.format();
    // From the same moment on.
    this.#followed.get(of)?.[Symbol.dispose]();
    const { promise: told, resolve } = Promise.withResolvers<void>();
    const follow = held.follow(async (runs) => {
      await told;
      await this.#tellGained(request, runs);
    });
    this.#followed.set(of, follow);
    this.#work.charge(WORK_MS.sendByte * bitmap.length);
    await this.#outbox.message({ kind: "has", request, bitmap });
    await this.#outbox.flush();
    resolve();
  }

  /** Says whether an offer is taken; if that cannot be said, it is not. */
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

  /** Between whole frames of what is being sent. */
  #tellGained(request: number, runs: readonly PieceRun[]): Promise<void> {
    return this.#channel.send({
      ...{ kind: "gained", request },
      runs: runs.map(({ first, count }) => [first, count]),
    });
  }

  [Symbol.dispose](): void {
    for (const follow of this.#followed.values()) follow[Symbol.dispose]();
  }
}
