/**
 * Keeps a node listed: registers, renews before the lease ends, registers again
 * after an outage of the relay, and withdraws when the node stops. If the relay
 * cannot dial the node, it stays attached for tunnels.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { describeCause, Failure } from "../base/errors.ts";
import { retryDelayMs } from "../base/waiting.ts";
import { AccessFailure } from "../access/credentials.ts";
import type { GivenKeys } from "../access/gate.ts";
import type { Token } from "../access/token.ts";
import type { Identity } from "../identity/identity.ts";
import type { Limits } from "../base/limits.ts";
import type { ClockWatch } from "../base/clock_watch.ts";
import type { IndexUpdater } from "./index_updater.ts";
import type { WayToRelay } from "./addresses.ts";
import { Registrant } from "../uplink/registrant.ts";
import { RelayCalls } from "../uplink/relay_calls.ts";
import { type RelayDialer, zeroUnixMsOf } from "../uplink/relay_dialer.ts";
import { OutdatedFailure } from "../uplink/relay_failures.ts";
import type { AttachReason, RegistrarEvent } from "./registrar_events.ts";

export type { AttachReason, RegistrarEvent };

/** When a node stays attached to its relay for tunnels. */
export type TunnelMode = "auto" | "always" | "never";

/** The invitation to a tunnel in which a client waits. */
export interface Invitation {
  readonly relay: string;
  /** The ports for tunnels at the relay, cheapest first. */
  readonly entrances: readonly Endpoint[];
  /** The node's one-time key. */
  readonly key: string;
  /** The group of the client's address, as the relay gives it. */
  readonly from: string;
}

/** Options of {@linkcode keepRegistered}. */
export interface RegistrarOptions {
  /** Connects to the relay. */
  readonly dialer: RelayDialer;
  /** Signs the registrations. */
  readonly identity: Identity;
  /** Display name of the node. */
  readonly name: string;
  /** The addresses for clients, as the relay and this end see the node. */
  readonly addressesFrom: (way: WayToRelay) => Endpoint[];
  /** Called with this end of a new connection, before the node registers. */
  readonly onConnected?: (local: string) => Promise<void>;
  /** When to stay attached; by default when the relay cannot dial the node. */
  readonly tunnels?: TunnelMode;
  /** Called when a client waits in a tunnel; returns `false` to decline. */
  readonly onInvite?: (invitation: Invitation) => boolean;
  readonly limits: Limits;
  /** Makes the node withdraw and ends the registrar. */
  readonly signal: AbortSignal;
  /** Called for every event. */
  readonly onEvent: (event: RegistrarEvent) => void;
  /**
   * The node token. A relay that gives grant keys must prove that it knows this
   * token.
   */
  readonly token?: Token | undefined;
  /** Called with the grant keys of a private relay. */
  readonly onGrantKeys?: (given: GivenKeys) => void;
  /** Sends the fingerprints of names to the relay; by default none. */
  readonly index?: IndexUpdater | undefined;
  /**
   * Reports that the machine has slept: the node then reconnects at once.
   * There is none by default.
   */
  readonly clock?: Pick<ClockWatch, "wake"> | undefined;
  /** Returns a number from 0 to below 1; spreads renewals and attempts. */
  readonly random?: () => number;
}

/**
 * Keeps the node listed until the signal is aborted, and then withdraws. Also
 * ends if the relay requires a later version of this program.
 */
export async function keepRegistered(options: RegistrarOptions): Promise<void> {
  await new Registrar(options).run();
}

class Registrar {
  readonly #options: RegistrarOptions;
  readonly #random: () => number;
  readonly #relay: string;
  readonly #registrant: Registrant;
  #renewSeconds: number;
  #isListed = false;
  #wasListed = false;
  #failures = 0;
  /** Connections lost in a row without a renewal. */
  #losses = 0;
  /** The last definite result of the relay's dial-back. */
  #reached: "alive" | "gone" | "unchecked" = "unchecked";
  /** When to ask for the next dial-back. */
  #checkAt = 0;
  /**
   * The address from which this machine last connected, as the relay saw it.
   */
  #seenAt: string | undefined;
  #reportedNoTunnels = false;
  #reportedFailure: string | null = null;
  /**
   * Ids of the relay of this connection, and of the relay that gave the grant
   * keys.
   */
  #relayId: string | null = null;
  #keysFrom: string | null = null;

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#relay = formatEndpoint(options.dialer.relay);
    this.#registrant = new Registrant({
      ...options,
      addressesFrom: (local, observed) =>
        options.addressesFrom({
          local: local.host,
          observed,
          isReached: this.#reached === "alive" && observed === this.#seenAt,
        }),
    });
    this.#renewSeconds = options.limits.renewSeconds;
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      let waitMs: number;
      let isListed = false;
      try {
        const how = await this.#stayListed();
        isListed = how === "over";
        waitMs = how === "over"
          ? this.#renewMs()
          : how === "slept"
          ? 0
          : this.#retryMs(this.#losses++);
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof OutdatedFailure) {
          this.#options.onEvent({
            event: "outdated",
            relay: this.#relay,
            error,
          });
          return; // it would refuse a withdrawal too
        }
        this.#forgetKeys(error);
        const isFinal = error instanceof AccessFailure && error.isFinal;
        if (isFinal && !this.#wasListed) {
          const relay = this.#relay;
          this.#options.onEvent({ event: "turned_away", relay, error });
          return;
        }
        this.#reportFailure(error);
        // A replaced token must not use up the failed attempts of a node at the
        // same address.
        waitMs = isFinal
          ? this.#options.limits.unauthorizedRetryMs * (0.5 + this.#random())
          : this.#retryMs(this.#failures++);
      }
      const wake = this.#wake;
      const rest = isListed
        ? this.#rest(waitMs, AbortSignal.any([signal, wake]))
        : delay(waitMs, { signal: AbortSignal.any([signal, wake]) });
      await rest.catch(ignore); // the node stops, or the machine has slept
      if (wake.aborted) this.#beginAnew();
    }
    await this.#withdraw();
  }

  /**
   * Drops the grant keys if the relay that gave them no longer accepts the
   * token. Its secret has changed, and all grants with it. An absent relay, or
   * another one, changes nothing.
   */
  #forgetKeys(error: unknown): void {
    const isOut = error instanceof AccessFailure &&
      error.code === "unauthorized";
    const isIt = this.#relayId !== null && this.#relayId === this.#keysFrom;
    if (isOut && isIt) this.#options.onGrantKeys?.({ keys: [] });
  }

  /** Aborted when the machine has slept. */
  get #wake(): AbortSignal {
    return this.#options.clock?.wake ?? NEVER;
  }

  /** After a sleep this may be another network, with a relay that is back. */
  #beginAnew(): void {
    this.#failures = 0;
    this.#losses = 0;
    this.#checkAt = 0;
  }

  async #stayListed(): Promise<"over" | "lost" | "slept"> {
    const { signal } = this.#options;
    const wake = this.#wake;
    try {
      return await this.#stayUntil(AbortSignal.any([signal, wake]));
    } catch (error) {
      if (signal.aborted || !wake.aborted) throw error;
      this.#beginAnew();
      return "slept";
    }
  }

  /**
   * Registers. Stays connected if the relay asks for it, or if clients need
   * it. `lost` if the connection broke: the relay may be back already.
   */
  async #stayUntil(signal: AbortSignal): Promise<"over" | "lost"> {
    const { limits } = this.#options;
    await using calls = await this.#open(signal, limits.attachedIdleMs);
    using _end = calls.session.channel.endOn(signal);
    await this.#options.onConnected?.(calls.session.channel.conn.local.host);
    const lost = new AbortController();
    calls.ended.catch((error) => lost.abort(error));
    const either = AbortSignal.any([signal, lost.signal]);
    for (let stays = await this.#register(calls);;) {
      const why = await this.#needsTunnels(calls);
      if (why !== undefined) await this.#attach(calls, { why, either });
      if (why !== undefined || !stays) return "over";
      try {
        await this.#stay(calls, either);
        stays = await this.#register(calls);
        this.#losses = 0;
      } catch (error) {
        if (signal.aborted || error instanceof Failure) throw error;
        return "lost";
      }
    }
  }

  /** Why the node must attach; `undefined` if it need not. */
  async #needsTunnels(calls: RelayCalls): Promise<AttachReason | undefined> {
    const mode = this.#options.tunnels ?? "auto";
    if (mode === "never") return undefined;
    if (calls.session.entrances.length === 0) {
      if (mode === "always" && !this.#reportedNoTunnels) {
        this.#reportedNoTunnels = true;
        this.#options.onEvent({ event: "no_tunnels", relay: this.#relay });
      }
      return undefined;
    }
    if (mode === "always") return "forced";
    switch (await this.#whetherReached(calls)) {
      case "gone":
        return "unreachable";
      case "unchecked":
        return "unchecked";
      case "alive":
      case "lost":
        return undefined;
    }
  }

  /** Asks the relay regularly whether it can dial this node. */
  async #whetherReached(
    calls: RelayCalls,
  ): Promise<"alive" | "gone" | "unchecked" | "lost"> {
    const now = performance.now();
    if (now < this.#checkAt) return this.#reached;
    // The node is listed. If the relay ends now, the next attempt reports it.
    const answer = await calls.request({ kind: "reach" }).catch(() =>
      undefined
    );
    if (answer === undefined) return "lost";
    if (answer.kind === "refused") throw this.#registrant.refused(answer);
    const outcome = answer.kind === "reached" ? answer.outcome : "unchecked";
    // No new result; the next request may bring one.
    if (outcome !== "alive" && outcome !== "gone") return this.#reached;
    this.#checkAt = now + this.#options.limits.reachCheckMs;
    this.#reached = outcome;
    if (this.#registrant.hasMoved(calls.session)) await this.#register(calls);
    return outcome;
  }

  /**
   * Stays attached, and renews over the same connection, until tunnels are not
   * needed any more.
   */
  async #attach(
    calls: RelayCalls,
    { why, either }: { why: AttachReason; either: AbortSignal },
  ): Promise<void> {
    const { signal, onEvent } = this.#options;
    const relay = this.#relay;
    const answer = await calls.request({ kind: "attach" });
    if (answer.kind !== "attached") throw this.#registrant.refused(answer);
    onEvent({ event: "attached", relay, why });
    try {
      do {
        await this.#stay(calls, either);
        await this.#register(calls);
      } while (await this.#needsTunnels(calls) !== undefined);
    } catch (error) {
      if (!signal.aborted) onEvent({ event: "detached", relay, why: "lost" });
      throw error;
    }
    onEvent({ event: "detached", relay, why: "reachable" });
  }

  /** Stays connected until the next renewal, and sends changed names. */
  async #stay(calls: RelayCalls, signal: AbortSignal): Promise<void> {
    const until = performance.now() + this.#renewMs();
    while (await this.#rest(until - performance.now(), signal)) {
      await this.#options.index?.update(calls);
    }
  }

  /**
   * Waits until there are changed names to send; returns whether there are.
   */
  async #rest(ms: number, signal: AbortSignal): Promise<boolean> {
    const { index } = this.#options;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const rested = delay(Math.max(0, ms), { signal: either })
      .then(() => false);
    const due = index?.due(this.#renewSeconds, either).then(() => true);
    due?.catch(ignore); // it is no longer waited for
    try {
      return await (due ? Promise.race([rested, due]) : rested);
    } finally {
      rested.catch(ignore);
      over.abort();
    }
  }

  #renewMs(): number {
    return this.#renewSeconds * 1000 * (0.9 + 0.2 * this.#random());
  }

  #retryMs(attempt: number): number {
    const { retryFirstMs, retryMaxMs, retriesPerRenewalCount } =
      this.#options.limits;
    // The more nodes a relay has, the less often each may connect.
    const perRenewal = this.#renewSeconds * 1000 / retriesPerRenewalCount;
    const maxMs = Math.min(retryMaxMs, perRenewal);
    return retryDelayMs(attempt, {
      firstMs: retryFirstMs,
      maxMs,
      random: this.#random,
    });
  }

  /**
   * Registers or renews. Returns whether the relay wants the node to stay
   * connected.
   */
  async #register(calls: RelayCalls): Promise<boolean> {
    const { renewMinSeconds, renewMaxSeconds } = this.#options.limits;
    const answer = await this.#registrant.register(calls);
    const { leaseSeconds, grantKeys: keys = [], time } = answer;
    const seconds = Math.max(answer.renewSeconds, renewMinSeconds);
    this.#renewSeconds = Math.min(seconds, renewMaxSeconds);
    const event = this.#isListed ? "renewed" : "registered";
    this.#isListed = true;
    this.#wasListed = true;
    this.#failures = 0;
    this.#reportedFailure = null;
    this.#keysFrom = calls.session.id;
    const zeroUnixMs = zeroUnixMsOf(calls.session, time);
    this.#options.onGrantKeys?.({ keys, zeroUnixMs });
    this.#options.onEvent({ event, relay: this.#relay, leaseSeconds });
    this.#options.index?.noteHeld(answer.index);
    await this.#options.index?.update(calls);
    return answer.stay ?? false;
  }

  async #withdraw(): Promise<void> {
    if (!this.#registrant.hasRegistered) return;
    const signal = AbortSignal.timeout(this.#options.limits.withdrawMs);
    try {
      await using calls = await this.#open(signal);
      using _end = calls.session.channel.endOn(signal);
      const answer = await this.#registrant.withdraw(calls);
      if (answer.kind !== "withdrawn") throw this.#registrant.refused(answer);
      this.#options.onEvent({ event: "withdrawn", relay: this.#relay });
    } catch (error) {
      if (!this.#isListed) return; // the absence of the relay was reported already
      this.#options.onEvent({
        event: "withdraw_failed",
        relay: this.#relay,
        error: this.#asFailure(error),
      });
    }
  }

  /** Opens one connection to the relay. */
  async #open(signal: AbortSignal, idleMs?: number): Promise<RelayCalls> {
    const { dialer, limits, onInvite } = this.#options;
    this.#relayId = null;
    const session = await dialer.open(
      signal,
      idleMs === undefined ? {} : { idleMs },
    );
    this.#relayId = session.id;
    this.#notice(session.hello.observed);
    return new RelayCalls(session, {
      answerMs: limits.handshakeMs,
      limits,
      onRefused: (refused) => this.#registrant.denied(refused),
      onInvite: ({ key, from }, calls) => {
        const { entrances } = session;
        if (onInvite?.({ relay: this.#relay, entrances, key, from })) return;
        calls.send({ kind: "decline", key, code: "busy" });
      },
    });
  }

  /** At another host, an earlier dial-back proves nothing. */
  #notice(observed: string | undefined): void {
    if (observed === this.#seenAt) return;
    this.#seenAt = observed;
    this.#reached = "unchecked";
    this.#checkAt = 0;
  }

  #asFailure(error: unknown): Failure {
    if (error instanceof Failure) return error;
    return this.#registrant.failure(describeCause(error), error);
  }

  #reportFailure(error: unknown): void {
    const failure = this.#asFailure(error);
    this.#isListed = false;
    if (failure.message === this.#reportedFailure) return;
    this.#reportedFailure = failure.message;
    this.#options.onEvent({
      event: "registration_failed",
      relay: this.#relay,
      error: failure,
    });
  }
}

const NEVER = new AbortController().signal;

function ignore(): void {}
