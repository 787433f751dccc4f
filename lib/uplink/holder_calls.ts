/**
 * A client's conversation with its relay about a swarm: one message at a time,
 * over one connection.
 *
 * @module
 */

import { ProtocolError } from "../base/errors.ts";
import {
  DIRECTION,
  type MessageOf,
  type RelayToClient,
} from "../protocol/messages.ts";
import type { RelaySession } from "./relay_dialer.ts";

/** Options of {@linkcode HolderCalls}. */
export interface HolderCallsOptions {
  /** How long an answer may take, in milliseconds. */
  readonly answerMs: number;
  /** Ends the conversation. */
  readonly signal: AbortSignal;
}

/** One connection. Disposing closes it gracefully. */
export class HolderCalls implements AsyncDisposable {
  readonly session: RelaySession;
  readonly #options: HolderCallsOptions;
  /** Resolves when the previous request has ended. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(session: RelaySession, options: HolderCallsOptions) {
    this.session = session;
    this.#options = options;
  }

  /**
   * Sends a request when all earlier ones are answered, and waits for the
   * answer.
   *
   * @throws {ProtocolError} if the relay closes the connection, or takes too long.
   */
  request(
    message: MessageOf<"enter" | "hold" | "holders">,
  ): Promise<RelayToClient> {
    const answer = this.#turn.then(() => this.#exchange(message));
    this.#turn = answer.catch(() => {}); // the next request fails by itself
    return answer;
  }

  async #exchange(
    message: MessageOf<"enter" | "hold" | "holders">,
  ): Promise<RelayToClient> {
    const { answerMs, signal } = this.#options;
    const { channel } = this.session;
    using _deadline = channel.endOn(AbortSignal.timeout(answerMs));
    using _signal = channel.endOn(signal);
    await channel.send(message);
    const answer = await channel.receive(DIRECTION.relayToClient);
    if (answer !== null) return answer;
    throw new ProtocolError("truncated", "the relay closed the connection");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.session.channel.close();
  }
}
