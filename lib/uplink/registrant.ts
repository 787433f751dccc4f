/**
 * Registers a node over a connection to its relay: signs the records, sends
 * them and checks the answers. It does not decide when; the registrar and the
 * doctor do.
 *
 * @module
 */

import { accessFailure, requireKeysProof } from "../access/credentials.ts";
import type { AccessFailure } from "../access/credentials.ts";
import type { Token } from "../access/token.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { Failure, type FailureParts } from "../base/errors.ts";
import { show } from "../base/text.ts";
import type { Identity } from "../identity/identity.ts";
import type { MessageOf, SignedRecord } from "../protocol/messages.ts";
import {
  type NodeRecord,
  signRegistration,
} from "../protocol/signed_record.ts";
import type { RelayAnswer, RelayCalls } from "./relay_calls.ts";
import type { RelayDialer, RelaySession } from "./relay_dialer.ts";

/**
 * The addresses for clients, given this end of the connection to the relay and
 * the host that the relay sees it come from.
 */
export type AddressesFrom = (
  local: Endpoint,
  observed: string | undefined,
) => Endpoint[];

/** Options of {@linkcode Registrant}. */
export interface RegistrantOptions {
  /** Connects to the relay. */
  readonly dialer: Pick<RelayDialer, "relay" | "access">;
  /** Signs the records. */
  readonly identity: Identity;
  /** Display name of the node. */
  readonly name: string;
  /** The addresses for clients, over a connection to the relay. */
  readonly addressesFrom: AddressesFrom;
  /** The node token: the relay must prove that it knows it. */
  readonly token?: Token | undefined;
}

/** A token of a relay, and what it depends on. */
interface Renewal {
  readonly text: string;
  readonly relayId: string;
  /** The addresses that were registered. */
  readonly addresses: string;
  /** The nonce of an unencrypted connection; empty if it is encrypted. */
  readonly nonce: string;
}

// How far a clock may have been ahead: by a moment, an hour, years.
const CLOCK_STEP_MS = 60_000;
const CLOCK_MOST_MS = 50 * 365 * 24 * 3_600_000;

/** One process that registers as one node. */
export class Registrant {
  readonly #options: RegistrantOptions;
  /** Distinguishes this process from others with the same identity. */
  readonly #instance = crypto.getRandomValues(new Uint8Array(12)).toBase64();
  #sequence = 0;
  /** The addresses that were registered last. */
  #sent = "";
  /** The relay's token, which it accepts instead of a signature. */
  #renewal: Renewal | null = null;

  constructor(options: RegistrantOptions) {
    this.#options = options;
  }

  /** Whether a registration was sent, so that there is one to withdraw. */
  get hasRegistered(): boolean {
    return this.#sequence > 0;
  }

  /**
   * Registers or renews: by the relay's token if it has given one for the same
   * addresses, otherwise with a new signature.
   *
   * @throws {Failure} if the relay refuses; an {@linkcode AccessFailure} if it
   * is about access, or if the relay does not know the token.
   */
  async register(calls: RelayCalls): Promise<MessageOf<"registered">> {
    const { session } = calls;
    const answer = await this.#renew(calls) ?? await this.#sign(calls);
    const { dialer, token } = this.#options;
    if (token !== undefined) {
      const { id: relayId, nonce } = session;
      const where = formatEndpoint(dialer.relay);
      requireKeysProof(answer, { token, relayId, nonce, where });
    }
    return answer;
  }

  /** Renews by the token; `undefined` if the node must sign. */
  async #renew(
    calls: RelayCalls,
  ): Promise<MessageOf<"registered"> | undefined> {
    const { session } = calls;
    const renewal = this.#renewal;
    if (renewal === null || !this.#fits(renewal, session)) return undefined;
    const { id } = this.#options.identity;
    const answer = await calls.request({
      kind: "renew",
      id,
      renewal: renewal.text,
    });
    if (answer.kind === "registered") return answer;
    this.#renewal = null;
    const denied = answer.kind === "refused" ? this.denied(answer) : undefined;
    if (denied !== undefined) throw denied;
    return undefined;
  }

  /** Registers with a new signature, and keeps the token in the answer. */
  async #sign(calls: RelayCalls): Promise<MessageOf<"registered">> {
    const { session } = calls;
    // Also increases after a restart, unless the clock goes back.
    let answer = await this.#signAs(Date.now(), calls);
    for (let aheadMs = CLOCK_STEP_MS; aheadMs <= CLOCK_MOST_MS; aheadMs *= 8) {
      if (answer.kind !== "refused" || answer.code !== "stale_sequence") break;
      // The clock was ahead when this node registered before its restart.
      answer = await this.#signAs(Date.now() + aheadMs, calls);
    }
    if (answer.kind !== "registered") throw this.refused(answer);
    const { renewal: text } = answer;
    this.#sent = this.#circumstances(session).addresses;
    this.#renewal = text === undefined
      ? null
      : { text, ...this.#circumstances(session) };
    return answer;
  }

  /** Registers with `sequence`, or with the next one if that is higher. */
  async #signAs(sequence: number, calls: RelayCalls): Promise<RelayAnswer> {
    this.#sequence = Math.max(this.#sequence + 1, sequence);
    const record = await this.sign("register", calls.session);
    return await calls.request({ kind: "register", ...record });
  }

  /** Whether nothing has changed since the relay gave this token. */
  #fits(renewal: Renewal, session: RelaySession): boolean {
    const { relayId, nonce, addresses } = this.#circumstances(session);
    return renewal.relayId === relayId && renewal.addresses === addresses &&
      renewal.nonce === nonce;
  }

  /** What a token depends on. */
  #circumstances(
    session: RelaySession,
  ): Omit<Renewal, "text"> {
    const { id: relayId, nonce, isEncrypted } = session;
    const addresses = this.#addresses(session).map(formatEndpoint).join(" ");
    return { relayId, addresses, nonce: isEncrypted ? "" : nonce };
  }

  #addresses({ channel, hello }: RelaySession): Endpoint[] {
    return this.#options.addressesFrom(channel.conn.local, hello.observed);
  }

  /** Whether the node's addresses have changed since its registration. */
  hasMoved(session: RelaySession): boolean {
    return this.#circumstances(session).addresses !== this.#sent;
  }

  /** Withdraws; returns the relay's answer. */
  async withdraw(calls: RelayCalls): Promise<RelayAnswer> {
    const record = await this.sign("withdraw", calls.session);
    return await calls.request({ kind: "withdraw", ...record });
  }

  /** Signs a record for one connection to the relay. */
  sign(
    purpose: NodeRecord["purpose"],
    session: RelaySession,
  ): Promise<SignedRecord> {
    const { identity, name } = this.#options;
    return signRegistration({
      purpose,
      relay: session.id,
      nonce: session.nonce,
      instance: this.#instance,
      sequence: this.#sequence,
      name,
      addresses: this.#addresses(session),
    }, identity);
  }

  /** The failure for a refusal, if the refusal is about access. */
  denied(refused: { code: string }): AccessFailure | undefined {
    const { relay, access } = this.#options.dialer;
    return accessFailure(refused, { where: formatEndpoint(relay), access });
  }

  /** The failure for an answer that is not the wanted one. */
  refused(answer: RelayAnswer): Failure {
    if (answer.kind !== "refused") {
      return this.failure("the relay sent an unexpected answer");
    }
    const { code, text } = answer;
    const why = `the relay refused: ${show(text)} (${show(code)})`;
    return this.denied(answer) ??
      (code === "identity_used_twice"
        ? this.#failed({ why, remedyCode: "own_state" })
        : this.#failed({ why }));
  }

  /** A failure of kind `relay` for any other cause. */
  failure(why: string, cause?: unknown): Failure {
    return this.#failed({ why, cause });
  }

  #failed(parts: Omit<FailureParts, "what" | "where">): Failure {
    const where = formatEndpoint(this.#options.dialer.relay);
    return new Failure("relay", { what: "Cannot register", where, ...parts });
  }
}
