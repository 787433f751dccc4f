/**
 * The gates of a private relay and of its nodes, applied to their connections.
 * A gate admits a peer without comment. It tells a refused peer the code, reads
 * what that peer still sends, and closes.
 *
 * @module
 */

import { addressGroup } from "../base/address.ts";
import type { Grant } from "./grant.ts";
import { NodeAccess } from "./node_access.ts";
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

/** What a gate is made with. */
export interface GateOptions {
  /** The numbers. */
  readonly limits: Limits;
  /** Hears of those who were refused. */
  readonly incidents: Incidents;
}

/** The gate of a private relay. */
export class RelayGate {
  readonly #access: RelayAccess;
  readonly #options: GateOptions;

  /** Opens with these secrets. */
  constructor(secrets: Secrets, options: GateOptions) {
    this.#options = options;
    const now = performance.now();
    this.#access = new RelayAccess(secrets, { limits: options.limits, now });
  }

  /** Goes on with other secrets. */
  replace(secrets: Secrets): void {
    this.#access.replace(secrets, performance.now());
  }

  /**
   * Waits for the first message, which must let the caller in. `null` where it
   * does not: then it has been told, and is to be left.
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
   * Whether whoever was let in may stay: the secret may have changed since, or
   * the link have ended. Where they may not, they are told, and are to be left.
   */
  async keeps(channel: Channel, visitor: Visitor): Promise<boolean> {
    const objection = this.#access.objectionTo(visitor, moment());
    if (objection === undefined) return true;
    await turnAway(channel, objection, this.#options);
    return false;
  }

  /**
   * What goes with a registration: the keys that the node checks grants by, and
   * the proof that they are its relay's.
   */
  grantKeys(
    nodeId: string,
    terms: ProofTerms & { visitor: Visitor },
  ): { grantKeys: string[]; proof: string } {
    const grantKeys = this.#access.grantKeys(nodeId, performance.now());
    return { grantKeys, proof: this.#access.keysProof(grantKeys, terms) };
  }

  /** Makes a visitor's grants, by the ids of nodes. */
  granter(visitor: Visitor): (nodeId: string) => string {
    return this.#access.granter(visitor, moment());
  }

  /** Makes what a link carries. */
  mint(message: MessageOf<"mint">, visitor: Visitor): RelayToClient {
    if (visitor.kind === "guest") {
      return refusal("unauthorized", "a link makes no links");
    }
    const serial = toBase64Url(
      crypto.getRandomValues(new Uint8Array(SERIAL_BYTES)),
    );
    const { unixMs } = moment();
    const outcome = this.#access.mint(message, { serial, unixMs });
    return outcome.kind === "minted"
      ? outcome
      : refusal("bad_request", outcome.text);
  }
}

/** Somebody who has been let in, by which gate, and on which connection. */
interface Admitted extends ProofTerms {
  readonly gate: RelayGate;
  readonly visitor: Visitor;
}

/** Somebody who has been let in, and by which gate; none at an open relay. */
export class Admittance {
  readonly #admitted: Admitted | null;

  /** For nobody in particular where there is no gate. */
  constructor(admitted: Admitted | null) {
    this.#admitted = admitted;
  }

  /** Whether they may go on; where not, they are told, and are to be left. */
  async holds(channel: Channel): Promise<boolean> {
    if (this.#admitted === null) return true;
    const { gate, visitor } = this.#admitted;
    return await gate.keeps(channel, visitor);
  }

  /** Makes their grants, by the ids of nodes, where they need any. */
  get granter(): ((nodeId: string) => string) | undefined {
    return this.#admitted?.gate.granter(this.#admitted.visitor);
  }

  /** Makes what a link carries. */
  mint(message: MessageOf<"mint">): RelayToClient {
    return this.#admitted?.gate.mint(message, this.#admitted.visitor) ??
      refusal("bad_request", "an open relay needs no grants");
  }

  /** What goes with a registration. */
  grantKeys(nodeId: string): { grantKeys?: string[]; proof?: string } {
    const admitted = this.#admitted;
    return admitted?.gate.grantKeys(nodeId, admitted) ?? {};
  }
}

/** A client that a node has let in. Disposing forgets it. */
export interface AdmittedClient extends Disposable {
  /** What it may do. */
  readonly grant: Grant;
}

/**
 * The gate of a node that its relay gives keys. Whoever is let in stays as long
 * as the grant is good: until it ends, an hour at most, or the relay takes the
 * key back that it was made with.
 */
export class NodeGate {
  readonly #access: NodeAccess;
  readonly #options: GateOptions;
  /** Connections that are open, and the grants that opened them. */
  readonly #inside = new Map<Channel, string>();

  /** Lets nobody in before there are keys. */
  constructor(options: GateOptions) {
    this.#options = options;
    this.#access = new NodeAccess(options.limits);
  }

  /**
   * Takes the keys, base64, that the relay has just given, in place of all
   * before. Connections that were opened with others end.
   */
  setKeys(keys: readonly string[]): void {
    this.#access.setKeys(keys.flatMap((key) => {
      try {
        return [Uint8Array.fromBase64(key)];
      } catch {
        return []; // no key: nobody has a grant under it
      }
    }));
    for (const [channel, grant] of this.#inside) {
      if (!this.#access.isGood(grant)) channel.abort(grantEnded(channel));
    }
  }

  /**
   * What a client may do. `null` where it is nothing: then it has been told, and
   * is to be left. `source` is the group of its address.
   */
  async admit(
    channel: Channel,
    { grant }: Hello,
    source: string = addressGroup(channel.conn.remote.host),
  ): Promise<AdmittedClient | null> {
    const now = moment();
    const verdict = this.#access.admit(grant, source, now);
    if (verdict.kind !== "admitted" || grant === undefined) {
      const refused = verdict.kind === "admitted"
        ? REFUSALS.unauthorized
        : verdict;
      await turnAway(channel, refused, this.#options);
      return null;
    }
    const goodMs = this.#access.goodMs(verdict.grant, now);
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

function grantEnded({ conn }: Channel): ProtocolError {
  return new ProtocolError(
    "grant_ended",
    `Cannot go on with ${formatEndpoint(conn.remote)}: its grant has ended`,
  );
}

/** All that a node or a client may say to a relay. */
const ANYTHING = [
  ...DIRECTION.toPrivateRelay,
  ...DIRECTION.nodeToRelay,
  ...DIRECTION.clientToRelay,
] as const;

/** What breaks the protocol shows no token; whether it does, is not told. */
function asNothing(error: unknown): undefined {
  const isWrong = error instanceof ProtocolError &&
    (error.code === "bad_message" || error.code === "wrong_phase");
  if (!isWrong) throw error;
}

// What was sent along with the first message arrives in this time, if ever.
const HEARING_MS = 1_000;
const HEARING_BYTES = 64 * 1024;

/**
 * Tells a refusal, and reads what the peer has sent already: a connection that
 * is closed over unread bytes is reset, and the refusal lost with it.
 */
async function turnAway(
  channel: Channel,
  { code, text }: AccessRefusal,
  { incidents }: GateOptions,
): Promise<void> {
  incidents.refused(code, channel.conn.remote);
  using _end = channel.endOn(AbortSignal.timeout(HEARING_MS));
  try {
    await channel.send(refusal(code, text));
    await channel.conn.closeWrite();
    const scratch = new Uint8Array(4096);
    for (let heard = 0; heard < HEARING_BYTES;) {
      const count = await channel.conn.read(scratch);
      if (count === null) return;
      heard += count;
    }
  } catch (error) {
    // It is being left either way.
    if (!isDisconnect(error) && !(error instanceof ProtocolError)) throw error;
  }
}

function moment(): Moment {
  return { now: performance.now(), unixMs: Date.now() };
}
