/**
 * A client's part in a swarm, as far as its relay is concerned: it stays listed
 * as a holder of some contents, and asks for the other holders of one. All of
 * it goes over one connection, which is opened when it is needed. If the relay
 * is down or refuses, the client only lacks the swarm: nothing here makes a
 * fetch fail.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { accessFailure, requireKeysProof } from "../access/credentials.ts";
import type { GivenKeys } from "../access/gate.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import {
  describeCause,
  Failure,
  isBug,
  isEnded,
  ProtocolError,
} from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { show } from "../base/text.ts";
import { orAborted, retryDelayMs } from "../base/waiting.ts";
import { contentFingerprint } from "../content/fingerprints.ts";
import type { ClockWatch } from "../base/clock_watch.ts";
import type { Identity } from "../identity/identity.ts";
import type { MessageOf } from "../protocol/messages.ts";
import { signRegistration } from "../protocol/signed_record.ts";
import { HolderCalls } from "./holder_calls.ts";
import { type ListedHolder, listedHolders } from "./listed_holders.ts";
import { type RelayDialer, zeroUnixMsOf } from "./relay_dialer.ts";

/** Events of a holder. */
export type HolderEvent =
  /** The relay lists this client as a holder, for the first time or again. */
  | { event: "holder_listed"; relay: string; contents: number }
  /**
   * The relay has tried to dial this client. A client that is `gone` cannot be
   * dialled: it receives from others, and serves none.
   */
  | { event: "holder_reached"; relay: string; outcome: "alive" | "gone" }
  /** The relay does not help to find holders. Reported once for each cause. */
  | { event: "holder_refused"; relay: string; why: string };

/** Options of {@linkcode HolderLease}. */
export interface HolderLeaseOptions {
  /** Connects to the relay. */
  readonly dialer: RelayDialer;
  /** Where this client serves; without it, it only asks. */
  readonly serving?: {
    /** A key of this process alone. */
    readonly identity: Identity;
    /**
     * The addresses for others, given this end of the connection to the relay:
     * first the one to dial where the relay sees this client.
     */
    readonly addressesFrom: (local: Endpoint) => Endpoint[];
    /**
     * Called with the grant keys of a private relay, and with its id, each time
     * that it gives them: as it lists a content, and at each renewal.
     */
    readonly onGrantKeys?: (given: GivenKeys, relayId: string) => void;
  };
  readonly limits: Limits;
  /** Reports when the machine has slept: this client then connects again. */
  readonly clock?: Pick<ClockWatch, "wake"> | undefined;
  /** Called for every event. */
  readonly onEvent?: (event: HolderEvent) => void;
}

/** One client at one relay. Disposing withdraws it. */
export class HolderLease implements AsyncDisposable {
  readonly #options: HolderLeaseOptions;
  /** The relay's address. */
  readonly relay: string;
  /** Content ids, and whether open relays may list them. */
  readonly #contents = new Map<string, boolean>();
  readonly #stop = new AbortController();
  /** The connection, or its beginning. */
  #calls: Promise<HolderCalls> | undefined;
  /** The connection on which this client has entered. */
  #entered: HolderCalls | undefined;
  #renewSeconds: number;
  #keeping: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #reached: "alive" | "gone" | "unchecked" = "unchecked";
  #isListed = false;
  #reported: string | undefined;

  /** Does not dial yet. */
  constructor(options: HolderLeaseOptions) {
    this.#options = options;
    this.relay = formatEndpoint(options.dialer.relay);
    this.#renewSeconds = options.limits.renewSeconds;
  }

  /** Whether others can dial this client, as far as the relay knows. */
  get reached(): "alive" | "gone" | "unchecked" {
    return this.#reached;
  }

  /**
   * Lists this client as a holder of a content, until it is released. An open
   * relay lists it only if the content is open. Returns at once.
   *
   * @returns whether there was room for one more.
   */
  hold(content: string, { isOpen = true } = {}): boolean {
    if (this.#options.serving === undefined) {
      throw new TypeError("Cannot hold a content: this client serves nothing");
    }
    if (this.#contents.has(content)) return true;
    const { contentsPerHolderCount } = this.#options.limits;
    if (this.#contents.size >= contentsPerHolderCount) return false;
    this.#contents.set(content, isOpen);
    this.#keeping ??= this.#keep();
    this.#wake?.();
    return true;
  }

  /** Whether the relay could not dial this client. */
  get isUnreached(): boolean {
    return this.#reached === "gone";
  }

  /** Withdraws this client as a holder of a content. Returns at once. */
  release(content: string): void {
    if (this.#contents.delete(content)) this.#wake?.();
  }

  /**
   * Other holders of a content, at most `most` of them at random; none if the
   * relay does not answer.
   *
   * @throws the signal's reason when aborted.
   */
  async requestHolders(
    content: string,
    { most, signal }: {
      readonly most?: number;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<readonly ListedHolder[]> {
    for (const isLast of [false, true]) {
      signal?.throwIfAborted();
      try {
        const holders = this.#connected()
          .then((calls) => this.#request(calls, { content, most }));
        return await orAborted(holders, signal);
      } catch (error) {
        if (isBug(error)) throw error;
        signal?.throwIfAborted();
        // A relay closes connections that were idle for long.
        if (!isLast && isEnded(error)) continue;
        this.#failed(error);
        break;
      }
    }
    return [];
  }

  async #request(
    calls: HolderCalls,
    { content, most }: { content: string; most: number | undefined },
  ): Promise<readonly ListedHolder[]> {
    const relayId = calls.session.id;
    // Another connection than before: the relay has withdrawn this client.
    if (this.#contents.size > 0 && this.#entered !== calls) this.#wake?.();
    const answer = await this.#call(calls, {
      kind: "holders",
      content: contentFingerprint(relayId, content),
      ...most === undefined ? {} : { most },
    });
    if (answer.kind !== "holderList") throw this.#refused(answer);
    const self = this.#options.serving?.identity.id;
    return listedHolders(answer, relayId).filter(({ id }) => id !== self);
  }

  /** Keeps the lease until this is disposed of. */
  async #keep(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      const woken = new Promise<void>((resolve) => this.#wake = resolve);
      let pauseMs: number;
      try {
        await this.#renew();
        failures = 0;
        pauseMs = this.#untilRenewalMs();
      } catch (error) {
        if (isBug(error)) throw error;
        this.#failed(error);
        const { retryFirstMs: firstMs, retryMaxMs: maxMs } =
          this.#options.limits;
        pauseMs = retryDelayMs(failures++, { firstMs, maxMs });
        await this.#pause(pauseMs);
        continue; // later changes are reported then
      }
      await this.#pause(pauseMs, woken);
    }
  }

  async #pause(ms: number, woken?: Promise<void>): Promise<void> {
    const over = new AbortController();
    const wake = this.#options.clock?.wake;
    const signals = [over.signal, this.#stop.signal, ...wake ? [wake] : []];
    const signal = AbortSignal.any(signals);
    const passed = delay(ms, { signal }).catch(() => {});
    await Promise.race([passed, woken ?? passed]);
    over.abort();
    if (!wake?.aborted) return;
    // The relay may see another address now, and no longer this connection.
    this.#reached = "unchecked";
    const calls = this.#calls;
    this.#forget(calls);
    await calls?.then((calls) => calls[Symbol.asyncDispose](), () => {});
  }

  /** Soon again while the relay is finding out whether it can dial this client. */
  #untilRenewalMs(): number {
    const { reachMs } = this.#options.limits;
    const spread = 0.9 + 0.2 * Math.random();
    const renewMs = 1_000 * this.#renewSeconds * spread;
    return this.#reached === "unchecked" ? Math.min(renewMs, reachMs) : renewMs;
  }

  async #renew(): Promise<void> {
    const calls = await this.#connected();
    const { id, isPrivate } = calls.session;
    const contents = [...this.#contents].flatMap(([content, isOpen]) =>
      isPrivate || isOpen ? [contentFingerprint(id, content)] : []
    );
    if (contents.length === 0 && this.#entered !== calls) return;
    await this.#enter(calls);
    const answer = await this.#call(calls, { kind: "hold", contents });
    if (answer.kind !== "held") throw this.#refused(answer);
    this.#takeKeys(answer, calls);
    this.#reported = undefined;
    if (!this.#isListed) {
      this.#isListed = true;
      this.#emit({ event: "holder_listed", contents: contents.length });
    }
    const { outcome } = answer;
    if (outcome !== "alive" && outcome !== "gone") return;
    const isNews = outcome !== this.#reached;
    this.#reached = outcome;
    if (isNews) this.#emit({ event: "holder_reached", outcome });
  }

  /** The relay's secret may change, and with it the keys. */
  #takeKeys(answer: MessageOf<"held">, { session }: HolderCalls): void {
    const { dialer, serving } = this.#options;
    const { token } = dialer.access;
    const { id: relayId, nonce, isPrivate } = session;
    if (!isPrivate) return;
    if (token !== undefined) {
      const where = this.relay;
      requireKeysProof(answer, { token, relayId, nonce, where });
    }
    const zeroUnixMs = zeroUnixMsOf(session, answer.time);
    const given = { keys: answer.grantKeys ?? [], zeroUnixMs };
    serving?.onGrantKeys?.(given, relayId);
  }

  /** The connection to the relay; opens it if there is none. */
  #connected(): Promise<HolderCalls> {
    if (this.#calls !== undefined) return this.#calls;
    const calls = this.#connect();
    this.#calls = calls;
    calls.catch(() => this.#forget(calls));
    return calls;
  }

  async #connect(): Promise<HolderCalls> {
    const { dialer, limits } = this.#options;
    const { signal } = this.#stop;
    signal.throwIfAborted();
    const { idleMs, holderAnswerMs: answerMs } = limits;
    const wake = this.#options.clock?.wake;
    const session = await dialer.open(signal, { idleMs });
    session.channel.endOn(wake);
    return new HolderCalls(session, { answerMs, signal });
  }

  /** Proves the key of this client, once on each connection. */
  async #enter(calls: HolderCalls): Promise<void> {
    if (this.#entered === calls) return;
    const { identity, addressesFrom } = this.#options.serving!;
    const { id: relayId, nonce, channel } = calls.session;
    const record = await signRegistration({
      purpose: "hold",
      relay: relayId,
      nonce,
      instance: identity.id.slice(0, 16),
      sequence: 0,
      name: "",
      addresses: addressesFrom(channel.conn.local),
    }, identity);
    const answer = await this.#call(calls, { kind: "enter", ...record });
    if (answer.kind !== "entered") throw this.#refused(answer);
    this.#entered = calls;
    this.#isListed = false;
    this.#renewSeconds = this.#bounded(answer);
  }

  #bounded({ renewSeconds }: MessageOf<"entered">): number {
    const { renewMinSeconds, renewMaxSeconds } = this.#options.limits;
    return Math.min(renewMaxSeconds, Math.max(renewMinSeconds, renewSeconds));
  }

  /** Asks; a connection that fails is not used again. */
  async #call(
    calls: HolderCalls,
    message: MessageOf<"enter" | "hold" | "holders">,
  ): ReturnType<HolderCalls["request"]> {
    try {
      const answer = await calls.request(message);
      if (answer.kind === "refused" && answer.code === "lease_ended") {
        throw new ProtocolError("wrong_phase", answer.text);
      }
      return answer;
    } catch (error) {
      this.#forget(this.#calls);
      await calls[Symbol.asyncDispose]();
      throw error;
    }
  }

  #forget(calls: Promise<HolderCalls> | undefined): void {
    if (this.#calls === calls) this.#calls = undefined;
  }

  #refused(answer: { kind: string; code?: string; text?: string }): Error {
    const { code, text } = answer;
    if (code === undefined || text === undefined) {
      return new ProtocolError(
        "wrong_phase",
        "the relay sent an unexpected answer",
      );
    }
    const { access } = this.#options.dialer;
    return accessFailure({ code }, { where: this.relay, access }) ??
      new Failure("relay", {
        what: "Cannot take part in swarm",
        where: this.relay,
        why: `the relay refused: ${show(text)} (${show(code)})`,
      });
  }

  #failed(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    const why = describeCause(error);
    if (this.#reported === why) return;
    this.#reported = why;
    this.#emit({ event: "holder_refused", why });
  }

  #emit(event: Unreported<HolderEvent>): void {
    const relay = this.relay;
    this.#options.onEvent?.({ ...event, relay } as HolderEvent);
  }

  /** Withdraws, and closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    const calls = this.#calls;
    this.#stop.abort();
    this.#wake?.();
    await this.#keeping;
    this.#contents.clear();
    // The relay withdraws a holder when its connection ends.
    await (await calls?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}

type Unreported<Event> = Event extends unknown ? Omit<Event, "relay"> : never;
