/**
 * The gates of a private relay and of its nodes, applied to their connections.
 * A gate admits a peer without comment. It sends a refused peer the code, reads
 * what that peer still sends, and closes.
 *
 * @module
 */

import { addressGroup } from "../base/address.ts";
import type { Grant } from "./grant.ts";
import { type GrantKey, NodeAccess } from "./node_access.ts";
import { contentFingerprint } from "../content/fingerprints.ts";
import { SERIAL_BYTES } from "./pass.ts";
import { type AccessRefusal, REFUSALS } from "./refusal.ts";
import { toBase64Url } from "./keys.ts";
import {
  type Moment,
  RelayAccess,
  type Secrets,
  type Visitor,
} from "./relay_access.ts";
import type { ProofTerms, TokenRole } from "./token.ts";
import type { Uses } from "./uses.ts";
import type { Channel } from "../protocol/channel.ts";
import { formatEndpoint } from "../base/conn.ts";
import { isDisconnect, ProtocolError } from "../base/errors.ts";
import { refusal } from "../protocol/hello.ts";
import type { Incidents } from "../guard/incidents.ts";
import type { Limits } from "../base/limits.ts";
import {
  DIRECTION,
  type Hello,
  type MessageOf,
  type RelayToClient,
} from "../protocol/messages.ts";

/** Options of both gates. */
export interface GateOptions {
  readonly limits: Limits;
  /** Gets the refusals. */
  readonly incidents: Incidents;
  /** Whether the gate is that of a holder, and not that of a node. */
  readonly isHolder?: boolean;
}

/** The gate of a private relay. */
export class RelayGate {
  readonly #access: RelayAccess;
  readonly #options: GateOptions;

  /** `uses` counts those of links. */
  constructor(secrets: Secrets, options: GateOptions & { uses?: Uses }) {
    this.#options = options;
    const { limits, uses } = options;
    const now = performance.now();
    this.#access = new RelayAccess(secrets, {
      limits,
      now,
      ...(uses === undefined ? {} : { uses }),
    });
  }

  /** Replaces the secrets. */
  replace(secrets: Secrets): void {
    this.#access.replace(secrets, performance.now());
  }

  /**
   * Waits for the first message and checks its credentials. On `null` the gate
   * has sent the refusal, and the caller must close the channel.
   */
  async admit(
    channel: Channel,
    { role, relayId, nonce }: {
      role: TokenRole;
      relayId: string;
      nonce: string;
    },
  ): Promise<Visitor | null> {
    using deadline = channel.endOn(
      AbortSignal.timeout(this.#options.limits.handshakeMs),
    );
    const message = await channel.receive(ANYTHING).catch(asNothing);
    if (message === null) return null;
    const credentials = message?.kind === "authenticate" ||
        message?.kind === "redeem"
      ? message
      : undefined;
    const source = addressGroup(channel.conn.remote.host);
    const caller = { role, relayId, nonce, source };
    const verdict = this.#access.admit(credentials, caller, moment());
    if (verdict.kind === "admitted") return verdict.visitor;
    deadline[Symbol.dispose]();
    await turnAway(channel, verdict, this.#options);
    return null;
  }

  /**
   * Whether an admitted peer may stay. The secret may have changed since, or
   * the link expired. On `false` the gate has sent the refusal, and the caller
   * must close the channel.
   */
  keeps(channel: Channel, visitor: Visitor): true | Promise<false> {
    const objection = this.#access.objectionTo(visitor, moment());
    return objection === undefined ||
      turnAway(channel, objection, this.#options).then(() => false as const);
  }

  /**
   * What the answer to a registration carries: the keys with which the node
   * checks grants, the time by which these end, as the clock of a relay may be
   * set, and the proof that the keys come from its relay.
   */
  grantKeys(
    nodeId: string,
    terms: ProofTerms & { visitor: Visitor; role: TokenRole },
  ): { grantKeys: string[]; time: number; proof?: string } {
    const { now, unixMs: time } = moment();
    const grantKeys = this.#access.grantKeys(nodeId, now);
    // A guest has no token to check a proof with; its link names the relay.
    return terms.visitor.kind === "guest"
      ? { grantKeys, time }
      : { grantKeys, time, proof: this.#access.keysProof(grantKeys, terms) };
  }

  /**
   * Returns a function that makes the peer's grant for the id of a node, or of a
   * holder of the content with this fingerprint.
   */
  granter(visitor: Visitor, fingerprint?: string): (nodeId: string) => string {
    return this.#access.granter(visitor, moment(), fingerprint);
  }

  /** Makes the pass of a link. */
  mint(message: MessageOf<"mint">, visitor: Visitor): RelayToClient {
    if (visitor.kind === "guest") {
      return refusal("unauthorized", "a link cannot make links");
    }
    const serial = toBase64Url(
      crypto.getRandomValues(new Uint8Array(SERIAL_BYTES)),
    );
    const terms = { serial, visitor };
    const outcome = this.#access.mint(message, terms, moment());
    return outcome.kind === "minted"
      ? outcome
      : refusal("bad_request", outcome.text);
  }
}

/** An admitted peer, with its gate and its connection. */
interface Admitted extends ProofTerms {
  readonly gate: RelayGate;
  readonly visitor: Visitor;
  readonly role: TokenRole;
}

/** An admitted peer and its gate; an open relay has no gate. */
export class Admittance {
  readonly #admitted: Admitted | null;

  /** `null` at an open relay. */
  constructor(admitted: Admitted | null) {
    this.#admitted = admitted;
  }

  /**
   * Whether the peer may continue. On `false` the gate has sent the refusal,
   * and the caller must close the channel.
   */
  holds(channel: Channel): true | Promise<false> {
    if (this.#admitted === null) return true;
    const { gate, visitor } = this.#admitted;
    return gate.keeps(channel, visitor);
  }

  /** Makes the peer's grant for a node id; `undefined` at an open relay. */
  get granter(): ((nodeId: string) => string) | undefined {
    return this.#admitted?.gate.granter(this.#admitted.visitor);
  }

  /**
   * Makes the peer's grant for the id of a holder of a content; `undefined` at an
   * open relay.
   */
  granterFor(fingerprint: string): ((id: string) => string) | undefined {
    const admitted = this.#admitted;
    return admitted?.gate.granter(admitted.visitor, fingerprint);
  }

  /**
   * Whether the peer may take part in the swarm of a content: with a link, in
   * that of the link's content alone.
   */
  mayJoin(fingerprint: string): boolean {
    const { visitor, relayId } = this.#admitted ?? {};
    return relayId === undefined || visitor?.kind !== "guest" ||
      contentFingerprint(relayId, visitor.terms.content) === fingerprint;
  }

  /** Whether the peer may ask for names; the holder of a link may not. */
  get mayUseIndex(): boolean {
    return this.#admitted?.visitor.kind !== "guest";
  }

  /** Makes the pass of a link. */
  mint(message: MessageOf<"mint">): RelayToClient {
    return this.#admitted?.gate.mint(message, this.#admitted.visitor) ??
      refusal("bad_request", "an open relay needs no grants");
  }

  /** What the answer to a registration carries about grants. */
  grantKeys(
    nodeId: string,
  ): { grantKeys?: string[]; time?: number; proof?: string } {
    const admitted = this.#admitted;
    return admitted?.gate.grantKeys(nodeId, admitted) ?? {};
  }
}

/** The grant keys (base64) that one relay has given, and its clock. */
export interface GivenKeys extends Pick<GrantKey, "zeroUnixMs"> {
  readonly keys: readonly string[];
}

/** A client that a node has admitted. Disposing forgets it. */
export interface AdmittedClient extends Disposable {
  /** What the client may do. */
  readonly grant: Grant;
}

/**
 * The gate of a node, or of a holder, with keys from its relay. An admitted client may stay
 * while its grant is valid: until it expires, an hour at most, or until the
 * relay replaces the key that made it.
 */
export class NodeGate {
  readonly #access: NodeAccess;
  readonly #options: GateOptions;
  /** Open connections, and the grants that opened them. */
  readonly #inside = new Map<Channel, string>();

  /** Admits nobody until `setKeys` is called. */
  constructor(options: GateOptions) {
    this.#options = options;
    this.#access = new NodeAccess(options.limits, options);
  }

  /**
   * Replaces all keys by those that the relays have just given. Closes
   * connections that used a removed key.
   */
  setKeys(given: Iterable<GivenKeys>): void {
    this.#access.setKeys(Array.from(given).flatMap(keysIn));
    for (const [channel, grant] of this.#inside) {
      if (!this.#access.isGood(grant)) channel.abort(grantEnded(channel));
    }
  }

  /**
   * Checks the client's grant. On `null` the gate has sent the refusal, and the
   * caller must close the channel. `source` is the group of its address.
   */
  async admit(
    channel: Channel,
    { grant }: Hello,
    source: string = addressGroup(channel.conn.remote.host),
  ): Promise<AdmittedClient | null> {
    const verdict = this.#access.admit(grant, source, moment());
    if (verdict.kind !== "admitted" || grant === undefined) {
      const refused = verdict.kind === "admitted"
        ? REFUSALS.unauthorized
        : verdict;
      await turnAway(channel, refused, this.#options);
      return null;
    }
    const goodMs = this.#access.goodMs(verdict);
    const end = setTimeout(() => channel.abort(grantEnded(channel)), goodMs);
    this.#inside.set(channel, grant);
    return {
      grant: verdict.grant,
      [Symbol.dispose]: () => {
        clearTimeout(end);
        this.#inside.delete(channel);
      },
    };
  }
}

function keysIn({ keys, zeroUnixMs }: GivenKeys): GrantKey[] {
  return keys.flatMap((key) => {
    try {
      return [{ key: Uint8Array.fromBase64(key), zeroUnixMs }];
    } catch {
      return []; // no key: no grant is valid under it
    }
  });
}

function grantEnded({ conn }: Channel): ProtocolError {
  return new ProtocolError(
    "grant_ended",
    `Cannot continue with ${formatEndpoint(conn.remote)}: its grant has ended`,
  );
}

/** Every message that a node or a client may send to a relay. */
const ANYTHING = [
  ...DIRECTION.toPrivateRelay,
  ...DIRECTION.nodeToRelay,
  ...DIRECTION.clientToRelay,
] as const;

/**
 * A peer that breaks the protocol has presented no credential. The answer does
 * not say that it was broken.
 */
function asNothing(error: unknown): undefined {
  const isWrong = error instanceof ProtocolError &&
    (error.code === "bad_message" || error.code === "wrong_phase");
  if (!isWrong) throw error;
}

/**
 * Sends a refusal, and reads what the peer has already sent. Closing a
 * connection with unread bytes would reset it, and lose the refusal.
 */
async function turnAway(
  channel: Channel,
  { code, text }: AccessRefusal,
  { incidents, limits }: GateOptions,
): Promise<void> {
  incidents.refused(code, channel.conn.remote);
  using _end = channel.endOn(AbortSignal.timeout(limits.partingMs));
  try {
    await channel.send(refusal(code, text));
    await channel.conn.closeWrite();
    const scratch = new Uint8Array(4096);
    for (let readBytes = 0; readBytes < limits.partingBytes;) {
      const count = await channel.conn.read(scratch);
      if (count === null) return;
      readBytes += count;
    }
  } catch (error) {
    // The connection ends either way.
    if (!isDisconnect(error) && !(error instanceof ProtocolError)) throw error;
  }
}

function moment(): Moment {
  return { now: performance.now(), unixMs: Date.now() };
}
