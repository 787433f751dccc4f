/**
 * One connection of a client to its relay for one request after the other. A
 * connection for each request would use up the limit for the client's address.
 *
 * @module
 */

import { isBug, ProtocolError } from "../base/errors.ts";
import {
  type ClientToRelay,
  DIRECTION,
  type RelayToClient,
} from "../protocol/messages.ts";
import type { RelayDialer, RelaySession } from "../uplink/relay_dialer.ts";

/** What the relay answered, and over which session. */
export interface RelayReply {
  /** The answer. */
  readonly answer: RelayToClient;
  /** What the relay said of itself. */
  readonly session: RelaySession;
}

/** A line to one relay. Nothing is dialled before something is asked. */
export class RelayLine implements AsyncDisposable {
  readonly #link: RelayDialer;
  #session: RelaySession | null = null;
  /** Ends with the exchange that was begun last. */
  #turn: Promise<unknown> = Promise.resolve();
  #hangUp: ReturnType<typeof setTimeout> | undefined;

  /** To the relay that `link` leads to. */
  constructor(link: RelayDialer) {
    this.#link = link;
  }

  /**
   * Asks, when everything that was asked before has been answered. Whoever
   * aborts waits no longer; what has been asked is answered all the same, and
   * the answer is dropped.
   *
   * @throws {ProtocolError} when the relay hangs up or takes too long.
   * @throws {Failure} when it cannot be reached.
   */
  async ask(message: ClientToRelay, signal: AbortSignal): Promise<RelayReply> {
    signal.throwIfAborted();
    const turn = this.#turn.then(() => {
      signal.throwIfAborted();
      return this.#exchange(message);
    });
    this.#turn = turn.catch(ignore);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([turn, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #exchange(message: ClientToRelay): Promise<RelayReply> {
    clearTimeout(this.#hangUp);
    const isReused = this.#session !== null;
    const session = this.#session ??= await this.#link.open();
    const { channel } = session;
    try {
      await channel.send(message);
      const answer = await channel.receive(DIRECTION.relayToClient);
      if (answer === null) {
        throw new ProtocolError("truncated", "the relay hung up");
      }
      // Others may need the connections of this address more.
      this.#hangUp = setTimeout(() => void this.#close(), LINGER_MS);
      return { answer, session };
    } catch (error) {
      await this.#close();
      // The relay may have started anew since it was asked last.
      if (isReused && !isBug(error)) return await this.#exchange(message);
      throw error;
    }
  }

  async #close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.channel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn;
    clearTimeout(this.#hangUp);
    await this.#close();
  }
}

/** Sooner than a relay would call it idle. */
const LINGER_MS = 5_000;

function ignore(): void {}
