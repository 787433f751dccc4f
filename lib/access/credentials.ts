/**
 * Chooses the credentials that a node or a client shows a relay. The choice
 * depends on the options given and on what the relay says about itself. Pure.
 *
 * @module
 */

import { Failure, type FailureParts } from "../base/errors.ts";
import { type AccessRefusalCode, isAccessRefusal } from "./refusal.ts";
import type { Credentials } from "./relay_access.ts";
import { isKeysProof, proofOf, type Token, type TokenRole } from "./token.ts";

/** The credentials that a user has for a private relay. */
export interface Access {
  /** The token of the role. */
  readonly token?: Token | undefined;
  /** A link, which allows one fetch of its file. */
  readonly link?: LinkAccess | undefined;
}

/** A link, as a client redeems it. */
export interface LinkAccess {
  /** Absent in the link of an open relay. */
  readonly pass?: string | undefined;
  /** Name of the file. */
  readonly name: string;
  /** Identifies the fetch: 16 random bytes as base64url. */
  readonly fetch: string;
}

/** What a relay says about itself in its hello. */
export interface RelayTerms {
  readonly isPrivate: boolean;
  readonly id: string;
  readonly nonce: string;
}

/** A relay or node refused access, or this side refuses to connect. */
export class AccessFailure extends Failure {
  /** The refusal code from the peer, or the reason on this side. */
  readonly code:
    | AccessRefusalCode
    | "token_missing"
    | "relay_open"
    | "relay_unproven";

  /** Always of kind `not_allowed`. */
  constructor(code: AccessFailure["code"], parts: FailureParts) {
    super("not_allowed", parts);
    this.code = code;
  }

  /** Whether asking again with the same credentials is pointless. */
  get isFinal(): boolean {
    return this.code !== "too_many_failures" && this.code !== "too_many_uses";
  }
}

/**
 * Chooses the credentials to show a relay, if any.
 *
 * @throws {AccessFailure} if the relay requires credentials that are missing,
 * or if a node with a token would otherwise serve everybody.
 */
export function credentialsFor(
  { isPrivate, id, nonce }: RelayTerms,
  { role, access, where }: {
    role: TokenRole;
    access: Access;
    /** The relay, in a form for people. */
    where: string;
  },
): Credentials | undefined {
  const { token, link } = access;
  if (!isPrivate) {
    if (role === "client" || token === undefined) return undefined;
    throw new AccessFailure("relay_open", {
      what: "Cannot use relay",
      where,
      why: "this relay is open: anyone could reach this node through it",
      remedyCode: "private_relay_or_no_token",
    });
  }
  if (token !== undefined) {
    return {
      kind: "authenticate",
      proof: proofOf(token, { relayId: id, nonce }),
    };
  }
  if (role === "client" && link?.pass !== undefined) {
    const { pass, name, fetch } = link;
    return { kind: "redeem", pass, name, fetch };
  }
  throw new AccessFailure("token_missing", {
    what: "Cannot use relay",
    where,
    why: link === undefined
      ? "it is private"
      : "it is private now, and the link was made while it was open",
    remedyCode: `give_${role}_token`,
  });
}

/**
 * Checks that a node's grant keys come from a relay that knows the node's
 * token. Without this check another relay could decide which clients the node
 * serves.
 *
 * @throws {AccessFailure} without a valid proof.
 */
export function requireKeysProof(
  { grantKeys = [], proof = "" }: {
    readonly grantKeys?: readonly string[];
    readonly proof?: string;
  },
  { where, ...terms }: {
    token: Token;
    relayId: string;
    nonce: string;
    /** The relay, in a form for people. */
    where: string;
  },
): void {
  if (isKeysProof(proof, grantKeys, terms)) return;
  throw new AccessFailure("relay_unproven", {
    what: "Cannot use relay",
    where,
    why: "it does not know this node's token",
    remedy: "give its relay address, p2p://HOST:PORT/RELAY_ID",
  });
}

/**
 * The failure to show for a refusal code; `undefined` if the code is not about
 * access.
 */
export function accessFailure(
  { code }: { code: string },
  { where, access }: { where: string; access: Access },
): AccessFailure | undefined {
  if (!isAccessRefusal(code)) return undefined;
  const isLink = access.token === undefined && access.link !== undefined;
  const what = isLink ? "Cannot use link" : "Cannot use relay";
  return new AccessFailure(code, { what, where, ...WORDS[code](isLink) });
}

type Words = (isLink: boolean) => { why: string; remedy: string };

const ASK_FOR_ANOTHER = "ask the sender for another link";

const WORDS: Readonly<Record<AccessRefusalCode, Words>> = {
  unauthorized: (isLink) =>
    isLink ? { why: "the relay rejects it", remedy: ASK_FOR_ANOTHER } : {
      why: "it rejects this token",
      remedy: "get a new token from the person who runs the relay",
    },
  expired: () => ({ why: "it has expired", remedy: ASK_FOR_ANOTHER }),
  ["used_up"]: () => ({
    why: "it has no uses left",
    remedy: ASK_FOR_ANOTHER,
  }),
  ["too_many_failures"]: () => ({
    why: "too many failures from this address",
    remedy: "wait a minute",
  }),
  ["too_many_uses"]: () => ({
    why: "too many links are in use",
    remedy: "try again later",
  }),
};
