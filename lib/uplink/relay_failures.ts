/**
 * Words for the ways in which a relay cannot be reached, or is not the one that
 * was expected.
 *
 * @module
 */

import type { RelayAddress } from "../base/address.ts";
import { formatEndpoint } from "../base/conn.ts";
import {
  describeCause,
  Failure,
  type FailureParts,
  isHangUp,
  isNoRoom,
  ProtocolError,
} from "../base/errors.ts";
import { show } from "../base/text.ts";

/**
 * The relay requires a later version of this program. Trying again is
 * pointless.
 */
export class OutdatedFailure extends Failure {}

/** Nobody answers at the address of the relay, or not in time. */
export class UnreachableFailure extends Failure {}

/** The peer is not the relay that was named or remembered. */
export class IdentityFailure extends Failure {}

/** By this machine's clock, the relay's certificate is not valid. */
export class ClockFailure extends Failure {}

/** The failure where another relay answers than the one expected. */
export function notItself(
  relay: RelayAddress,
  { expected, found, why }: { expected: string; found: string; why: string },
  remedy: string,
): Failure {
  return new IdentityFailure("relay", {
    what: "Cannot trust relay",
    where: formatEndpoint(relay),
    why: `identity does not match: ${why}, wanted ${expected}, found ${found}`,
    remedy:
      `if the relay was set up again, ${remedy}; if not, somebody may be intercepting the connection`,
  });
}

/** The failure where a node answers. */
export function isNode(relay: RelayAddress): Failure {
  return failureAt(relay, {
    what: "Cannot talk to relay",
    why: "a peer node answers there, not a relay",
    remedy: "give the relay's own port, from the line `relay address …` " +
      "that it printed",
  });
}

/** The failure where the relay refuses the hello. */
export function refusedBy(
  relay: RelayAddress,
  { code, text }: { code: string; text: string },
): Failure {
  return failureAt(relay, {
    what: "Cannot talk to relay",
    why: `it refused: ${show(text)} (${show(code)})`,
  });
}

/** The failure for `error`, which ended an attempt to reach `relay`. */
export function failureToReach(
  relay: RelayAddress,
  error: unknown,
  { plaintext }: { readonly plaintext: boolean },
): Failure {
  if (error instanceof Failure) return error;
  const code = error instanceof ProtocolError ? error.code : undefined;
  if (code === "wrong_service" || code === "identity_mismatch") {
    return failureAt(relay, {
      what: "Cannot talk to relay",
      why: "the program that answers there is not a relay with encryption",
      remedyCode: "check_address_or_plaintext",
      cause: error,
    });
  }
  if (code === "unsupported_version") {
    return failureAt(relay, {
      what: "Cannot talk to relay",
      why: (error as ProtocolError).message,
      remedy: "run the same version on both sides",
      cause: error,
    });
  }
  // A relay with encryption closes a connection in plaintext.
  const isOther = !UNANSWERED.has(code) || (plaintext && code === "truncated");
  if (code !== undefined && isOther) {
    return failureAt(relay, {
      what: "Cannot talk to relay",
      why: "the program that answers there is not a relay",
      ...(plaintext
        ? { remedyCode: "check_address_or_encryption" }
        : { remedy: "check host and port" }),
      cause: error,
    });
  }
  if (error instanceof Deno.errors.NotCapable) {
    return new Failure("not_allowed", {
      what: "Cannot reach relay",
      where: formatEndpoint(relay),
      why: describeCause(error),
      remedy: "grant it with --allow-net",
      cause: error,
    });
  }
  return new UnreachableFailure("relay", {
    what: "Cannot reach relay",
    where: formatEndpoint(relay),
    why: UNANSWERED.get(code) ?? whyOf(error),
    remedy: "check host and port, and that the relay is running",
    cause: error,
  });
}

/** Why there is no answer, by the code of the error. A busy relay does both. */
const UNANSWERED: ReadonlyMap<string | undefined, string> = new Map([
  ["timed_out", "no answer in time"],
  ["idle", "no answer in time"],
  ["truncated", "it closed the connection without an answer: it may be busy"],
]);

function failureAt(
  relay: RelayAddress,
  parts: Omit<FailureParts, "where">,
): Failure {
  return new Failure("relay", {
    ...parts,
    where: formatEndpoint(relay),
  });
}

function whyOf(error: unknown): string {
  const why = describeCause(error);
  return isHangUp(error) && !isNoRoom(error)
    ? `${why} at each attempt: it may have too many connections from your address`
    : why;
}
