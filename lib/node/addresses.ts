/**
 * Which addresses a node registers. Pure.
 *
 * @module
 */

import {
  isIpv4,
  isIpv6,
  isLan,
  isUnspecified,
  unlistableReason,
} from "../base/address.ts";
import type { Endpoint } from "../base/conn.ts";

/** A connection of the node to its relay, as both ends see it. */
export interface WayToRelay {
  /** The host of this end. */
  readonly local: string;
  /** The host from which the node connects, as the relay claims. */
  readonly observed?: string | undefined;
  /** Whether the relay has dialled the node there, and it answered. */
  readonly isReached: boolean;
}

/** The facts that decide which addresses a node registers. */
export interface AddressFacts {
  /** Where it listens. */
  readonly bound: Endpoint;
  /** The address that its owner gave. */
  readonly advertise?: { readonly host: string; readonly port?: number };
  /** Whether addresses of a local network may be registered. */
  readonly lan: boolean;
  /** Ways to the relay, the one of this connection first. */
  readonly ways: readonly WayToRelay[];
}

/**
 * The addresses for clients, most useful first: those at which the relay reached
 * the node, then those of this machine. If all are left out, the host that the
 * relay sees, so there is always one.
 */
export function addressesOf(
  { bound, advertise, lan, ways }: AddressFacts,
): Endpoint[] {
  const port = advertise?.port ?? bound.port;
  if (advertise !== undefined) return [{ host: advertise.host, port }];
  if (!isUnspecified(bound.host)) return [bound];
  const isOpen = (host: string | undefined): host is string =>
    host !== undefined && isHere(host, bound) &&
    unlistableReason({ host, port }) === undefined;
  const seen = ways.map(({ observed }) => observed).filter(isOpen);
  const reached = ways.filter(({ isReached }) => isReached)
    .map(({ observed }) => observed).filter(isOpen);
  const own = ways.map(({ local }) => local).filter(isOpen)
    .filter((host) => lan || !isLan(host) || seen.includes(host));
  const hosts = new Set([...reached, ...own]);
  if (hosts.size === 0) hosts.add(seen[0] ?? ways[0]!.local);
  return [...hosts].map((host) => ({ host, port }));
}

/** Whether `host` is an address of a family that the node listens at. */
function isHere(host: string, bound: Endpoint): boolean {
  return isIpv4(host) || (isIpv6(host) && bound.host === "::");
}
