/**
 * Examines a relay from outside: whether it answers, which identity it proves,
 * which version it runs, and whether its clock agrees with this one.
 *
 * @module
 */

import { type Access, AccessFailure } from "../access/credentials.ts";
import type { RelayAddress } from "../base/address.ts";
import { formatEndpoint } from "../base/conn.ts";
import { Failure } from "../base/errors.ts";
import type { KnownRelays } from "../identity/known_relays.ts";
import type { Limits } from "../base/limits.ts";
import type { Hello } from "../protocol/messages.ts";
import {
  RelayDialer,
  type RelayDialEvent,
  type RelaySession,
} from "../uplink/relay_dialer.ts";
import {
  ClockFailure,
  IdentityFailure,
  OutdatedFailure,
} from "../uplink/relay_failures.ts";
import { show } from "../base/text.ts";
import { PROTOCOL_VERSION, VERSION } from "../base/version.ts";
import type { Findings } from "./check.ts";

/** Options of every examination. */
export interface ExaminationOptions {
  /** The relay to examine. */
  readonly relay: RelayAddress;
  /** Whether to connect without encryption. */
  readonly plaintext: boolean;
  /** The credentials for a private relay. */
  readonly access: Access;
  /** Relays met before, and the file to remember new ones in. */
  readonly knownRelays?: KnownRelays | undefined;
  /** Whether to examine tunnels. */
  readonly tunnels: boolean;
  readonly limits: Limits;
  /** Stops when aborted. */
  readonly signal: AbortSignal;
  /** All addresses of a name; by default those that the system knows. */
  readonly resolve?: ((name: string) => Promise<readonly string[]>) | undefined;
  /** Called for the relay's announcements. */
  readonly onEvent: (event: RelayDialEvent) => void;
}

/** A relay after its hello. The caller closes the session's channel. */
export interface MetRelay {
  /** Connects to the relay. */
  readonly dialer: RelayDialer;
  /** The session with the relay. */
  readonly session: RelaySession;
}

/**
 * Connects to the relay; `undefined` if that fails.
 *
 * @throws {Failure} of kind `usage` for options that exclude each other, of
 * kind `interrupted` if `signal` was aborted.
 */
export async function checkRelay(
  options: ExaminationOptions,
  { role, findings }: { role: "node" | "client"; findings: Findings },
): Promise<MetRelay | undefined> {
  const { relay, limits, signal } = options;
  const met: RelayDialEvent["event"][] = [];
  const dialer = new RelayDialer(relay, {
    role,
    plaintext: options.plaintext,
    access: options.access,
    knownRelays: options.knownRelays,
    limits,
    onEvent: (event) => {
      met.push(event.event);
      options.onEvent(event);
    },
  });
  const at = formatEndpoint(relay);
  const startedAt = performance.now();
  const askedAt = Date.now();
  try {
    const idleMs = limits.attachedIdleMs;
    const session = await dialer.open(signal, { idleMs });
    const ms = performance.now() - startedAt;
    findings.ok("relay", `${at} answers, after ${Math.ceil(ms)} ms`);
    reportIdentity(options, { met, id: session.id, findings });
    reportVersions(session.hello, findings);
    reportClock(session.hello, { askedAt, ms, limits, findings });
    return { dialer, session };
  } catch (error) {
    if (!(error instanceof Failure) || error.kind === "interrupted") {
      throw error;
    }
    if (error instanceof AccessFailure) {
      findings.ok("relay", `${at} answers`);
      findings.failed("access", error);
    } else if (error instanceof IdentityFailure) {
      findings.ok("relay", `${at} answers`);
      findings.failed("identity", error);
    } else if (error instanceof ClockFailure) {
      findings.ok("relay", `${at} answers`);
      findings.failed("clock", error);
    } else if (error instanceof OutdatedFailure) {
      findings.ok("relay", `${at} answers`);
      reportIdentity(options, { met, findings });
      findings.failed("versions", error);
    } else findings.failed("relay", error);
    return undefined;
  }
}

function reportIdentity(
  { relay, plaintext, knownRelays }: ExaminationOptions,
  { met, id, findings }: {
    met: readonly RelayDialEvent["event"][];
    id?: string;
    findings: Findings;
  },
): void {
  const path = show(knownRelays?.path ?? "");
  if (plaintext) {
    findings.warn(
      "identity",
      "nothing is encrypted: any program that answers there is accepted as the relay",
      { remedyCode: "encrypt" },
    );
  } else if (met.includes("relay_unverified")) {
    findings.warn(
      "identity",
      "not verified: any program that answers there is accepted as the relay",
      id === undefined
        ? "give its relay address in place of host and port"
        : `give p2p://${
          formatEndpoint(relay)
        }/${id} in place of host and port, if that is its id`,
    );
  } else if (met.includes("relay_remembered")) {
    findings.warn(
      "identity",
      `met for the first time, and remembered in ${path}`,
      `compare the id there with what the relay prints`,
    );
  } else {
    findings.ok(
      "identity",
      relay.id === undefined
        ? `it proves to be the relay that ${path} remembers`
        : "it proves to be the relay that its address names",
    );
  }
}

function reportVersions({ version }: Hello, findings: Findings): void {
  const theirs = version === undefined
    ? "the relay does not report its version"
    : `the relay is ${show(version)}`;
  findings.ok(
    "versions",
    `this is ${VERSION}, ${theirs}; both speak protocol ${PROTOCOL_VERSION}`,
  );
}

/**
 * Compares the clocks. The relay's time was taken within the `ms` of
 * connecting.
 */
function reportClock(
  { time }: Hello,
  { askedAt, ms, limits, findings }: {
    askedAt: number;
    ms: number;
    limits: Limits;
    findings: Findings;
  },
): void {
  if (time === undefined) {
    return findings.ok(
      "clock",
      "the relay does not report its time; its certificate is valid by this clock",
    );
  }
  const aheadMs = time - (askedAt + ms / 2);
  const seconds = Math.abs(aheadMs / 1000).toFixed(1);
  const is = aheadMs > 0 ? "ahead of" : "behind";
  const says = `the relay's clock is ${seconds} s ${is} this one`;
  if (Math.abs(aheadMs) <= limits.clockSkewMs + ms / 2) {
    return findings.ok("clock", says);
  }
  findings.warn("clock", says, "correct the wrong clock");
}

/** Reports that a private relay has admitted this peer. */
export function reportAccess(
  { session, dialer }: MetRelay,
  findings: Findings,
): void {
  if (!session.isPrivate && dialer.access.token !== undefined) {
    return findings.warn(
      "access",
      "the relay is open, although a token is given: anyone who can reach it " +
        "may list and fetch",
      "run the relay with its secret again, or leave the token out",
    );
  }
  findings.ok(
    "access",
    session.isPrivate
      ? "the relay is private, and accepts the token"
      : "the relay is open: anyone who can reach it may use it",
  );
}
