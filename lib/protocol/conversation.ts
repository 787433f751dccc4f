/**
 * A conversation with one of thousands of peers that are silent most of the
 * time. While its peer is silent no function waits for it.
 *
 * @module
 */

import type { Sleeper } from "../base/conn.ts";
import type { Incidents } from "../guard/incidents.ts";
import type { Channel, EncodedAnswer } from "./channel.ts";
import { reportFaults } from "./hello.ts";
import type { MessageKind, MessageOf } from "./messages.ts";

/** One side of a conversation. Disposed of at its end. */
export interface PeerHandler<Kind extends MessageKind> extends Disposable {
  /** What the peer may send. */
  readonly allowed: readonly Kind[];
  answer(message: MessageOf<Kind>): EncodedAnswer | Promise<EncodedAnswer>;
}

/** Options of {@linkcode Conversation}. */
export interface ConversationOptions {
  readonly handler: PeerHandler<MessageKind>;
  /** Gets a peer that breaks the protocol. */
  readonly incidents: Incidents;
}

/** Answers the messages of one peer. */
export class Conversation {
  readonly #channel: Channel;
  readonly #options: ConversationOptions;

  /** Takes ownership of the channel and the handler. */
  constructor(channel: Channel, options: ConversationOptions) {
    this.#channel = channel;
    this.#options = options;
  }

  /**
   * Answers until the conversation has ended, or until the peer has been silent
   * for a while.
   *
   * @returns itself if the conversation continues: wait with {@linkcode sleep} before.
   */
  async goOn(): Promise<this | undefined> {
    let isOpen: boolean | undefined = false;
    try {
      isOpen = await reportFaults(
        this.#channel,
        this.#options.incidents,
        () => this.#answer(),
      );
    } finally {
      if (!isOpen) await this.#channel.close();
    }
    return isOpen ? this : undefined;
  }

  /** Whether the conversation continues. */
  async #answer(): Promise<boolean> {
    const { handler } = this.#options;
    let hasEnded = true;
    try {
      hasEnded = await this.#channel.answerAll(
        handler.allowed,
        (message) => handler.answer(message),
      );
    } finally {
      if (hasEnded) handler[Symbol.dispose]();
    }
    return !hasEnded;
  }

  /** Wakes `sleeper` when there is something to continue with. */
  sleep(sleeper: Sleeper): void {
    this.#channel.sleep(sleeper);
  }
}
