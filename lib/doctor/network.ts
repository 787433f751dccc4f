/**
 * Looks for relays that announce themselves on the local network.
 *
 * @module
 */

import type { RelayAddress } from "../base/address.ts";
import { formatEndpoint } from "../base/conn.ts";
import { describeCause } from "../base/errors.ts";
import { counted, show } from "../base/text.ts";
import { findRelays } from "../transport/announce.ts";

/** Options of {@linkcode lookAround}. */
export interface LookAroundOptions {
  /** The relay that is examined. */
  readonly relay: RelayAddress;
  /** The UDP port, if not the protocol's. */
  readonly port?: number | undefined;
  readonly signal: AbortSignal;
}

/** One line about the relays on the local network. Never throws. */
export async function lookAround(
  { relay, port, signal }: LookAroundOptions,
): Promise<string> {
  try {
    const found = await findRelays({
      ...(port === undefined ? {} : { port }),
      signal,
    });
    if (found.length === 0) return "no relay announces itself here";
    const names = found.map((each) =>
      `${show(each.name)} at ${formatEndpoint(each)}${
        each.id === relay.id ? ", with the id of this one" : ""
      }`
    );
    const verb = found.length === 1
      ? "announces itself"
      : "announce themselves";
    return `${counted(found.length, "relay")} ${verb} here: ${
      names.join("; ")
    }`;
  } catch (error) {
    return `cannot look for relays on this network:  ${describeCause(error)}`;
  }
}
