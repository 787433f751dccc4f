/**
 * Examines tunnels: whether the relay offers them, whether their port is
 * reachable, and whether a tunnel works from end to end.
 *
 * @module
 */

import { distinctNames } from "../client/node_names.ts";
import type { ListedNode } from "../client/nodes.ts";
import { TunnelPath } from "../client/tunnel_path.ts";
import { formatEndpoint } from "../base/conn.ts";
import { describeCause, Failure, isBug } from "../base/errors.ts";
import type { RelayDialer } from "../uplink/relay_dialer.ts";
import { show } from "../base/text.ts";
import { dial } from "../transport/dial.ts";
import { TunnelRefused } from "../transport/join.ts";
import type { Findings } from "./check.ts";
import type { ExaminationOptions, MetRelay } from "./relay.ts";

/** Checks whether this machine can reach the ports for tunnels. */
export async function checkEntrances(
  { session, dialer }: MetRelay,
  { options, findings }: { options: ExaminationOptions; findings: Findings },
): Promise<boolean> {
  const { limits, signal, plaintext } = options;
  if (!options.tunnels) {
    findings.ok("tunnels", "turned off");
    return false;
  }
  const [entrance] = session.entrances;
  if (entrance === undefined) {
    findings.warn(
      "tunnels",
      "the relay offers none: nodes that cannot be dialled cannot be reached",
      { remedyCode: "relay_with_tunnels" },
    );
    return false;
  }
  findings.ok("tunnels", "the relay offers them");
  if (entrance.port === dialer.relay.port) return true;
  const at = formatEndpoint(entrance);
  try {
    const timeoutMs = limits.connectMs;
    using _conn = await dial(entrance, { peer: null, timeoutMs, signal });
    findings.ok("tunnel_port", `${at} can be reached`);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (isBug(error)) throw error;
    const why = describeCause(error);
    if (plaintext) {
      findings.failed("tunnel_port", cannotJoin(at, why));
      return false;
    }
    findings.warn(
      "tunnel_port",
      `${at} cannot be reached: ${why}; tunnels go through the relay's own port`,
      "open it in the relay's firewall, which saves the relay work",
    );
    return true;
  }
}

/**
 * Joins a tunnel to the first of `nodes` that allows it, and closes it again.
 */
export async function checkTunnel(
  nodes: readonly ListedNode[],
  { dialer, options, findings }: {
    dialer: RelayDialer;
    options: ExaminationOptions;
    findings: Findings;
  },
): Promise<void> {
  const { plaintext, limits, signal } = options;
  await using way = new TunnelPath({ dialer, plaintext, limits });
  let failure: Failure | undefined;
  const names = distinctNames(nodes);
  for (const node of nodes.slice(0, limits.tunnelTrialCount)) {
    const name = show(names.get(node.id)!);
    const startedAt = performance.now();
    try {
      using _conn = await way.open(node, signal);
      const ms = Math.ceil(performance.now() - startedAt);
      return findings.ok("tunnel", `joined to ${name}, in ${ms} ms`);
    } catch (error) {
      signal.throwIfAborted();
      if (isBug(error)) throw error;
      if (error instanceof TunnelRefused && DISCONNECTED.includes(error.code)) {
        continue; // since it was listed
      }
      const why = error instanceof TunnelRefused
        ? `the relay refused: ${show(error.text)} (${show(error.code)})`
        : describeCause(error);
      failure ??= cannotJoin(name, why);
    }
  }
  if (failure !== undefined) return findings.failed("tunnel", failure);
  findings.ok("tunnel", "no node is attached, so no tunnel could be tried");
}

/** The codes with which a relay refuses a tunnel to a node that has stopped. */
const DISCONNECTED: readonly string[] = [
  "unknown_node",
  "not_attached",
  "node_gone",
];

function cannotJoin(where: string, why: string): Failure {
  return new Failure("relay", {
    what: "Cannot join tunnel",
    where,
    why,
    remedy: "check that the relay's ports are open, and run this again",
  });
}
