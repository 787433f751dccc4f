/**
 * Keeps a node listed: registers, renews before the lease ends, comes back
 * after the relay was away, and withdraws when the node leaves.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Endpoint, formatEndpoint } from "./conn.ts";
import { describeCause, Failure } from "./errors.ts";
import type { Identity } from "./identity.ts";
import type { Limits } from "./limits.ts";
import { DIRECTION, type NodeToRelay, type RelayToNode } from "./messages.ts";
import { type Registration, signRegistration } from "./registration.ts";
import type { RelayLink } from "./relay_link.ts";
import type { LeaseTerms } from "./registry.ts";
import { show } from "./text.ts";

/** What a registrar tells. */
export type RegistrarEvent =
  /** The node is listed, for the first time or again. */
  | { event: "registered"; relay: string; leaseSeconds: number }
  /** The lease was renewed. */
  | { event: "renewed"; relay: string; leaseSeconds: number }
  /** The node is not listed, and tries again. Told once for one cause. */
  | { event: "registration_failed"; relay: string; error: Failure }
  /** The node is no longer listed because it asked for that. */
  | { event: "withdrawn"; relay: string }
  /** The node could not ask for that; its lease ends by itself. */
  | { event: "withdraw_failed"; relay: string; error: Failure };

/** Options of {@linkcode keepRegistered}. */
export interface RegistrarOptions {
  /** The way to the relay. */
  readonly link: RelayLink;
  /** Signs the registrations. */
  readonly identity: Identity;
  /** What people call the node. */
  readonly name: string;
  /** Where clients can dial the node, seen from this end of the relay's conn. */
  readonly addressesFrom: (local: Endpoint) => Endpoint[];
  /** The numbers. */
  readonly limits: Limits;
  /** Ends it: the node withdraws. */
  readonly signal: AbortSignal;
  /** Told on the way. */
  readonly onEvent: (event: RegistrarEvent) => void;
  /** From 0 to below 1; spreads renewals and attempts. */
  readonly random?: () => number;
}

/** Runs until the signal is aborted, and then until the node has withdrawn. */
export async function keepRegistered(options: RegistrarOptions): Promise<void> {
  await new Registrar(options).run();
}

/**
 * How long to wait before attempt number `attempt` (from 0): exponential, with
 * full jitter, so that a thousand nodes do not come back in step.
 */
export function retryDelayMs(
  attempt: number,
  { firstMs, maxMs, random }: {
    firstMs: number;
    maxMs: number;
    random: () => number;
  },
): number {
  return random() * Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
}

class Registrar {
  readonly #options: RegistrarOptions;
  readonly #random: () => number;
  readonly #relay: string;
  /** Tells this process from another with the same identity. */
  readonly #instance = crypto.getRandomValues(new Uint8Array(12)).toBase64();
  #sequence = 0;
  #renewSeconds: number;
  #isListed = false;
  #toldFailure: string | null = null;

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#relay = formatEndpoint(options.link.relay);
    this.#renewSeconds = options.limits.renewSeconds;
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      let waitMs: number;
      try {
        const terms = await this.#register();
        failures = 0;
        waitMs = terms.renewSeconds * 1000 * (0.9 + 0.2 * this.#random());
      } catch (error) {
        if (signal.aborted) break;
        this.#tellFailure(error);
        waitMs = this.#retryMs(failures++);
      }
      await delay(waitMs, { signal }).catch(ignore); // leaving
    }
    await this.#withdraw();
  }

  #retryMs(attempt: number): number {
    const { retryFirstMs, retryMaxMs } = this.#options.limits;
    // Never longer than a renewal: listed again within one of them.
    const maxMs = Math.min(retryMaxMs, this.#renewSeconds * 1000);
    return retryDelayMs(attempt, {
      firstMs: retryFirstMs,
      maxMs,
      random: this.#random,
    });
  }

  async #register(): Promise<LeaseTerms> {
    const { limits, signal } = this.#options;
    // Rises across restarts too, as long as the clock does not go back.
    this.#sequence = Math.max(this.#sequence + 1, Date.now());
    const answer = await this.#ask("register", signal);
    if (answer.kind !== "registered") throw this.#refused(answer);
    const { leaseSeconds } = answer;
    this.#renewSeconds = Math.min(
      Math.max(answer.renewSeconds, limits.renewMinSeconds),
      limits.leaseMaxSeconds,
    );
    const event = this.#isListed ? "renewed" : "registered";
    this.#isListed = true;
    this.#toldFailure = null;
    this.#options.onEvent({ event, relay: this.#relay, leaseSeconds });
    return { leaseSeconds, renewSeconds: this.#renewSeconds };
  }

  async #withdraw(): Promise<void> {
    if (this.#sequence === 0) return; // never got as far as asking
    const signal = AbortSignal.timeout(this.#options.limits.withdrawMs);
    try {
      const answer = await this.#ask("withdraw", signal);
      if (answer.kind !== "withdrawn") throw this.#refused(answer);
      this.#options.onEvent({ event: "withdrawn", relay: this.#relay });
    } catch (error) {
      if (!this.#isListed) return; // that the relay is away has been told
      this.#options.onEvent({
        event: "withdraw_failed",
        relay: this.#relay,
        error: this.#asFailure(error),
      });
    }
  }

  /** One connection to the relay: greet, sign, ask, part. */
  async #ask(
    purpose: Registration["purpose"],
    signal: AbortSignal,
  ): Promise<RelayToNode> {
    const { link, identity, name, addressesFrom } = this.#options;
    const session = await link.open(signal);
    await using channel = session.channel;
    using _end = channel.endOn(signal);
    const signed = await signRegistration({
      purpose,
      relay: session.id,
      nonce: session.nonce,
      instance: this.#instance,
      sequence: this.#sequence,
      name,
      addresses: addressesFrom(channel.conn.local),
    }, identity);
    const message: NodeToRelay = { kind: purpose, ...signed };
    await channel.send(message);
    const answer = await channel.receive(DIRECTION.relayToNode);
    if (answer === null) throw this.#failure("the relay hung up");
    return answer;
  }

  #refused(answer: RelayToNode): Failure {
    return answer.kind === "refused"
      ? this.#failure(
        `the relay refused: ${show(answer.text)} (${show(answer.code)})`,
      )
      : this.#failure("the relay answered something else");
  }

  #failure(why: string, cause?: unknown): Failure {
    return new Failure("relay", {
      what: "Cannot register",
      where: this.#relay,
      why,
      cause,
    });
  }

  #asFailure(error: unknown): Failure {
    if (error instanceof Failure) return error;
    return this.#failure(describeCause(error), error);
  }

  #tellFailure(error: unknown): void {
    const failure = this.#asFailure(error);
    this.#isListed = false;
    if (failure.message === this.#toldFailure) return;
    this.#toldFailure = failure.message;
    this.#options.onEvent({
      event: "registration_failed",
      relay: this.#relay,
      error: failure,
    });
  }
}

function ignore(): void {}
