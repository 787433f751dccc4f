/**
 * The text in which a client keeps the nodes of its relays between runs: a line
 * for each node of each relay, with the record that the node signed. Pure.
 *
 * @module
 */

import { CLOSED, wrongField } from "../base/checks.ts";
import type { Limits } from "../base/limits.ts";
import type { ListedRecord } from "../protocol/messages.ts";
import { KEPT_FIELDS } from "./kept_checks.ts";
import type { KeptNode } from "./kept_schema.ts";
import type { ListedNode } from "./nodes.ts";

export type { KeptNode } from "./kept_schema.ts";

/** What a relay has listed. */
export interface KeptListing {
  /** The address of the relay. */
  readonly relay: string;
  readonly relayId: string;
  readonly nodes: readonly ListedNode[];
  /** Whether the list is complete. */
  readonly isWhole: boolean;
  /** Whether grants may be kept. */
  readonly withGrants: boolean;
  /** The time of the listing, in seconds since 1970. */
  readonly at: number;
}

const HEADING = "relay-p2p nodes 1";

/** The nodes in a text. Ignores lines in any other format. */
export function parseKept(text: string): KeptNode[] {
  const [heading, ...lines] = text.split("\n");
  if (heading !== HEADING) return [];
  return lines.flatMap((line) => {
    const node = parseLine(line);
    return node === undefined ? [] : [node];
  });
}

function parseLine(line: string): KeptNode | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined; // not JSON
  }
  if (wrongField(value, KEPT_FIELDS, CLOSED) !== undefined) {
    return undefined;
  }
  const node = value as KeptNode;
  return formatLine(node) === line ? node : undefined;
}

/** Text of the newest nodes that fit into the limits. */
export function formatKept(
  nodes: readonly KeptNode[],
  { knownNodeCount, knownNodesBytes }: Limits,
): string {
  const encoder = new TextEncoder();
  const lines = [HEADING];
  let bytes = HEADING.length + 1;
  const newest = nodes.toSorted((a, b) => b.at - a.at);
  for (const node of newest.slice(0, knownNodeCount)) {
    const line = formatLine(node);
    bytes += encoder.encode(line).length + 1;
    if (bytes > knownNodesBytes) break;
    lines.push(line);
  }
  return `${lines.join("\n")}\n`;
}

function formatLine({ grant, ...node }: KeptNode): string {
  const { relay, relayId, node: id, at, ...signed } = node;
  const { record, certificate, signature, observed } = signed;
  return JSON.stringify({
    ...{ relay, relayId, node: id, at },
    ...{ record, certificate, signature, observed },
    ...grant === undefined ? {} : { grant },
  });
}

/**
 * What is kept after a relay has listed nodes. A complete list replaces all
 * kept nodes of that relay; a partial one adds to them.
 */
export function withListing(
  kept: readonly KeptNode[],
  listing: KeptListing,
  { knownNodesMs }: Limits,
): KeptNode[] {
  const { relay, relayId, at, isWhole } = listing;
  const listed = listing.nodes.map((node) => keptOf(node, listing));
  const ids = new Set(listed.map(({ node }) => node));
  const others = kept.filter((one) => {
    if (at - one.at > knownNodesMs / 1000) return false;
    if (one.relay !== relay) return true;
    return !isWhole && one.relayId === relayId && !ids.has(one.node);
  });
  return [...listed, ...others];
}

/** Whether a listing repeats what was kept a moment ago. */
export function isKept(
  kept: readonly KeptNode[],
  { relay, nodes, isWhole, at }: KeptListing,
  { knownNodesFreshMs }: Limits,
): boolean {
  const ofRelay = kept.filter((one) => one.relay === relay);
  if (isWhole && ofRelay.length !== nodes.length) return false;
  const fresh = new Set(
    ofRelay.filter((one) => at - one.at < knownNodesFreshMs / 1000)
      .map(({ record }) => record),
  );
  return nodes.every(({ signed }) => fresh.has(signed.record));
}

function keptOf(
  { id, signed, grant }: ListedNode,
  { relay, relayId, at, withGrants }: KeptListing,
): KeptNode {
  const { record, certificate, signature, observed = [] } = signed;
  return {
    ...{ relay, relayId, node: id, at },
    ...{ record, certificate, signature, observed },
    ...grant === undefined || !withGrants ? {} : { grant: grant.text },
  };
}

/** The record of a kept node, as its relay listed it. */
export function recordOf(
  { record, certificate, signature, observed }: KeptNode,
): ListedRecord {
  // A tunnel needs its relay.
  return { record, certificate, signature, observed };
}
