/**
 * Decides which vote a node's offer counts for if nodes have different
 * contents.
 *
 * @module
 */

import { addressGroup, isLoopback } from "../base/address.ts";
import type { NodeSession } from "../transfer/session.ts";

const THROUGH_RELAY = "through the relay";

/**
 * Ids are free to make and addresses are not, so a vote is the address at which
 * the node was reached, whatever it claims. On loopback all nodes share one
 * address, so each node counts. The addresses of nodes behind tunnels are
 * unknown, so these count as one.
 */
export function votesAs(
  node: string,
  { path, remote }: Pick<NodeSession, "path" | "remote">,
): string {
  if (path === "tunnel") return THROUGH_RELAY;
  return isLoopback(remote.host) ? node : addressGroup(remote.host);
}
