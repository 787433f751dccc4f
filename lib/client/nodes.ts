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
import { show } from "../base/text.ts";
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
  /** Its display name: a stranger's words. */
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
  /** The grant to show to it, if the relay is private. */
  readonly grant?: ListedGrant;
}

/** The relay's answer. */
export interface NodeListing {
  /** The relay's greeting: a stranger's words. */
  readonly greeting: string;
  /** Id of the relay. */
  readonly relayId: string;
  /** The nodes with a lease. */
  readonly nodes: readonly ListedNode[];
  /** Seconds since the relay started, while nodes may still be returning. */
  readonly uptime?: number;
}

/**
 * Reads all pages of a listing: each node once, at most `most` of them. Stops
 * at a page without a new node.
 *
 * @throws {ProtocolError} if the relay gives another answer, or hangs up.
 */
export async function listAll(
  channel: Channel,
  { relayId, most, access, where }: {
    relayId: string;
    most: number;
    access: Access;
    where: string;
  },
): Promise<ListedNode[]> {
  const nodes = new Map<string, ListedNode>();
  let cursor: string | undefined;
  for (;;) {
    const page = await listPage(channel, { cursor, access, where });
    const before = nodes.size;
    const listedAt = performance.now();
    for (const [index, signed] of page.nodes.entries()) {
      const node = listedNode(signed, relayId, nodes.size + 1);
      if (node !== undefined && !nodes.has(node.id)) {
        const text = page.grants?.[index];
        const grant = text === undefined ? {} : { grant: { text, listedAt } };
        nodes.set(node.id, { ...node, ...grant });
      }
      if (nodes.size >= most) return [...nodes.values()];
    }
    cursor = page.cursor;
    if (cursor === undefined || nodes.size === before) {
      return [...nodes.values()];
    }
  }
}

/**
 * A node of a listing, if its record is valid. The signature is checked before
 * dialling.
 */
function listedNode(
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
  { cursor, access, where }: {
    cursor: string | undefined;
    access: Access;
    where: string;
  },
): Promise<MessageOf<"nodes">> {
  await channel.send({
    kind: "list",
    ...(cursor === undefined ? {} : { cursor }),
  });
  const answer = await channel.receive(DIRECTION.relayToClient);
  if (answer?.kind === "nodes") return answer;
  const denied = answer?.kind === "refused"
    ? accessFailure(answer, { where, access })
    : undefined;
  if (denied !== undefined) throw denied;
  throw new ProtocolError(
    answer === null ? "truncated" : "wrong_phase",
    answer === null
      ? "the relay hung up"
      : answer.kind === "refused"
      ? `the relay refused: ${show(answer.text)} (${show(answer.code)})`
      : "the relay answered something else",
  );
}
