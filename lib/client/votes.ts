/**
 * Which vote a node's offer counts for if nodes have different contents.
 *
 * @module
 */

import { addressGroup, isLoopback } from "../base/address.ts";
import type { NodeSession } from "../transfer/session.ts";

const THROUGH_RELAY = "through the relay";

/**
 * Ids are free to make, and addresses are not: what counts is where a node was
 * reached, whatever it says of itself. On loopback there is one address for all,
 * and each node counts; of nodes behind tunnels no address is known, and they
 * count as one.
 */
export function votesAs(
  node: string,
  { path, remote }: Pick<NodeSession, "path" | "remote">,
): string {
  if (path === "tunnel") return THROUGH_RELAY;
  return isLoopback(remote.host) ? node : addressGroup(remote.host);
}
