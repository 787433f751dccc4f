/**
 * Examines what a client needs: its relay, the listed nodes, and tunnels to
 * them.
 *
 * @module
 */

import { AccessFailure } from "../access/credentials.ts";
import { ListBounds, whyNoList } from "../client/list_bounds.ts";
import { listAll, type ListedNode } from "../client/nodes.ts";
import { formatEndpoint } from "../base/conn.ts";
import { Failure, isBug } from "../base/errors.ts";
import type { Findings } from "./check.ts";
import { meetByOtherFamily } from "./families.ts";
import { checkRelay, type ExaminationOptions, reportAccess } from "./relay.ts";
import type { RelaySession } from "../uplink/relay_dialer.ts";
import { checkSwarm } from "./swarm.ts";
import { checkEntrances, checkTunnel } from "./tunnels.ts";

/** Options of {@linkcode examineClient}. */
export interface ClientExaminationOptions extends ExaminationOptions {
  /** Whether to examine that other clients can fetch from this machine. */
  readonly swarm?: boolean;
}

/**
 * Examines the relay, and through it the nodes.
 *
 * @throws {Failure} of kind `usage` for options that exclude each other, of
 * kind `interrupted` if `signal` was aborted.
 */
export async function examineClient(
  options: ClientExaminationOptions,
  findings: Findings,
): Promise<void> {
  const { signal } = options;
  const met = await checkRelay(options, { role: "client", findings });
  if (met === undefined) return;
  await using channel = met.session.channel;
  using _end = channel.endOn(signal);
  const parts = { options, role: "client", findings } as const;
  await (await meetByOtherFamily(met, parts))?.channel.close();
  try {
    const nodes = await nodesOf(met.session, options);
    reportAccess(met, findings);
    const says = `peer node count: ${nodes.length}`;
    if (nodes.length > 0) findings.ok("nodes", says);
    else findings.warn("nodes", says, "start a peer node");
    if (options.swarm) await checkSwarm(met, { options, findings });
    if (!await checkEntrances(met, { options, findings })) return;
    const attached = nodes.filter(({ isAttached }) => isAttached);
    await checkTunnel(attached, { dialer: met.dialer, options, findings });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AccessFailure) return findings.failed("access", error);
    if (isBug(error) || error instanceof Failure) throw error;
    findings.failed(
      "nodes",
      new Failure("relay", {
        what: "Cannot list nodes",
        where: formatEndpoint(options.relay),
        why: whyNoList(error),
      }),
    );
  }
}

async function nodesOf(
  { channel, id: relayId }: RelaySession,
  { limits, relay, access }: ClientExaminationOptions,
): Promise<ListedNode[]> {
  using bounds = new ListBounds(channel, limits);
  const most = limits.listingCount;
  const where = formatEndpoint(relay);
  return await listAll(channel, { relayId, most, access, where, bounds });
}
