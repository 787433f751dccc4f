/**
 * One connection of a client to its relay, for one request after the other. A
 * connection for each request would use up the limit for the client's address.
 *
 * @module
 */

import { isBug, ProtocolError } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { orAborted } from "../base/waiting.ts";
import {
  type ClientToRelay,
  DIRECTION,
  type RelayToClient,
} from "../protocol/messages.ts";
import type { RelayDialer, RelaySession } from "../uplink/relay_dialer.ts";
import { UnreachableFailure } from "../uplink/relay_failures.ts";

/** The relay's answer, with the session that received it. */
export interface RelayReply {
  /** The answer. */
  readonly answer: RelayToClient;
  /** The session with the relay. */
  readonly session: RelaySession;
}

/** The relay took too long for an answer. */
interface Silence {
  readonly at: number;
  readonly error: unknown;
}

/** A line to one relay. It is dialled with the first request. */
export class RelayLine implements AsyncDisposable {
  readonly #dialer: RelayDialer;
  readonly #answerMs: number;
  readonly #over = new AbortController();
  #session: RelaySession | null = null;
  /** Resolves with the last exchange that was started. */
  #turn: Promise<unknown> = Promise.resolve();
  #hangUp: ReturnType<typeof setTimeout> | undefined;
  #silence: Silence | undefined;

  /** Uses `dialer` to connect to the relay. */
  constructor(
    dialer: RelayDialer,
    { handshakeMs }: Pick<Limits, "handshakeMs">,
  ) {
    this.#dialer = dialer;
    this.#answerMs = handshakeMs;
  }

  /**
   * Sends a request when all earlier requests have been answered. Aborting
   * stops the wait; the answer to a request that was sent already is dropped. If
   * the relay takes too long for an answer, all requests that wait at that moment fail.
   *
   * @throws {ProtocolError} if the relay closes the connection or takes too long.
   * @throws {Failure} if it cannot be reached.
   */
  async request(
    message: ClientToRelay,
    signal: AbortSignal,
  ): Promise<RelayReply> {
    signal.throwIfAborted();
    const askedAt = performance.now();
    const turn = this.#turn.then(() => {
      signal.throwIfAborted();
      const silence = this.#silence;
      if (silence !== undefined && askedAt < silence.at) throw silence.error;
      return this.#exchange(message);
    });
    this.#turn = turn.catch(ignore);
    return await orAborted(turn, signal);
  }

  async #exchange(message: ClientToRelay): Promise<RelayReply> {
    clearTimeout(this.#hangUp);
    const isReused = this.#session !== null;
    const session = this.#session ??= await this.#open();
    const { channel } = session;
    try {
      // One deadline for all of it; skipped messages do not extend it.
      using _late = channel.endOn(AbortSignal.timeout(this.#answerMs));
      using _over = channel.endOn(this.#over.signal);
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
      if (isBug(error) || this.#notes(error)) throw error;
      // The relay may have restarted since the last request.
      if (isReused) return await this.#exchange(message);
      throw error;
    }
  }

  async #open(): Promise<RelaySession> {
    try {
      return await this.#dialer.open(this.#over.signal);
    } catch (error) {
      this.#notes(error);
      throw error;
    }
  }

  /** Whether the relay was silent; notes that. */
  #notes(error: unknown): boolean {
    const isSilent = error instanceof UnreachableFailure ||
      (error instanceof ProtocolError &&
        (error.code === "timed_out" || error.code === "idle"));
    if (isSilent) this.#silence = { at: performance.now(), error };
    return isSilent;
  }

  async #close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.channel.close();
  }

  /** Does not wait for answers. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(
      new ProtocolError("idle", "the answer is no longer wanted"),
    );
    await this.#turn;
    clearTimeout(this.#hangUp);
    await this.#close();
  }
}

/** Earlier than a relay would count it as idle. */
const LINGER_MS = 5_000;

function ignore(): void {}
