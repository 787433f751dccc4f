/**
 * If the relay's name has IPv4 and IPv6 addresses, examines whether this
 * machine reaches the relay by both.
 *
 * @module
 */

import { isIpv4 } from "../base/address.ts";
import { formatEndpoint } from "../base/conn.ts";
import { Failure } from "../base/errors.ts";
import { otherAddressOf } from "../uplink/other_family.ts";
import { RelayDialer, type RelaySession } from "../uplink/relay_dialer.ts";
import type { Findings } from "./check.ts";
import type { ExaminationOptions, MetRelay } from "./relay.ts";

/** The name of the family that an address is of. */
export function familyOf(host: string): "IPv4" | "IPv6" {
  return isIpv4(host) ? "IPv4" : "IPv6";
}

/**
 * Meets the relay by its other family, and reports that; `undefined` if it has
 * none, or does not answer there. The caller closes the session's channel.
 */
export async function meetByOtherFamily(
  { session }: Pick<MetRelay, "session">,
  { options, role, findings }: {
    options: ExaminationOptions;
    role: "node" | "client";
    findings: Findings;
  },
): Promise<RelaySession | undefined> {
  const { relay, plaintext, access, limits, signal, resolve } = options;
  const { host: from } = session.channel.conn.remote;
  const host = await otherAddressOf(relay, from, resolve);
  if (host === undefined) return undefined;
  const at = { host, port: relay.port };
  const dialer = new RelayDialer(
    plaintext ? at : { ...at, id: session.id },
    {
      ...{ role, plaintext, access, limits },
      onEvent: () => {}, // reported already
    },
  );
  const [mine, other] = [familyOf(from), familyOf(host)];
  try {
    const met = await dialer.open(signal, { idleMs: limits.attachedIdleMs });
    findings.ok(
      "relay",
      `it answers by ${other} too, at ${formatEndpoint(at)}`,
    );
    return met;
  } catch (error) {
    if (!(error instanceof Failure) || error.kind === "interrupted") {
      throw error;
    }
    findings.warn(
      "relay",
      `this machine reaches it by ${mine} and not by ${other}, at ` +
        `${formatEndpoint(at)}: ${error.parts.why}`,
      `open its port for ${other}, or remove that address from its name`,
    );
    return undefined;
  }
}
