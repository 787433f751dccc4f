/**
 * Keeps a node listed: registers, renews before the lease ends, returns after
 * the relay was away, and withdraws when the node stops. If the relay cannot
 * dial the node, it stays attached for tunnels.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { describeCause, Failure } from "../base/errors.ts";
import {
  AccessFailure,
  accessFailure,
  requireKeysProof,
} from "../access/credentials.ts";
import type { Token } from "../access/token.ts";
import type { Identity } from "../identity/identity.ts";
import type { Limits } from "../base/limits.ts";
import type { NodeToRelay } from "../protocol/messages.ts";
import {
  type NodeRecord,
  signRegistration,
} from "../protocol/signed_record.ts";
import {
  OutdatedFailure,
  type RelayDialer,
  type RelaySession,
} from "../uplink/relay_dialer.ts";
import { type RelayAnswer, RelayCalls } from "../uplink/relay_calls.ts";
import { show } from "../base/text.ts";

/** What a registrar tells. */
export type RegistrarEvent =
  /** The node is listed, for the first time or again. */
  | { event: "registered"; relay: string; leaseSeconds: number }
  /** The lease was renewed. */
  | { event: "renewed"; relay: string; leaseSeconds: number }
  /** The node is not listed, and tries again. Told once for one cause. */
  | { event: "registration_failed"; relay: string; error: Failure }
  /** Clients can reach the node through the relay. */
  | { event: "attached"; relay: string; why: AttachReason }
  /** They no longer can. */
  | { event: "detached"; relay: string; why: "reachable" | "lost" }
  /** Tunnels are wanted, and the relay carries none. */
  | { event: "no_tunnels"; relay: string }
  /** The relay wants a later version of this program. Nothing more is tried. */
  | { event: "outdated"; relay: string; error: Failure }
  /** The relay will not have the node, which does not ask again. */
  | { event: "turned_away"; relay: string; error: Failure }
  /** The node is no longer listed because it asked for that. */
  | { event: "withdrawn"; relay: string }
  /** The node could not ask for that; its lease ends by itself. */
  | { event: "withdraw_failed"; relay: string; error: Failure };

/**
 * Why a node attaches: it was asked to, it cannot be dialled, or nobody has found
 * out whether it can.
 */
export type AttachReason = "forced" | "unreachable" | "unchecked";

/** When a node stays attached to its relay, for tunnels. */
export type TunnelMode = "auto" | "always" | "never";

/** A client waits in a tunnel. */
export interface Invitation {
  /** Where tunnels enter the relay, cheapest first. */
  readonly entrances: readonly Endpoint[];
  /** The node's one-time key. */
  readonly key: string;
  /** The group of the client's address, as the relay tells it. */
  readonly from: string;
}

/** Options of {@linkcode keepRegistered}. */
export interface RegistrarOptions {
  /** The way to the relay. */
  readonly link: RelayDialer;
  /** Signs the registrations. */
  readonly identity: Identity;
  /** What people call the node. */
  readonly name: string;
  /** Where clients can dial the node, seen from this end of the relay's conn. */
  readonly addressesFrom: (local: Endpoint) => Endpoint[];
  /** Whether to stay attached: where the node cannot be dialled, by default. */
  readonly tunnels?: TunnelMode;
  /** A client waits in a tunnel; `false` where it is not let in. */
  readonly onInvite?: (invitation: Invitation) => boolean;
  /** The numbers. */
  readonly limits: Limits;
  /** Ends it: the node withdraws. */
  readonly signal: AbortSignal;
  /** Told on the way. */
  readonly onEvent: (event: RegistrarEvent) => void;
  /** The node token: whoever hands out keys must prove to know it. */
  readonly token?: Token | undefined;
  /** Given the keys, base64, that a private relay hands out. */
  readonly onGrantKeys?: (keys: readonly string[]) => void;
  /** From 0 to below 1; spreads renewals and attempts. */
  readonly random?: () => number;
}

/**
 * Runs until the signal is aborted, and then until the node has withdrawn; or
 * until the relay wants a later version of this program.
 */
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
  #wasListed = false;
  #failures = 0;
  /** Connections lost in a row, on which nothing was renewed. */
  #losses = 0;
  /** What the relay found the last time that it found anything. */
  #reached: "alive" | "gone" | "unchecked" = "unchecked";
  /** When to ask again whether the node can be dialled. */
  #checkAt = 0;
  #toldNoTunnels = false;
  #toldFailure: string | null = null;
  /** Ids of the relay of this visit, and of the one that gave the grant keys. */
  #visited: string | null = null;
  #keysFrom: string | null = null;

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#relay = formatEndpoint(options.link.relay);
    this.#renewSeconds = options.limits.renewSeconds;
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      let waitMs: number;
      try {
        const isLost = await this.#visit() === "lost";
        waitMs = isLost ? this.#retryMs(this.#losses++) : this.#renewMs();
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof OutdatedFailure) {
          this.#options.onEvent({
            event: "outdated",
            relay: this.#relay,
            error,
          });
          return; // it would not let us withdraw either
        }
        this.#forgetKeys(error);
        const isFinal = error instanceof AccessFailure && error.isFinal;
        if (isFinal && !this.#wasListed) {
          const relay = this.#relay;
          this.#options.onEvent({ event: "turned_away", relay, error });
          return;
        }
        this.#tellFailure(error);
        // So that a token that was replaced locks nobody out who has the new one.
        waitMs = isFinal
          ? this.#options.limits.unauthorizedRetryMs * (0.5 + this.#random())
          : this.#retryMs(this.#failures++);
      }
      await delay(waitMs, { signal }).catch(ignore); // leaving
    }
    await this.#withdraw();
  }

  /**
   * The relay that gave the keys no longer takes the token: the secret was
   * changed, and with it all grants. One that is away, or another, changes
   * nothing.
   */
  #forgetKeys(error: unknown): void {
    const isOut = error instanceof AccessFailure &&
      error.code === "unauthorized";
    if (!isOut || this.#visited === null) return;
    if (this.#visited === this.#keysFrom) this.#options.onGrantKeys?.([]);
  }

  /**
   * Registers; stays where the relay asks for it, or clients need it to. `lost`
   * where it stayed and the connection broke: the relay may be back already.
   */
  async #visit(): Promise<"over" | "lost"> {
    const { signal, limits } = this.#options;
    await using visit = await this.#open(signal, limits.attachedIdleMs);
    using _end = visit.session.channel.endOn(signal);
    const lost = new AbortController();
    visit.ended.catch((error) => lost.abort(error));
    const either = AbortSignal.any([signal, lost.signal]);
    for (let stays = await this.#register(visit);;) {
      const why = await this.#needsTunnels(visit);
      if (why !== undefined) await this.#attach(visit, { why, either });
      if (why !== undefined || !stays) return "over";
      try {
        await delay(this.#renewMs(), { signal: either });
        stays = await this.#register(visit);
        this.#losses = 0;
      } catch (error) {
        if (signal.aborted || error instanceof Failure) throw error;
        return "lost";
      }
    }
  }

  /** Why the node must be attached, if it must. */
  async #needsTunnels(visit: RelayCalls): Promise<AttachReason | undefined> {
    const mode = this.#options.tunnels ?? "auto";
    if (mode === "never") return undefined;
    if (visit.session.entrances.length === 0) {
      if (mode === "always" && !this.#toldNoTunnels) {
        this.#toldNoTunnels = true;
        this.#options.onEvent({ event: "no_tunnels", relay: this.#relay });
      }
      return undefined;
    }
    if (mode === "always") return "forced";
    switch (await this.#whetherReached(visit)) {
      case "gone":
        return "unreachable";
      case "unchecked":
        return "unchecked";
      case "alive":
      case "lost":
        return undefined;
    }
  }

  /** Asks the relay, now and then, whether it can dial this node. */
  async #whetherReached(
    visit: RelayCalls,
  ): Promise<"alive" | "gone" | "unchecked" | "lost"> {
    const now = performance.now();
    if (now < this.#checkAt) return this.#reached;
    // The node is listed: that the relay leaves meanwhile shows next time.
    const answer = await visit.ask({ kind: "reach" }).catch(() => undefined);
    if (answer === undefined) return "lost";
    if (answer.kind === "refused") throw this.#refused(answer);
    const outcome = answer.kind === "reached" ? answer.outcome : "unchecked";
    // Nothing is known anew, and may be next time.
    if (outcome !== "alive" && outcome !== "gone") return this.#reached;
    this.#checkAt = now + this.#options.limits.reachCheckMs;
    return this.#reached = outcome;
  }

  /** Attached: renews over the same connection until it is not needed. */
  async #attach(
    visit: RelayCalls,
    { why, either }: { why: AttachReason; either: AbortSignal },
  ): Promise<void> {
    const { signal, onEvent } = this.#options;
    const relay = this.#relay;
    const answer = await visit.ask({ kind: "attach" });
    if (answer.kind !== "attached") throw this.#refused(answer);
    onEvent({ event: "attached", relay, why });
    try {
      do {
        await delay(this.#renewMs(), { signal: either });
        await this.#register(visit);
      } while (await this.#needsTunnels(visit) !== undefined);
    } catch (error) {
      if (!signal.aborted) onEvent({ event: "detached", relay, why: "lost" });
      throw error;
    }
    onEvent({ event: "detached", relay, why: "reachable" });
  }

  #renewMs(): number {
    return this.#renewSeconds * 1000 * (0.9 + 0.2 * this.#random());
  }

  #retryMs(attempt: number): number {
    const { retryFirstMs, retryMaxMs, retriesPerRenewalCount } =
      this.#options.limits;
    // The more nodes a relay has, the less often each may knock at it.
    const perRenewal = this.#renewSeconds * 1000 / retriesPerRenewalCount;
    const maxMs = Math.min(retryMaxMs, perRenewal);
    return retryDelayMs(attempt, {
      firstMs: retryFirstMs,
      maxMs,
      random: this.#random,
    });
  }

  /** Registers or renews; whether the relay wants the node to stay. */
  async #register(visit: RelayCalls): Promise<boolean> {
    const { limits } = this.#options;
    // Rises across restarts too, as long as the clock does not go back.
    this.#sequence = Math.max(this.#sequence + 1, Date.now());
    const answer = await visit.ask(
      await this.#signed("register", visit.session),
    );
    if (answer.kind !== "registered") throw this.#refused(answer);
    const { token } = this.#options;
    if (token !== undefined) {
      const { id: relayId, nonce } = visit.session;
      const where = this.#relay;
      requireKeysProof(answer, { token, relayId, nonce, where });
    }
    const { leaseSeconds } = answer;
    this.#renewSeconds = Math.min(
      Math.max(answer.renewSeconds, limits.renewMinSeconds),
      limits.renewMaxSeconds,
    );
    const event = this.#isListed ? "renewed" : "registered";
    this.#isListed = true;
    this.#wasListed = true;
    this.#failures = 0;
    this.#toldFailure = null;
    this.#keysFrom = visit.session.id;
    this.#options.onGrantKeys?.(answer.grantKeys ?? []);
    this.#options.onEvent({ event, relay: this.#relay, leaseSeconds });
    return answer.stay ?? false;
  }

  async #withdraw(): Promise<void> {
    if (this.#sequence === 0) return; // never got as far as asking
    const signal = AbortSignal.timeout(this.#options.limits.withdrawMs);
    try {
      await using visit = await this.#open(signal);
      using _end = visit.session.channel.endOn(signal);
      const answer = await visit.ask(
        await this.#signed("withdraw", visit.session),
      );
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

  /** One connection to the relay. */
  async #open(signal: AbortSignal, idleMs?: number): Promise<RelayCalls> {
    const { link, limits, onInvite } = this.#options;
    this.#visited = null;
    const session = await link.open(
      signal,
      idleMs === undefined ? {} : { idleMs },
    );
    this.#visited = session.id;
    return new RelayCalls(session, {
      answerMs: limits.handshakeMs,
      onRefused: (refused) => this.#denied(refused),
      onInvite: ({ key, from }, visit) => {
        const { entrances } = session;
        if (onInvite?.({ entrances, key, from })) return;
        visit.say({ kind: "decline", key, code: "busy" });
      },
    });
  }

  async #signed(
    purpose: NodeRecord["purpose"],
    session: RelaySession,
  ): Promise<NodeToRelay> {
    const { identity, name, addressesFrom } = this.#options;
    const signed = await signRegistration({
      purpose,
      relay: session.id,
      nonce: session.nonce,
      instance: this.#instance,
      sequence: this.#sequence,
      name,
      addresses: addressesFrom(session.channel.conn.local),
    }, identity);
    return { kind: purpose, ...signed };
  }

  /** The failure of somebody who is not let in, if the refusal says so. */
  #denied(refused: { code: string }): AccessFailure | undefined {
    const { access } = this.#options.link;
    return accessFailure(refused, { where: this.#relay, access });
  }

  #refused(answer: RelayAnswer): Failure {
    const denied = answer.kind === "refused" ? this.#denied(answer) : undefined;
    if (denied !== undefined) return denied;
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
