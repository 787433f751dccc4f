/**
 * Checks the signed records that other instances of the relay send, as if
 * unknown peers had sent them: form, purpose, relay and size, and then the
 * certificate and signature.
 *
 * @module
 */

import {
  addressGroup,
  isIpv4,
  isIpv6,
  withoutMapping,
} from "../base/address.ts";
import { isShared } from "../guard/admission.ts";
import type { SignedRecord } from "../protocol/messages.ts";
import {
  type OpenedRecord,
  openRegistration,
  readRegistration,
} from "../protocol/signed_record.ts";
import type { RelayContext } from "./context.ts";

/** A record, and the host that its peer connected from. */
export interface SentRecord extends SignedRecord {
  readonly host: string;
}

/** A record that passed all checks. */
export interface ReplicatedRecord {
  readonly registration: OpenedRecord;
  /** The record as it is stored. */
  readonly entry: string;
  readonly listedBytes: number;
  /** The address group of its host, and what limits count it under. */
  readonly group: string;
  readonly source: string;
}

/** Options of {@linkcode openReplicated}. */
export interface ReplicatedOptions {
  /** This instance of the relay. */
  readonly relay: Pick<RelayContext, "id" | "entries" | "limits">;
  readonly purpose: OpenedRecord["purpose"];
  /** The id under which the other instance has it. */
  readonly id: string;
  /** An entry of that id whose signature was checked before. */
  readonly known?: string | undefined;
  /** Checks the rest of the record before its signature. */
  readonly isRight?: (record: OpenedRecord) => boolean;
}

/** The record; `undefined` if something in it is wrong. */
export async function openReplicated(
  { host, ...signed }: SentRecord,
  { relay, purpose, id, known, isRight = () => true }: ReplicatedOptions,
): Promise<ReplicatedRecord | undefined> {
  const read = readRegistration(signed);
  if (read.kind === "refused" || !(isIpv4(host) || isIpv6(host))) {
    return undefined;
  }
  const { registration } = read;
  const isMeant = registration.id === id && registration.relay === relay.id &&
    registration.purpose === purpose && isRight(registration);
  if (!isMeant) return undefined;
  const observed = [...registration.addresses.keys()].filter((index) =>
    withoutMapping(registration.addresses[index]!.host) === host
  );
  const packed = relay.entries.pack({ signed, observed });
  if (packed.listedBytes > relay.limits.listedEntryBytes) return undefined;
  // The certificate and the signature cost half a millisecond.
  const isKnown = packed.entry === known;
  const isProven = isKnown ||
    (await openRegistration(signed)).kind !== "refused";
  if (!isProven) return undefined;
  const group = addressGroup(host);
  return {
    registration,
    ...packed,
    group,
    source: isShared(group) ? id : group,
  };
}

/** The value of JSON text; `undefined` if it is not JSON. */
export function parseItem(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON
  }
}
