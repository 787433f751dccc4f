/**
 * One connection of a client to its relay, for one request after the other. A
 * connection for each request would use up the limit for the client's address.
 *
 * @module
 */

import { isBug, ProtocolError } from "../base/errors.ts";
import { orAborted } from "../base/waiting.ts";
import {
  type ClientToRelay,
  DIRECTION,
  type RelayToClient,
} from "../protocol/messages.ts";
import type { RelayDialer, RelaySession } from "../uplink/relay_dialer.ts";

/** The relay's answer, with the session that received it. */
export interface RelayReply {
  /** The answer. */
  readonly answer: RelayToClient;
  /** The session with the relay. */
  readonly session: RelaySession;
}

/** A line to one relay. It is dialled with the first request. */
export class RelayLine implements AsyncDisposable {
  readonly #dialer: RelayDialer;
  #session: RelaySession | null = null;
  /** Resolves with the last exchange that was started. */
  #turn: Promise<unknown> = Promise.resolve();
  #hangUp: ReturnType<typeof setTimeout> | undefined;

  /** Uses `dialer` to connect to the relay. */
  constructor(dialer: RelayDialer) {
    this.#dialer = dialer;
  }

  /**
   * Sends a request when all earlier requests have been answered. Aborting
   * stops the wait; the answer to a request that was sent already is dropped.
   *
   * @throws {ProtocolError} if the relay closes the connection or takes too long.
   * @throws {Failure} if it cannot be reached.
   */
  async request(
    message: ClientToRelay,
    signal: AbortSignal,
  ): Promise<RelayReply> {
    signal.throwIfAborted();
    const turn = this.#turn.then(() => {
      signal.throwIfAborted();
      return this.#exchange(message);
    });
    this.#turn = turn.catch(ignore);
    return await orAborted(turn, signal);
  }

  async #exchange(message: ClientToRelay): Promise<RelayReply> {
    clearTimeout(this.#hangUp);
    const isReused = this.#session !== null;
    const session = this.#session ??= await this.#dialer.open();
    const { channel } = session;
    try {
      await channel.send(message);
      const answer = await channel.receive(DIRECTION.relayToClient);
      if (answer === null) {
        throw new ProtocolError("truncated", "the relay closed the connection");
      }
      // Frees the connection for others at this address.
      this.#hangUp = setTimeout(() => void this.#close(), LINGER_MS);
      return { answer, session };
    } catch (error) {
      await this.#close();
      // The relay may have restarted since the last request.
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

/** Earlier than a relay would count it as idle. */
const LINGER_MS = 5_000;

function ignore(): void {}
