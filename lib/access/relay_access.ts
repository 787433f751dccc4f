/**
 * Decides who may do what at a private relay: proofs of tokens, passes of
 * links, the keys and grants with which nodes check clients, and the change
 * from one secret to the next. Pure: time and randomness are arguments.
 *
 * @module
 */

import { isContentId } from "../content/manifest.ts";
import type { Limits } from "../base/limits.ts";
import { sha256 } from "../base/hash.ts";
import { safeName } from "../base/names.ts";
import { Attempts } from "./attempts.ts";
import { formatGrant, type Grant, grantKeyOf } from "./grant.ts";
import { deriveKey, isSameMac, toBase64Url } from "./keys.ts";
import { formatPass, linkKeyOf, openPass, type PassTerms } from "./pass.ts";
import { type AccessRefusal, REFUSALS } from "./refusal.ts";
import {
  isProof,
  keysProofOf,
  type ProofTerms,
  tokenOf,
  type TokenRole,
} from "./token.ts";
import { TAG_LENGTH, type Use, type UseOutcome, Uses } from "./uses.ts";

/** The secrets of a private relay. */
export interface Secrets {
  /** The secret in force. */
  readonly current: Uint8Array;
  /** The previous secret, valid for this many more milliseconds. */
  readonly previous?: {
    readonly secret: Uint8Array;
    readonly overlapMs: number;
  };
}

/**
 * The key of the fingerprints in a relay's index. At an open relay everybody
 * can compute it; a private relay sends it to its nodes and clients. It stays
 * the same while the relay runs.
 */
export function indexKeyFor(
  relayId: string,
  secrets: Secrets | undefined,
): Uint8Array<ArrayBuffer> {
  return secrets === undefined
    ? sha256(new TextEncoder().encode(`relay-p2p index 1\n${relayId}`))
    : deriveKey(secrets.current, "index");
}

/** A moment, on both clocks. */
export interface Moment {
  /** Milliseconds on a monotonic clock. */
  readonly now: number;
  /** Milliseconds since 1970. */
  readonly unixMs: number;
}

/** An admitted peer. */
export type Visitor =
  /** A peer with the token of its role. */
  | {
    readonly kind: "member";
    /** The secret that the token comes from. */
    readonly secret: Uint8Array;
  }
  /** A peer with a link, for one fetch of its file. */
  | {
    readonly kind: "guest";
    readonly secret: Uint8Array;
    readonly name: string;
    readonly terms: PassTerms;
    readonly fetch: string;
  };

/** Whether a peer is admitted. */
export type AccessVerdict =
  | { readonly kind: "admitted"; readonly visitor: Visitor }
  | AccessRefusal;

/** What a peer shows to be admitted. */
export type Credentials =
  | { readonly kind: "authenticate"; readonly proof: string }
  | {
    readonly kind: "redeem";
    readonly pass: string;
    readonly name: string;
    readonly fetch: string;
  };

/** The peer that asks, and its connection. */
export interface Caller extends ProofTerms {
  readonly role: TokenRole;
  /** The group of its address. */
  readonly source: string;
}

/** The terms that a client asks for in a new link. */
export interface MintRequest {
  readonly name: string;
  readonly content: string;
  readonly expiresSeconds: number;
  readonly uses: number;
}

/** A secret and the keys derived from it. */
interface SecretKeys {
  readonly secret: Uint8Array;
  readonly link: Uint8Array;
  /** Ends the serial numbers of its links where uses are remembered. */
  readonly tag: string;
}

/** Checks credentials for a private relay. */
export class RelayAccess {
  readonly #limits: Limits;
  readonly #attempts: Attempts;
  readonly #uses: Uses;
  #current: SecretKeys;
  /** The old secret, in force or not. */
  #previous: SecretKeys | null = null;
  /** When the old secret ends, on the monotonic clock. */
  #previousUntil = -Infinity;
  /**
   * Until then, grants use the old secret: some nodes do not know the new one
   * yet.
   */
  #mintOldUntil = -Infinity;
  /** How many secrets were in force when others' uses were last forgotten. */
  #keptCount = 0;

  constructor(
    secrets: Secrets,
    { limits, now, uses = new Uses(limits) }: {
      limits: Limits;
      now: number;
      /** Counts the uses of links. */
      uses?: Uses;
    },
  ) {
    this.#limits = limits;
    this.#attempts = new Attempts(limits);
    this.#uses = uses;
    this.#current = keysOf(secrets.current);
    this.#takePrevious(secrets, now);
    this.#forgetUses(now);
  }

  /**
   * Replaces the secrets. When the secret in force becomes the previous one,
   * grants still use it until every listed node has registered again and has
   * the new keys. Unchanged secrets keep their time, also if it is over.
   */
  replace(secrets: Secrets, now: number): void {
    const before = this.#current;
    const old = secrets.previous?.secret;
    const isSame = isSameMac(secrets.current, before.secret);
    const isKnown = old !== undefined && this.#previous !== null &&
      isSameMac(old, this.#previous.secret);
    if (isSame && isKnown) return;
    this.#current = keysOf(secrets.current);
    this.#previous = null;
    this.#mintOldUntil = -Infinity;
    this.#takePrevious(secrets, now);
    if (!isSame && old !== undefined && isSameMac(old, before.secret)) {
      this.#mintOldUntil = now + this.#limits.leaseMaxSeconds * 1000;
    }
    this.#forgetUses(now);
  }

  /** Forgets the uses of links of secrets that are over. */
  #forgetUses(now: number): void {
    const inForce = this.#inForce(now);
    this.#keptCount = inForce.length;
    this.#uses.keepOnly(inForce.map(({ tag }) => tag));
  }

  #takeUse(use: Use, { now, unixMs }: Moment): UseOutcome {
    const seconds = Math.floor(unixMs / 1000);
    const outcome = this.#uses.take(use, seconds);
    const isOver = this.#inForce(now).length !== this.#keptCount;
    if (outcome !== "no_room" || !isOver) return outcome;
    this.#forgetUses(now);
    return this.#uses.take(use, seconds);
  }

  #takePrevious({ previous }: Secrets, now: number): void {
    if (previous === undefined) return;
    this.#previous = keysOf(previous.secret);
    this.#previousUntil = now + previous.overlapMs;
  }

  /** The secrets in force, newest first. */
  #inForce(now: number): SecretKeys[] {
    return this.#previous === null || now >= this.#previousUntil
      ? [this.#current]
      : [this.#current, this.#previous];
  }

  /**
   * Admits a peer, or says why not. `credentials` are `undefined` if it showed
   * none.
   */
  admit(
    credentials: Credentials | undefined,
    caller: Caller,
    moment: Moment,
  ): AccessVerdict {
    const { source } = caller;
    if (this.#attempts.isBlocked(source, moment.now)) {
      return REFUSALS.too_many_failures;
    }
    const verdict = credentials?.kind === "redeem" && caller.role === "client"
      ? this.#redeem(credentials, moment)
      : credentials?.kind === "authenticate"
      ? this.#prove(credentials.proof, caller, moment.now)
      : REFUSALS.unauthorized;
    if (verdict === REFUSALS.unauthorized) {
      this.#attempts.failed(source, moment.now);
    }
    return verdict;
  }

  #prove(proof: string, caller: Caller, now: number): AccessVerdict {
    // Always tries all keys, so that the time does not reveal which one fits.
    const [proved] = this.#inForce(now).filter(({ secret }) =>
      isProof(proof, tokenOf(secret, caller.role), caller)
    );
    if (proved === undefined) return REFUSALS.unauthorized;
    return {
      kind: "admitted",
      visitor: { kind: "member", secret: proved.secret },
    };
  }

  /** Whether the same credentials would still be accepted. */
  isInForce({ secret }: Visitor, now: number): boolean {
    return this.#inForce(now).some((keys) => isSameMac(keys.secret, secret));
  }

  /** Why an admitted peer may not stay; `undefined` if it may. */
  objectionTo(
    visitor: Visitor,
    { now, unixMs }: Moment,
  ): AccessRefusal | undefined {
    if (!this.isInForce(visitor, now)) return REFUSALS.unauthorized;
    return visitor.kind === "guest" && hasEnded(visitor.terms, unixMs)
      ? REFUSALS.expired
      : undefined;
  }

  #redeem(
    { pass, name, fetch }: Credentials & { kind: "redeem" },
    { now, unixMs }: Moment,
  ): AccessVerdict {
    const inForce = this.#inForce(now);
    const keys = inForce.map(({ link }) => link);
    const opened = openPass(pass, { name, keys });
    if (opened === undefined) return REFUSALS.unauthorized;
    const { terms, keyIndex } = opened;
    const { secret, tag } = inForce[keyIndex]!;
    if (hasEnded(terms, unixMs)) return REFUSALS.expired;
    const serial = terms.serial + tag;
    const use = { ...terms, serial, fetch };
    const outcome = this.#takeUse(use, { now, unixMs });
    if (outcome === "used_up") return REFUSALS.used_up;
    if (outcome === "no_room") return REFUSALS.too_many_uses;
    return {
      kind: "admitted",
      visitor: { kind: "guest", secret, name, terms, fetch },
    };
  }

  /** The keys with which a node checks grants (base64), one for each secret. */
  grantKeys(nodeId: string, now: number): string[] {
    return this.#inForce(now)
      .map(({ secret }) => grantKeyOf(secret, nodeId).toBase64());
  }

  /** Proves to an admitted peer that its grant keys come from this relay. */
  keysProof(
    grantKeys: readonly string[],
    { visitor, role, ...terms }: ProofTerms & {
      visitor: Visitor;
      role: TokenRole;
    },
  ): string {
    const token = tokenOf(visitor.secret, role);
    return keysProofOf(grantKeys, { token, ...terms });
  }

  /**
   * Returns a function that makes the peer's grant for the id of a node, or of a
   * holder of the content with this fingerprint. All of its grants have the same
   * length.
   */
  granter(
    visitor: Visitor,
    { now, unixMs }: Moment,
    fingerprint?: string,
  ): (id: string) => string {
    const isNew = isSameMac(visitor.secret, this.#current.secret);
    // Of the secret that admitted the peer, so that both end together.
    const { secret } = isNew && now < this.#mintOldUntil
      ? this.#inForce(now).at(-1)!
      : visitor;
    const most = Math.floor(unixMs / 1000) + this.#limits.grantSeconds;
    const only = fingerprint === undefined ? {} : { fingerprint };
    const grant: Grant = visitor.kind === "member"
      ? { expires: most, ...only }
      : {
        ...only,
        expires: Math.min(most, visitor.terms.expires),
        prefix: visitor.name,
        content: visitor.terms.content,
        serial: visitor.terms.serial,
        uses: visitor.terms.uses,
        fetch: visitor.fetch,
      };
    return (id) => formatGrant(grant, grantKeyOf(secret, id));
  }

  /**
   * Makes the pass of a link for a member; `serial` is random. The pass ends with
   * the secret that admitted the member. A refusal says which part of the request
   * is out of bounds.
   */
  mint(
    { name, content, expiresSeconds, uses }: MintRequest,
    { serial, visitor }: { serial: string; visitor: Visitor },
    { unixMs }: Pick<Moment, "unixMs">,
  ): { kind: "minted"; pass: string } | { kind: "refused"; text: string } {
    const { linkSeconds, linkUsesCount } = this.#limits;
    const verdict = safeName(name);
    if (verdict.kind === "refused" || verdict.name !== name) {
      return { kind: "refused", text: "name: no file can have it" };
    }
    if (!isContentId(content)) {
      return { kind: "refused", text: "content: not a content id" };
    }
    if (expiresSeconds > linkSeconds) {
      return { kind: "refused", text: `expiresSeconds: over ${linkSeconds}` };
    }
    if (uses > linkUsesCount) {
      return { kind: "refused", text: `uses: over ${linkUsesCount}` };
    }
    const expires = Math.floor(unixMs / 1000) + expiresSeconds;
    const key = linkKeyOf(visitor.secret);
    const terms = { content, expires, uses, serial };
    return { kind: "minted", pass: formatPass(terms, { name, key }) };
  }
}

function hasEnded({ expires }: PassTerms, unixMs: number): boolean {
  return Math.floor(unixMs / 1000) >= expires;
}

function keysOf(secret: Uint8Array): SecretKeys {
  const tag = toBase64Url(deriveKey(secret, "uses")).slice(0, TAG_LENGTH);
  return { secret, link: linkKeyOf(secret), tag };
}
