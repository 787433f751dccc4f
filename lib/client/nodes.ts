/**
 * Reads the relay's list of active nodes page by page, and checks each entry
 * against the record that the node signed.
 *
 * @module
 */

import type { Channel } from "../protocol/channel.ts";
import type { Endpoint } from "../base/conn.ts";
import { ProtocolError } from "../base/errors.ts";
import {
  DIRECTION,
  type ListedRecord,
  type MessageOf,
} from "../protocol/messages.ts";
import { readRegistration } from "../protocol/signed_record.ts";
import { encodeFingerprints, indexKeyId } from "../content/fingerprints.ts";
import type { Limits } from "../base/limits.ts";
import { show } from "../base/text.ts";
import type { ListBounds } from "./list_bounds.ts";
import { type Access, accessFailure } from "../access/credentials.ts";

/** A grant from the relay. */
export interface ListedGrant {
  /** The text to show to the node. A secret. */
  readonly text: string;
  /** When it arrived, in milliseconds on the monotonic clock. */
  readonly listedAt: number;
}

/** An active node, as the relay lists it. */
export interface ListedNode {
  /** Its number in the listing, from 1. */
  readonly number: number;
  /** Its id. */
  readonly id: string;
  /** Its display name: text from a stranger. */
  readonly name: string;
  /**
   * The addresses to dial: first those where the relay saw it, then in its own
   * order.
   */
  readonly addresses: readonly Endpoint[];
  /** Its certificate, DER; the id is the hash of its key. */
  readonly certificate: Uint8Array;
  /** Whether it can be reached through the relay. */
  readonly isAttached: boolean;
  /** The node's signed record, which the rest was read from. */
  readonly signed: ListedRecord;
  /** What the relay's index knows of it, if it was asked and knows all names. */
  readonly index?: {
    /** Fingerprints of names and contents. */
    readonly fingerprints: number;
    /** Seconds since the node last sent some. */
    readonly seconds: number;
  };
  /** The grant to show to it, if the relay is private. */
  readonly grant?: ListedGrant;
  /** The address of the relay that lists it; by default the only one. */
  readonly relay?: string;
  /** The same node, as further relays list it. */
  readonly others?: readonly ListedNode[];
}

/** A node as each of its relays lists it. */
export function entriesOf(node: ListedNode): readonly ListedNode[] {
  return node.others === undefined ? [node] : [node, ...node.others];
}

/** The addresses of the relays that list a node. */
export function relaysOf(node: ListedNode): string[] {
  return entriesOf(node).flatMap(({ relay }) =>
    relay === undefined ? [] : [relay]
  );
}

/** The relay's answer. */
export interface NodeListing {
  /** The relay's greeting: text from a stranger. */
  readonly greeting: string;
  /** Id of the relay. */
  readonly relayId: string;
  /** The nodes with a lease. */
  readonly nodes: readonly ListedNode[];
  /** Seconds since the relay started, while nodes may still be returning. */
  readonly uptime?: number;
  /**
   * How many nodes have a lease, if `nodes` are only those that may have what
   * was asked for.
   */
  readonly countOfAll?: number;
}

/** Makes the fingerprints of what is wanted, under a key. */
export type FingerprintsFor = (key: Uint8Array) => readonly number[];

interface ListingOptions {
  readonly relayId: string;
  /** Nodes in the list, at most. */
  readonly most: number;
  /** Bounds all pages together. */
  readonly bounds: ListBounds;
  readonly access: Access;
  readonly where: string;
}

/**
 * Reads all pages of a listing: each node once, at most `most` of them. Stops
 * at a page without a new node.
 *
 * @throws {ProtocolError} if the relay gives another answer, or closes the connection.
 * @throws {Stopped} if the list is too large, or comes too slowly.
 */
export async function listAll(
  channel: Channel,
  options: ListingOptions,
): Promise<ListedNode[]> {
  const nodes = new Map<string, ListedNode>();
  await readPages(channel, { kind: "list" }, { ...options, nodes });
  return [...nodes.values()];
}

/**
 * The node that a link names as its sender, if it is there; otherwise all nodes.
 *
 * @throws {ProtocolError} like {@linkcode listAll}.
 */
export async function listSender(
  channel: Channel,
  { sender, ...options }: ListingOptions & { readonly sender: string },
): Promise<ListedNode[]> {
  const nodes = new Map<string, ListedNode>();
  const list = { kind: "list", sender } as const;
  await readPages(channel, list, { ...options, nodes });
  const found = [...nodes.values()].filter(({ id }) => id.startsWith(sender));
  return found.length > 0 ? found : await listAll(channel, options);
}

/**
 * The nodes that may have something, as the relay's index says, and how many
 * there are in all. If there are at most `askAllCount`, if the relay keeps no
 * index, or if too many nodes may have it, all of them; then without numbers.
 * Of the nodes, `unindexedCount` are listed for any name.
 *
 * @throws {ProtocolError} like {@linkcode listAll}.
 */
export async function listSome(
  channel: Channel,
  options: ListingOptions & {
    readonly fingerprintsFor: FingerprintsFor;
    /** The key in place of the relay's. */
    readonly indexKey?: Uint8Array | undefined;
    readonly limits: Limits;
  },
): Promise<
  { nodes: ListedNode[]; countOfAll?: number; unindexedCount?: number }
> {
  const { fingerprintsFor, indexKey, limits } = options;
  const nodes = new Map<string, ListedNode>();
  const list = { kind: "list", most: limits.askAllCount } as const;
  const first = await readPages(channel, list, { ...options, nodes });
  if (first.index === undefined) return { nodes: [...nodes.values()] };
  const fingerprints = fingerprintsFor(
    indexKey ?? Uint8Array.fromBase64(first.index.key),
  );
  const key = indexKey === undefined ? {} : { key: indexKeyId(indexKey) };
  let countOfAll = first.count;
  let unindexedCount = 0;
  for (let at = 0; at < fingerprints.length; at += limits.indexAskedCount) {
    const asked = fingerprints.slice(at, at + limits.indexAskedCount);
    const page = await readPages(
      channel,
      { ...list, ...key, fingerprints: encodeFingerprints(asked) },
      { ...options, nodes },
    );
    // The relay has listed all nodes. Nodes that were listed before stay in the list.
    if (page.index === undefined) return { nodes: [...nodes.values()] };
    countOfAll = page.count;
    unindexedCount = page.index.unindexed;
  }
  return { nodes: [...nodes.values()], countOfAll, unindexedCount };
}

/** What to list: a sender, the nodes that may have something, or all nodes. */
export interface WantedNodes {
  /** Only the node whose id begins with this, while the relay lists it. */
  readonly sender?: string | undefined;
  /** Only nodes that may have one of these, if the relay can find them. */
  readonly fingerprintsFor?: FingerprintsFor | undefined;
}

/** Lists what is wanted, by {@linkcode listSome} or one of the others. */
export async function listWanted(
  channel: Channel,
  { sender, fingerprintsFor }: WantedNodes,
  options: Omit<Parameters<typeof listSome>[1], "fingerprintsFor">,
): Promise<Awaited<ReturnType<typeof listSome>>> {
  if (sender !== undefined) {
    return { nodes: await listSender(channel, { ...options, sender }) };
  }
  return fingerprintsFor === undefined
    ? { nodes: await listAll(channel, options) }
    : await listSome(channel, { ...options, fingerprintsFor });
}

/**
 * Adds the nodes of all pages of one listing; returns the last page, or the
 * first that does not come from an index where others did.
 */
async function readPages(
  channel: Channel,
  list: MessageOf<"list">,
  { nodes, ...options }: ListingOptions & { nodes: Map<string, ListedNode> },
): Promise<MessageOf<"nodes">> {
  const { relayId, most } = options;
  /** Nodes of this listing: others may have been added before. */
  const seen = new Set<string>();
  let isIndexed: boolean | undefined;
  for (let message = list;;) {
    const page = await listPage(channel, message, options);
    options.bounds.arrived(page.nodes);
    isIndexed ??= page.index !== undefined;
    // Too many nodes may have it by now: the list starts again, with all nodes.
    if (isIndexed && page.index === undefined) {
      return await readPages(channel, { kind: "list" }, { ...options, nodes });
    }
    const before = seen.size;
    const listedAt = performance.now();
    for (const [index, signed] of page.nodes.entries()) {
      const node = listedNode(signed, relayId, nodes.size + 1);
      if (node === undefined) continue;
      seen.add(node.id);
      if (!nodes.has(node.id)) {
        const text = page.grants?.[index];
        const grant = text === undefined ? {} : { grant: { text, listedAt } };
        nodes.set(node.id, { ...node, ...grant });
      }
      if (nodes.size >= most) return page;
    }
    const { cursor } = page;
    if (cursor === undefined || seen.size === before) return page;
    message = isIndexed ? { ...list, cursor } : { kind: "list", cursor };
  }
}

/**
 * A node of a listing, if its record is valid. The signature is checked before
 * dialling.
 */
export function listedNode(
  signed: ListedRecord,
  relayId: string,
  number: number,
): ListedNode | undefined {
  const verdict = readRegistration(signed);
  if (verdict.kind === "refused") return undefined;
  const { id, name, certificate, purpose, relay } = verdict.registration;
  if (purpose !== "register" || relay !== relayId) return undefined;
  return {
    number,
    id,
    name,
    addresses: observedFirst(verdict.registration.addresses, signed.observed),
    certificate,
    isAttached: signed.tunnel ?? false,
    signed,
  };
}

/** Anybody can claim the other addresses, and send clients there. */
function observedFirst(
  addresses: readonly Endpoint[],
  observed: readonly number[] = [],
): Endpoint[] {
  const places = new Set(observed);
  const isSeen = (_address: Endpoint, place: number) => places.has(place);
  return [
    ...addresses.filter(isSeen),
    ...addresses.filter((address, place) => !isSeen(address, place)),
  ];
}

async function listPage(
  channel: Channel,
  message: MessageOf<"list">,
  { access, where }: ListingOptions,
): Promise<MessageOf<"nodes">> {
  await channel.send(message);
  const answer = await channel.receive(DIRECTION.relayToClient);
  if (answer?.kind === "nodes") return answer;
  const denied = answer?.kind === "refused"
    ? accessFailure(answer, { where, access })
    : undefined;
  if (denied !== undefined) throw denied;
  throw new ProtocolError(
    answer === null ? "truncated" : "wrong_phase",
    answer === null
      ? "the relay closed the connection"
      : answer.kind === "refused"
      ? `the relay refused: ${show(answer.text)} (${show(answer.code)})`
      : "the relay sent an unexpected answer",
  );
}
