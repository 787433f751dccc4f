/**
 * Reads a relay's answer about the holders of a content, and checks each entry
 * against the record that the holder signed.
 *
 * @module
 */

import type { Endpoint } from "../base/conn.ts";
import type { ListedHolderRecord, MessageOf } from "../protocol/messages.ts";
import { readRegistration } from "../protocol/signed_record.ts";

/** A holder, as the relay lists it. A client dials it as it dials a node. */
export interface ListedHolder {
  /** Its number in the answer, from 1. */
  readonly number: number;
  /** The id of its key. */
  readonly id: string;
  /** Holders have no name. */
  readonly name: string;
  /**
   * The addresses to dial: first those where the relay saw it. Others only if it
   * comes from the same address as this client, because anybody can claim them,
   * and send clients there.
   */
  readonly addresses: readonly Endpoint[];
  /** Its certificate, DER; the id is the hash of its key. */
  readonly certificate: Uint8Array;
  /** Holders have no tunnels. */
  readonly isAttached: false;
  /** Its signed record, which the rest was read from. */
  readonly signed: ListedHolderRecord;
  /** The address of the relay that lists it, if a client asks several. */
  readonly relay?: string;
  /** The grant to show to it, if the relay is private. */
  readonly grant?: { readonly text: string; readonly listedAt: number };
}

/** The holders in an answer that can be dialled, each once. */
export function listedHolders(
  { holders, grants }: MessageOf<"holderList">,
  relayId: string,
): ListedHolder[] {
  const listed = new Map<string, ListedHolder>();
  const listedAt = performance.now();
  for (const [index, signed] of holders.entries()) {
    const text = grants?.[index];
    const holder = listedHolder(signed, relayId);
    if (holder === undefined || listed.has(holder.id)) continue;
    listed.set(holder.id, {
      ...holder,
      number: listed.size + 1,
      ...text === undefined ? {} : { grant: { text, listedAt } },
    });
  }
  return [...listed.values()];
}

/** The signature is checked before dialling. */
function listedHolder(
  signed: ListedHolderRecord,
  relayId: string,
): Omit<ListedHolder, "number"> | undefined {
  const verdict = readRegistration(signed);
  if (verdict.kind === "refused") return undefined;
  const { id, name, certificate, purpose, relay, addresses } =
    verdict.registration;
  if (purpose !== "hold" || relay !== relayId) return undefined;
  const seen = new Set(signed.observed);
  const observed = addresses.filter((_, place) => seen.has(place));
  const claimed = addresses.filter((_, place) => !seen.has(place));
  const dialled = signed.near ? [...observed, ...claimed] : observed;
  if (dialled.length === 0) return undefined;
  return {
    id,
    name,
    addresses: dialled,
    certificate,
    isAttached: false,
    signed,
  };
}
