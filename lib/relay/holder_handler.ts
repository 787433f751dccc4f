/**
 * The relay's side of a client in a swarm. Over one connection, the client
 * proves a key of its own, says which contents it holds, and asks for other
 * holders. The relay lists it to clients that ask for one of these contents,
 * until the connection ends.
 *
 * @module
 */

import type { Admittance } from "../access/gate.ts";
import { addressGroup, withoutMapping } from "../base/address.ts";
import { ProtocolError } from "../base/errors.ts";
import { isShared } from "../guard/admission.ts";
import type { Channel } from "../protocol/channel.ts";
import { refusal } from "../protocol/hello.ts";
import {
  encodeHolderList,
  encodeMessage,
  type MessageOf,
  NODES_OVERHEAD_BYTES,
} from "../protocol/messages.ts";
import {
  openRegistration,
  readRegistration,
} from "../protocol/signed_record.ts";
import { packSeen } from "./entries.ts";
import type { RelayContext } from "./context.ts";
import type { Holder, HolderRefusal } from "./holders.ts";

/** What a client of a swarm may ask. */
export type HolderRequest = MessageOf<"enter" | "hold" | "holders">;

/** Options of {@linkcode HolderHandler}. */
export interface HolderHandlerOptions {
  readonly relay: RelayContext;
  /** The relay's nonce for this connection. */
  readonly nonce: string;
  readonly admittance: Admittance;
  /** Counts the connection with those of holders; see {@linkcode Accepted}. */
  readonly countApart: () => boolean;
}

/** One client. Disposing withdraws it. */
export class HolderHandler implements Disposable {
  readonly #channel: Channel;
  readonly #options: HolderHandlerOptions;
  readonly #observedHost: string;
  readonly #group: string;
  #holder: Holder | undefined;
  #hasTried = false;
  #checkedAt = -Infinity;

  constructor(channel: Channel, options: HolderHandlerOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#observedHost = withoutMapping(channel.conn.remote.host);
    this.#group = addressGroup(this.#observedHost);
  }

  /** The frame of the answer. */
  async answer(message: HolderRequest): Promise<Uint8Array> {
    if (message.kind === "holders") return await this.#list(message);
    const answer = message.kind === "enter"
      ? await this.#enter(message)
      : this.#hold(message);
    if (answer.kind === "refused") this.#countRefusal(answer.code);
    return encodeMessage(answer);
  }

  #countRefusal(code: string): void {
    this.#options.relay.incidents.refused(code, this.#channel.conn.remote);
  }

  /** Checks everything else before the signature. */
  async #enter(
    signed: MessageOf<"enter">,
  ): Promise<MessageOf<"entered" | "refused">> {
    const { relay, nonce, countApart } = this.#options;
    if (this.#hasTried) {
      throw new ProtocolError("wrong_phase", "Cannot enter twice");
    }
    const terms = { relay: relay.id, nonce };
    const read = readRegistration(signed, terms);
    if (read.kind === "refused") {
      return refusal(read.refusal.code, read.refusal.text);
    }
    const { id, purpose } = read.registration;
    if (purpose !== "hold") {
      return refusal("bad_record", "purpose: not that of the message");
    }
    const { addresses } = read.registration;
    const observedHost = this.#observedHost;
    const packed = packSeen({ signed, addresses, observedHost }, relay);
    if ("code" in packed) return packed;
    const group = this.#group;
    // Behind a proxy on this machine all peers have the same address.
    const source = isShared(group) ? id : group;
    const refused = relay.holders.refusalOf({ id, source }, performance.now());
    if (refused !== undefined) {
      return refusal(refused, HOLDER_REFUSAL_TEXT[refused]);
    }
    const verdict = await openRegistration(signed);
    // Once is enough: the signature costs most.
    this.#hasTried = true;
    if (verdict.kind === "refused") {
      return refusal(verdict.refusal.code, verdict.refusal.text);
    }
    const entrant = { id, ...packed, group, source };
    const outcome = relay.holders.enter(entrant, performance.now());
    if ("refusal" in outcome) {
      const { refusal: code } = outcome;
      return refusal(code, HOLDER_REFUSAL_TEXT[code]);
    }
    this.#holder = outcome;
    relay.cluster?.holders.entered(outcome, this.#observedHost);
    countApart();
    this.#check(outcome);
    const { leaseSeconds, renewSeconds } = relay.limits;
    return { kind: "entered", leaseSeconds, renewSeconds };
  }

  #hold({ contents }: MessageOf<"hold">): MessageOf<"held" | "refused"> {
    const { relay, admittance } = this.#options;
    const holder = this.#holder;
    if (holder === undefined) {
      throw new ProtocolError("wrong_phase", "Cannot hold: wanted to enter");
    }
    if (!contents.every((content) => admittance.mayJoin(content))) {
      return refusal("unauthorized", "this link is for another content");
    }
    const refused = relay.holders.hold(holder, contents, performance.now());
    if (refused !== undefined) {
      return refusal(refused, HOLDER_REFUSAL_TEXT[refused]);
    }
    relay.requests.add("holding");
    relay.cluster?.holders.held(holder);
    this.#check(holder);
    return {
      kind: "held",
      outcome: holder.reached,
      ...admittance.grantKeys(holder.id),
    };
  }

  /**
   * Finds out whether the client can be dialled at the host from which it
   * connected, and nowhere else. Nothing waits for it. A client that could not
   * be dialled is tried once in the time of a lease.
   */
  #check(holder: Holder): void {
    const { holderChecks, entries, plaintext, limits, cluster } =
      this.#options.relay;
    const { id, reached } = holder;
    const host = this.#observedHost;
    const now = performance.now();
    const isRecent = now - this.#checkedAt < limits.leaseSeconds * 1_000;
    if (reached === "alive" || reached === "gone" && isRecent) return;
    // Checked first, because reading an entry means reading a certificate.
    if (!holderChecks.may({ id, host }, now)) return;
    const record = entries.registrationIn(holder.entry);
    const [address] = record.addresses;
    if (address === undefined) return;
    this.#checkedAt = now;
    const endpoint = { host, port: address.port };
    const peer = plaintext ? null : record;
    void holderChecks.check({ id, endpoint, peer }, now)
      .then((outcome) => {
        holder.reached = outcome;
        cluster?.holders.held(holder);
      });
  }

  async #list(
    { content, most }: MessageOf<"holders">,
  ): Promise<Uint8Array> {
    const { relay, admittance } = this.#options;
    const { holders, limits, turns, requests } = relay;
    if (!admittance.mayJoin(content)) {
      this.#countRefusal("unauthorized");
      return encodeMessage(
        refusal("unauthorized", "this link is for another content"),
      );
    }
    requests.add("holders");
    const found = holders.list(content, {
      self: this.#holder?.id,
      near: this.#group,
      most: Math.min(
        most ?? limits.holdersAnswerCount,
        limits.holdersAnswerCount,
      ),
      random: Math.random,
    }, performance.now());
    const requestCount = Math.floor(
      found.length / limits.holdersPerRequestCount,
    );
    if (requestCount > 0) {
      await turns.next(this.#channel.conn.remote, requestCount);
    }
    return this.#frameOf(content, found);
  }

  /** As many of the holders as fit into a frame. */
  #frameOf(content: string, found: readonly Holder[]): Uint8Array {
    const { relay, admittance } = this.#options;
    const { entries, limits, holders } = relay;
    const granter = admittance.granterFor(content);
    const listed: string[] = [];
    const grants: string[] = [];
    let bytes = NODES_OVERHEAD_BYTES;
    for (const { id, entry, listedBytes, group } of found) {
      const grant = granter?.(id);
      bytes += listedBytes + 1 + (grant?.length ?? 0) + 3;
      if (bytes > limits.frameControlBytes) break;
      const near = group === this.#group;
      listed.push(entries.listed(entry, { near }));
      if (grant !== undefined) grants.push(grant);
    }
    return encodeHolderList({
      count: holders.countOf(content),
      entries: listed,
      ...(granter === undefined ? {} : { grants }),
    });
  }

  [Symbol.dispose](): void {
    if (this.#holder === undefined) return;
    const { holders, cluster } = this.#options.relay;
    holders.leave(this.#holder);
    cluster?.holders.left(this.#holder);
  }
}

const HOLDER_REFUSAL_TEXT: Readonly<Record<HolderRefusal, string>> = {
  ["too_many_holders"]: "the relay has reached its limit of holders",
  ["too_many_holders_for_address"]: "too many holders at this address",
  ["too_many_contents"]: "too many contents are held",
  ["too_many_contents_for_address"]: "too many contents at this address",
  ["lease_ended"]: "the lease has ended, or another connection took it over",
};
