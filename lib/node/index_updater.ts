/**
 * Sends a relay the fingerprints of a node's names: all of them once, and then
 * the changes, at once after a quiet time and otherwise every few seconds. If
 * that fails, clients ask the node for every name.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { isBug } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import type { Share } from "../share/share.ts";
import type { RelayCalls } from "../uplink/relay_calls.ts";
import { type HeldIndex, IndexedNames } from "./indexed_names.ts";

/** Events of an index. */
export type IndexEvent =
  /** The relay knows the fingerprints of all names that the node has now. */
  | { event: "indexed"; relay: string; fingerprints: number }
  /** The relay does not take them. Clients ask the node for every name. */
  | { event: "index_refused"; relay: string; why: string };

/** Options of {@linkcode IndexUpdater}. */
export interface IndexUpdaterOptions {
  /** The relay's address, for events. */
  readonly relay: string;
  readonly limits: Limits;
  /** The key in place of the relay's. */
  readonly key?: Uint8Array | undefined;
  readonly onEvent: (event: IndexEvent) => void;
  /** Stops the work. */
  readonly signal: AbortSignal;
}

/** Keeps a relay's index of one node up to date. */
export class IndexUpdater {
  readonly #share: Share;
  readonly #options: IndexUpdaterOptions;
  readonly #names: IndexedNames;
  /** What the relay holds; `undefined` if it keeps no index. */
  #held: HeldIndex | undefined;
  /** Whether changed names have not been sent yet. */
  #isChanged = false;
  #wake: (() => void) | undefined;
  #sentAt = -Infinity;
  #refusedUntil = -Infinity;
  /** When the relay last wanted all names. */
  #anewAt: number[] = [];

  constructor(share: Share, options: IndexUpdaterOptions) {
    this.#share = share;
    this.#options = options;
    this.#names = new IndexedNames(share, {
      limits: options.limits,
      key: options.key,
      onChange: () => this.#change(),
    });
    share.scanned().then(() => this.#change(), () => {});
  }

  /**
   * Resolves when there are changes to send, and it is time for that: an
   * eighth of the time between renewals has passed, so that a busy relay gets
   * fewer messages, or `indexPauseMs`.
   */
  async due(renewSeconds: number, signal: AbortSignal): Promise<void> {
    do await this.#changedOr(signal); while (!this.#isUseful);
    const { indexPauseMs } = this.#options.limits;
    const pauseMs = Math.max(indexPauseMs, renewSeconds * 1_000 / 8);
    const at = Math.max(this.#sentAt + pauseMs, this.#refusedUntil);
    await delay(Math.max(0, at - performance.now()), { signal });
  }

  /** Notes what the relay holds, as it says when the node registers. */
  noteHeld(held: HeldIndex | undefined): void {
    this.#held = held;
  }

  /**
   * Whether the relay keeps an index, and the node knows all its names: one that
   * is not found yet would be hidden.
   */
  get #isUseful(): boolean {
    return this.#held !== undefined && this.#share.isScanned;
  }

  #change(): void {
    this.#isChanged = true;
    this.#wake?.();
  }

  /** Resolves when there is a change, or throws when aborted. */
  async #changedOr(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // If sending would not help, it waits for the next change.
    if (!this.#isUseful) this.#isChanged = false;
    if (!this.#isChanged) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = () => resolve();
      this.#wake = wake;
      signal.addEventListener("abort", wake);
      await promise;
      signal.removeEventListener("abort", wake);
      this.#wake = undefined;
    }
    signal.throwIfAborted();
  }

  /** Sends what the relay does not hold yet. */
  async update(calls: RelayCalls): Promise<void> {
    const held = this.#held;
    const isTime = performance.now() >= this.#refusedUntil;
    if (held === undefined || !isTime || !this.#isUseful) return;
    const { relay, signal, onEvent } = this.#options;
    this.#isChanged = false;
    this.#sentAt = performance.now();
    if (this.#wantsTooMuch(held)) return this.#refused("too_often");
    try {
      await this.#names.gather(held.key, signal);
      const outcome = await this.#send(calls, held);
      if (outcome === "nothing") return;
      if (outcome === "sent") {
        const fingerprints = this.#names.count;
        return onEvent({ event: "indexed", relay, fingerprints });
      }
      this.#names.forget();
      // All fingerprints are sent again with the next registration, or later.
      this.#change();
      if (outcome !== "unknown") this.#refused(outcome);
    } catch (error) {
      this.#names.forget();
      this.#change();
      // The next request notices that the relay has disconnected.
      if (isBug(error)) throw error;
    }
  }

  /** Counts how often the relay holds nothing of what the node has sent. */
  #wantsTooMuch(held: HeldIndex): boolean {
    if (!this.#names.isStrangeTo(held)) return false;
    const { indexAnewCount, indexRetryMs } = this.#options.limits;
    const from = performance.now() - indexRetryMs;
    this.#anewAt = this.#anewAt.filter((at) => at > from);
    if (this.#anewAt.length >= indexAnewCount) return true;
    this.#anewAt.push(performance.now());
    return false;
  }

  #refused(why: string): void {
    const { relay, onEvent, limits } = this.#options;
    this.#change();
    this.#refusedUntil = performance.now() + limits.indexRetryMs;
    onEvent({ event: "index_refused", relay, why });
  }

  /** Sends what is missing, and returns the outcome. */
  async #send(calls: RelayCalls, held: HeldIndex): Promise<string> {
    let result = "nothing";
    for (const message of this.#names.messagesAfter(held)) {
      const answer = await calls.request(message);
      const outcome = answer.kind === "indexed" ? answer.outcome : "unknown";
      if (outcome !== "taken") return outcome;
      const { epoch, version } = message;
      this.#held = { ...held, epoch, version };
      result = "sent";
    }
    return result;
  }
}
