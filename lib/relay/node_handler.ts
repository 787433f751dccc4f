/**
 * The relay's side of a conversation with one node: it registers, renews and
 * withdraws the node, checks whether it can be dialled, and keeps it attached
 * if it cannot.
 *
 * @module
 */

import { addressGroup, withoutMapping } from "../base/address.ts";
import { isShared } from "../guard/admission.ts";
import { andThen } from "../base/waiting.ts";
import type { Channel, EncodedAnswer } from "../protocol/channel.ts";
import type { PeerHandler } from "../protocol/conversation.ts";
import { formatEndpoint } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";
import type { Admittance } from "../access/gate.ts";
import { refusal } from "../protocol/hello.ts";
import {
  DIRECTION,
  encodeMessage,
  type MessageOf,
  type NodeToRelay,
  type RelayToNode,
} from "../protocol/messages.ts";
import {
  type OpenedRecord,
  openRegistration,
  readRegistration,
} from "../protocol/signed_record.ts";
import { packSeen } from "./entries.ts";
import type { Lease, LeaseTerms } from "./lease.ts";
import { fingerprintsIn } from "./indexed_nodes.ts";
import { lookUp } from "./index_lookup.ts";
import type { DialBackOutcome } from "./dial_backs.ts";
import type { Renewable } from "./renewal_tokens.ts";
import { type RelayContext, reportNodeRemoved } from "./context.ts";

/** Options of {@linkcode NodeHandler}. */
export interface NodeHandlerOptions {
  readonly nonce: string;
  readonly relay: RelayContext;
  readonly admittance: Admittance;
}

/** What the relay answers to one node. */
export class NodeHandler implements PeerHandler<NodeToRelay["kind"]> {
  readonly #channel: Channel;
  readonly #nonce: string;
  readonly #relay: RelayContext;
  readonly #admittance: Admittance;
  /**
   * The node that has registered or renewed on this connection, and has
   * therefore proved its identity.
   */
  #registered: Renewable | null = null;
  #attached: Disposable | null = null;
  /** Held after the relay asked the node to stay connected. */
  #stay: Disposable | undefined;

  constructor(
    channel: Channel,
    { nonce, relay, admittance }: NodeHandlerOptions,
  ) {
    this.#admittance = admittance;
    this.#channel = channel;
    this.#nonce = nonce;
    this.#relay = relay;
  }

  get allowed(): readonly NodeToRelay["kind"][] {
    return DIRECTION.nodeToRelay;
  }

  /** Answers a message when it is the node's turn. */
  answer(message: NodeToRelay): EncodedAnswer | Promise<EncodedAnswer> {
    const channel = this.#channel;
    const holds = this.#admittance.holds(channel);
    if (holds !== true) return holds.then(() => null);
    const isAnswer = message.kind === "pong" || message.kind === "decline";
    const turn = isAnswer
      ? undefined
      : this.#relay.turns.next(channel.conn.remote);
    const answered = andThen(turn, () => this.#answerNow(message));
    return andThen(answered, (answer) => this.#frameOf(answer));
  }

  #frameOf(
    answer: RelayToNode | undefined,
  ): EncodedAnswer | Promise<EncodedAnswer> {
    if (answer?.kind !== "refused") return answer && encodeMessage(answer);
    const { code } = answer;
    // After a restart of the relay, every node shows a token of the last one.
    if (code !== "renewal_refused") {
      this.#relay.incidents.refused(code, this.#channel.conn.remote);
    }
    // The signature check costs most, so a forger must reconnect for each
    // attempt.
    return code === "bad_signature"
      ? this.#channel.send(answer).then(() => null)
      : encodeMessage(answer);
  }

  #answerNow(
    message: NodeToRelay,
  ): RelayToNode | undefined | Promise<RelayToNode | undefined> {
    switch (message.kind) {
      case "register":
      case "withdraw":
        return this.#answerSigned(message);
      case "renew":
        return this.#renew(message);
      case "index":
        return this.#index(message);
      case "lookup":
        return lookUp(message, this.#relay);
      case "reach":
        return this.#reach().then((outcome) => ({ kind: "reached", outcome }));
      case "attach":
        return this.#attach();
      case "decline":
        if (this.#registered !== null) {
          this.#relay.tunnels?.decline(this.#registered.id, message);
        }
        return undefined;
      case "pong":
        return undefined; // its arrival is all it says
    }
    message satisfies never;
  }

  /**
   * Checks everything else before the signature, which takes half a millisecond
   * of another thread.
   */
  async #answerSigned(
    message: MessageOf<"register" | "withdraw">,
  ): Promise<RelayToNode> {
    const terms = { relay: this.#relay.id, nonce: this.#nonce };
    const verdict = readRegistration(message, terms);
    if (verdict.kind === "refused") {
      return refusal(verdict.refusal.code, verdict.refusal.text);
    }
    const { registration } = verdict;
    if (registration.purpose !== message.kind) {
      return refusal("bad_record", "purpose: not that of the message");
    }
    return message.kind === "register"
      ? await this.#register(message, registration)
      : await this.#withdraw(message, registration);
  }

  async #register(
    signed: MessageOf<"register">,
    registration: OpenedRecord,
  ): Promise<RelayToNode> {
    const { registry, emit } = this.#relay;
    const { id, instance, sequence, name, addresses } = registration;
    const observedHost = this.#observedHost;
    if (addresses.length === 0) {
      return refusal("bad_address", "addresses: there is none");
    }
    const listing = packSeen({ signed, addresses, observedHost }, this.#relay);
    if ("code" in listing) return listing;
    const group = addressGroup(observedHost);
    // Behind a proxy on this machine all peers have the same address.
    const source = isShared(group) ? id : group;
    const reason = registry.refusalOf(
      { id, instance, sequence, source },
      performance.now(),
    );
    if (reason !== undefined) {
      return refusal(reason, REGISTER_REFUSAL_TEXT[reason]);
    }
    const verdict = await openRegistration(signed);
    if (verdict.kind === "refused") {
      return refusal(verdict.refusal.code, verdict.refusal.text);
    }
    const outcome = registry.register({
      id,
      instance,
      sequence,
      ...listing,
      observedHost,
      source,
    }, performance.now());
    if (outcome.kind === "refused") {
      return refusal(outcome.reason, REGISTER_REFUSAL_TEXT[outcome.reason]);
    }
    const { entry } = listing;
    this.#relay.cluster?.registered(id);
    if (outcome.isNew) {
      emit({
        event: "node_registered",
        id,
        name,
        addresses: addresses.map(formatEndpoint),
        from: observedHost,
      });
    }
    const node = { id, instance, entry, source };
    const renewal = this.#relay.renewals.issue(node, {
      now: performance.now(),
      nonce: this.#tokenNonce,
    });
    return { ...this.#listed(node, outcome.terms), renewal };
  }

  /**
   * Renews by a token. The relay then checks no signature and reads no
   * certificate, because the registration is the one that it has.
   */
  #renew({ id, renewal }: MessageOf<"renew">): RelayToNode {
    const { registry, renewals } = this.#relay;
    const now = performance.now();
    const lease = registry.find(id, now);
    const isValid = lease?.observedHost === this.#observedHost &&
      renewals.isValid(renewal, lease, { now, nonce: this.#tokenNonce });
    if (!isValid) return refusal("renewal_refused", "register instead");
    const outcome = registry.renew(id, now);
    if (outcome.kind === "granted") {
      this.#relay.cluster?.renewed(id);
      return this.#listed(lease, outcome.terms);
    }
    return outcome.reason === "unknown"
      ? refusal("renewal_refused", "register instead")
      : refusal(outcome.reason, REGISTER_REFUSAL_TEXT[outcome.reason]);
  }

  /** The answer to a node that registered or renewed. */
  #listed(
    node: Renewable & Pick<Lease, "source">,
    terms: LeaseTerms,
  ): MessageOf<"registered"> {
    const { id, instance, entry } = node;
    this.#registered = { id, instance, entry };
    this.#relay.requests.add("registration");
    return {
      kind: "registered",
      ...terms,
      ...this.#stays(addressGroup(this.#observedHost), terms),
      ...this.#admittance.grantKeys(id),
      ...this.#heldIndex(node),
    };
  }

  /** The host from which the node connected. */
  get #observedHost(): string {
    return withoutMapping(this.#channel.conn.remote.host);
  }

  /**
   * The connection that a token is bound to: without encryption others can read
   * it, so it is valid on this one alone.
   */
  get #tokenNonce(): string {
    return this.#relay.plaintext ? this.#nonce : "";
  }

  /** What the relay holds of the node's index, and the key for it. */
  #heldIndex(
    { id, instance, source }: Pick<Lease, "id" | "instance" | "source">,
  ): Pick<MessageOf<"registered">, "index"> {
    const { names, indexKey: key } = this.#relay;
    if (names === null) return {};
    const { epoch, version } = names.registered(id, { instance, source });
    return { index: { key, epoch, version } };
  }

  /** Takes a part of the node's index. */
  #index(message: MessageOf<"index">): RelayToNode | Promise<RelayToNode> {
    const { names, limits, turns } = this.#relay;
    const node = this.#registered;
    const fingerprints = fingerprintsIn(message);
    if (node === null || names === null || fingerprints === undefined) {
      throw new ProtocolError(
        fingerprints === undefined ? "bad_message" : "wrong_phase",
        "Cannot take index: wanted a registration, a relay with an index, and " +
          "fingerprints that rise",
      );
    }
    const { added, removed } = fingerprints;
    const { remote } = this.#channel.conn;
    const count = added.length + removed.length;
    const requestCount = Math.floor(count / limits.indexPerRequestCount);
    return andThen(turns.next(remote, requestCount), () => {
      const { id, instance } = node;
      const part = { ...message, instance, added, removed };
      const outcome = names.take(id, part, performance.now());
      return { kind: "indexed", outcome };
    });
  }

  /** Whether the node should stay connected until it renews. */
  #stays(group: string, { renewSeconds }: LeaseTerms): { stay?: true } {
    const { stays, limits } = this.#relay;
    // A node that renews less often would count as idle.
    if (2_000 * renewSeconds > limits.idleMs) return {};
    this.#stay ??= stays.take(group);
    return this.#stay === undefined ? {} : { stay: true };
  }

  async #withdraw(
    signed: MessageOf<"withdraw">,
    registration: OpenedRecord,
  ): Promise<RelayToNode> {
    const { registry } = this.#relay;
    const { id, instance } = registration;
    const lease = registry.find(id, performance.now());
    const isOwn = lease?.holder === "";
    // Nothing to end, so no need to check the signature.
    if (lease?.instance !== instance) return { kind: "withdrawn" };
    const verdict = await openRegistration(signed);
    if (verdict.kind === "refused") {
      return refusal(verdict.refusal.code, verdict.refusal.text);
    }
    const entry = registry.withdraw(registration, performance.now());
    if (entry !== undefined) {
      this.#relay.cluster?.left(id, registration.sequence);
      if (isOwn) reportNodeRemoved(this.#relay, { id, entry }, "withdrawn");
      else this.#relay.names?.left(id);
    }
    return { kind: "withdrawn" };
  }

  /**
   * Whether the node can be dialled at the host from which it connected.
   */
  async #reach(): Promise<DialBackOutcome> {
    const node = this.#registered;
    if (node === null) return "unchecked";
    const record = this.#relay.entries.registrationIn(node.entry);
    const [address] = record.addresses;
    if (address === undefined) return "unchecked";
    const host = this.#observedHost;
    return await this.#relay.reachChecks.check({
      id: node.id,
      endpoint: { host, port: address.port },
      peer: this.#relay.plaintext ? null : record,
    }, performance.now());
  }

  #attach(): RelayToNode {
    const { tunnels } = this.#relay;
    if (this.#registered === null || tunnels === null) {
      throw new ProtocolError(
        "wrong_phase",
        "Cannot attach: wanted a registration, and a relay with tunnels",
      );
    }
    this.#attached ??= tunnels.attach(this.#registered.id, this.#channel);
    return { kind: "attached" };
  }

  [Symbol.dispose](): void {
    this.#attached?.[Symbol.dispose]();
    this.#stay?.[Symbol.dispose]();
  }
}

const REGISTER_REFUSAL_TEXT = {
  identity_used_twice: "another process uses this identity",
  stale_sequence: "a newer registration of this node is known",
  registering_too_fast: "this identity registers too often; is it used twice?",
  registry_full: "the relay has reached its limit of nodes",
  too_many_nodes_for_address: "too many nodes registered from this address",
} as const;
