/**
 * A node's conversation with its relay over one connection: it sends one
 * request after the other, and receives the relay's own messages in between.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { TokenBucket } from "../guard/token_bucket.ts";
import {
  DIRECTION,
  type MessageOf,
  type NodeToRelay,
  type RelayToNode,
} from "../protocol/messages.ts";
import type { RelaySession } from "./relay_dialer.ts";

/** The relay's answer to a request. */
export type RelayAnswer = Exclude<
  RelayToNode,
  { kind: "ping" } | { kind: "invite" }
>;

/** Options of {@linkcode RelayCalls}. */
export interface RelayCallsOptions {
  /** How long an answer may take, in milliseconds. */
  readonly answerMs: number;
  /** How fast it takes unsolicited messages. */
  readonly limits: Pick<
    Limits,
    "unsolicitedRatePerSecond" | "unsolicitedBurstCount"
  >;
  /** Called when a client waits in a tunnel; never throws. */
  readonly onInvite?: (
    invite: MessageOf<"invite">,
    calls: RelayCalls,
  ) => void;
  /**
   * Turns a refusal that comes before any request into an error, if its code is
   * known.
   */
  readonly onRefused?: (refused: MessageOf<"refused">) => Error | undefined;
}

interface PendingAnswer {
  readonly resolve: (answer: RelayAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** One connection of a node to its relay. Disposing closes it gracefully. */
export class RelayCalls implements AsyncDisposable {
  readonly session: RelaySession;
  readonly #options: RelayCallsOptions;
  readonly #pending: PendingAnswer[] = [];
  /** How many unsolicited messages the relay may still send without a pause. */
  readonly #unsolicited: TokenBucket;
  readonly #closing = new AbortController();
  #isOver = false;
  /** Rejects with the reason when the connection ends; never resolves. */
  readonly ended: Promise<never>;

  /** Starts to receive. */
  constructor(session: RelaySession, options: RelayCallsOptions) {
    this.session = session;
    this.#options = options;
    const { unsolicitedRatePerSecond, unsolicitedBurstCount } = options.limits;
    this.#unsolicited = new TokenBucket(
      unsolicitedRatePerSecond,
      unsolicitedBurstCount,
      performance.now(),
    );
    this.ended = this.#listen();
    this.ended.catch(() => {}); // the pending request reports it
  }

  /**
   * Sends a request, and waits for the answer.
   *
   * @throws {ProtocolError} if the relay closes the connection, or takes too long.
   */
  async request(message: NodeToRelay): Promise<RelayAnswer> {
    const { channel } = this.session;
    const deadline = AbortSignal.timeout(this.#options.answerMs);
    using _deadline = channel.endOn(deadline);
    const answer = new Promise<RelayAnswer>((resolve, reject) => {
      this.#pending.push({ resolve, reject });
    });
    answer.catch(() => {}); // if sending fails first
    if (this.#isOver) await this.ended;
    await channel.send(message);
    return await answer;
  }

  /** Sends a message without an answer. Other calls report a failure. */
  send(message: NodeToRelay): void {
    this.session.channel.send(message).catch(() => {});
  }

  async #listen(): Promise<never> {
    try {
      for (;;) {
        const message = await this.#receive();
        if (isUnsolicited(message)) await this.#turn();
        this.#handle(message);
      }
    } catch (error) {
      this.#isOver = true;
      for (const { reject } of this.#pending.splice(0)) reject(error);
      throw error;
    }
  }

  async #receive(): Promise<RelayToNode> {
    const message = await this.session.channel
      .receive(DIRECTION.relayToNode);
    if (message !== null) return message;
    throw new ProtocolError("truncated", "the relay closed the connection");
  }

  /**
   * Waits until the next unsolicited message may be handled. A relay that sends
   * more is read more slowly, and stays connected: many clients may want
   * tunnels at once.
   */
  async #turn(): Promise<void> {
    const { signal } = this.#closing;
    while (!this.#unsolicited.take(performance.now())) {
      const ms = 1_000 / this.#options.limits.unsolicitedRatePerSecond;
      await delay(ms, { signal });
    }
  }

  #handle(message: RelayToNode): void {
    switch (message.kind) {
      case "ping":
        return this.send({ kind: "pong" });
      case "invite":
        return this.#options.onInvite?.(message, this);
    }
    const pending = this.#pending.shift();
    if (pending !== undefined) return pending.resolve(message);
    // A refusal of access may come before any request.
    const known = message.kind === "refused"
      ? this.#options.onRefused?.(message)
      : undefined;
    if (known !== undefined) throw known;
    throw new ProtocolError(
      "wrong_phase",
      message.kind === "refused"
        ? `the relay refused: ${message.code}`
        : `the relay sent ${message.kind} without a request`,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    return this.session.channel.close();
  }
}

function isUnsolicited({ kind }: RelayToNode): boolean {
  return kind === "ping" || kind === "invite";
}
